//! Bad input in all other fields: empty, oversized and malformed, one by one and all at once.

use prost_types::Timestamp;
use threadline::grpc::proto::{
    Conversion, EndInteractionRequest, IdentityConfirmed, Intent, ProfileAttributeInput,
    StartInteractionRequest, UpdateInteractionRequest, VariableInput, end_interaction_request,
    update_interaction_request,
};

use super::bad_hints::{Case, assert_names};
use crate::support::client::refused;
use crate::support::requests::{at, end, end_rejects, reject, start, update};
use crate::support::{Engine, World, each_engine};

each_engine!(
    every_bad_field_of_a_start_is_named,
    every_bad_field_of_an_update_is_named,
    every_bad_field_of_an_end_is_named,
);

pub(super) const CONTROL: &str = "can\u{0}ary";

pub(super) fn long(most: usize) -> String {
    "x".repeat(most + 1)
}

fn moment(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}

const START: &[Case<StartInteractionRequest>] = &[
    ("no id", |r| r.interaction_id.clear(), &["interaction_id"]),
    ("a blank id", |r| r.interaction_id = "  ".into(), &["interaction_id"]),
    ("a long id", |r| r.interaction_id = long(256), &["interaction_id"]),
    ("an id with NUL", |r| r.interaction_id = CONTROL.into(), &["interaction_id"]),
    ("no channel", |r| r.channel.clear(), &["channel"]),
    ("a channel with a space", |r| r.channel = "Canary Chat".into(), &["channel"]),
    ("a long channel", |r| r.channel = long(64), &["channel"]),
    ("an unknown direction", |r| r.direction = 99, &["direction"]),
    ("an unknown audience", |r| r.audience = -1, &["audience"]),
    ("an unknown line", |r| r.telco.get_or_insert_default().line_type = 99, &["telco.line_type"]),
    (
        "an unknown attestation",
        |r| r.telco.get_or_insert_default().attestation = 99,
        &["telco.attestation"],
    ),
    ("a long thread", |r| r.thread_ref = long(256), &["thread_ref"]),
    ("a thread with NUL", |r| r.thread_ref = CONTROL.into(), &["thread_ref"]),
    ("a long agent", |r| r.agent_ref = long(256), &["agent_ref"]),
    ("an agent with NUL", |r| r.agent_ref = CONTROL.into(), &["agent_ref"]),
    ("a long queue", |r| r.queue = long(128), &["queue"]),
    ("a queue with NUL", |r| r.queue = CONTROL.into(), &["queue"]),
    ("a long brand", |r| r.brand = long(128), &["brand"]),
    ("a brand with NUL", |r| r.brand = CONTROL.into(), &["brand"]),
    ("no language", |r| r.locale = "canary canary".into(), &["locale"]),
    ("a long locale", |r| r.locale = long(35), &["locale"]),
    ("no time zone", |r| r.time_zone = "Canary/Nowhere".into(), &["time_zone"]),
    ("a long time zone", |r| r.time_zone = long(64), &["time_zone"]),
    ("a time zone that climbs", |r| r.time_zone = "../canary".into(), &["time_zone"]),
    ("a long one", |r| r.continues_interaction_id = long(256), &["continues_interaction_id"]),
    ("NUL", |r| r.continues_interaction_id = CONTROL.into(), &["continues_interaction_id"]),
    ("a long source", |r| r.continues_source = long(64), &["continues_source"]),
    ("a source with NUL", |r| r.continues_source = CONTROL.into(), &["continues_source"]),
    ("before time", |r| r.start_time = moment(0, 0), &["start_time"]),
    ("negative time", |r| r.start_time = moment(i64::MIN, 0), &["start_time"]),
    ("no nanoseconds", |r| r.start_time = moment(1_800_000_000, -1), &["start_time"]),
    ("too many", |r| r.start_time = moment(1_700_000_000, 1_000_000_000), &["start_time"]),
    ("after time", |r| r.start_time = moment(i64::MAX, 0), &["start_time"]),
    ("the future", |r| r.start_time = moment(32_000_000_000, 0), &["start_time"]),
    ("a negative limit", |r| r.history_limit = Some(-1), &["history_limit"]),
    ("too much history", |r| r.history_limit = Some(51), &["history_limit"]),
];

async fn every_bad_field_of_a_start_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    let mut all = start("good", "voice");
    let mut every = Vec::new();
    for (what, spoil, fields) in START {
        let mut request = start("good", "voice");
        spoil(&mut request);
        assert_names(what, &refused(client.start(request).await), fields);
        spoil(&mut all);
        every.extend_from_slice(fields);
    }
    every.sort_unstable();
    every.dedup();
    assert_names("all at once", &refused(client.start(all).await), &every);
    let answer = client.start(start("good", "voice")).await.expect("the server goes on");
    assert!(answer.new_customer, "nothing of the refused ones took effect");
    let longest = StartInteractionRequest {
        thread_ref: "é".repeat(256),
        agent_ref: "é".repeat(256),
        queue: "é".repeat(128),
        brand: "é".repeat(128),
        history_limit: Some(50),
        time_zone: "America/Argentina/ComodRivadavia".into(),
        locale: "de-DE".into(),
        ..start(&"é".repeat(256), &"c".repeat(64))
    };
    client.start(longest).await.expect("the limits themselves are allowed, in characters");
    world.close().await;
}

const UPDATE: &[Case<UpdateInteractionRequest>] = &[
    ("no id", |r| r.interaction_id.clear(), &["interaction_id"]),
    ("a long id", |r| r.interaction_id = long(256), &["interaction_id"]),
    ("an id with NUL", |r| r.interaction_id = CONTROL.into(), &["interaction_id"]),
    ("a long source", |r| r.source = long(64), &["source"]),
    ("a source with NUL", |r| r.source = CONTROL.into(), &["source"]),
    ("no update id", |r| r.update_id.clear(), &["update_id"]),
    ("a long update id", |r| r.update_id = long(256), &["update_id"]),
    ("an update id with NUL", |r| r.update_id = CONTROL.into(), &["update_id"]),
    ("a long agent", |r| r.agent_ref = long(256), &["agent_ref"]),
    ("a long queue", |r| r.queue = long(128), &["queue"]),
    ("an unknown audience", |r| r.audience = 99, &["audience"]),
    ("33 intents", |r| r.intents = intents(33), &["intents"]),
    ("no intent", |r| r.intents = vec![Intent::default()], &["intents[0].intent"]),
    ("65 variables", |r| r.variables = variables(65), &["variables"]),
    ("no time to live", |r| r.variables = one(ttl(0)), &["variables[name].ttl_seconds"]),
    ("an unknown verification", |r| r.verification = 99, &["verification"]),
    (
        "a long ref",
        |r| {
            let said = IdentityConfirmed { customer_ref: long(256) };
            let said = update_interaction_request::IdentityFeedback::IdentityConfirmed(said);
            r.identity_feedback = Some(said);
        },
        &["identity_confirmed.customer_ref"],
    ),
    (
        "an empty ref",
        |r| r.identity_feedback = reject("", "", Some("")).identity_feedback,
        &["identity_rejected.customer_ref"],
    ),
];

async fn every_bad_field_of_an_update_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    client.start(start("good", "voice")).await.expect("a start");
    for (what, spoil, fields) in UPDATE {
        let mut request = update("good", "u");
        spoil(&mut request);
        assert_names(what, &refused(client.update(request).await), fields);
    }
    let mut all = update("", "");
    (all.audience, all.verification) = (99, 99);
    all.intents = vec![Intent { status: 99, ..Default::default() }];
    all.agent_ref = CONTROL.into();
    let every = ["agent_ref", "audience", "intents[0].intent", "intents[0].status"];
    let every = [&every[..], &["interaction_id", "update_id", "verification"]].concat();
    assert_names("all at once", &refused(client.update(all).await), &every);
    let most = UpdateInteractionRequest {
        intents: intents(32),
        variables: variables(64),
        ..update("good", "u")
    };
    client.update(most).await.expect("the server goes on; the limits themselves are allowed");
    world.close().await;
}

fn intents(count: usize) -> Vec<Intent> {
    (0..count).map(|n| Intent { intent: format!("intent_{n}"), ..Default::default() }).collect()
}

fn ttl(seconds: i32) -> VariableInput {
    VariableInput { value: "v".into(), ttl_seconds: Some(seconds), sensitivity: 0 }
}

type Variables = std::collections::BTreeMap<String, VariableInput>;

fn variables(count: usize) -> Variables {
    (0..count).map(|n| (format!("name_{n}"), ttl(60))).collect()
}

fn one(input: VariableInput) -> Variables {
    Variables::from([("name".into(), input)])
}

fn valued(value: &str) -> VariableInput {
    VariableInput { value: value.into(), ..Default::default() }
}

fn attribute(name: &str, value: &str) -> std::collections::BTreeMap<String, ProfileAttributeInput> {
    let input = ProfileAttributeInput { value: value.into(), ..Default::default() };
    [(name.to_owned(), input)].into()
}

fn conversion(name: &str, amount: Option<f64>, currency: &str) -> Option<Conversion> {
    Some(Conversion { name: name.into(), amount, currency: currency.into() })
}

fn intent(change: impl Fn(&mut Intent)) -> Vec<Intent> {
    let mut all = intents(1);
    change(&mut all[0]);
    all
}

const END: &[Case<EndInteractionRequest>] = &[
    ("no id", |r| r.interaction_id.clear(), &["interaction_id"]),
    ("a long id", |r| r.interaction_id = long(256), &["interaction_id"]),
    ("an id with NUL", |r| r.interaction_id = CONTROL.into(), &["interaction_id"]),
    ("a source with NUL", |r| r.source = CONTROL.into(), &["source"]),
    ("a long source", |r| r.source = long(64), &["source"]),
    ("a long ref", |r| r.customer_ref = long(256), &["customer_ref"]),
    ("an odd channel", |r| r.channel = "Canary!".into(), &["channel"]),
    ("an unknown direction", |r| r.direction = 99, &["direction"]),
    ("a long thread", |r| r.thread_ref = long(256), &["thread_ref"]),
    ("a long agent", |r| r.agent_ref = long(256), &["agent_ref"]),
    ("a long queue", |r| r.queue = long(128), &["queue"]),
    ("an unknown line", |r| r.telco.get_or_insert_default().line_type = 99, &["telco.line_type"]),
    ("a long one", |r| r.continues_interaction_id = long(256), &["continues_interaction_id"]),
    ("a long one's source", |r| r.continues_source = long(64), &["continues_source"]),
    ("before time", |r| r.start_time = moment(0, 0), &["start_time"]),
    ("the future", |r| r.end_time = moment(32_000_000_000, 0), &["end_time"]),
    ("no nanoseconds", |r| r.end_time = moment(1_700_000_000, -5), &["end_time"]),
    ("33 intents", |r| r.intents = intents(33), &["intents"]),
    ("no intent", |r| r.intents = intent(|it| it.intent.clear()), &["intents[0].intent"]),
    ("a long intent", |r| r.intents = intent(|it| it.intent = long(128)), &["intents[0].intent"]),
    ("which one?", |r| r.intents = intent(|i| i.reference = long(256)), &["intents[0].reference"]),
    ("an unknown status", |r| r.intents = intent(|it| it.status = 99), &["intents[0].status"]),
    ("who may?", |r| r.intents = intent(|it| it.sensitivity = 9), &["intents[0].sensitivity"]),
    ("65 variables", |r| r.variables = variables(65), &["variables"]),
    ("no name", |r| r.variables = [(" ".into(), ttl(60))].into(), &["variables"]),
    ("a long name", |r| r.variables = [(long(128), ttl(60))].into(), &["variables"]),
    ("a name with NUL", |r| r.variables = [(CONTROL.into(), ttl(60))].into(), &["variables"]),
    ("a long value", |r| r.variables = one(valued(&long(4_096))), &["variables[name].value"]),
    ("a value with NUL", |r| r.variables = one(valued(CONTROL)), &["variables[name].value"]),
    ("no life", |r| r.variables = one(ttl(0)), &["variables[name].ttl_seconds"]),
    ("negative life", |r| r.variables = one(ttl(-1)), &["variables[name].ttl_seconds"]),
    ("a long life", |r| r.variables = one(ttl(31_536_001)), &["variables[name].ttl_seconds"]),
    ("65 to clear", |r| r.clear_variables = vec!["n".into(); 65], &["clear_variables"]),
    ("nothing to clear", |r| r.clear_variables = vec![String::new()], &["clear_variables[0]"]),
    (
        "set and cleared",
        |r| (r.variables, r.clear_variables) = (one(ttl(60)), vec!["name".into()]),
        &["clear_variables[0]"],
    ),
    ("a long attribute", |r| r.profile = attribute("a", &long(4_096)), &["profile[a].value"]),
    ("no attribute's name", |r| r.profile = attribute("", "x"), &["profile"]),
    ("an odd cap", |r| r.profile = attribute("disclosure", "CANARY"), &["profile[disclosure]"]),
    ("65 attributes to clear", |r| r.clear_profile = vec!["n".into(); 65], &["clear_profile"]),
    ("no attribute to clear", |r| r.clear_profile = vec![" ".into()], &["clear_profile[0]"]),
    ("a long summary", |r| r.summary = long(8_192), &["summary"]),
    ("a summary with NUL", |r| r.summary = CONTROL.into(), &["summary"]),
    ("an unknown sensitivity", |r| r.sensitivity = 99, &["sensitivity"]),
    ("an unknown verification", |r| r.verification = 99, &["verification"]),
    ("a long disposition", |r| r.disposition = long(128), &["disposition"]),
    ("a score of 11", |r| r.csat = Some(11), &["csat"]),
    ("a score of -1", |r| r.csat = Some(-1), &["csat"]),
    ("no sentiment", |r| r.sentiment = Some(f64::NAN), &["sentiment"]),
    ("boundless sentiment", |r| r.sentiment = Some(f64::INFINITY), &["sentiment"]),
    ("too much sentiment", |r| r.sentiment = Some(-1.01), &["sentiment"]),
    ("a negative revision", |r| r.revision = Some(-1), &["revision"]),
    ("a nameless conversion", |r| r.conversion = conversion("", None, ""), &["conversion.name"]),
    (
        "a boundless conversion",
        |r| r.conversion = conversion("renewal", Some(f64::INFINITY), "EUR"),
        &["conversion.amount"],
    ),
    (
        "no currency",
        |r| r.conversion = conversion("renewal", Some(1.0), "euro"),
        &["conversion.currency"],
    ),
    (
        "a long confirmed ref",
        |r| {
            let said = IdentityConfirmed { customer_ref: long(256) };
            let said = end_interaction_request::IdentityFeedback::IdentityConfirmed(said);
            r.identity_feedback = Some(said);
        },
        &["identity_confirmed.customer_ref"],
    ),
    (
        "an empty rejected ref",
        |r| r.identity_feedback = end_rejects(Some("")),
        &["identity_rejected.customer_ref"],
    ),
];

async fn every_bad_field_of_an_end_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    client.start(start("good", "voice")).await.expect("a start");
    for (what, spoil, fields) in END {
        let mut request = end("good");
        spoil(&mut request);
        assert_names(what, &refused(client.end(request).await), fields);
    }
    let mut all = end("");
    (all.channel, all.summary, all.csat) = ("Canary!".into(), CONTROL.into(), Some(99));
    (all.sentiment, all.revision) = (Some(f64::NAN), Some(-7));
    all.end_time = moment(-1, 0);
    let every =
        ["channel", "csat", "end_time", "interaction_id", "revision", "sentiment", "summary"];
    assert_names("all at once", &refused(client.end(all).await), &every);
    // What only the store can tell: the channel when no start is known, and the order of times.
    assert_names("no start, no channel", &refused(client.end(end("new")).await), &["channel"]);
    let now = world.now();
    let mut turned = end("turned");
    turned.channel = "email".into();
    (turned.start_time, turned.end_time) = (at(now), at(now.plus(-60_000)));
    assert_names("an end before its start", &refused(client.end(turned).await), &["end_time"]);
    let fine = EndInteractionRequest {
        summary: "two\nlines\tand a tab".into(),
        sentiment: Some(-1.0),
        csat: Some(0),
        revision: Some(0),
        ..end("good")
    };
    client.end(fine).await.expect("the server goes on");
    world.close().await;
}
