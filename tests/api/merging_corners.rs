//! Corners of merging: corrections, rejections and retries beside merges, and what is looked at while
//! sets change.

use std::collections::BTreeMap;

use threadline::clock::{Clock, HOUR};
use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, Identifier, IdentityHints, IntentStatus, MergeState,
    OpenIntent, StartInteractionRequest, UnmergeCustomersRequest, VariableInput, Verification,
};

use super::merging::{confirmed_as, join, mail, two};
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, somebody};
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_confirms, end_with, get, number_hint, reassign, reject,
    start_with, unmerge,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_correction_merges_nobody,
    a_correction_proposes_nobody,
    a_rejection_is_not_overruled,
    two_duplicates_at_once_make_one_person,
    an_end_that_settles_twice_proposes_once,
    a_name_that_was_answered_means_who_was_meant,
    the_first_contact_may_be_somebody_elses,
    the_retry_of_an_unmerge_tells_of_that_one,
    a_proposal_ends_with_its_customer,
    a_switchboard_stays_one,
    a_rejected_set_keeps_nothing,
    a_person_is_shown_as_they_were_at_one_moment,
    what_a_newer_value_hid_stays_hidden,
    a_confirmation_of_a_member_keeps_its_evidence,
);

/// A card that its reader has checked.
fn card(value: &str) -> Identifier {
    Identifier {
        kind: "external".into(),
        namespace: "card".into(),
        value: value.into(),
        assurance: Assurance::Verified.into(),
        ..Default::default()
    }
}

pub(super) fn cards(values: &[&str]) -> IdentityHints {
    let identifiers = values.iter().map(|value| card(value)).collect();
    IdentityHints { identifiers, ..Default::default() }
}

pub(super) async fn staff(world: &World) -> Client {
    let mut key = World::new_key(&["telephony", "admin"]);
    key.max_assurance = Some("verified".into());
    world.client(&key).await
}

pub(super) async fn merging(engine: Engine) -> World {
    Setup::on(engine).settings("[tenants.acme]\nduplicates = \"merge\"\n").open().await
}

/// A contact with these hints, proven by PIN to be this customer, and ended.
pub(super) async fn prove(client: &Client, id: &str, hints: IdentityHints, who: &str) {
    client.start(start_with(id, "in_person", hints)).await.expect("a start");
    let mut sure = confirm(id, "u");
    sure.verification = Verification::Pin.into();
    sure.identity_feedback = confirmed_as(who);
    client.update(sure).await.expect("a confirmation");
    client.end(end(id)).await.expect("an end");
}

async fn corrected(world: World) {
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    // The wrong customer was on the screen when the PIN was asked for.
    prove(&client, "wrong", cards(&["K-1"]), &caller).await;
    assert!(client.person(&caller).await.identifiers.len() == 2);
    client.reassign(reassign("wrong", "r", Some(&writer))).await.expect("moved");
    let one = client.person(&caller).await;
    assert!(one.member_refs.is_empty());
    assert!(one.merges.iter().all(|it| it.state() == MergeState::Undone), "no duplicate");
    world.close().await;
}

async fn a_correction_merges_nobody(engine: Engine) {
    corrected(merging(engine).await).await;
}

async fn a_correction_proposes_nobody(engine: Engine) {
    corrected(World::on(engine).await).await;
}

async fn a_rejection_is_not_overruled(engine: Engine) {
    let world = merging(engine).await;
    let client = staff(&world).await;
    let began = client.start(start_with("holder", "in_person", cards(&["K-1"]))).await.expect("it");
    client.end(end("holder")).await.expect("an end");
    let holder = began.customer_ref;
    // The spouse shows the same card: it is not the holder, says the desk.
    let mut hints = cards(&["K-1"]);
    hints.caller_number = NUMBER.into();
    client.start(start_with("spouse", "voice", hints.clone())).await.expect("a start");
    client.update(reject("spouse", "u", None)).await.expect("a rejection");
    let spouse = client.end(end("spouse")).await.expect("an end").customer_ref;
    assert_ne!(spouse, holder);
    // The spouse comes again and is recognised.
    client.start(start_with("again", "voice", hints.clone())).await.expect("a start");
    let mut sure = confirm("again", "u");
    sure.identity_feedback = confirmed_as(&spouse);
    client.update(sure).await.expect("a confirmation");
    let person = client.person(&spouse).await;
    assert!(person.member_refs.is_empty(), "somebody said that they are two");
    world.close().await;
}

async fn two_duplicates_at_once_make_one_person(engine: Engine) {
    let world = merging(engine).await;
    let client = staff(&world).await;
    let mut refs = Vec::new();
    for k in ["K-1", "K-2"] {
        let began = client.start(start_with(k, "in_person", cards(&[k]))).await.expect("it");
        client.end(end(k)).await.expect("an end");
        refs.push(began.customer_ref);
    }
    let caller = somebody(&client, "call", "voice", number_hint(NUMBER)).await;
    let mut hints = cards(&["K-1", "K-2"]);
    hints.caller_number = NUMBER.into();
    prove(&client, "proof", hints, &caller).await;
    assert_eq!(client.person(&refs[0]).await.member_refs.len(), 3);
    assert_eq!(client.person(&refs[1]).await.member_refs.len(), 3);
    assert_eq!(client.person(&caller).await.member_refs.len(), 3);
    world.close().await;
}

async fn an_end_that_settles_twice_proposes_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let began = client.start(start_with("holder", "in_person", cards(&["K-1"]))).await.expect("it");
    client.end(end("holder")).await.expect("an end");
    let mut hints = cards(&["K-1"]);
    hints.caller_number = NUMBER.into();
    client.start(start_with("spouse", "voice", hints.clone())).await.expect("a start");
    client.update(reject("spouse", "u", None)).await.expect("a rejection");
    let spouse = client.end(end("spouse")).await.expect("an end").customer_ref;
    assert_ne!(spouse, began.customer_ref);
    let ticket = EndInteractionRequest {
        channel: "in_person".into(),
        customer_ref: spouse.clone(),
        identity_hints: Some(hints),
        verification: Verification::Pin.into(),
        identity_feedback: end_confirms(),
        ..end_with("ticket", "returns", IntentStatus::Open)
    };
    let ended = client.end(ticket).await;
    ended.expect("an end");
    world.close().await;
}

async fn a_name_that_was_answered_means_who_was_meant(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merge_id = join(&client, "m", &caller, &writer).await;
    let asked = StartInteractionRequest {
        identity_hints: Some(email_hint(MAIL)),
        ..start_with("chat", "web_chat", IdentityHints::default())
    };
    let answer = client.start(asked).await.expect("a start");
    let named = answer.identity.expect("one").candidates[0].clone();
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    // The desktop confirms whom the answer named: the one whose address it is.
    let mut confirmed = confirm("chat", "u");
    confirmed.identity_feedback = confirmed_as(&named.customer_ref);
    let answer = client.update(confirmed).await.expect("a confirmation");
    assert_eq!(answer.customer_ref, writer, "whose address it was");
    world.close().await;
}

async fn the_first_contact_may_be_somebody_elses(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, _) = two(&client).await;
    let known = client.start(call("second", NUMBER)).await.expect("a start");
    assert_eq!(said(&known), Said::Reuse);
    client.end(end("second")).await.expect("an end");
    let answer = client.reassign(reassign("first call", "r", None)).await.expect("moved");
    assert_ne!(answer.customer_ref, caller);
    world.close().await;
}

async fn the_retry_of_an_unmerge_tells_of_that_one(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let between = |id: &str| UnmergeCustomersRequest {
        request_id: id.into(),
        customer_ref: writer.clone(),
        other_customer_ref: caller.clone(),
        ..Default::default()
    };
    join(&client, "m1", &caller, &writer).await;
    client.unmerge(between("u1")).await.expect("an unmerge");
    join(&client, "m2", &caller, &writer).await;
    let first = client.unmerge(between("u2")).await.expect("an unmerge");
    let again = client.unmerge(between("u2")).await.expect("a retry");
    assert_eq!(first.merge_ids, again.merge_ids);
    world.close().await;
}

async fn a_proposal_ends_with_its_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(start_with("desk", "in_person", cards(&["K-1"]))).await.expect("it");
    client.end(end("desk")).await.expect("an end");
    let caller = somebody(&client, "call", "voice", number_hint(NUMBER)).await;
    let mut hints = cards(&["K-1"]);
    hints.caller_number = NUMBER.into();
    prove(&client, "proof", hints, &caller).await;
    assert_eq!(client.person(&caller).await.merges.len(), 1);
    // The holder's only contact turns out to be the caller's: the holder is retired.
    client.reassign(reassign("desk", "r", Some(&caller))).await.expect("moved");
    let merges = client.person(&caller).await.merges;
    assert!(
        merges.iter().all(|it| it.state() != MergeState::Proposed),
        "nothing is left to decide"
    );
    world.close().await;
}

async fn a_switchboard_stays_one(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut refs = Vec::new();
    for index in 0..70 {
        let id = format!("c{index}");
        let begun = client.start(call(&id, NUMBER)).await.expect("a start");
        if !begun.new_customer {
            client.update(reject(&id, "u", None)).await.expect("a rejection");
        }
        refs.push(client.end(end(&id)).await.expect("an end").customer_ref);
    }
    let mut owners = Vec::new();
    for one in &refs {
        if !client.person(one).await.identifiers.is_empty() {
            owners.push(one.clone());
        }
    }
    assert_eq!(owners.len(), 65, "one more than may identify");
    join(&client, "m", &owners[0], &owners[1]).await;
    let after = client.start(call("after", NUMBER)).await.expect("a start");
    assert!(after.identity.expect("an identity").candidates.is_empty());
    world.close().await;
}

async fn a_rejected_set_keeps_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let writer = somebody(&client, "first mail", "email", email_hint(MAIL)).await;
    let begun = client.start(call("call", NUMBER)).await.expect("a start");
    assert!(begun.new_customer);
    join(&client, "m", &begun.customer_ref, &writer).await;
    // The agent: this is not them.
    client.update(reject("call", "u", None)).await.expect("a rejection");
    let ended = EndInteractionRequest {
        summary: "a stranger's words".into(),
        ..end_with("call", "strangers_matter", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    let person = client.person(&writer).await;
    assert!(person.open_intents.iter().all(|it| it.intent != "strangers_matter"));
    world.close().await;
}

async fn a_person_is_shown_as_they_were_at_one_moment(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merging = async {
        for round in 0..20 {
            let id = join(&client, &format!("m{round}"), &caller, &writer).await;
            client.unmerge(unmerge(&format!("u{round}"), &id)).await.expect("an unmerge");
        }
    };
    let looking = async {
        for round in 0..60 {
            let answer = client.start(mail(&format!("s{round}"))).await.expect("a start");
            assert_one(&writer, &answer.customer_ref, &answer.open_intents);
            let answer = client.get(get(&format!("s{round}"))).await.expect("it");
            assert_one(&writer, &answer.customer_ref, &answer.open_intents);
            let person = client.person(&writer).await;
            assert_one(&writer, &person.customer_ref, &person.open_intents);
        }
    };
    tokio::join!(merging, looking);
    world.close().await;
}

/// Under their own name only what is the writer's own, under that of the set all of it.
#[track_caller]
fn assert_one(writer: &str, name: &str, intents: &[OpenIntent]) {
    let whole = intents.iter().any(|it| it.intent == "billing");
    assert_eq!(whole, name != writer, "{} intents", intents.len());
}

async fn what_a_newer_value_hid_stays_hidden(engine: Engine) {
    if engine != Engine::Sqlite {
        return;
    }
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(engine).clock(&clock).open().await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    join(&client, "m", &caller, &writer).await;
    // The writer has size XL for 30 days; the caller says M, for a minute.
    client.start(call("call", NUMBER)).await.expect("a start");
    let input = VariableInput { value: "M".into(), ttl_seconds: Some(60), ..Default::default() };
    let ended = EndInteractionRequest {
        variables: BTreeMap::from([("size".to_owned(), input)]),
        ..end("call")
    };
    client.end(ended).await.expect("an end");
    let now = client.start(call("now", NUMBER)).await.expect("a start");
    assert_eq!(now.variables["size"].value, "M");
    clock.set(MONDAY.plus(HOUR));
    let later = client.start(call("later", NUMBER)).await.expect("a start");
    assert!(!later.variables.contains_key("size"), "an older value came back");
    world.close().await;
}

async fn a_confirmation_of_a_member_keeps_its_evidence(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    // The caller's number is the one that was used last.
    client.start(call("newer", NUMBER)).await.expect("a start");
    client.end(end("newer")).await.expect("an end");
    for merged in [false, true] {
        if merged {
            join(&client, "m", &caller, &writer).await;
        }
        let id = format!("mail {merged}");
        let before = client.start(mail(&id)).await.expect("a start").identity.expect("one");
        let mut confirmed = confirm(&id, "u");
        confirmed.identity_feedback = confirmed_as(if merged { &caller } else { &writer });
        if merged {
            confirmed.identity_hints = Some(number_hint(NUMBER));
        }
        let answer = client.update(confirmed).await.expect("a confirmation");
        let after = answer.identity.expect("one");
        assert!(after.confidence >= before.confidence - 0.001);
    }
    world.close().await;
}
