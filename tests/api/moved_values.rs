//! Values of a contact that was somebody else's: how well they are proven where it comes to, and what they
//! had hidden where it was.

use threadline::clock::{Clock, HOUR, MINUTE};
use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, IntentStatus, StartInteractionRequest,
    UpdateInteractionRequest, VariableInput, Verification,
};

use super::merging::{attribute, two};
use super::remembering::MONDAY;
use super::settling::{NUMBER, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{at, call, end, end_with, intent_of, reassign, reject, update};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(an_attribute_is_as_well_proven_as_whose_it_is);

async fn an_attribute_is_as_well_proven_as_whose_it_is(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (ann, bea) = two(&client).await;
    assert_eq!(said(&client.start(call("wrong", NUMBER)).await.expect("a start")), Said::Reuse);
    let proved = UpdateInteractionRequest {
        verification: Verification::Pin.into(),
        ..update("wrong", "pin")
    };
    client.update(proved).await.expect("a proof");
    let ended = EndInteractionRequest { profile: attribute("city", "Zurich"), ..end("wrong") };
    client.end(ended).await.expect("an end");
    let city = async |whose: &str| {
        let person = client.person(whose).await;
        let city = &person.profile["city"];
        (city.value.clone(), city.assurance())
    };
    assert!(city(&ann).await == ("Zurich".into(), Assurance::Verified));
    client.reassign(reassign("wrong", "r", Some(&bea))).await.expect("moved");
    let moved = city(&bea).await;
    assert!(moved == ("Zurich".into(), Assurance::Authenticated), "a word, and no PIN of hers");
    let new = client.reassign(reassign("wrong", "r2", None)).await.expect("moved");
    let moved = city(&new.customer_ref).await;
    assert!(moved == ("Zurich".into(), Assurance::Asserted), "nothing is known of somebody new");
    world.close().await;
}

/// A call of the usual number that ended so many minutes after the beginning, set a colour and left a
/// matter open.
async fn coloured(past: &Client, id: &str, ended: i64, ttl_seconds: i32) {
    let after = |minutes: i64| at(MONDAY.plus(minutes * MINUTE));
    let start = StartInteractionRequest { start_time: after(30), ..call(id, NUMBER) };
    past.start(start).await.expect("a start");
    let value =
        VariableInput { value: id.into(), ttl_seconds: Some(ttl_seconds), ..Default::default() };
    let variables = [("colour".to_owned(), value)].into();
    let open = end_with(id, "paint", IntentStatus::Open);
    let ended = EndInteractionRequest { end_time: after(ended), variables, ..open };
    past.end(ended).await.expect("an end");
}

async fn colour(client: &Client, whose: &str) -> Option<String> {
    client.person(whose).await.variables.get("colour").map(|it| it.value.clone())
}

/// In how many contacts they were left with that matter.
async fn attempts(client: &Client, whose: &str) -> i32 {
    let person = client.person(whose).await;
    person.open_intents.iter().find(|it| it.intent == "paint").map_or(0, |it| it.attempt_count)
}

/// With a clock that is set: on SQLite, where the store's time is the clock's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_moved_value_had_hidden_is_whole_again() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let (client, past) = (staff(&world).await, world.role("backfill").await);
    let (caller, writer) = two(&client).await;
    clock.set(MONDAY.plus(HOUR));
    coloured(&past, "short", 50, 3_600).await;
    // It comes late, and is hidden by what ends before it does.
    coloured(&past, "long", 40, 86_400).await;
    assert_eq!(colour(&client, &caller).await.as_deref(), Some("short"));
    client.reassign(reassign("short", "r", Some(&writer))).await.expect("moved");
    assert_eq!(colour(&client, &caller).await.as_deref(), Some("long"));
    assert_eq!((attempts(&client, &caller).await, attempts(&client, &writer).await), (1, 1));
    clock.set(MONDAY.plus(4 * HOUR));
    world.running.service.sweep().await.expect("a sweep");
    assert_eq!(colour(&client, &caller).await.as_deref(), Some("long"), "for its own time");
    assert_eq!(colour(&client, &writer).await, None, "it has expired");
    world.close().await;
}

/// The same, where something newer has replaced it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_something_else_hides_as_well_stays_hidden() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let (client, past) = (staff(&world).await, world.role("backfill").await);
    let (caller, writer) = two(&client).await;
    clock.set(MONDAY.plus(HOUR));
    coloured(&past, "short", 50, 3_600).await;
    coloured(&past, "long", 40, 86_400).await;
    coloured(&past, "newest", 55, 1_800).await;
    assert_eq!(colour(&client, &caller).await.as_deref(), Some("newest"));
    clock.set(MONDAY.plus(4 * HOUR));
    client.reassign(reassign("short", "r", Some(&writer))).await.expect("moved");
    assert_eq!(colour(&client, &caller).await, None, "it was replaced");
    let settled = UpdateInteractionRequest {
        intents: vec![intent_of("paint", IntentStatus::Resolved)],
        ..reject("newest", "no", Some(&writer))
    };
    client.update(settled).await.expect("moved");
    assert_eq!(colour(&client, &caller).await.as_deref(), Some("long"), "nothing hides it now");
    assert_eq!(attempts(&client, &caller).await, 1, "what was said with the move is of its own");
    assert_eq!(attempts(&client, &writer).await, 0);
    world.close().await;
}
