//! RedactInteraction: texts that are taken out of an interaction are gone from every row, shown by
//! nobody, and come back with nothing that is said later.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use threadline::cli::audit::verify;
use threadline::clock::{Clock, HOUR};
use threadline::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, GetInteractionResponse, IntentStatus,
    ListInteractionsRequest, ProfileAttributeInput, UpdateInteractionRequest, VariableInput,
};
use tonic::Code;

use super::merging::two;
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, staff};
use crate::support::client::{assert_refused, refused};
use crate::support::requests::{
    at, call, confirm, email_hint, end, end_with, get, intent_of, reassign, redact, start_with,
    update, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    the_summary_is_gone_and_said_to_be,
    no_row_holds_what_was_taken_out,
    a_late_web_hook_brings_nothing_back,
    a_cleared_value_lets_nothing_older_through,
    an_intent_is_no_matter_any_more,
    what_waits_for_a_word_is_taken_out_as_well,
    it_stays_out_wherever_the_interaction_moves,
    a_retry_is_the_same_redaction,
    what_cannot_be_redacted_is_refused,
);

/// A call that says something of every kind.
fn told(id: &str) -> EndInteractionRequest {
    let attribute = ProfileAttributeInput { value: "Ada".into(), ..Default::default() };
    EndInteractionRequest {
        summary: "told us her diagnosis".into(),
        disposition: "callback_promised".into(),
        variables: variable("size", "XL"),
        profile: [("name".to_owned(), attribute)].into(),
        revision: Some(1),
        ..end_with(id, "billing", IntentStatus::Open)
    }
}

async fn called(client: &Client, id: &str) -> String {
    client.start(call(id, NUMBER)).await.expect("a start");
    client.end(told(id)).await.expect("an end").customer_ref
}

async fn shown(client: &Client, id: &str) -> GetInteractionResponse {
    client.get(get(id)).await.expect("a known interaction")
}

fn warned(ended: &EndInteractionResponse) -> Vec<&str> {
    let of = ended.warnings.iter().filter(|it| it.code == "stays_redacted");
    of.map(|it| it.field.as_str()).collect()
}

async fn the_summary_is_gone_and_said_to_be(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let person = called(&client, "one").await;
    // Another instance remembers them as they were.
    let another = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(world.beside("").await),
    };
    let beside = match &another {
        Some(running) => {
            let key = world.key(&World::new_key(&["telephony", "admin"])).await;
            Client::connect(running.address, Some(&format!("Bearer {key}"))).await
        }
        None => client.clone(),
    };
    let before = beside.start(call("two", NUMBER)).await.expect("a start");
    assert!(before.brief.contains("diagnosis"));
    let redacted = client.redact(redact("one", "r", &[])).await.expect("a redaction");
    assert_eq!(redacted.redacted_fields, ["summary"]);
    assert!(redacted.redact_time.is_some());
    let answer = beside.start(call("three", NUMBER)).await.expect("a start");
    let past = &answer.recent_interactions[0];
    assert_eq!((past.summary.as_str(), &past.redact_time), ("", &redacted.redact_time));
    assert!(!answer.brief.contains("diagnosis") && answer.brief.contains("billing"));
    let own = shown(&beside, "one").await.interaction.expect("its facts");
    assert_eq!((own.summary.as_str(), &own.redact_time), ("", &redacted.redact_time));
    assert_eq!((own.disposition.as_str(), own.intents.len()), ("callback_promised", 1));
    let history = ListInteractionsRequest { customer_ref: person.clone(), ..Default::default() };
    let listed = beside.list(history).await.expect("a history").interactions;
    assert_eq!((listed[0].summary.as_str(), &listed[0].redact_time), ("", &redacted.redact_time));
    let known = beside.person(&person).await;
    assert_eq!((known.contact_count, known.open_intents.len()), (1, 1), "all else is as it was");
    assert_eq!(known.variables["size"].value, "XL");
    if let Some(running) = another {
        running.stop().await.expect("an orderly stop");
    }
    let (text, whole) = verify(&world.running.service, None, &[]).await.expect("a verdict");
    assert!(whole, "{text}");
    world.close().await;
}

/// Every sealed value of the interactions of one customer.
async fn sealed(world: &World) -> Vec<Vec<u8>> {
    let mut connection = world.connect().await;
    let mut values = Vec::new();
    for sql in [
        "SELECT content FROM interaction",
        "SELECT content FROM intent_fact",
        "SELECT content FROM block",
        "SELECT state FROM journal WHERE LENGTH(state) > 0",
    ] {
        let rows = connection.fetch_all(AssertSqlSafe(sql)).await.expect("rows");
        values.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
    }
    values
}

async fn no_row_holds_what_was_taken_out(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    called(&client, "one").await;
    client.update(update("one", "u")).await.expect("an update");
    let before = sealed(&world).await;
    // A start, an end and an update, a contact, a fact, two blocks.
    assert_eq!(before.len(), 7);
    let all = ["summary", "intents", "variables", "profile", "disposition", "conversion"];
    client.redact(redact("one", "r", &all)).await.expect("a redaction");
    let after = sealed(&world).await;
    assert!(after.iter().all(|value| !before.contains(value)), "every row is another");
    // The redaction's own row, the contact, two blocks that say what is cleared.
    assert_eq!(after.len(), 4);
    if engine == Engine::Sqlite {
        let mut connection = world.connect().await;
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("a checkpoint");
        let path = world.database.strip_prefix("sqlite:").expect("a file");
        let file = std::fs::read(path).expect("the database");
        let holds = |value: &Vec<u8>| file.windows(value.len()).any(|window| window == value);
        assert!(after.iter().any(holds), "this is the right file");
        assert!(!before.iter().any(holds), "free pages hold nothing of it");
    }
    world.close().await;
}

async fn a_late_web_hook_brings_nothing_back(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let person = called(&client, "one").await;
    let fields = ["summary", "variables.size", "intents.billing", "profile"];
    client.redact(redact("one", "r", &fields)).await.expect("a redaction");
    // The same end again is the first answer, and writes nothing.
    let again = client.end(told("one")).await.expect("the same end");
    assert_eq!((again.customer_ref.as_str(), again.intents_updated), (&*person, 1));
    assert_eq!(shown(&client, "one").await.interaction.expect("it").summary, "");
    // A later version says it all once more.
    let amended = EndInteractionRequest { revision: Some(2), csat: Some(9), ..told("one") };
    let amended = client.end(amended).await.expect("an amended end");
    assert_eq!(warned(&amended), ["summary", "variables.size", "intents.billing", "profile"]);
    let late = UpdateInteractionRequest {
        variables: variable("size", "XXL"),
        intents: vec![
            intent_of("billing", IntentStatus::Open),
            intent_of("returns", IntentStatus::Open),
        ],
        ..update("one", "late")
    };
    let answer = client.update(late).await.expect("an update");
    let warned: Vec<&str> = answer.warnings.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(warned, ["variables.size", "intents.billing"]);
    let own = shown(&client, "one").await.interaction.expect("its facts");
    assert_eq!((own.summary.as_str(), own.csat), ("", Some(9)), "what is not redacted is amended");
    let known = client.person(&person).await;
    assert!(!known.variables.contains_key("size") && !known.profile.contains_key("name"));
    let open: Vec<&str> = known.open_intents.iter().map(|it| it.intent.as_str()).collect();
    assert_eq!(open, ["returns"]);
    world.close().await;
}

/// A value that came late ends with what hid it, also once something beside it is taken out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_hidden_for_good_stays_hidden() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let with = |plan: &str, seconds: i32| -> BTreeMap<String, VariableInput> {
        let input = |value: &str, ttl_seconds: i32| VariableInput {
            value: value.into(),
            ttl_seconds: Some(ttl_seconds),
            ..Default::default()
        };
        [("plan".to_owned(), input(plan, seconds)), ("size".to_owned(), input("XL", 90_000))].into()
    };
    client.start(call("newer", NUMBER)).await.expect("a start");
    // Nothing of its block lives on and tells what it hid.
    let mut only = with("b", 1_800);
    only.remove("size");
    let newer = EndInteractionRequest { variables: only, ..end("newer") };
    let person = client.end(newer).await.expect("an end").customer_ref;
    let late = EndInteractionRequest {
        channel: "email".into(),
        customer_ref: person.clone(),
        end_time: at(MONDAY.plus(-HOUR)),
        variables: with("a", 36_000),
        ..end("late")
    };
    assert_eq!(client.end(late).await.expect("a late end").customer_ref, person);
    clock.set(MONDAY.plus(HOUR));
    let plan = async || client.person(&person).await.variables.contains_key("plan");
    assert!(!plan().await, "the newer one has ended, and the older with it");
    client.redact(redact("late", "r", &["variables.size"])).await.expect("a redaction");
    assert!(!plan().await, "it does not come back");
    world.close().await;
}

async fn a_cleared_value_lets_nothing_older_through(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for (id, size, colour) in [("one", "S", "red"), ("two", "M", "blue"), ("three", "L", "")] {
        client.start(call(id, NUMBER)).await.expect("a start");
        let mut variables = variable("size", size);
        if !colour.is_empty() {
            variables.extend(variable("colour", colour));
        }
        client.end(EndInteractionRequest { variables, ..end(id) }).await.expect("an end");
    }
    let person = shown(&client, "one").await.customer_ref;
    client.redact(redact("two", "r", &["variables.colour"])).await.expect("a redaction");
    let values = client.person(&person).await.variables;
    assert!(!values.contains_key("colour"), "not the red of before");
    assert_eq!(values["size"].value, "L");
    client.redact(redact("two", "q", &["variables"])).await.expect("a redaction");
    assert_eq!(client.person(&person).await.variables["size"].value, "L", "another's stays");
    client.redact(redact("three", "r", &["variables.size"])).await.expect("a redaction");
    assert!(client.person(&person).await.variables.is_empty());
    world.close().await;
}

async fn an_intent_is_no_matter_any_more(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for id in ["one", "two"] {
        client.start(call(id, NUMBER)).await.expect("a start");
        let intents = ["billing", "returns"].map(|it| intent_of(it, IntentStatus::Open)).to_vec();
        client.end(EndInteractionRequest { intents, ..end(id) }).await.expect("an end");
    }
    client.redact(redact("two", "r", &["intents.billing"])).await.expect("a redaction");
    let answer = shown(&client, "two").await;
    let mut matters: Vec<(&str, i32)> =
        answer.open_intents.iter().map(|it| (it.intent.as_str(), it.attempt_count)).collect();
    matters.sort_unstable();
    assert_eq!(matters, [("billing", 1), ("returns", 2)], "the other contact's stays");
    let own: Vec<String> =
        answer.interaction.expect("it").intents.into_iter().map(|it| it.intent).collect();
    assert_eq!(own, ["returns"]);
    world.close().await;
}

async fn what_waits_for_a_word_is_taken_out_as_well(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(start_with("known", "email", email_hint(MAIL))).await.expect("it");
    client.end(end("known")).await.expect("an end");
    // Typed in a chat: nobody is settled on yet, and what is said waits.
    client.start(start_with("chat", "web_chat", email_hint(MAIL))).await.expect("a start");
    let said = UpdateInteractionRequest {
        variables: variable("size", "XL"),
        intents: vec![intent_of("billing", IntentStatus::Open)],
        ..update("chat", "u")
    };
    client.update(said).await.expect("an update");
    let fields = ["variables.size", "intents", "summary"];
    client.redact(redact("chat", "r", &fields)).await.expect("a redaction while active");
    let ended = EndInteractionRequest { summary: "her diagnosis".into(), ..end("chat") };
    assert_eq!(warned(&client.end(ended).await.expect("an end")), ["summary"]);
    client.redact(redact("chat", "r2", &["disposition"])).await.expect("a candidate's contact");
    client.update(confirm("chat", "c")).await.expect("a confirmation");
    let person = client.person(&known.customer_ref).await;
    assert_eq!((person.variables.len(), person.open_intents.len()), (0, 0));
    let answer = client.start(start_with("next", "email", email_hint(MAIL))).await.expect("it");
    assert!(answer.recent_interactions.iter().all(|it| it.summary.is_empty()));
    world.close().await;
}

async fn it_stays_out_wherever_the_interaction_moves(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (_, writer) = two(&client).await;
    called(&client, "wrong").await;
    client.redact(redact("wrong", "r", &["summary", "variables"])).await.expect("a redaction");
    client.reassign(reassign("wrong", "m", Some(&writer))).await.expect("moved");
    let amended = EndInteractionRequest { revision: Some(2), ..told("wrong") };
    assert_eq!(warned(&client.end(amended).await.expect("an end")), ["summary", "variables"]);
    let history = ListInteractionsRequest { customer_ref: writer.clone(), ..Default::default() };
    let listed = client.list(history).await.expect("a history").interactions;
    assert_eq!((listed[0].interaction_id.as_str(), listed[0].summary.as_str()), ("wrong", ""));
    assert!(listed[0].redact_time.is_some() && listed[1].redact_time.is_none());
    let size = client.person(&writer).await.variables;
    assert!(!size.contains_key("size"), "the cleared value came with it");
    world.close().await;
}

async fn a_retry_is_the_same_redaction(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    called(&client, "one").await;
    let first = client.redact(redact("one", "r", &["summary"])).await.expect("a redaction");
    let again = client.redact(redact("one", "r", &["summary"])).await.expect("the same");
    assert!(first == again, "the first answer");
    let other = client.redact(redact("one", "r", &["variables"])).await;
    assert_refused(other, Code::AlreadyExists, "REQUEST_CONFLICT");
    let more = client.redact(redact("one", "r2", &["variables.size"])).await.expect("one more");
    assert_eq!(more.redacted_fields, ["summary", "variables.size"]);
    world.close().await;
}

async fn what_cannot_be_redacted_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    called(&client, "one").await;
    assert_refused(
        client.redact(redact("two", "r", &[])).await,
        Code::NotFound,
        "INTERACTION_NOT_FOUND",
    );
    for role in ["telephony", "bot", "agent", "backfill", "insight"] {
        let other = world.role(role).await;
        let refused = other.redact(redact("one", role, &[])).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let elsewhere = world.of_source(&["helpdesk"], "desk", &[]).await;
    let mut theirs = redact("one", "r", &[]);
    assert_refused(elsewhere.redact(theirs.clone()).await, Code::NotFound, "INTERACTION_NOT_FOUND");
    theirs.source = "default".into();
    assert_refused(elsewhere.redact(theirs).await, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    let helpdesk = world.role("helpdesk").await;
    helpdesk
        .redact(redact("one", "desk", &[]))
        .await
        .expect("who writes ends may take out of them");
    let odd = client.redact(redact("", "", &["summary", "hints", "variables."])).await;
    let odd = odd.err().expect("a refusal");
    let fields: Vec<&str> = odd.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["interaction_id", "request_id", "fields[1]", "fields[2]"]);
    let many = vec!["summary"; 65];
    let many = client.redact(redact("one", "many", &many)).await.err().expect("too many");
    assert_eq!(many.fields.len(), 1);
    world.close().await;
}

/// Whatever would be left of it, and nothing of it is repeated or kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_refused_as_it_came() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let card = "4111 1111 1111 1111 ";
    // One character more than there may be: masked, the number would be three shorter.
    let long = |most: usize| format!("{card}{}", "x".repeat(most + 1 - card.len()));
    let plain = || told("long");
    let attribute = ProfileAttributeInput { value: long(4_096), ..Default::default() };
    for (field, end) in [
        ("summary", EndInteractionRequest { summary: long(8_192), ..plain() }),
        ("disposition", EndInteractionRequest { disposition: long(128), ..plain() }),
        ("queue", EndInteractionRequest { queue: long(128), ..plain() }),
        ("variables", EndInteractionRequest { variables: variable(&long(128), "x"), ..plain() }),
        (
            "variables[note].value",
            EndInteractionRequest { variables: variable("note", &long(4_096)), ..plain() },
        ),
        (
            "profile[name].value",
            EndInteractionRequest {
                profile: [("name".to_owned(), attribute.clone())].into(),
                ..plain()
            },
        ),
        (
            "clear_variables[0]",
            EndInteractionRequest { clear_variables: vec![long(128)], ..plain() },
        ),
    ] {
        let refusal = refused(client.end(end).await);
        assert_eq!(refusal.names(), [field], "{refusal:?}");
        assert!(!format!("{refusal:?}").contains("4111"), "{refusal:?}");
    }
    assert_refused(client.get(get("long")).await, Code::NotFound, "INTERACTION_NOT_FOUND");
    world.close().await;
}
