//! Card numbers, security codes and what a tenant's patterns match are masked before anything is kept:
//! no answer shows them, no file holds them, and a retry is still the same request.

use threadline::grpc::proto::{
    Conversion, EndInteractionRequest, EndInteractionResponse, GetCustomerRequest,
    ImportCustomersRequest, ImportRow, Intent, ListInteractionsRequest, StartInteractionRequest,
    UpdateInteractionRequest, Warning,
};
use tonic::Code;

use super::customers::{attributes, mail, phone, upsert_with, value};
use super::settling::{MAIL, NUMBER, staff};
use crate::support::client::assert_refused;
use crate::support::requests::{call, end, get, merge, unmerge, update, variable};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    no_answer_shows_a_card,
    customers_and_merges_hold_no_card,
    a_retry_is_the_same_request,
    a_tenant_has_patterns_of_its_own,
    a_tenant_may_keep_cards,
);

const CARD: &str = "4111 1111 1111 1111";
const PLAIN: &str = "4111111111111111";
const MASKED: &str = "411111******1111";
const IBAN: &str = "DE89370400440532013000";
const PATTERN: &str = r#"redact_patterns = [{ name = "iban", pattern = "[A-Z]{2}[0-9]{20}" }]"#;

fn settings(policy: &str) -> String {
    format!("[tenants.acme]\n{policy}\n")
}

/// Fields that an answer warns of.
fn warned(warnings: &[Warning]) -> Vec<&str> {
    let redacted = warnings.iter().filter(|it| it.code == "redacted");
    assert!(warnings.iter().all(|it| !it.message.contains("1111")));
    redacted.map(|it| it.field.as_str()).collect()
}

/// Holds a message against the number, in either form.
#[track_caller]
fn assert_clean(message: &impl prost::Message) {
    let bytes = message.encode_to_vec();
    for secret in [CARD, PLAIN] {
        let found = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
        assert!(!found, "an answer shows {secret}");
    }
}

fn intent(name: &str, reference: &str) -> Intent {
    Intent { intent: name.into(), reference: reference.into(), ..Default::default() }
}

/// An end that names a card wherever it says anything.
fn telling(id: &str) -> EndInteractionRequest {
    EndInteractionRequest {
        summary: format!("Paid with {CARD}, CVV 987. Card {PLAIN} again."),
        queue: format!("cards {CARD}"),
        intents: vec![intent("refund", PLAIN)],
        variables: variable("payment", CARD),
        profile: attributes(&[("card", PLAIN), ("cvv", "987")]),
        disposition: format!("charged {PLAIN}"),
        conversion: Some(Conversion { name: format!("sale on {PLAIN}"), ..Default::default() }),
        ..end(id)
    }
}

async fn ended(client: &Client, id: &str) -> EndInteractionResponse {
    client.end(telling(id)).await.expect("an end")
}

async fn no_answer_shows_a_card(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let start = StartInteractionRequest { queue: format!("q {CARD}"), ..call("one", NUMBER) };
    let started = client.start(start).await.expect("a start");
    assert_eq!(warned(&started.warnings), ["queue"]);
    let said = UpdateInteractionRequest {
        intents: vec![intent(&format!("lost {CARD}"), "")],
        variables: variable(PLAIN, "x"),
        ..update("one", "u")
    };
    let updated = client.update(said.clone()).await.expect("an update");
    assert_eq!(warned(&updated.warnings), ["intents[0].intent", "variables"]);
    assert_clean(&updated);
    let again = client.update(said).await.expect("the same update");
    assert_eq!(warned(&again.warnings), warned(&updated.warnings));
    let answer = ended(&client, "one").await;
    let fields = [
        "queue",
        "intents[0].reference",
        "variables[payment]",
        "profile[card]",
        "profile[cvv]",
        "summary",
        "disposition",
        "conversion.name",
    ];
    assert_eq!(warned(&answer.warnings), fields);
    // What everybody sees from now on.
    let next = client.start(call("two", NUMBER)).await.expect("a start");
    let shown = client.get(get("one")).await.expect("an interaction");
    let listed =
        ListInteractionsRequest { customer_ref: next.customer_ref.clone(), ..Default::default() };
    let listed = client.list(listed).await.expect("a history");
    let person = client.person(&next.customer_ref).await;
    for clean in [&next, &client.update(update("two", "u")).await.expect("an update")] {
        assert_clean(clean);
    }
    assert_clean(&shown);
    assert_clean(&listed);
    assert_clean(&person);
    let past = &next.recent_interactions[0];
    assert_eq!(past.summary, format!("Paid with {MASKED}, CVV ***. Card {MASKED} again."));
    assert_eq!(past.disposition, format!("charged {MASKED}"));
    assert!(next.brief.contains(MASKED), "{}", next.brief);
    assert_eq!(next.variables["payment"].value, MASKED);
    assert_eq!(next.variables[MASKED].value, "x");
    let mut matters: Vec<(&str, &str)> =
        next.open_intents.iter().map(|it| (&*it.intent, &*it.reference)).collect();
    matters.sort_unstable();
    assert_eq!(matters, [(&*format!("lost {MASKED}"), ""), ("refund", MASKED)]);
    assert_eq!(value(&person, "card"), Some(MASKED));
    assert_eq!(value(&person, "cvv"), Some("***"));
    assert_nowhere(&world).await;
    world.close().await;
}

/// The number is in no file of the store.
async fn assert_nowhere(world: &World) {
    let Some(path) = world.database.strip_prefix("sqlite:") else { return };
    for file in [path.to_owned(), format!("{path}-wal")] {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for secret in [CARD, PLAIN] {
            assert!(!bytes.windows(secret.len()).any(|it| it == secret.as_bytes()), "{file}");
        }
    }
}

async fn customers_and_merges_hold_no_card(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let profile = [("note", &*format!("card {CARD}")), ("cvc", "987")];
    let one = client.upsert(upsert_with("one", vec![mail(MAIL)], &profile)).await.expect("one");
    assert_eq!(warned(&one.warnings), ["customer.profile[cvc]", "customer.profile[note]"]);
    assert_clean(&one);
    let row = |number: i64| ImportRow {
        row_number: number,
        identifiers: vec![phone(NUMBER)],
        profile: attributes(&[("note", PLAIN)]),
    };
    let import = |row| vec![ImportCustomersRequest { settings: None, rows: vec![row] }];
    let imported = client.import(import(row(2))).await.expect("an import");
    assert_eq!((imported.created_count, imported.warning_count), (1, 1));
    let warning = imported.warnings[0].warning.clone().expect("a warning");
    assert_eq!(warned(&[warning]), ["profile[note]"]);
    let again = client.import(import(row(2))).await.expect("the same import");
    assert_eq!((again.unchanged_count, again.warning_count), (1, 1), "it is left out again");
    let caller = client.start(call("a call", NUMBER)).await.expect("a start").customer_ref;
    let known = client.person(&caller).await;
    assert_eq!(value(&known, "note"), Some(MASKED));
    let writer = one.customer.expect("a customer").customer_ref;
    let mut merging = merge("m", &caller, &writer);
    merging.reason = format!("both paid with {CARD}");
    merging.evidence = format!("ticket {PLAIN}");
    let merged = client.merge(merging).await.expect("a merge");
    let mut taken_back = unmerge("u", &merged.merge_id);
    taken_back.reason = format!("{CARD} was stolen");
    client.unmerge(taken_back).await.expect("an unmerge");
    let person = client.person(&caller).await;
    assert_clean(&person);
    assert_eq!(person.merges[0].reason, format!("both paid with {MASKED}"));
    assert_eq!(person.merges[0].evidence, format!("ticket {MASKED}"));
    assert_eq!(person.merges[0].undone_reason, format!("{MASKED} was stolen"));
    assert_nowhere(&world).await;
    world.close().await;
}

/// Also when the tenant's settings have changed meanwhile.
async fn a_retry_is_the_same_request(engine: Engine) {
    let world = Setup::on(engine).settings(&settings(PATTERN)).open().await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let header = format!("Bearer {key}");
    let client = world.with_header(Some(&header)).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let said = EndInteractionRequest { summary: format!("{CARD} {IBAN}"), ..end("one") };
    let noted = UpdateInteractionRequest {
        variables: variable("iban", &format!("{IBAN} {PLAIN}")),
        ..update("one", "u")
    };
    let changed = upsert_with("c", vec![mail(MAIL)], &[("iban", &format!("{IBAN} {PLAIN}"))]);
    client.update(noted.clone()).await.expect("an update");
    client.end(said.clone()).await.expect("an end");
    client.upsert(changed.clone()).await.expect("a customer");
    let mut world = world;
    for policy in [PATTERN, "", "redact_cards = false"] {
        world = world.again_with(&settings(policy)).await;
        let client = world.with_header(Some(&header)).await;
        client.update(noted.clone()).await.expect("the same update");
        client.end(said.clone()).await.expect("the same end");
        let again = client.upsert(changed.clone()).await.expect("the same upsert");
        assert!(again.created, "the first answer");
        let shown = client.start(call(&format!("after {policy}"), NUMBER)).await.expect("a start");
        let summary = &shown.recent_interactions[0].summary;
        assert_eq!(*summary, format!("{MASKED} [iban]"), "a replay writes nothing");
        assert_eq!(shown.variables["iban"].value, format!("[iban] {MASKED}"));
        let other = EndInteractionRequest { summary: "other".into(), ..end("one") };
        assert_refused(client.end(other).await, Code::AlreadyExists, "END_CONFLICT");
    }
    world.close().await;
}

async fn a_tenant_has_patterns_of_its_own(engine: Engine) {
    let world = Setup::on(engine).settings(&settings(PATTERN)).open().await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let said = EndInteractionRequest { summary: format!("to {IBAN} from {CARD}"), ..end("one") };
    let answer = client.end(said).await.expect("an end");
    let warnings: Vec<(&str, &str)> =
        answer.warnings.iter().map(|it| (&*it.field, &*it.message)).collect();
    assert_eq!(warnings, [("summary", "card numbers masked: 1"), ("summary", "[iban]: 1")]);
    let shown = client.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(shown.recent_interactions[0].summary, format!("to [iban] from {MASKED}"));
    world.close().await;
}

async fn a_tenant_may_keep_cards(engine: Engine) {
    let world = Setup::on(engine).settings(&settings("redact_cards = false")).open().await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let said = EndInteractionRequest { summary: CARD.into(), ..end("one") };
    assert!(client.end(said).await.expect("an end").warnings.is_empty());
    let shown = client.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(shown.recent_interactions[0].summary, CARD);
    // Another customer's card is as unreadable at rest as all else.
    assert_nowhere(&world).await;
    let request = GetCustomerRequest { customer_ref: shown.customer_ref, ..Default::default() };
    assert!(client.customer(request).await.is_ok());
    world.close().await;
}
