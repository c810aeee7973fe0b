//! ExportCustomer: all that is held on a person, and nothing of anybody else.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use threadline::cli::audit::Filters;
use threadline::continuity::Error;
use threadline::grpc::proto::{
    EndInteractionRequest, ExportRecord, IntentStatus, UpdateInteractionRequest,
    export_record::Record,
};
use tonic::Code;

use super::auditing::{all, list};
use super::consents::consent;
use super::customers::phone;
use super::person::{connection, plant, world};
use super::settling::{MAIL, NUMBER, somebody, staff};
use super::ties::link;
use crate::plant::{Planted, Planter};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, get, landline_call, merge, number_hint, reassign,
    unmerge, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    it_holds_all_that_was_said_and_nothing_of_a_housemate,
    after_an_unmerge_only_their_own,
    what_moved_is_not_in_it,
    a_contact_that_nobody_confirmed_has_only_its_place,
    it_says_who_did_what,
    many_contacts_come_page_by_page,
    it_ends_when_they_are_no_longer_who_they_were,
    nobody_else_and_nobody_unknown,
);

/// All bytes of an export; texts are in it as they are.
pub(super) fn bytes(records: &[Record]) -> Vec<u8> {
    let one = |record: &Record| ExportRecord { record: Some(record.clone()) }.encode_to_vec();
    records.iter().flat_map(one).collect()
}

/// The planted that are, or are not, in these bytes; case is not kept of everything.
pub(super) fn split<'p>(planted: &'p [Planted], bytes: &[u8]) -> (Vec<&'p str>, Vec<&'p str>) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let is_in = |it: &&Planted| text.contains(&it.canary.to_lowercase());
    let (found, missing): (Vec<&Planted>, Vec<&Planted>) = planted.iter().partition(is_in);
    let field = |it: &'p Planted| it.field.as_str();
    (found.into_iter().map(field).collect(), missing.into_iter().map(field).collect())
}

/// What of somebody else is in these bytes. Everybody was in the same time zone.
pub(super) fn foreign<'p>(planted: &'p [Planted], bytes: &[u8]) -> Vec<&'p str> {
    let (mut found, _) = split(planted, bytes);
    found.retain(|field| !field.ends_with(".time_zone"));
    found
}

async fn it_holds_all_that_was_said_and_nothing_of_a_housemate(engine: Engine) {
    let mut planter = Planter::new();
    let (world, key) = world(engine, &planter).await;
    let wire = connection(&world, &key).await;
    let person = plant(&wire, &mut planter).await;
    let housemate = plant(&wire, &mut planter).await;
    assert!(person.stored.len() > 100, "{}", person.stored.len());
    let client = world.with_header(Some(&format!("Bearer {key}"))).await;
    // They share a line, and somebody called from it of whom nobody said who they are.
    for (id, whom) in [("a", &person.customer_ref), ("b", &housemate.customer_ref)] {
        client.link(link(id, whom, phone(NUMBER))).await.expect("a link");
    }
    let asked = client.start(landline_call("whose", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    let ended = EndInteractionRequest { summary: "Zykanary of nobody".into(), ..end("whose") };
    client.end(ended).await.expect("an end");
    for (own, other) in [(&person, &housemate), (&housemate, &person)] {
        let records = client.export(&own.customer_ref).await.expect("an export");
        let bytes = bytes(&records);
        let (_, missing) = split(&own.stored, &bytes);
        assert!(missing.is_empty(), "not exported: {missing:?}");
        let found = foreign(&other.stored, &bytes);
        assert!(found.is_empty(), "of somebody else: {found:?}");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&other.customer_ref) && !text.contains("of nobody"));
        let Some(Record::End(end)) = records.last() else { panic!("its end") };
        assert_eq!(end.record_count as usize, records.len() - 1);
    }
    world.close().await;
}

/// Somebody known by this number, with a word in all they said.
async fn speaker(client: &Client, number: &str, word: &str) -> String {
    let known = client.start(call(word, number)).await.expect("a start").customer_ref;
    let ended = EndInteractionRequest {
        summary: format!("{word} said this"),
        consents: consent(&word.to_lowercase(), threadline::context::ConsentState::Granted),
        ..end_with(word, &format!("{word}_matter"), IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    known
}

async fn text(client: &Client, customer_ref: &str) -> String {
    let records = client.export(customer_ref).await.expect("an export");
    String::from_utf8_lossy(&bytes(&records)).into_owned()
}

async fn after_an_unmerge_only_their_own(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = speaker(&client, NUMBER, "ada").await;
    let other = speaker(&client, "+14155550122", "eve").await;
    let joined = client.merge(merge("m", &one, &other)).await.expect("a merge").merge_id;
    for whom in [&one, &other] {
        let all = text(&client, whom).await;
        assert!(
            ["ada said", "eve said", "+14155550122", NUMBER, &one, &other]
                .into_iter()
                .all(|part| all.contains(part)),
            "of both, by any ref"
        );
    }
    client.unmerge(unmerge("u", &joined)).await.expect("an unmerge");
    let own = text(&client, &one).await;
    assert!(own.contains("ada said") && own.contains("ada_matter") && own.contains(&one));
    assert!(!own.contains("eve") && !own.contains(&other) && !own.contains("+14155550122"));
    // That they were taken for one person was said of each.
    assert!(own.contains("one person, says the desk"));
    world.close().await;
}

async fn what_moved_is_not_in_it(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let first = speaker(&client, NUMBER, "ada").await;
    let second = somebody(&client, "second", "email", email_hint(MAIL)).await;
    let wrong = client.start(call("wrong", NUMBER)).await.expect("a start");
    assert_eq!(wrong.customer_ref, first);
    let told = UpdateInteractionRequest { queue: "eve_queue".into(), ..update("wrong", "u") };
    client.update(told).await.expect("an update");
    let ended = EndInteractionRequest { summary: "eve said this".into(), ..end("wrong") };
    client.end(ended).await.expect("an end");
    client.reassign(reassign("wrong", "r", Some(&second))).await.expect("a reassignment");
    let own = text(&client, &first).await;
    assert!(own.contains("ada said"));
    assert!(!own.contains("eve") && !own.contains("wrong") && !own.contains(&second));
    let theirs = text(&client, &second).await;
    assert!(theirs.contains("eve said this") && theirs.contains("eve_queue"));
    world.close().await;
}

async fn a_contact_that_nobody_confirmed_has_only_its_place(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("going on", NUMBER)).await.expect("a start");
    client.start(landline_call("ended", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { summary: "a stranger's".into(), ..end("ended") };
    client.end(ended).await.expect("an end");
    let records = client.export(&known).await.expect("an export");
    let unsettled = records.iter().filter_map(|record| match record {
        Record::Interaction(one) if !one.settled => Some(one),
        _ => None,
    });
    let unsettled: Vec<_> = unsettled.collect();
    let keys: BTreeSet<&str> = unsettled.iter().map(|it| it.interaction_key.as_str()).collect();
    assert_eq!(keys.len(), 2, "that there were such is told");
    assert!(unsettled.iter().all(|it| it.interaction_id.is_empty() && it.channel == "voice"));
    let all = String::from_utf8_lossy(&bytes(&records)).into_owned();
    assert!(!all.contains("a stranger's") && !all.contains("going on"));
    // Confirmed, it is theirs with all that was said before.
    let mut waiting = update("going on", "u");
    waiting.queue = "second floor".into();
    client.update(waiting).await.expect("an update");
    client.update(confirm("going on", "yes")).await.expect("a confirmation");
    let all = text(&client, &known).await;
    assert!(all.contains("going on") && all.contains("second floor"));
    world.close().await;
}

async fn it_says_who_did_what(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let agent = world.of_source(&["agent"], "desktop", &["default"]).await;
    let mut asked = get("known");
    asked.source = "default".into();
    agent.get(asked).await.expect("the interaction");
    client.export(&known).await.expect("an export");
    // A read is written behind its answer: the start is to come after it.
    let exported = Filters { actions: vec!["export_customer".into()], ..all() };
    let written = async {
        while list(&world, &exported).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.expect("its entry");
    client.start(call("next", NUMBER)).await.expect("a start");
    let records = client.export(&known).await.expect("an export");
    let entries = records.iter().filter_map(|record| match record {
        Record::Entry(entry) => Some((entry.action.as_str(), entry.caller_source.as_str())),
        _ => None,
    });
    let entries: Vec<(&str, &str)> = entries.collect();
    let expected = [
        ("start", "default"),
        ("end", "default"),
        ("get_interaction", "desktop"),
        ("export_customer", "default"),
        ("start", "default"),
    ];
    assert_eq!(entries, expected);
    world.close().await;
}

async fn many_contacts_come_page_by_page(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let many = 230;
    for n in 0..many {
        let ended = EndInteractionRequest {
            customer_ref: known.clone(),
            channel: "email".into(),
            summary: format!("contact number {n}."),
            ..end_with(&format!("contact {n}"), &format!("matter_{n}"), IntentStatus::Open)
        };
        let ended = EndInteractionRequest {
            variables: crate::support::requests::variable(&format!("v{n}"), &format!("value {n}.")),
            ..ended
        };
        client.end(ended).await.expect("an end");
    }
    let records = client.export(&known).await.expect("an export");
    let text = String::from_utf8_lossy(&bytes(&records)).into_owned();
    for n in 0..many {
        assert!(text.contains(&format!("contact number {n}.")), "{n}");
        assert!(text.contains(&format!("value {n}.")), "{n}");
    }
    let ids = |place: i32| {
        let of = records.iter().filter_map(move |record| match record {
            Record::Interaction(one) if one.place == place => Some(one.interaction_id.clone()),
            _ => None,
        });
        of.collect::<Vec<String>>()
    };
    let (history, journal) = (ids(1), ids(2));
    assert_eq!(history.len(), many + 1, "each once");
    assert_eq!(journal.iter().collect::<BTreeSet<_>>().len(), many + 1);
    let facts = records.iter().filter(|it| matches!(it, Record::Intent(one) if one.counts));
    assert_eq!(facts.count(), many + 1);
    world.close().await;
}

async fn it_ends_when_they_are_no_longer_who_they_were(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let client = world.with_header(Some(&format!("Bearer {key}"))).await;
    let one = speaker(&client, NUMBER, "ada").await;
    let other = speaker(&client, "+14155550122", "eve").await;
    let service = &world.running.service;
    let caller = service.authenticate(&key).await.expect("a caller");
    let mut export = service.export_customer(&caller, &one).await.expect("an export");
    assert!(export.next().await.expect("a page").is_some());
    client.merge(merge("m", &one, &other)).await.expect("a merge");
    assert!(
        matches!(export.next().await, Err(Error::ExportInterrupted)),
        "more would be another's"
    );
    let mut export = service.export_customer(&caller, &one).await.expect("an export");
    while export.next().await.expect("a page").is_some() {}
    world.close().await;
}

async fn nobody_else_and_nobody_unknown(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    for role in ["telephony", "bot", "helpdesk", "agent", "backfill", "insight"] {
        let refused = world.role(role).await.export(&known).await.map(|it| it.len());
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let unknown = client.export("c_000000000000000000000000000").await.map(|it| it.len());
    let unknown = assert_refused(unknown, Code::NotFound, "CUSTOMER_NOT_FOUND");
    let stranger =
        threadline::cli::keys::NewKey { tenant: "globex".into(), ..World::new_key(&["admin"]) };
    let foreign = world.client(&stranger).await.export(&known).await.map(|it| it.len());
    let foreign = assert_refused(foreign, Code::NotFound, "CUSTOMER_NOT_FOUND");
    assert_eq!(foreign.message, unknown.message);
    let empty = client.export("").await.map(|it| it.len());
    assert_refused(empty, Code::InvalidArgument, "INVALID_FIELD");
    world.close().await;
}
