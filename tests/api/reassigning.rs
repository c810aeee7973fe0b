//! ReassignInteraction: a contact that was settled on the wrong customer.

use threadline::grpc::proto::{EndInteractionRequest, IntentStatus};
use tonic::Code;

use super::merging::{bare, join, two};
use super::settling::{NUMBER, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{call, end_with, get, reassign, unmerge, variable};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    all_of_it_follows_and_nothing_stays,
    it_may_be_somebody_new,
    it_moves_within_a_set_only_by_name_of_another,
    a_retry_moves_nothing_more,
    what_cannot_be_reassigned_is_refused,
);

/// A call that was taken for the caller's, and what it said.
async fn taken(client: &Client, id: &str) {
    assert_eq!(said(&client.start(call(id, NUMBER)).await.expect("a start")), Said::Reuse);
    let ended = EndInteractionRequest {
        variables: variable("colour", "red"),
        ..end_with(id, "exchange", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
}

async fn all_of_it_follows_and_nothing_stays(engine: Engine) {
    let world = World::on(engine).await;
    let (client, helpdesk) = (staff(&world).await, world.role("helpdesk").await);
    let (caller, writer) = two(&client).await;
    let before = bare(&client, &caller).await;
    taken(&client, "wrong").await;
    let answer = helpdesk.reassign(reassign("wrong", "r", Some(&writer))).await.expect("moved");
    assert_eq!((answer.customer_ref.as_str(), answer.new_customer), (&*writer, false));
    assert!(bare(&client, &caller).await == before, "the old customer keeps nothing of it");
    let writers = bare(&client, &writer).await;
    assert_eq!(writers.variables["colour"].value, "red");
    assert!(writers.open_intents.iter().any(|it| it.intent == "exchange"));
    assert!(writers.identifiers.iter().any(|it| it.value == NUMBER), "its links follow");
    assert_eq!(client.history(&writer).await, ["wrong", "first mail"]);
    assert_eq!(client.get(get("wrong")).await.expect("it").customer_ref, writer);
    world.close().await;
}

async fn it_may_be_somebody_new(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, _) = two(&client).await;
    let before = bare(&client, &caller).await;
    taken(&client, "wrong").await;
    let answer = client.reassign(reassign("wrong", "r", None)).await.expect("moved");
    assert!(answer.new_customer && answer.customer_ref != caller);
    assert!(bare(&client, &caller).await == before, "the old customer keeps nothing of it");
    assert_eq!(client.history(&answer.customer_ref).await, ["wrong"]);
    world.close().await;
}

async fn it_moves_within_a_set_only_by_name_of_another(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merge_id = join(&client, "m", &caller, &writer).await;
    taken(&client, "call").await;
    // It is this person's already, whichever ref names them.
    let answer = client.reassign(reassign("call", "r", Some(&writer))).await.expect("kept");
    assert_eq!(answer.customer_ref, caller);
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    assert_eq!(client.history(&caller).await, ["call", "first call"]);
    client.reassign(reassign("call", "r2", Some(&writer))).await.expect("moved");
    assert_eq!(client.history(&writer).await, ["call", "first mail"]);
    world.close().await;
}

async fn a_retry_moves_nothing_more(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    taken(&client, "wrong").await;
    let request = reassign("wrong", "r", Some(&writer));
    client.reassign(request.clone()).await.expect("moved");
    client.reassign(reassign("wrong", "back", Some(&caller))).await.expect("moved back");
    let late = client.reassign(request).await.expect("a retry");
    assert_eq!(late.customer_ref, caller, "as it now stands");
    let other = client.reassign(reassign("wrong", "r", None)).await;
    assert_refused(other, Code::AlreadyExists, "REQUEST_CONFLICT");
    world.close().await;
}

async fn what_cannot_be_reassigned_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (_, writer) = two(&client).await;
    let never = client.reassign(reassign("never", "r", Some(&writer))).await;
    assert_refused(never, Code::NotFound, "INTERACTION_NOT_FOUND");
    let nobody = Some("cus_00000000000000000000000000");
    let unknown = client.reassign(reassign("first call", "r", nobody)).await;
    assert_refused(unknown, Code::NotFound, "CUSTOMER_NOT_FOUND");
    let empty = client.reassign(reassign("", "", Some(""))).await;
    let refusal = assert_refused(empty, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refusal.names(), ["customer_ref", "interaction_id", "request_id"]);
    let bot = world.role("bot").await;
    let refusal = bot.reassign(reassign("first call", "r", Some(&writer))).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    world.close().await;
}
