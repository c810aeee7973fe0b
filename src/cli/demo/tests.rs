//! The demo against a server that never recognises anybody: it must notice.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::grpc::proto::interaction_service_server::{
    InteractionService, InteractionServiceServer,
};
use crate::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, Identity, Recommendation,
    StartInteractionRequest, StartInteractionResponse, UpdateInteractionRequest,
};

/// Answers everybody as somebody new, and cannot update.
#[derive(Default)]
struct Forgetful(AtomicU32);

#[tonic::async_trait]
impl InteractionService for Forgetful {
    async fn start_interaction(
        &self,
        request: Request<StartInteractionRequest>,
    ) -> Result<Response<StartInteractionResponse>, Status> {
        assert!(request.metadata().get("authorization").is_some());
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let mut identity = Identity::default();
        identity.set_recommendation(Recommendation::Ignore);
        Ok(Response::new(StartInteractionResponse {
            customer_ref: format!("cus_{number}"),
            new_customer: true,
            identity: Some(identity),
            ..StartInteractionResponse::default()
        }))
    }

    async fn update_interaction(
        &self,
        _: Request<UpdateInteractionRequest>,
    ) -> Result<Response<StartInteractionResponse>, Status> {
        Err(Status::unavailable("the store does not answer"))
    }

    async fn end_interaction(
        &self,
        request: Request<EndInteractionRequest>,
    ) -> Result<Response<EndInteractionResponse>, Status> {
        let customer_ref = request.into_inner().customer_ref;
        Ok(Response::new(EndInteractionResponse { customer_ref, ..Default::default() }))
    }
}

#[tokio::test]
async fn a_server_that_recognises_nobody_fails_the_demo_after_every_journey() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tonic::transport::Server::builder()
        .add_service(InteractionServiceServer::new(Forgetful::default()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let mut keys = DemoKeys::default();
    for key in KEYS {
        keys.set(key.name, format!("key-of-{}", key.name));
    }
    let mut out = Vec::new();
    let now = Time(1_795_316_400_000);
    let played = play(&address, &keys, now, &Entropy::seeded(7), false, &mut out).await;
    let text = String::from_utf8(out).unwrap();
    assert!(played.is_err());
    for letter in 'a'..='g' {
        assert!(text.contains(&format!("\n({letter}) ")), "{letter} is missing in\n{text}");
    }
    assert!(text.contains("✗ broken off: the update failed: UNAVAILABLE"), "{text}");
    assert!(text.contains("✗ recognised in the public channel"), "{text}");
    // To a withheld number there is nothing to recognise: that one holds.
    assert!(text.contains("✓ a new customer each time"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= page::WIDTH), "{text}");
    assert!(!text.contains("key-of-"), "{text}");
}

#[test]
fn every_key_has_a_place_and_a_source_of_its_own() {
    let mut keys = DemoKeys::default();
    for key in KEYS {
        assert!(keys.set(key.name, key.source.to_owned()), "{}", key.name);
        assert!(key.may_address.iter().all(|one| KEYS.iter().any(|key| key.source == *one)));
    }
    let set = [keys.telephony, keys.chat, keys.helpdesk, keys.agent];
    assert_eq!(set, ["pbx", "chat", "tickets", "desk"]);
    assert!(!DemoKeys::default().set("nobody", String::new()));
}
