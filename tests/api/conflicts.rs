//! ListConflicts and ResolveConflict: both values are kept and flagged until somebody says which
//! stands.

use threadline::grpc::proto::{
    Assurance, ConflictChoice, ConflictKind, EndInteractionRequest, IdentityHints,
    ListConflictsRequest, ResolveConflictRequest,
};
use tonic::Code;

use super::customers::{attributes, mail, phone, upsert, upsert_with, value};
use super::merging::join;
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{call, confirm, email_hint, end, start_with};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_conflict_is_flagged_and_resolved,
    what_a_contact_says_is_flagged_too,
    a_contact_that_showed_somebody_elses_identifier,
    pages_hold_every_conflict_once,
    who_is_one_person_is_told_of_on_one_page,
    only_an_admin_resolves,
);

fn resolve(id: &str, conflict_id: &str, choice: ConflictChoice) -> ResolveConflictRequest {
    ResolveConflictRequest {
        request_id: id.into(),
        conflict_id: conflict_id.into(),
        choice: choice as i32,
        ..Default::default()
    }
}

async fn named(client: &Client, id: &str, name: &str) -> String {
    let request = upsert_with(id, vec![mail(MAIL)], &[("name", name)]);
    client.upsert(request).await.expect("an upsert").customer.expect("them").customer_ref
}

async fn a_conflict_is_flagged_and_resolved(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = named(&client, "one", "Ada").await;
    assert!(client.conflicts(&known).await.is_empty());
    named(&client, "two", "Ada").await;
    assert!(client.conflicts(&known).await.is_empty(), "the same value");
    named(&client, "three", "Ida").await;
    let conflicts = client.conflicts(&known).await;
    let [conflict] = &conflicts[..] else { panic!("{} conflicts", conflicts.len()) };
    assert!(client.person(&known).await.profile["name"].conflicting, "flagged");
    assert_eq!((conflict.kind, conflict.name.as_str()), (ConflictKind::Attribute as i32, "name"));
    let side = |it: &Option<threadline::grpc::proto::ProfileAttribute>| {
        it.as_ref().map(|it| (it.value.clone(), it.assurance, it.update_time.is_some()))
    };
    let carried = Assurance::Carried as i32;
    assert_eq!(side(&conflict.kept), Some(("Ida".into(), carried, true)));
    assert_eq!(side(&conflict.other), Some(("Ada".into(), carried, true)));
    let request = resolve("r", &conflict.conflict_id, ConflictChoice::Other);
    let resolved = client.resolve(request.clone()).await.expect("resolved");
    assert_eq!((&resolved.customer_ref, resolved.open_conflict_count), (&known, 0));
    assert!(client.resolve(request).await.expect("the same") == resolved);
    let other = resolve("r", &conflict.conflict_id, ConflictChoice::Kept);
    assert_refused(client.resolve(other).await, Code::AlreadyExists, "REQUEST_CONFLICT");
    let again = resolve("r2", &conflict.conflict_id, ConflictChoice::Kept);
    assert_refused(client.resolve(again).await, Code::NotFound, "CONFLICT_NOT_FOUND");
    assert!(client.conflicts(&known).await.is_empty());
    assert!(!client.person(&known).await.profile["name"].conflicting);
    assert_eq!(value(&client.person(&known).await, "name"), Some("Ada"));
    // What comes later is news again.
    named(&client, "four", "Eve").await;
    let conflicts = client.conflicts(&known).await;
    let request = resolve("r3", &conflicts[0].conflict_id, ConflictChoice::Kept);
    client.resolve(request).await.expect("resolved");
    assert_eq!(value(&client.person(&known).await, "name"), Some("Eve"));
    world.close().await;
}

async fn what_a_contact_says_is_flagged_too(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for (id, city) in [("second", "Bath"), ("third", "Bern")] {
        client.start(start_with(id, "email", email_hint(MAIL))).await.expect("a start");
        let profile = attributes(&[("city", city)]);
        client.end(EndInteractionRequest { profile, ..end(id) }).await.expect("an end");
    }
    let conflicts = client.conflicts(&known).await;
    let [conflict] = &conflicts[..] else { panic!("{} conflicts", conflicts.len()) };
    let (kept, other) = (conflict.kept.as_ref(), conflict.other.as_ref());
    assert_eq!(kept.map(|it| it.value.as_str()), Some("Bern"));
    assert_eq!(other.map(|it| it.value.as_str()), Some("Bath"));
    world.close().await;
}

async fn a_contact_that_showed_somebody_elses_identifier(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("first", NUMBER)).await.expect("a start");
    client.end(end("first")).await.expect("an end");
    somebody(&client, "second", "email", email_hint(MAIL)).await;
    let mut both = call("both", NUMBER);
    both.identity_hints = Some(IdentityHints { caller_number: NUMBER.into(), ..email_hint(MAIL) });
    let asked = client.start(both).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert!(client.conflicts(&asked.customer_ref).await.is_empty(), "not theirs yet");
    let known = client.update(confirm("both", "yes")).await.expect("a word").customer_ref;
    client.end(end("both")).await.expect("an end");
    let conflicts = client.conflicts(&known).await;
    let [conflict] = &conflicts[..] else { panic!("{} conflicts", conflicts.len()) };
    assert_eq!(conflict.kind, ConflictKind::Identifier as i32);
    assert_eq!((conflict.interaction_id.as_str(), conflict.owner_count), ("both", 1));
    assert!(["email", "mobile"].contains(&conflict.name.as_str()), "{}", conflict.name);
    let other = resolve("r", &conflict.conflict_id, ConflictChoice::Other);
    let refused = client.resolve(other).await;
    assert_refused(refused, Code::InvalidArgument, "INVALID_FIELD");
    let kept = resolve("r2", &conflict.conflict_id, ConflictChoice::Kept);
    assert_eq!(client.resolve(kept).await.expect("resolved").open_conflict_count, 0);
    assert!(client.conflicts(&known).await.is_empty());
    assert_eq!(client.history(&known).await.len(), 2, "the history is kept");
    world.close().await;
}

async fn pages_hold_every_conflict_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let address = || vec![mail(&format!("p{number}@example.com"))];
        for round in 0..2 {
            let id = format!("{number} {round}");
            let name = if number == 3 { "same".to_owned() } else { id.clone() };
            let request = upsert_with(&id, address(), &[("name", &name), ("city", &name)]);
            let made = client.upsert(request).await.expect("an upsert").customer.expect("them");
            if round == 1 && number != 3 {
                expected.push(made.customer_ref);
            }
        }
    }
    client.upsert(upsert("quiet", vec![mail("quiet@example.com")])).await.expect("an upsert");
    let mut found = Vec::new();
    let mut request = ListConflictsRequest { page_size: 3, ..Default::default() };
    loop {
        let page = client.list_conflicts(request.clone()).await.expect("a page");
        assert!(page.conflicts.len() <= 4, "a customer's conflicts come together");
        found.extend(page.conflicts.into_iter().map(|it| it.customer_ref));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    expected.sort_unstable();
    found.sort_unstable();
    let twice: Vec<String> = expected.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
    assert_eq!(found, twice);
    let odd = ListConflictsRequest { page_token: "x".into(), page_size: 201, ..Default::default() };
    let refused = client.list_conflicts(odd).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refused.fields.len(), 2);
    world.close().await;
}

async fn who_is_one_person_is_told_of_on_one_page(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ann = named(&client, "one", "Ann").await;
    let bea = client.upsert(upsert_with("two", vec![phone(NUMBER)], &[("name", "Bea")])).await;
    let bea = bea.expect("an upsert").customer.expect("them").customer_ref;
    join(&client, "m", &ann, &bea).await;
    let mut found = Vec::new();
    let mut request = ListConflictsRequest { page_size: 1, ..Default::default() };
    loop {
        let page = client.list_conflicts(request.clone()).await.expect("a page");
        found.extend(page.conflicts.into_iter().map(|it| it.customer_ref));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(found, [ann], "both are marked, and it is one conflict");
    world.close().await;
}

async fn only_an_admin_resolves(engine: Engine) {
    let world = World::on(engine).await;
    for role in ["telephony", "helpdesk", "agent", "backfill"] {
        let client = world.role(role).await;
        let refused = client.list_conflicts(ListConflictsRequest::default()).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
        let refused = client.resolve(resolve("r", "x", ConflictChoice::Kept)).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let client = staff(&world).await;
    for odd in ["x", "AAAA", &"A".repeat(43)] {
        let refused = client.resolve(resolve("r", odd, ConflictChoice::Kept)).await;
        assert_refused(refused, Code::NotFound, "CONFLICT_NOT_FOUND");
    }
    let unsaid = resolve("r", "x", ConflictChoice::Unspecified);
    assert_refused(client.resolve(unsaid).await, Code::InvalidArgument, "INVALID_FIELD");
    world.close().await;
}
