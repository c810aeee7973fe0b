//! The audit: each call leaves the entries that it must, in a chain that is whole, and whoever reads
//! the list learns who did what to whom.

use std::collections::{BTreeMap, BTreeSet};

use threadline::cli::audit::{Filters, listed, verify};
use threadline::grpc::proto::{
    ConflictChoice, DESCRIPTORS, GetCustomerRequest, ImportCustomersRequest, ImportRow,
    ListConflictsRequest, ListInteractionsRequest, MergeCustomersResponse, ResolveConflictRequest,
};
use threadline::ids::TenantId;

use super::customers::{mail, upsert, upsert_with};
use super::erasing::{erase, preview};
use super::settling::{MAIL, NUMBER, staff};
use super::ties::{identifier, link, unlink};
use super::watching_customers::of as watched;
use crate::support::requests::{
    call, confirm, end, get, merge, reassign, redact, start, unmerge, update,
};
use crate::support::watcher::everything;
use crate::support::{Client, Engine, TENANT, World, each_engine};

each_engine!(
    every_call_leaves_its_entries,
    what_was_refused_or_not_there_is_told,
    what_is_sent_again_is_a_read,
    a_correction_that_is_sent_again_is_a_read,
    keys_are_in_the_chain,
);

/// What each call leaves. A new RPC without a line here fails: decide what it reads and writes.
const DECIDED: [(&str, &[&str]); 21] = [
    ("StartInteraction", &["start"]),
    ("UpdateInteraction", &["update"]),
    ("EndInteraction", &["end"]),
    ("GetInteraction", &["get_interaction"]),
    ("ListInteractions", &["list_interactions"]),
    ("ReassignInteraction", &["reassign"]),
    ("RedactInteraction", &["redact"]),
    ("GetCustomer", &["get_customer"]),
    ("UpsertCustomer", &["upsert"]),
    ("LinkIdentifier", &["link"]),
    ("UnlinkIdentifier", &["unlink"]),
    // Two people are shown.
    ("PreviewMerge", &["preview_merge", "preview_merge"]),
    ("MergeCustomers", &["merge"]),
    ("UnmergeCustomers", &["unmerge"]),
    ("ListConflicts", &["list_conflicts"]),
    ("ResolveConflict", &["resolve"]),
    ("ImportCustomers", &["upsert"]),
    ("EraseCustomer", &["preview_erase"]),
    ("ExportCustomer", &["export_customer"]),
    // Opened. What a stream shows leaves entries as it is shown (`watching_again.rs`).
    ("WatchInteractions", &["watch_interactions"]),
    ("WatchCustomer", &["watch_customer"]),
];

/// An entry as `audit list --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Entry {
    time: String,
    tenant: String,
    position: i64,
    pub(super) caller: String,
    pub(super) action: String,
    outcome: String,
    customer: String,
}

impl Entry {
    /// How it ended.
    pub(super) fn outcome(&self) -> &str {
        &self.outcome
    }

    /// The customer's ref, empty for nobody.
    pub(super) fn customer(&self) -> &str {
        &self.customer
    }
}

pub(super) fn all() -> Filters {
    Filters { limit: 10_000, json: true, refs: true, ..Filters::default() }
}

pub(super) async fn list(world: &World, filters: &Filters) -> Vec<Entry> {
    let text = listed(&world.running.service, filters).await.expect("a list");
    text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

/// The public part of the key of this source.
async fn key_of(world: &World, source: &str) -> String {
    let keys = world.running.service.store().api_keys(TenantId(1)).await.expect("keys");
    keys.into_iter().find(|key| key.source == source).expect("a key of that source").id
}

/// Whoever watches what others leave: what is acknowledged to them comes after all that was shown
/// before.
struct Watch {
    marker: Client,
    own: String,
    seen: usize,
    marks: usize,
}

impl Watch {
    /// Watches what the key of source `default` does.
    async fn of(world: &World) -> Self {
        let marker = world.of_source(&["telephony"], "marker", &[]).await;
        let own = key_of(world, "default").await;
        Self { marker, own, seen: 0, marks: 0 }
    }

    /// What is new, each as action, outcome and customer.
    async fn news(&mut self, world: &World) -> Vec<(String, String, String)> {
        self.marks += 1;
        let mark = start(&format!("mark {}", self.marks), "web_chat");
        self.marker.start(mark).await.expect("a start");
        let own = list(world, &Filters { caller: Some(self.own.clone()), ..all() }).await;
        let new = own[self.seen..].iter();
        let new = new.map(|it| (it.action.clone(), it.outcome.clone(), it.customer.clone()));
        let new = new.collect();
        self.seen = own.len();
        new
    }

    async fn actions(&mut self, world: &World) -> Vec<String> {
        self.news(world).await.into_iter().map(|(action, ..)| action).collect()
    }
}

async fn whole(world: &World) {
    let (text, whole) = verify(&world.running.service, None, &[]).await.expect("a verdict");
    assert!(whole, "{text}");
}

async fn every_call_leaves_its_entries(engine: Engine) {
    let pool = prost_reflect::DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
    let rpcs = pool.services().flat_map(|service| {
        service.methods().map(|method| method.name().to_owned()).collect::<Vec<_>>()
    });
    let rpcs: BTreeSet<String> = rpcs.collect();
    let decided: BTreeMap<&str, &[&str]> = DECIDED.into_iter().collect();
    assert_eq!(decided.keys().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>(), rpcs);

    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watch = Watch::of(&world).await;
    watch.news(&world).await;
    let mut tried = BTreeSet::new();
    macro_rules! leaves {
        ($rpc:literal, $call:expr) => {{
            let answer = $call.await.expect($rpc);
            assert_eq!(watch.actions(&world).await, decided[$rpc], $rpc);
            tried.insert($rpc.to_owned());
            answer
        }};
    }
    let one = leaves!("StartInteraction", client.start(call("one", NUMBER))).customer_ref;
    leaves!("UpdateInteraction", client.update(update("one", "u")));
    leaves!("EndInteraction", client.end(end("one")));
    leaves!("RedactInteraction", client.redact(redact("one", "rd", &[])));
    leaves!("GetInteraction", client.get(get("one")));
    let history = ListInteractionsRequest { customer_ref: one.clone(), ..Default::default() };
    leaves!("ListInteractions", client.list(history));
    let whom = GetCustomerRequest { customer_ref: one.clone(), ..Default::default() };
    leaves!("GetCustomer", client.customer(whom));
    let named = |id: &str, name: &str| upsert_with(id, vec![mail(MAIL)], &[("name", name)]);
    let made = leaves!("UpsertCustomer", client.upsert(named("p1", "Ada")));
    let other = made.customer.expect("them").customer_ref;
    client.upsert(named("p2", "Ida")).await.expect("a conflict");
    watch.news(&world).await;
    let crm = || identifier("external", "crm_id", "C-1");
    leaves!("LinkIdentifier", client.link(link("l", &other, crm())));
    leaves!("UnlinkIdentifier", client.unlink(unlink("ul", &other, crm())));
    let asked = ListConflictsRequest { customer_ref: other.clone(), ..Default::default() };
    let conflicts = leaves!("ListConflicts", client.list_conflicts(asked)).conflicts;
    let resolve = ResolveConflictRequest {
        request_id: "rc".into(),
        conflict_id: conflicts[0].conflict_id.clone(),
        choice: ConflictChoice::Kept as i32,
        ..Default::default()
    };
    leaves!("ResolveConflict", client.resolve(resolve));
    leaves!("PreviewMerge", client.preview(&one, &other));
    let merged: MergeCustomersResponse =
        leaves!("MergeCustomers", client.merge(merge("m", &one, &other)));
    leaves!("UnmergeCustomers", client.unmerge(unmerge("um", &merged.merge_id)));
    client.start(call("two", "+14155550188")).await.expect("a start");
    watch.news(&world).await;
    leaves!("ReassignInteraction", client.reassign(reassign("two", "r", None)));
    leaves!("ExportCustomer", client.export(&one));
    let rows = vec![ImportRow {
        row_number: 1,
        identifiers: vec![mail("imported@example.com")],
        ..Default::default()
    }];
    let rows = vec![ImportCustomersRequest { settings: None, rows }];
    leaves!("ImportCustomers", client.import(rows));
    leaves!("EraseCustomer", client.erase(erase(&other, "", "")));
    leaves!("WatchInteractions", client.watch(everything()));
    leaves!("WatchCustomer", client.watch_customer(watched(&other)));
    assert_eq!(tried, rpcs, "every call was made");
    whole(&world).await;
    world.close().await;
}

async fn what_was_refused_or_not_there_is_told(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let helpdesk = world.of_source(&["helpdesk"], "desk", &[]).await;
    let mut watch = Watch::of(&world).await;
    watch.own = key_of(&world, "desk").await;
    watch.news(&world).await;
    let whom = GetCustomerRequest { customer_ref: known.clone(), ..Default::default() };
    assert!(helpdesk.customer(whom).await.is_err());
    assert!(helpdesk.get(get("one")).await.is_err());
    let expected = [("get_customer", "refused", &*known), ("get_interaction", "refused", "")];
    let said = |all: &[(&str, &str, &str)]| -> Vec<(String, String, String)> {
        all.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect()
    };
    assert_eq!(watch.news(&world).await, said(&expected));
    watch.own = key_of(&world, "default").await;
    watch.seen = 0;
    watch.news(&world).await;
    assert!(client.get(get("never heard of")).await.is_err());
    // What cannot be meant at all was not looked up: nothing is left.
    assert!(client.get(get("")).await.is_err());
    assert_eq!(watch.news(&world).await, said(&[("get_interaction", "not_found", "")]));
    client.person(&known).await;
    assert_eq!(watch.news(&world).await, said(&[("get_customer", "shown", &known)]));
    // Without `--refs` nobody is named, and the same person is the same pseudonym.
    let hidden =
        list(&world, &Filters { refs: false, customer: Some(known.clone()), ..all() }).await;
    let names: BTreeSet<&str> = hidden.iter().map(|entry| &*entry.customer).collect();
    assert_eq!((hidden.len(), names.len()), (3, 1), "{hidden:?}");
    assert!(names.iter().all(|name| name.starts_with("p_") && !name.contains(&known[4..])));
    filters_narrow(&world, &hidden).await;
    whole(&world).await;
    world.close().await;
}

async fn filters_narrow(world: &World, own: &[Entry]) {
    let everything = list(world, &all()).await;
    assert!(everything.windows(2).all(|two| two[0].position < two[1].position), "oldest first");
    assert!(everything.iter().all(|entry| entry.tenant == TENANT && entry.time.ends_with('Z')));
    let actions = vec!["get_customer".to_owned()];
    let reads = list(world, &Filters { actions, ..all() }).await;
    assert_eq!(reads.iter().filter(|entry| entry.action == "get_customer").count(), reads.len());
    let newest = list(world, &Filters { limit: 1, ..all() }).await;
    assert_eq!(newest, everything[everything.len() - 1..]);
    let (first, last) = (&own[0].time, &own[own.len() - 1].time);
    let since = list(world, &Filters { since: Some(last.clone()), ..all() }).await;
    assert!(since.iter().all(|entry| entry.time >= *last) && !since.is_empty());
    let until = list(world, &Filters { until: Some(first.clone()), ..all() }).await;
    assert!(until.iter().all(|entry| entry.time < *first));
    let none = list(world, &Filters { caller: Some("nobody".into()), ..all() }).await;
    assert_eq!(none, []);
    let service = &world.running.service;
    for odd in [
        Filters { limit: 0, ..all() },
        Filters { limit: 10_001, ..all() },
        Filters { actions: vec!["look".into()], ..all() },
        Filters { customer: Some("somebody".into()), ..all() },
        Filters { since: Some("yesterday".into()), ..all() },
        Filters { tenant: Some("another".into()), ..all() },
    ] {
        assert!(listed(service, &odd).await.is_err(), "{odd:?}");
    }
}

async fn what_is_sent_again_is_a_read(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watch = Watch::of(&world).await;
    let first = client.start(call("one", NUMBER)).await.expect("a start");
    client.update(confirm("one", "u")).await.expect("an update");
    client.upsert(upsert("p", vec![mail(MAIL)])).await.expect("an upsert");
    watch.news(&world).await;
    let again = client.start(call("one", NUMBER)).await.expect("the same");
    assert_eq!(again.customer_ref, first.customer_ref);
    assert_eq!(watch.actions(&world).await, ["repeat"]);
    client.update(confirm("one", "u")).await.expect("the same");
    assert_eq!(watch.actions(&world).await, ["repeat"]);
    client.upsert(upsert("p", vec![mail(MAIL)])).await.expect("the same");
    assert_eq!(watch.actions(&world).await, ["repeat"]);
    whole(&world).await;
    world.close().await;
}

/// What moves, takes out or joins is answered again with who is who by now; a receipt names nobody.
async fn a_correction_that_is_sent_again_is_a_read(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watch = Watch::of(&world).await;
    let one = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    client.start(call("two", "+14155550188")).await.expect("a start");
    let made = client.upsert(upsert("p", vec![mail(MAIL)])).await.expect("an upsert");
    let other = made.customer.expect("them").customer_ref;
    macro_rules! again {
        ($call:expr, $whom:expr) => {{
            $call.await.expect("the first");
            watch.news(&world).await;
            $call.await.expect("the same");
            let said = |whom: &str| ("repeat".to_owned(), "shown".to_owned(), whom.to_owned());
            assert_eq!(watch.news(&world).await, [said($whom)]);
        }};
    }
    again!(client.redact(redact("one", "rd", &[])), &one);
    client.reassign(reassign("two", "r", None)).await.expect("a reassignment");
    let moved = client.get(get("two")).await.expect("it").customer_ref;
    again!(client.reassign(reassign("two", "r", None)), &moved);
    again!(client.merge(merge("m", &one, &other)), &one);
    let token = preview(&client, &one).await.preview_token;
    client.erase(erase(&one, &token, "e")).await.expect("an erasure");
    // What named them is in the list no more.
    watch.seen = 0;
    again!(client.erase(erase(&one, &token, "e")), "");
    whole(&world).await;
    world.close().await;
}

async fn keys_are_in_the_chain(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let service = &world.running.service;
    let key = key_of(&world, "default").await;
    let revoked = service.store().revoke_api_key(TenantId(1), &key).await.expect("a key");
    assert!(revoked);
    assert!(!service.store().revoke_api_key(TenantId(1), &key).await.expect("a key"), "once");
    let own = list(&world, &Filters { caller: Some(key), ..all() }).await;
    let actions: Vec<(&str, &str)> = own.iter().map(|it| (&*it.action, &*it.outcome)).collect();
    assert_eq!(actions, [("create_key", "done"), ("start", "new"), ("revoke_key", "done")]);
    whole(&world).await;
    world.close().await;
}
