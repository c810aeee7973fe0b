//! The answers as they look on the wire, in JSON: a change of what clients get shows here.
//!
//! The clock stands at a Monday afternoon; refs are numbered in order of appearance. After a
//! change that is meant, `INSTA_UPDATE=always cargo test --test wire` writes the snapshots anew.

#[expect(dead_code, unused_macros, unused_imports, reason = "the other test binaries use the rest")]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};
use threadline::clock::{Clock, HOUR, Time};
use threadline::grpc::proto::{
    Audience, DESCRIPTORS, EndInteractionRequest, IdentityHints, IntentStatus, Sensitivity,
    VariableInput,
};

use support::client::refused;
use support::requests::{
    call, confirm, end, end_with, get, landline_call, number_hint, start, start_with, update,
    variable,
};
use support::{Client, Engine, Refusal, Setup, World};

/// 2026-11-02, 14:00 UTC: a Monday.
const MONDAY: Time = Time(1_793_628_000_000);
const NUMBER: &str = "+14155550101";

/// Numbers refs in order of appearance, so that random ones compare.
#[derive(Default)]
struct Refs(BTreeMap<String, String>);

impl Refs {
    /// A message as JSON, with the protocol's own names.
    fn json(&mut self, name: &str, message: &impl Message) -> Value {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
        let name = format!("threadline.v1.{name}");
        let described = pool.get_message_by_name(&name).expect("a message of ours");
        let bytes = message.encode_to_vec();
        let dynamic = DynamicMessage::decode(described, &*bytes).expect("it reads back");
        let options = SerializeOptions::new().use_proto_field_name(true);
        let value = dynamic.serialize_with_options(serde_json::value::Serializer, &options);
        let mut value = value.expect("every message has a JSON form");
        self.redact(&mut value);
        value
    }

    fn redact(&mut self, value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("cus_") => {
                let next = format!("customer {}", self.0.len() + 1);
                text.clone_from(self.0.entry(text.clone()).or_insert(next));
            }
            // Nine digits hold on every machine; the last bits of a logarithm may not.
            Value::Number(number) if number.is_f64() => {
                let rounded = number.as_f64().map(|it| (it * 1e9).round() / 1e9);
                *value = json!(rounded);
            }
            Value::Array(all) => all.iter_mut().for_each(|one| self.redact(one)),
            Value::Object(all) => all.values_mut().for_each(|one| self.redact(one)),
            _ => {}
        }
    }
}

/// A world on a Monday, with somebody known by a number since that hour.
async fn world() -> (World, Client, Clock) {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = world.client(&World::new_key(&["telephony"])).await;
    client.start(call("first", NUMBER)).await.expect("a start");
    let secret = VariableInput {
        value: "-17.50".into(),
        ttl_seconds: Some(3 * 86_400),
        sensitivity: Sensitivity::Sensitive.into(),
    };
    let mut ended = EndInteractionRequest {
        summary: "asked about the invoice".into(),
        agent_ref: "nina".into(),
        disposition: "callback_promised".into(),
        csat: Some(7),
        sentiment: Some(-0.25),
        variables: variable("order", "17"),
        ..end_with("first", "billing_dispute", IntentStatus::Open)
    };
    ended.variables.insert("balance".into(), secret);
    client.end(ended).await.expect("an end");
    clock.set(MONDAY.plus(19 * HOUR));
    (world, client, clock)
}

const ANSWER: &str = "StartInteractionResponse";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reuse() {
    let (world, client, _) = world().await;
    let answer = client.start(call("again", NUMBER)).await.expect("a start");
    insta::assert_json_snapshot!(Refs::default().json(ANSWER, &answer));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirm_and_what_a_confirmation_makes_of_it() {
    let (world, client, _) = world().await;
    let mut refs = Refs::default();
    let answer = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    insta::assert_json_snapshot!("confirm", refs.json(ANSWER, &answer));
    let answer = client.update(confirm("asked", "u")).await.expect("a confirmation");
    insta::assert_json_snapshot!("confirmed", refs.json("UpdateInteractionResponse", &answer));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignore() {
    let (world, client, _) = world().await;
    let answer = client.start(call("nobody", "anonymous")).await.expect("a start");
    insta::assert_json_snapshot!(Refs::default().json(ANSWER, &answer));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group() {
    let (world, client, _) = world().await;
    let mut request = call("conference", NUMBER);
    request.audience = Audience::Group.into();
    let answer = client.start(request).await.expect("a start");
    insta::assert_json_snapshot!(Refs::default().json(ANSWER, &answer));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degraded() {
    let setup = Setup::on(Engine::Sqlite).clock(&Clock::manual(MONDAY));
    let world = setup.budget(Duration::ZERO).open().await;
    let client = world.role("telephony").await;
    // With no time at all nobody finds out whose key it is.
    refused(client.get(get("nowhere")).await);
    for round in 0..100 {
        let answer = client.start(call(&format!("hurry {round}"), NUMBER)).await.expect("a start");
        if answer.degraded {
            let mut message = Refs::default().json(ANSWER, &answer);
            message["interaction_id"] = json!("hurry");
            insta::assert_json_snapshot!(message);
            return world.close().await;
        }
    }
    panic!("no time at all was enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended() {
    let (world, client, clock) = world().await;
    let request = start_with("email", "email", IdentityHints::default());
    client.start(request).await.expect("a start");
    clock.set(MONDAY.plus(20 * HOUR));
    let request = EndInteractionRequest {
        customer_ref: "cus_unknown".into(),
        identity_hints: Some(number_hint("911")),
        ..end_with("email", "billing_dispute", IntentStatus::Resolved)
    };
    let answer = client.end(request).await.expect("an end");
    insta::assert_json_snapshot!(Refs::default().json("EndInteractionResponse", &answer));
    world.close().await;
}

fn shown(refusal: &Refusal) -> Value {
    json!({
        "code": format!("{:?}", refusal.code),
        "message": refusal.message,
        "reason": refusal.reason,
        "domain": &*refusal.domain,
        "fields": refusal.fields,
        "retry": refusal.retry.is_some(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors() {
    let (world, client, _) = world().await;
    let stranger = world.with_header(None).await;
    let mut bad = start("", "Voice Call");
    bad.history_limit = Some(51);
    let other = call("first", "+14155550199");
    let refusals = [
        refused(client.start(bad).await),
        refused(client.start(other).await),
        refused(client.update(update("nothing", "u")).await),
        refused(client.end(EndInteractionRequest { csat: Some(11), ..end("first") }).await),
        refused(stranger.end(end("first")).await),
    ];
    let refusals: Vec<Value> = refusals.iter().map(shown).collect();
    insta::assert_json_snapshot!(refusals);
    world.close().await;
}

/// `docs/openapi.json` is what is served at `/openapi.json`, to be read and compared without a server.
#[test]
fn the_description_of_rest_is_as_committed() {
    let page = std::path::Path::new("docs/openapi.json");
    let served = threadline::http::openapi();
    if std::env::var_os("THREADLINE_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(page, &served).expect("a file");
        return;
    }
    let committed = std::fs::read_to_string(page).expect("the copy");
    assert!(
        committed == served,
        "docs/openapi.json differs from the protocol; write it with \
         `THREADLINE_WRITE=1 cargo test --test wire`, then read the difference"
    );
}
