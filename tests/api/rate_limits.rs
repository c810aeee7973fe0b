//! How often a key and a tenant may call: what is too much is refused at once, and who waits as long
//! as they are told is let in.

use std::time::{Duration, Instant};

use prost::Message as _;
use serde_json::json;
use threadline::cli::keys::{NewKey, Terms, create_with};
use threadline::crypto::ApiKey;
use threadline::grpc::proto::{ImportCustomersRequest, ImportRow};
use tonic::Code;

use super::access::{client, forged};
use crate::support::client::{Refusal, refused};
use crate::support::requests::{get, start};
use crate::support::web::{Told, Web};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_key_that_calls_too_often_waits,
    a_forged_key_costs_the_real_one_nothing,
    a_tenant_has_so_many_calls_for_all_its_keys,
    an_import_is_paced_and_ends_with_its_key,
    every_door_counts_and_says_when_to_come_back,
    one_request_is_one_call_however_many_come_of_it,
);

async fn limited(world: &World, key: &NewKey, rate: i64, burst: i64) -> String {
    let terms = Terms { rate: Some(rate), burst: Some(burst), ..Terms::default() };
    create_with(&world.running.service, key, &terms).await.expect("a key")
}

/// Whether a call was let in, or how long it has to wait.
async fn asks(client: &Client) -> Result<(), Duration> {
    let refusal = refused(client.get(get("nobody's")).await);
    match refusal.reason.as_str() {
        "INTERACTION_NOT_FOUND" => Ok(()),
        _ => Err(told_to_wait(&refusal)),
    }
}

fn told_to_wait(refusal: &Refusal) -> Duration {
    let said = (refusal.code, refusal.reason.as_str());
    assert_eq!(said, (Code::ResourceExhausted, "RATE_LIMITED"), "{refusal:?}");
    **refusal.retry.as_ref().expect("how long")
}

/// Calls in turn until one is refused; how many were let in, in what time at most, and its wait.
async fn until_refused(clients: &[&Client]) -> (f64, f64, Duration) {
    let begun = Instant::now();
    let mut let_in = 0.0;
    for client in clients.iter().cycle() {
        match asks(client).await {
            Ok(()) => let_in += 1.0,
            Err(wait) => return (let_in, begun.elapsed().as_secs_f64(), wait),
        }
        assert!(let_in < 1_000.0, "there is no limit");
    }
    unreachable!("somebody calls")
}

async fn a_key_that_calls_too_often_waits(engine: Engine) {
    let world = World::on(engine).await;
    let telephony = World::new_key(&["telephony"]);
    let text = limited(&world, &telephony, 2, 5).await;
    let (own, other) = (client(&world, &text).await, world.client(&telephony).await);
    let (let_in, seconds, wait) = until_refused(&[&own]).await;
    assert!(let_in >= 5.0 && let_in <= 5.0 + 2.0 * seconds, "{let_in} in {seconds} s");
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
    tokio::time::sleep(wait).await;
    assert_eq!(asks(&own).await, Ok(()), "it was told how long");
    // Nothing is done for a call that is one too many.
    let begun = Instant::now();
    let (.., wait) = until_refused(&[&own]).await;
    let refusal = own.start(start("too much", "voice")).await;
    if let Err(refusal) = &refusal {
        told_to_wait(refusal);
        assert_eq!(refused(other.get(get("too much")).await).code, Code::NotFound, "not started");
    }
    assert!(refusal.is_err() || begun.elapsed() >= wait, "it was let in too early");
    // Another key of the tenant does not feel it.
    for _ in 0..20 {
        assert_eq!(asks(&other).await, Ok(()));
    }
    // What is left goes on when the key is looked at again.
    let (begun, mut let_in) = (Instant::now(), 0.0);
    while begun.elapsed() < Duration::from_millis(1_500) {
        let_in += f64::from(u8::from(asks(&own).await.is_ok()));
    }
    let most = 5.0 + 2.0 * begun.elapsed().as_secs_f64();
    assert!((1.0..=most).contains(&let_in), "{let_in} of {most}");
    world.close().await;
}

async fn a_forged_key_costs_the_real_one_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let text = limited(&world, &World::new_key(&["telephony"]), 1, 1).await;
    let key = ApiKey::parse(&text).expect("our own form");
    assert!(!key.test);
    let (own, thief) = (client(&world, &text).await, client(&world, &forged(&text)).await);
    for _ in 0..20 {
        assert_eq!(refused(thief.get(get("nobody's")).await).reason, "INVALID_API_KEY");
    }
    assert_eq!(asks(&own).await, Ok(()));
    assert_eq!(refused(thief.get(get("nobody's")).await).reason, "INVALID_API_KEY");
    world.close().await;
}

async fn a_tenant_has_so_many_calls_for_all_its_keys(engine: Engine) {
    let settings = "[tenants.acme]\ntenant_rate = 2\ntenant_burst = 6\n[policy]\nkey_rate = 1000\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let telephony = World::new_key(&["telephony"]);
    let (one, two) = (world.client(&telephony).await, world.client(&telephony).await);
    let globex = NewKey { tenant: "globex".into(), ..telephony.clone() };
    let theirs = world.client(&globex).await;
    let (let_in, seconds, wait) = until_refused(&[&one, &two]).await;
    assert!(let_in >= 6.0 && let_in <= 6.0 + 2.0 * seconds, "{let_in} in {seconds} s");
    tokio::time::sleep(wait).await;
    assert_eq!(asks(&two).await, Ok(()), "both wait for the same");
    for _ in 0..20 {
        assert_eq!(asks(&theirs).await, Ok(()), "another tenant does not feel it");
    }
    world.close().await;
}

fn message(number: i64) -> ImportCustomersRequest {
    let row = ImportRow { row_number: number, ..Default::default() };
    ImportCustomersRequest { rows: vec![row], ..Default::default() }
}

async fn an_import_is_paced_and_ends_with_its_key(engine: Engine) {
    let world = World::on(engine).await;
    let text = limited(&world, &World::new_key(&["backfill"]), 5, 1).await;
    let own = client(&world, &text).await;
    let begun = Instant::now();
    let answer = own.import((1..=4).map(message).collect()).await.expect("an import that waits");
    assert_eq!(answer.rejected_count, 4, "rows without anything are counted");
    assert!(begun.elapsed() >= Duration::from_millis(600), "three more calls at five a second");

    let text = world.key(&World::new_key(&["backfill"])).await;
    let own = client(&world, &text).await;
    let (rows, stream) = tokio::sync::mpsc::channel(1);
    let importing = tokio::spawn(async move {
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        own.customers.clone().import_customers(stream).await
    });
    rows.send(message(1)).await.expect("the import goes on");
    rows.send(message(2)).await.expect("the import goes on");
    let key = ApiKey::parse(&text).expect("our own form");
    let store = world.running.service.store();
    store.revoke_api_key(key.tenant, &key.id).await.expect("the store");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    // It may be refused before it is taken.
    let _ = rows.send(message(3)).await;
    let refusal = importing.await.expect("it ends").err().map(|status| Refusal::of(&status));
    assert_eq!(refusal.expect("it is refused").reason, "INVALID_API_KEY");
    world.close().await;
}

/// What a door says of a call: nothing, or the seconds to wait for.
async fn asked_at(web: &Web, door: usize) -> Option<f64> {
    let seconds = |told: Told| match told.code {
        429 => Some(told.headers["retry-after"].to_str().expect("text").parse().expect("seconds")),
        404 | 200 => None,
        _ => panic!("{}: {}", told.code, told.text),
    };
    let started = json!({"call_id": "a", "identity_hints": {"ani": "+14155550123"}});
    match door {
        0 => seconds(web.get("/api/v1/interactions/nobody's").await),
        1 => seconds(web.post("/v1/calls/start", &started).await),
        _ => {
            let rpc = "/threadline.v1.InteractionService/GetInteraction";
            let told = web.call(rpc, &get("nobody's").encode_to_vec(), door == 2).await;
            let refusal = Refusal::of(&told.expect_err("there is none"));
            let limited = refusal.reason == "RATE_LIMITED";
            limited.then(|| told_to_wait(&refusal).as_secs_f64())
        }
    }
}

async fn every_door_counts_and_says_when_to_come_back(engine: Engine) {
    let settings = "[tenants.globex]\ntenant_rate = 1\ntenant_burst = 4\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let address = world.running.address;
    let telephony = World::new_key(&["telephony"]);
    let own = Web::new(address, Some(&limited(&world, &telephony, 1, 4).await));
    let globex = NewKey { tenant: "globex".into(), ..telephony };
    let (one, two) = (world.key(&globex).await, world.key(&globex).await);
    let (one, two) = (Web::new(address, Some(&one)), Web::new(address, Some(&two)));
    // A key's calls, and a tenant's, are counted wherever they come in.
    for (first, second) in [(&own, &own), (&one, &two)] {
        let begun = Instant::now();
        let mut let_in = 0.0;
        while asked_at([first, second][let_in as usize % 2], let_in as usize % 4).await.is_none() {
            let_in += 1.0;
            assert!(let_in < 100.0, "there is no limit");
        }
        let most = 4.0 + begun.elapsed().as_secs_f64();
        assert!((4.0..=most).contains(&let_in), "{let_in} of {most}");
        for door in 0..4 {
            // On a slow machine somebody may have been let in meanwhile: then the next is not.
            let mut wait = None;
            while wait.is_none() {
                wait = asked_at(second, door).await;
            }
            assert!(wait.is_some_and(|wait| wait > 0.0 && wait <= 1.0), "{door}: {wait:?}");
        }
    }
    let wait = asked_at(&own, 0).await.unwrap_or_default();
    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    assert_eq!(asked_at(&own, 1).await, None, "it was told how long");
    world.close().await;
}

/// A start that a client of Sticky Calls confirms becomes two calls, and one that names a reference
/// of its own asks who it is: each is one request, and a key that has one call left may make it.
async fn one_request_is_one_call_however_many_come_of_it(engine: Engine) {
    let world = World::on(engine).await;
    let telephony = World::new_key(&["telephony"]);
    let known = Web::new(world.running.address, Some(&world.key(&telephony).await));
    let email = json!({"external_ids": {"email": "ada@example.com"}});
    let end = json!({"call_id": "mail", "identity_hints": email, "variables": {"language": "en"}});
    known.post("/v1/calls/end", &end).await.good();
    let key = limited(&world, &telephony, 1, 1).await;
    let web = Web::new(world.running.address, Some(&key));
    let own = json!({"call_id": "own", "identity_hints": {"customer_ref": "cust-1"}});
    assert_eq!(web.post("/v1/calls/start", &own).await.good()["customer_ref"], "cust-1");
    let mut told = web.post("/v1/calls/start", &own).await;
    while told.code == 200 {
        told = web.post("/v1/calls/start", &own).await;
    }
    assert_eq!((told.code, &told.headers["retry-after"]), (429, &"1".parse().expect("a header")));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = json!({"call_id": "sure", "identity_hints": email, "identity_confirmed": true});
    let told = web.post("/v1/calls/start", &start).await.good();
    assert_eq!(told["variables"]["language"]["value"], "en", "{told}");
    world.close().await;
}
