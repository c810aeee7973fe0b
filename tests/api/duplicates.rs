//! Two customers who turn out to share verified identity: proposed, or merged where policy says so.

use threadline::grpc::proto::{
    Assurance, Identifier, IdentityHints, MergeState, StartInteractionRequest, Verification,
};

use super::auditing::{all, list};
use super::erasing::{gone, whole};
use super::settling::NUMBER;
use super::watching_customers::of;
use crate::support::client::{Said, said};
use crate::support::requests::{call, confirm, end, merge, start_with, unmerge};
use crate::support::watcher::{name, told};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_duplicate_is_proposed_once,
    a_declined_proposal_stays_declined,
    a_policy_may_merge_at_once,
    what_the_service_merges_is_told,
);

/// A card that its reader has checked.
fn card() -> IdentityHints {
    let identifier = Identifier {
        kind: "external".into(),
        namespace: "card".into(),
        value: "K-77".into(),
        assurance: Assurance::Verified.into(),
        ..Default::default()
    };
    IdentityHints { identifiers: vec![identifier], ..Default::default() }
}

async fn staff(world: &World) -> Client {
    let mut key = World::new_key(&["telephony", "admin"]);
    key.max_assurance = Some("verified".into());
    world.client(&key).await
}

/// The holder of a card, and a caller who turns out to hold it.
async fn holder_and_caller(client: &Client) -> (String, String) {
    let (holder, caller) = two(client).await;
    prove(client, "proof", &caller).await;
    (holder, caller)
}

/// The same two, before that.
async fn two(client: &Client) -> (String, String) {
    let began = client.start(start_with("desk", "in_person", card())).await.expect("a start");
    client.end(end("desk")).await.expect("an end");
    let caller = client.start(call("call", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("call")).await.expect("an end");
    (began.customer_ref, caller)
}

/// The caller shows the card as well, and knows their secret.
async fn prove(client: &Client, id: &str, caller: &str) {
    let hints = IdentityHints { caller_number: NUMBER.into(), ..card() };
    let both = StartInteractionRequest { identity_hints: Some(hints), ..call(id, NUMBER) };
    client.start(both).await.expect("a start");
    let mut sure = confirm(id, "u");
    sure.verification = Verification::Pin.into();
    sure.identity_feedback = super::merging::confirmed_as(caller);
    client.update(sure).await.expect("a confirmation");
    client.end(end(id)).await.expect("an end");
}

async fn a_duplicate_is_proposed_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (holder, caller) = holder_and_caller(&client).await;
    prove(&client, "again", &caller).await;
    let person = client.person(&caller).await;
    assert!(person.member_refs.is_empty(), "nothing is joined before somebody says so");
    let [proposal] = &person.merges[..] else { panic!("one proposal") };
    assert!(proposal.state() == MergeState::Proposed);
    assert_eq!((&proposal.customer_ref, &proposal.other_customer_ref), (&holder, &caller));
    assert_eq!(proposal.reason, "they share a verified identifier");
    client.merge(merge("m", &holder, &caller)).await.expect("a merge");
    let person = client.person(&caller).await;
    assert_eq!(person.member_refs, [holder, caller]);
    let states: Vec<i32> = person.merges.iter().map(|it| it.state).collect();
    assert_eq!(states, [MergeState::Undone as i32, MergeState::InForce as i32]);
    world.close().await;
}

async fn a_declined_proposal_stays_declined(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (_, caller) = holder_and_caller(&client).await;
    let proposal = client.person(&caller).await.merges.remove(0);
    client.unmerge(unmerge("u", &proposal.merge_id)).await.expect("declined");
    prove(&client, "again", &caller).await;
    let merges = client.person(&caller).await.merges;
    assert_eq!(merges.len(), 1);
    assert!(merges[0].state() == MergeState::Undone);
    world.close().await;
}

async fn a_policy_may_merge_at_once(engine: Engine) {
    let settings = "[tenants.acme]\nduplicates = \"merge\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let (holder, caller) = holder_and_caller(&client).await;
    let known = client.start(call("known", NUMBER)).await.expect("a start");
    assert_eq!((said(&known), &known.customer_ref), (Said::Reuse, &holder));
    assert_eq!(client.person(&caller).await.member_refs.len(), 2);
    // Taken back, it is not made again.
    let own = client.person(&caller).await.merges.remove(0);
    assert!(own.made_by.is_empty());
    client.unmerge(unmerge("u", &own.merge_id)).await.expect("an unmerge");
    prove(&client, "again", &caller).await;
    assert!(client.person(&caller).await.member_refs.is_empty());
    world.close().await;
}

async fn what_the_service_merges_is_told(engine: Engine) {
    let settings = "[tenants.acme]\nduplicates = \"merge\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let (holder, caller) = two(&client).await;
    let mut of_holder = client.watch_customer(of(&holder)).await.expect("a stream");
    let mut of_caller = client.watch_customer(of(&caller)).await.expect("a stream");
    prove(&client, "proof", &caller).await;
    for watcher in [&mut of_holder, &mut of_caller] {
        // Behind the update that led to it, which may be told to both by then.
        let merged = loop {
            let event = watcher.event().await;
            if !["STARTED", "UPDATED"].contains(&name(event.kind)) {
                break event;
            }
        };
        assert_eq!((name(merged.kind), &merged.customer_ref), ("CUSTOMER_MERGED", &holder));
        assert!(merged.shown.is_none());
        assert_eq!(watcher.events(1).await, told(&[("ENDED", "proof")]));
    }
    // In the audit it is an entry of the call that led to it.
    let entries = list(&world, &all()).await;
    let of_action = |action: &str| {
        let mut found = entries.iter().filter(|entry| entry.action == action);
        (found.next().expect("an entry").clone(), found.count())
    };
    let ((updated, _), (merged, more)) = (of_action("update"), of_action("merge"));
    assert_eq!((merged.customer(), &merged.caller, more), (&*holder, &updated.caller, 0));
    whole(&world).await;
    // It goes with the person, as a merge that was asked for.
    client.export(&holder).await.expect("an export");
    gone(&client, &holder, "e").await;
    whole(&world).await;
    world.close().await;
}
