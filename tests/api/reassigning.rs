//! ReassignInteraction: a contact that was settled on the wrong customer.

use threadline::clock::{Clock, HOUR, MINUTE};
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityHints, IntentStatus, StartInteractionRequest,
    UpdateInteractionRequest, VariableInput,
};
use tonic::Code;

use super::merging::{bare, join, mail, two};
use super::remembering::MONDAY;
use super::settling::{NUMBER, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    at, call, end, end_with, external_hint, get, intent_of, reassign, start_with, unmerge, update,
    variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    all_of_it_follows_and_nothing_stays,
    what_was_said_keeps_its_time,
    who_has_another_contact_under_way_keeps_what_it_said,
    who_has_another_contact_under_way_keeps_what_it_shows,
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

async fn what_was_said_keeps_its_time(engine: Engine) {
    let world = World::on(engine).await;
    let (client, past) = (staff(&world).await, world.role("backfill").await);
    let (_, writer) = two(&client).await;
    let now = world.now();
    let ago = |minutes: i64| at(now.plus(-minutes * MINUTE));
    // A call that is taken for the caller's leaves it open, then the writer does; and then it is
    // settled in what is still said of the call.
    for (start, begun) in [(call("wrong", NUMBER), 9), (mail("mail"), 7)] {
        let id = start.interaction_id.clone();
        let start = StartInteractionRequest { start_time: ago(begun), ..start };
        past.start(start).await.expect("a start");
        let open = end_with(&id, "exchange", IntentStatus::Open);
        let ended = EndInteractionRequest { end_time: ago(begun - 1), ..open };
        past.end(ended).await.expect("an end");
    }
    let settled = UpdateInteractionRequest {
        intents: vec![intent_of("exchange", IntentStatus::Resolved)],
        ..update("wrong", "u")
    };
    client.update(settled).await.expect("an update");
    client.reassign(reassign("wrong", "r", Some(&writer))).await.expect("moved");
    let open = bare(&client, &writer).await.open_intents;
    assert!(open.iter().all(|it| it.intent != "exchange"), "settled last of all");
    world.close().await;
}

async fn who_has_another_contact_under_way_keeps_what_it_said(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    client.start(call("under way", NUMBER)).await.expect("a start");
    let said = UpdateInteractionRequest {
        variables: variable("colour", "blue"),
        ..update("under way", "u")
    };
    client.update(said).await.expect("an update");
    client.reassign(reassign("first call", "r", Some(&writer))).await.expect("moved");
    let answer = client.get(get("under way")).await.expect("it");
    assert_eq!((answer.customer_ref.as_str(), answer.variables.len()), (&*caller, 1));
    assert_eq!(bare(&client, &caller).await.variables["colour"].value, "blue");
    world.close().await;
}

/// With a clock that is set: on SQLite, where the store's time is the clock's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_was_hidden_is_whole_again() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let (client, past) = (staff(&world).await, world.role("backfill").await);
    let (caller, writer) = two(&client).await;
    clock.set(MONDAY.plus(HOUR));
    let after = |minutes: i64| at(MONDAY.plus(minutes * MINUTE));
    // The second one comes late, and is hidden by what ends before it does.
    for (id, ended, ttl_seconds) in [("short", 50, 3_600), ("wrong", 40, 86_400)] {
        let start = StartInteractionRequest { start_time: after(30), ..call(id, NUMBER) };
        past.start(start).await.expect("a start");
        let value = VariableInput {
            value: id.into(),
            ttl_seconds: Some(ttl_seconds),
            ..Default::default()
        };
        let variables = [("colour".to_owned(), value)].into();
        let ended = EndInteractionRequest { end_time: after(ended), variables, ..end(id) };
        past.end(ended).await.expect("an end");
    }
    assert_eq!(client.person(&caller).await.variables["colour"].value, "short");
    clock.set(MONDAY.plus(4 * HOUR));
    world.running.service.sweep().await.expect("a sweep");
    assert!(!client.person(&caller).await.variables.contains_key("colour"), "hidden for good");
    client.reassign(reassign("wrong", "r", Some(&writer))).await.expect("moved");
    let writers = client.person(&writer).await;
    assert_eq!(writers.variables["colour"].value, "wrong", "nothing hides it here");
    world.close().await;
}

/// The contact that moves was the only one on file that showed the number; another one shows it, too.
async fn who_has_another_contact_under_way_keeps_what_it_shows(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let first = StartInteractionRequest {
        identity_hints: Some(IdentityHints {
            caller_number: NUMBER.into(),
            ..external_hint("crm_id", "C-1")
        }),
        ..call("first", NUMBER)
    };
    let caller = client.start(first).await.expect("a start").customer_ref;
    let by_crm = start_with("crm", "email", external_hint("crm_id", "C-1"));
    client.start(by_crm).await.expect("a start");
    client.end(end("crm")).await.expect("an end");
    let under_way = client.start(call("under way", NUMBER)).await.expect("a start");
    assert_eq!((said(&under_way), &under_way.customer_ref), (Said::Reuse, &caller));
    client.reassign(reassign("first", "r", None)).await.expect("moved");
    let numbers = async || {
        let person = client.person(&caller).await;
        person.identifiers.iter().filter(|it| it.value == NUMBER).count()
    };
    assert_eq!(numbers().await, 0, "its reason has moved");
    let ended = client.end(end("under way")).await.expect("an end");
    assert_eq!(ended.customer_ref, caller, "nothing of it moved");
    assert_eq!(numbers().await, 1, "what it showed is theirs");
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
