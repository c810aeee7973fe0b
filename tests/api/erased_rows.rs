//! What an erasure leaves at rest: no row of the person in any table, no byte of what was sealed for
//! them in SQLite's file or log, no wrapped key, and in no answer any word of theirs.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use sqlx::{AssertSqlSafe, Row as _};
use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerRequest, GetInteractionRequest, ImportCustomersRequest,
    ImportRow, Intent, IntentStatus, LastInbound, ListConflictsRequest, ListInteractionsRequest,
    MergeCustomersRequest, StartInteractionRequest, UpdateInteractionRequest,
    UpsertCustomerRequest, VariableInput,
};
use threadline::ids::{CustomerId, TenantId};

use super::access::second_instance;
use super::customers::{attributes, mail, upsert_with};
use super::erasing::{gone, whole};
use super::settling::staff;
use super::ties::{identifier, link};
use crate::support::requests::{
    call, confirm, email_hint, end, external_hint, get, intent_of, merge, start_with, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    no_row_of_the_person_is_left_in_any_table,
    no_byte_of_what_was_sealed_is_left,
    no_word_of_theirs_is_answered,
);

const NUMBER: &str = "+14155550177";
const MAIL: &str = "zykanary.mail@example.com";
/// Words that stand only in what is said of the person.
const CANARIES: [&str; 20] = [
    "4155550177",
    "zykanary.mail",
    "Zykanary-name",
    "Zykanary-nickname",
    "Zykanary-attribute",
    "Zykanary-summary",
    "zykanary_intent",
    "Zykanary-reference",
    "zykanary_variable",
    "Zykanary-value",
    "Zykanary-agent",
    "Zykanary-queue",
    "Zykanary-disposition",
    "Zykanary-thread",
    "Zykanary-inbound",
    "Zykanary-brand",
    "Zykanary-reason",
    "Zykanary-evidence",
    "Zykanary-crm",
    "Zykanary-account",
];

/// Somebody of whom everything is known that can be; their refs.
async fn known_in_full(client: &Client) -> Vec<String> {
    let begun = StartInteractionRequest {
        thread_ref: "Zykanary-thread".into(),
        brand: "Zykanary-brand".into(),
        ..call("zykanary first", NUMBER)
    };
    let one = client.start(begun).await.expect("a start").customer_ref;
    let value = VariableInput { value: "Zykanary-value".into(), ..Default::default() };
    let matter = Intent {
        reference: "Zykanary-reference".into(),
        ..intent_of("zykanary_intent", IntentStatus::Open)
    };
    let ended = EndInteractionRequest {
        summary: "Zykanary-summary".into(),
        agent_ref: "Zykanary-agent".into(),
        queue: "Zykanary-queue".into(),
        disposition: "Zykanary-disposition".into(),
        variables: BTreeMap::from([("zykanary_variable".to_owned(), value)]),
        intents: vec![matter],
        profile: attributes(&[
            ("name", "Zykanary-name"),
            ("zykanary_attribute", "Zykanary-attribute"),
        ]),
        ..end("zykanary first")
    };
    client.end(ended).await.expect("an end");
    // Known by a mail as well, and asked whether it is them: not settled, and filed nowhere.
    client.link(link("zykanary l", &one, identifier("email", "", MAIL))).await.expect("a link");
    let typed = start_with("zykanary typed", "web_chat", email_hint(MAIL));
    client.start(typed).await.expect("a start");
    client.start(call("zykanary running", NUMBER)).await.expect("a start");
    let (channel, thread_ref) = ("whatsapp".into(), "Zykanary-inbound".into());
    let sent = Some(LastInbound { channel, thread_ref, time: None });
    let wrote = UpdateInteractionRequest { last_inbound: sent, ..update("zykanary running", "u") };
    client.update(wrote).await.expect("an update");
    let crm = || identifier("external", "crm_id", "Zykanary-crm");
    let made = upsert_with("zykanary u", vec![crm()], &[("name", "Zykanary-nickname")]);
    let made = client.upsert(made).await.expect("somebody").customer.expect("them").customer_ref;
    let account = identifier("external", "account_number", "Zykanary-account");
    client.link(link("zykanary l2", &made, account)).await.expect("a link");
    let joined = MergeCustomersRequest {
        reason: "Zykanary-reason".into(),
        evidence: "Zykanary-evidence".into(),
        ..merge("zykanary m", &one, &made)
    };
    client.merge(joined).await.expect("a merge");
    vec![one, made]
}

/// Somebody whom nothing of it concerns, who has as much.
async fn bystander(client: &Client) -> String {
    client.start(call("other", "+14155550178")).await.expect("a start");
    client
        .start(start_with("other typed", "web_chat", email_hint("o@example.com")))
        .await
        .expect("it");
    let ended = EndInteractionRequest {
        summary: "another".into(),
        intents: vec![intent_of("zykanary_intent", IntentStatus::Open)],
        ..end("other")
    };
    client.end(ended).await.expect("an end").customer_ref
}

/// Every table that has a column for a customer, from the migrations: a later one is among them.
fn tables_of_customers() -> BTreeSet<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("migrations")
        .map(|it| it.expect("a file").path())
        .collect();
    files.sort();
    let (mut found, mut table) = (BTreeSet::new(), String::new());
    for file in files {
        for line in std::fs::read_to_string(file).expect("a migration").lines() {
            let sql = line.split("--").next().unwrap_or_default();
            let words: Vec<&str> = sql.split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "TABLE", name, ..] | ["ALTER", "TABLE", name] => table = (*name).into(),
                _ => {}
            }
            let column = match words.as_slice() {
                ["ALTER", "TABLE", name, "ADD", "COLUMN", column, "BLOB", ..] => {
                    table = (*name).into();
                    Some(*column)
                }
                ["ADD", "COLUMN", column, "BLOB", ..] | [column, "BLOB", ..] => Some(*column),
                _ => None,
            };
            // Bytes that say they are a ref.
            let says =
                |word: &str| line.split(|it: char| !it.is_alphanumeric()).any(|it| it == word);
            let is_ref = line.contains("-- readable") && (says("ref") || says("refs"));
            let named = |it: &&str| is_ref || ["customer", "one", "other"].contains(it);
            if let Some(column) = column.filter(named) {
                found.insert((table.clone(), column.to_owned()));
            }
        }
    }
    found
}

/// How many rows of each of these name one of the customers.
async fn counted(
    world: &World,
    places: &BTreeSet<(String, String)>,
    refs: &[String],
) -> BTreeMap<(String, String), i64> {
    let mut connection = world.connect().await;
    let mut counts = BTreeMap::new();
    for (table, column) in places {
        let mut all = 0;
        for one in refs {
            let id = CustomerId::parse_ref(one).expect("our own form");
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {column} = $1");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(id.0.to_vec());
            let row = query.fetch_one(&mut connection).await.expect("a count");
            all += row.get::<i64, _>(0);
        }
        counts.insert((table.clone(), column.clone()), all);
    }
    counts
}

async fn no_row_of_the_person_is_left_in_any_table(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut refs = known_in_full(&client).await;
    // A ref that resolves to theirs, and a conflict.
    let wrong = client.start(call("zykanary wrong", "+14155550179")).await.expect("a start");
    let right = super::merging::confirmed_as(&refs[0]);
    let moved =
        UpdateInteractionRequest { identity_feedback: right, ..confirm("zykanary wrong", "u") };
    client.update(moved).await.expect("an update");
    refs.push(wrong.customer_ref);
    let again = UpsertCustomerRequest {
        customer_ref: refs[0].clone(),
        ..upsert_with("zykanary again", Vec::new(), &[("name", "Zykanary-nickname")])
    };
    client.upsert(again).await.expect("a conflict");
    bystander(&client).await;
    // Who asked for a contact of theirs and was shown nothing named it all the same.
    let desk = world.of_source(&["helpdesk"], "desk", &["default"]).await;
    let asked = GetInteractionRequest { source: "default".into(), ..get("zykanary first") };
    assert!(desk.get(asked).await.is_err(), "a helpdesk reads nothing");
    client.person(&refs[0]).await;
    assert_eq!(named_by_reads(&world, "zykanary first").await, 1);
    let places = tables_of_customers();
    let before = counted(&world, &places, &refs).await;
    assert!(before.len() >= 12, "{before:?}");
    let empty: Vec<_> = before.iter().filter(|(_, count)| **count == 0).collect();
    assert!(empty.is_empty(), "nothing of them would be found there anyhow: {empty:?}");
    let receipt = gone(&client, &refs[0], "e").await;
    assert_eq!(receipt.counts.expect("counts").customer_count, 3);
    let after = counted(&world, &places, &refs).await;
    let left: Vec<_> = after.iter().filter(|(_, count)| **count != 0).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(named_by_reads(&world, "zykanary first").await, 0);
    whole(&world).await;
    world.close().await;
}

/// Reads that named this interaction and showed nobody.
async fn named_by_reads(world: &World, id: &str) -> i64 {
    let tenant = world.running.service.tenant(TenantId(1)).await.expect("the tenant");
    while world.running.service.store().traces_waiting() > 0 {
        tokio::task::yield_now().await;
    }
    let token = tenant.secrets.interaction("default", id).0.to_vec();
    let sql = "SELECT COUNT(*) FROM journal WHERE fingerprint = $1 AND LENGTH(customer) = 0";
    let mut connection = world.connect().await;
    sqlx::query(sql).bind(token).fetch_one(&mut connection).await.expect("a count").get(0)
}

/// Everything that is sealed for whoever is named in `whom`, and their wrapped keys.
async fn sealed(world: &World, refs: &[String]) -> Vec<(String, Vec<u8>)> {
    let mut connection = world.connect().await;
    let mut all = Vec::new();
    for one in refs {
        let id = CustomerId::parse_ref(one).expect("our own form").0.to_vec();
        for (what, sql) in [
            ("link", "SELECT identifier FROM link WHERE customer = $1"),
            ("contact", "SELECT content FROM interaction WHERE customer = $1"),
            ("fact", "SELECT content FROM intent_fact WHERE customer = $1"),
            ("block", "SELECT content FROM block WHERE customer = $1"),
            ("journal", "SELECT state FROM journal WHERE customer = $1"),
            ("merge", "SELECT content FROM customer_merge WHERE one = $1"),
            (
                "key",
                "SELECT wrapped FROM data_key WHERE data_key IN \
                 (SELECT data_key FROM customer WHERE customer = $1)",
            ),
        ] {
            let rows = sqlx::query(sql).bind(id.clone()).fetch_all(&mut connection).await;
            for row in rows.expect("rows") {
                let bytes: Vec<u8> = row.get(0);
                if !bytes.is_empty() {
                    all.push((what.to_owned(), bytes));
                }
            }
        }
    }
    all
}

/// SQLite's file and log, or every column of bytes of PostgreSQL.
async fn at_rest(world: &World) -> Vec<u8> {
    if world.engine == Engine::Sqlite {
        let path = world.database.strip_prefix("sqlite:").expect("a file");
        let file = |end: &str| std::fs::read(format!("{path}{end}")).unwrap_or_default();
        return [file(""), file("-wal")].concat();
    }
    let mut connection = world.connect().await;
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
               FROM information_schema.columns \
               WHERE table_schema = 'public' AND data_type = 'bytea'";
    let columns = sqlx::query(sql).fetch_all(&mut connection).await.expect("the schema");
    let mut all = Vec::new();
    for column in columns {
        let (table, name): (String, String) = (column.get(0), column.get(1));
        let sql = AssertSqlSafe(format!("SELECT \"{name}\" FROM \"{table}\""));
        for row in sqlx::query(sql).fetch_all(&mut connection).await.expect("a table") {
            all.extend(row.get::<Vec<u8>, _>(0));
        }
    }
    all
}

/// Which of the values are there; the first 24 bytes after the header tell each.
fn found<'v>(bytes: &[u8], values: &'v [(String, Vec<u8>)]) -> Vec<&'v str> {
    const WINDOW: usize = 24;
    let of = |value: &[u8]| -> [u8; WINDOW] {
        let from = value.len().saturating_sub(WINDOW);
        value[from..].try_into().expect("sealed values are longer")
    };
    let wanted: BTreeMap<[u8; WINDOW], &str> =
        values.iter().map(|(what, value)| (of(value), what.as_str())).collect();
    let windows = bytes.windows(WINDOW).filter_map(|window| wanted.get(window).copied());
    windows.collect()
}

/// Many people of a bank of theirs, so that their rows move between pages.
async fn crowd(client: &Client, from: usize, count: usize) {
    let row = |number: usize| ImportRow {
        row_number: number as i64,
        identifiers: vec![mail(&format!("crowd.{number}@example.com"))],
        profile: attributes(&[("name", &format!("Crowd {number}"))]),
    };
    let rows = (from..from + count).map(row).collect();
    let rows = vec![ImportCustomersRequest { settings: None, rows }];
    assert_eq!(client.import(rows).await.expect("an import").created_count, count as i64);
}

async fn no_byte_of_what_was_sealed_is_left(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let refs = known_in_full(&client).await;
    crowd(&client, 0, 200).await;
    for number in 0..10 {
        let id = format!("zykanary {number}");
        client.start(call(&id, NUMBER)).await.expect("a start");
        let ended = EndInteractionRequest { summary: "Zykanary-summary".into(), ..end(&id) };
        client.end(ended).await.expect("an end");
        crowd(&client, 200 + number * 20, 20).await;
    }
    let values = sealed(&world, &refs).await;
    let kinds: BTreeSet<&str> = values.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    let before: BTreeSet<&str> = found(&at_rest(&world).await, &values).into_iter().collect();
    assert_eq!(before, kinds, "it is looked for where it is");
    gone(&client, &refs[0], "e").await;
    let after = found(&at_rest(&world).await, &values);
    assert!(after.is_empty(), "{after:?}");
    whole(&world).await;
    world.close().await;
}

/// Everything that can be asked of the service, as bytes.
async fn answers(client: &Client, refs: &[String], round: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut keep = |answer: Option<Vec<u8>>| all.extend(answer.unwrap_or_default());
    for one in refs {
        let whom = GetCustomerRequest { customer_ref: one.clone(), ..Default::default() };
        keep(client.customer(whom).await.ok().map(|it| it.encode_to_vec()));
        let whose = ListInteractionsRequest { customer_ref: one.clone(), ..Default::default() };
        keep(client.list(whose).await.ok().map(|it| it.encode_to_vec()));
        let whose = ListConflictsRequest { customer_ref: one.clone(), ..Default::default() };
        keep(client.list_conflicts(whose).await.ok().map(|it| it.encode_to_vec()));
    }
    for id in ["zykanary first", "zykanary typed", "zykanary running", "other", "other typed"] {
        keep(client.get(get(id)).await.ok().map(|it| it.encode_to_vec()));
    }
    let all_conflicts = ListConflictsRequest::default();
    keep(client.list_conflicts(all_conflicts).await.ok().map(|it| it.encode_to_vec()));
    let crm = external_hint("crm_id", "Zykanary-crm");
    for (id, request) in [
        ("number", call(&format!("{round} number"), NUMBER)),
        ("mail", start_with(&format!("{round} mail"), "email", email_hint(MAIL))),
        ("crm", start_with(&format!("{round} crm"), "voice", crm)),
    ] {
        let answer =
            client.start(request).await.unwrap_or_else(|refused| panic!("{id}: {refused:?}"));
        keep(Some(answer.encode_to_vec()));
    }
    all
}

fn words(bytes: &[u8]) -> BTreeSet<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    CANARIES.into_iter().filter(|word| text.contains(&word.to_lowercase())).collect()
}

async fn no_word_of_theirs_is_answered(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let header = format!("Bearer {key}");
    let here = world.with_header(Some(&header)).await;
    let there = Client::connect(other.address, Some(&header)).await;
    let refs = known_in_full(&here).await;
    let bystander = bystander(&here).await;
    let all: Vec<String> = refs.iter().cloned().chain([bystander]).collect();
    // Both know them, and remember them.
    for (client, round) in [(&here, "a"), (&there, "b")] {
        let seen = words(&answers(client, &all, round).await);
        let missing: Vec<_> = CANARIES.iter().filter(|word| !seen.contains(**word)).collect();
        assert!(missing.is_empty(), "never answered anyhow: {missing:?}");
    }
    gone(&here, &refs[0], "e").await;
    for (client, round) in [(&there, "c"), (&here, "d")] {
        let seen = words(&answers(client, &all, round).await);
        // Whoever calls from the number is somebody new, whose number it is.
        let own = BTreeSet::from(["zykanary_intent"]);
        assert!(seen.is_subset(&own), "{seen:?}");
    }
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}
