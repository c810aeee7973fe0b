//! A call end to end, against a small server that answers as a real one would.

use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Response};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::grpc::proto::customer_service_server::{CustomerService, CustomerServiceServer};
use crate::grpc::proto::{self, GetCustomerRequest, GetCustomerResponse};

use super::*;

/// Knows one customer, and asks for the key.
struct OneCustomer;

#[tonic::async_trait]
impl CustomerService for OneCustomer {
    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        let key = request.metadata().get("authorization");
        if key.and_then(|key| key.to_str().ok()) != Some("Bearer tl_test") {
            return Err(Status::unauthenticated("no such key"));
        }
        if request.get_ref().customer_ref != "cus_1" {
            let mut details = ErrorDetails::new();
            details
                .set_error_info("INVALID_FIELD", "threadline.v1", [])
                .add_bad_request_violation("customer_ref", "is not of our form")
                .add_bad_request_violation("source", "is too long");
            let status = Status::with_error_details(Code::InvalidArgument, "2 fields", details);
            return Err(status);
        }
        Ok(Response::new(GetCustomerResponse {
            customer_ref: "cus_1".to_owned(),
            contact_count: 3,
            ..GetCustomerResponse::default()
        }))
    }

    async fn upsert_customer(
        &self,
        _: Request<proto::UpsertCustomerRequest>,
    ) -> Result<Response<proto::UpsertCustomerResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn link_identifier(
        &self,
        _: Request<proto::LinkIdentifierRequest>,
    ) -> Result<Response<proto::LinkIdentifierResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn unlink_identifier(
        &self,
        _: Request<proto::UnlinkIdentifierRequest>,
    ) -> Result<Response<proto::UnlinkIdentifierResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_conflicts(
        &self,
        _: Request<proto::ListConflictsRequest>,
    ) -> Result<Response<proto::ListConflictsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn resolve_conflict(
        &self,
        _: Request<proto::ResolveConflictRequest>,
    ) -> Result<Response<proto::ResolveConflictResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn import_customers(
        &self,
        _: Request<tonic::Streaming<proto::ImportCustomersRequest>>,
    ) -> Result<Response<proto::ImportCustomersResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1()
        .unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(CustomerServiceServer::new(OneCustomer))
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    format!("http://{address}")
}

async fn try_call(server: &str, method: &str, json: &str) -> (String, Result<(), Status>) {
    let method = catalogue::Catalogue::load().unwrap().find(method).unwrap();
    let connection = client::connect(server, Some("tl_test")).await.unwrap();
    let requests = json::requests(&method, json).unwrap();
    let mut out = Vec::new();
    let result = call(connection, &method, requests, false, &mut out).await.unwrap();
    (String::from_utf8(out).unwrap(), result)
}

#[tokio::test]
async fn an_answer_is_printed_as_pretty_json() {
    let server = serve().await;
    let (text, result) = try_call(&server, "GetCustomer", r#"{"customer_ref": "cus_1"}"#).await;
    result.unwrap();
    assert_eq!(text, "{\n  \"customer_ref\": \"cus_1\",\n  \"contact_count\": 3\n}\n");
    let (text, result) = try_call(&server, "Health/Check", "{}").await;
    result.unwrap();
    assert!(text.contains("SERVING"), "{text}");
}

#[tokio::test]
async fn a_refused_call_names_the_reason_and_every_field() {
    let server = serve().await;
    let (text, result) = try_call(&server, "GetCustomer", "{}").await;
    assert_eq!(text, "");
    assert_eq!(
        error_lines(&result.unwrap_err()),
        "INVALID_ARGUMENT INVALID_FIELD: 2 fields\n  \
         customer_ref: is not of our form\n  source: is too long\n"
    );
    // A service that the server does not have is an error of the call as well.
    let (_, result) = try_call(&server, "StartInteraction", "{}").await;
    assert_eq!(result.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_stream_prints_one_answer_a_line() {
    let server = serve().await;
    let twice = r#"{"list_services": ""} {"list_services": ""}"#;
    let (text, result) = try_call(&server, "ServerReflectionInfo", twice).await;
    result.unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.lines().all(|line| line.contains("threadline.v1.CustomerService")), "{text}");
}

#[tokio::test]
async fn a_single_call_takes_a_single_request() {
    let server = serve().await;
    let method = catalogue::Catalogue::load().unwrap().find("GetCustomer").unwrap();
    let connection = client::connect(&server, None).await.unwrap();
    let requests = json::requests(&method, "{} {}").unwrap();
    let refused = call(connection, &method, requests, false, &mut Vec::new()).await;
    assert!(refused.unwrap_err().to_string().contains("exactly one request"));
}

#[tokio::test]
async fn nobody_listening_is_said_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = client::connect(&format!("http://u:secret@{address}"), None).await.err().unwrap();
    assert!(refused.to_string().contains("threadline serve"), "{refused}");
    assert!(!format!("{refused:#}").contains("secret"));
}
