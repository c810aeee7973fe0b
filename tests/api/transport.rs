//! What is not about the people: health, reflection, descriptors, sizes.

use prost_reflect::DescriptorPool;
use threadline::grpc::proto::DESCRIPTORS;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::client::refused;
use crate::support::requests::{end, start};
use crate::support::{Engine, World, each_engine};

each_engine!(health_and_reflection_answer_without_a_key, too_large_a_message_is_refused);

async fn health_and_reflection_answer_without_a_key(engine: Engine) {
    let world = World::on(engine).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", world.running.address));
    let channel = endpoint.expect("an address").connect().await.expect("the server listens");
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "threadline.v1.InteractionService", "threadline.v1.CustomerService"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = health.check(request).await.expect("health").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "nobody".into() };
    let status = health.check(request).await.expect_err("no such service");
    assert_eq!(status.code(), Code::NotFound);

    let mut reflection = ServerReflectionClient::new(channel);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection.server_reflection_info(tokio_stream::once(list)).await;
    let answer = answers.expect("reflection").into_inner().message().await.expect("an answer");
    let Some(MessageResponse::ListServicesResponse(listed)) =
        answer.expect("an answer").message_response
    else {
        panic!("not a list of services");
    };
    let mut names: Vec<String> = listed.service.into_iter().map(|one| one.name).collect();
    names.sort_unstable();
    for expected in [
        "grpc.health.v1.Health",
        "threadline.v1.CustomerService",
        "threadline.v1.InteractionService",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
    world.close().await;
}

async fn too_large_a_message_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    let mut large = end("large");
    large.channel = "email".into();
    large.summary = "x".repeat((1 << 20) + 1);
    let refusal = refused(client.end(large.clone()).await);
    let refusing = [Code::OutOfRange, Code::ResourceExhausted, Code::InvalidArgument];
    assert!(refusing.contains(&refusal.code), "{refusal:?}");
    // Just small enough to be read is a bad field like any other.
    large.summary = "x".repeat((1 << 20) - 200);
    let refusal = refused(client.end(large).await);
    assert_eq!((refusal.code, refusal.names()), (Code::InvalidArgument, vec!["summary"]));
    client.start(start("small", "voice")).await.expect("the server goes on");
    world.close().await;
}

#[test]
fn update_and_get_answer_the_fields_of_a_start() {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
    let fields = |name: &str| -> Vec<String> {
        let message = pool.get_message_by_name(&format!("threadline.v1.{name}")).expect(name);
        let described = message.fields().map(|field| {
            let (name, number) = (field.name().to_owned(), field.number());
            let presence = field.supports_presence();
            format!("{number} {name} {:?} {:?} {presence}", field.kind(), field.cardinality())
                // A map's entry is a message of its own, named after the one it stands in.
                .replace("UpdateInteractionResponse", "StartInteractionResponse")
                .replace("GetInteractionResponse", "StartInteractionResponse")
        });
        described.collect()
    };
    let start = fields("StartInteractionResponse");
    assert!(start.len() >= 17, "{start:?}");
    assert_eq!(start, fields("UpdateInteractionResponse"));
    let (own, get): (Vec<String>, Vec<String>) = fields("GetInteractionResponse")
        .into_iter()
        .partition(|field| ["18 ", "19 "].iter().any(|number| field.starts_with(number)));
    assert!(own[0].starts_with("18 interaction ") && own[1].starts_with("19 decision "), "{own:?}");
    assert_eq!(start, get);
}
