//! Two customers as one person, and two again: what is read as one, what is written where, and what
//! an unmerge leaves.

use std::collections::BTreeMap;

use threadline::grpc::proto::update_interaction_request::IdentityFeedback;
use threadline::grpc::proto::{
    CustomerSet, EndInteractionRequest, GetCustomerRequest, GetCustomerResponse, IdentityConfirmed,
    IdentityHints, IntentStatus, MergeState, ProfileAttributeInput, StartInteractionRequest,
    StartInteractionResponse,
};

use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, get, merge, number_hint, start_with, unmerge,
    variable,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    two_are_one_and_two_again,
    what_comes_after_a_merge_stays_where_it_was_written,
    hints_of_two_members_agree,
    what_a_set_shares_is_not_shared,
    a_confirmation_may_name_any_member,
    an_end_may_name_any_member,
    an_agent_sees_all_of_the_person,
    the_stricter_rule_wins,
);

/// A mail from a customer, whose address the channel carries.
pub(super) fn mail(id: &str) -> StartInteractionRequest {
    start_with(id, "email", email_hint(MAIL))
}

/// Somebody who calls, and somebody who writes; each with a past.
pub(super) async fn two(client: &Client) -> (String, String) {
    let caller = somebody(client, "first call", "voice", number_hint(NUMBER)).await;
    let writer = client.start(mail("first mail")).await.expect("a start").customer_ref;
    let ended = EndInteractionRequest {
        variables: variable("size", "XL"),
        summary: "asked for a jacket".into(),
        ..end_with("first mail", "returns", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    (caller, writer)
}

/// Merges the two; the merge's id.
pub(super) async fn join(client: &Client, id: &str, one: &str, other: &str) -> String {
    let merged = client.merge(merge(id, one, other)).await.expect("a merge");
    assert!(merged.state() == MergeState::InForce);
    merged.merge_id
}

/// A customer by ref, without what tells of merges and of others who use the same identifiers.
pub(super) async fn bare(client: &Client, customer_ref: &str) -> GetCustomerResponse {
    let mut person = client.person(customer_ref).await;
    person.merges.clear();
    for one in &mut person.identifiers {
        (one.shared, one.sharing, one.owner_count) = (false, 0, 0);
    }
    person
}

/// Somebody's word that it is this customer.
pub(super) fn confirmed_as(customer_ref: &str) -> Option<IdentityFeedback> {
    let named = IdentityConfirmed { customer_ref: customer_ref.into() };
    Some(IdentityFeedback::IdentityConfirmed(named))
}

/// One attribute of a customer.
pub(super) fn attribute(name: &str, value: &str) -> BTreeMap<String, ProfileAttributeInput> {
    let input = ProfileAttributeInput { value: value.into(), ..Default::default() };
    BTreeMap::from([(name.to_owned(), input)])
}

pub(super) fn intents(answer: &StartInteractionResponse) -> Vec<&str> {
    let mut names: Vec<&str> = answer.open_intents.iter().map(|it| it.intent.as_str()).collect();
    names.sort_unstable();
    names
}

pub(super) fn members(set: Option<&CustomerSet>) -> Vec<String> {
    set.expect("a set").member_refs.clone()
}

async fn two_are_one_and_two_again(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let before = (bare(&client, &caller).await, bare(&client, &writer).await);
    let merged = client.merge(merge("m", &writer, &caller)).await.expect("a merge");
    let set = merged.set.expect("a set");
    assert_eq!(set.customer_ref, caller, "the older names it");
    assert_eq!(set.member_refs, [caller.clone(), writer.clone()]);
    for (id, request) in [("call", call("call", NUMBER)), ("mail", mail("mail"))] {
        let answer = client.start(request).await.expect("a start");
        assert_eq!((said(&answer), answer.customer_ref.as_str()), (Said::Reuse, &*caller), "{id}");
        assert_eq!(intents(&answer), ["billing", "returns"]);
        let values: Vec<&str> = answer.variables.keys().map(String::as_str).collect();
        assert_eq!(values, ["order", "size"]);
        let contacts: Vec<&str> =
            answer.recent_interactions.iter().map(|it| it.interaction_id.as_str()).collect();
        assert_eq!(contacts, ["first mail", "first call"]);
        let named = &answer.identity.expect("an identity").candidates[0];
        assert_eq!(named.customer_ref, caller);
        let shown = client.get(get(id)).await.expect("it");
        assert_eq!((shown.customer_ref.as_str(), shown.open_intents.len()), (&*caller, 2));
    }
    let (one, other) = (client.person(&caller).await, client.person(&writer).await);
    assert!(one == other, "both refs name the whole");
    assert_eq!((one.customer_ref.as_str(), one.identifiers.len()), (&*caller, 2));
    assert_eq!((one.contact_count, one.member_refs.len()), (2, 2));
    assert_eq!(client.history(&writer).await, ["first mail", "first call"]);
    client.unmerge(unmerge("u", &merged.merge_id)).await.expect("an unmerge");
    assert!(bare(&client, &caller).await == before.0, "as if it had not been");
    assert!(bare(&client, &writer).await == before.1, "as if it had not been");
    let history = client.person(&caller).await.merges;
    assert_eq!(history.len(), 1);
    assert!(history[0].state() == MergeState::Undone);
    assert_eq!(history[0].reason, "one person, says the desk");
    assert!(history[0].undo_time.is_some() && !history[0].made_by.is_empty());
    world.close().await;
}

async fn what_comes_after_a_merge_stays_where_it_was_written(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merge_id = join(&client, "m", &caller, &writer).await;
    client.start(call("call", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest {
        variables: variable("size", "M"),
        ..end_with("call", "delivery", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    let answer = client.start(mail("mail")).await.expect("a start");
    assert_eq!(answer.variables["size"].value, "M", "the newest of the person");
    assert_eq!(intents(&answer), ["billing", "delivery", "returns"]);
    client.end(end_with("mail", "returns", IntentStatus::Resolved)).await.expect("an end");
    let answer = client.start(call("again", NUMBER)).await.expect("a start");
    assert_eq!(intents(&answer), ["billing", "delivery"], "resolved by the mail");
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    assert_eq!(client.history(&caller).await, ["call", "first call"]);
    assert_eq!(client.history(&writer).await, ["mail", "first mail"]);
    let answer = client.start(call("alone", NUMBER)).await.expect("a start");
    assert_eq!((answer.customer_ref.as_str(), said(&answer)), (&*caller, Said::Reuse));
    assert_eq!(intents(&answer), ["billing", "delivery"]);
    assert_eq!(answer.variables["size"].value, "M");
    let answer = client.start(mail("alone too")).await.expect("a start");
    assert_eq!((answer.customer_ref.as_str(), said(&answer)), (&*writer, Said::Reuse));
    assert!(answer.open_intents.is_empty());
    assert_eq!(answer.variables["size"].value, "XL");
    // What was begun as one person goes on with the customer it was settled on.
    client.end(end_with("again", "refund", IntentStatus::Open)).await.expect("an end");
    assert_eq!(client.history(&caller).await, ["again", "call", "first call"]);
    assert_eq!(client.history(&writer).await, ["mail", "first mail"]);
    world.close().await;
}

async fn hints_of_two_members_agree(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let both = |id: &str| StartInteractionRequest {
        identity_hints: Some(IdentityHints { caller_number: NUMBER.into(), ..email_hint(MAIL) }),
        ..call(id, NUMBER)
    };
    let apart = client.start(both("apart")).await.expect("a start").identity.expect("one");
    assert_eq!(apart.conflicts.len(), 1, "two people");
    let merge_id = join(&client, "m", &caller, &writer).await;
    let links = |person: GetCustomerResponse| {
        let of = |one: threadline::grpc::proto::CustomerIdentifier| (one.value, one.assurance);
        person.identifiers.into_iter().map(of).collect::<Vec<_>>()
    };
    let answer = client.start(both("together")).await.expect("a start");
    let identity = answer.identity.clone().expect("an identity");
    assert_eq!((said(&answer), identity.conflicts.len()), (Said::Reuse, 0));
    assert!(identity.evidence.iter().any(|it| it.signal == "two_kinds"));
    assert_eq!(identity.candidates.len(), 1);
    client.end(end("together")).await.expect("an end");
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    assert_eq!(links(client.person(&caller).await).len(), 1, "no foreign link");
    assert_eq!(links(client.person(&writer).await).len(), 1, "no foreign link");
    let contacts = [client.history(&caller).await, client.history(&writer).await].concat();
    let together = contacts.iter().filter(|id| *id == "together").count();
    assert_eq!((together, contacts.len()), (1, 3), "on the file of one of the two");
    world.close().await;
}

async fn what_a_set_shares_is_not_shared(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, _) = two(&client).await;
    // Somebody else calls from the same number, and says so.
    client.start(call("other", NUMBER)).await.expect("a start");
    client.update(crate::support::requests::reject("other", "u", None)).await.expect("a rejection");
    let other = client.end(end("other")).await.expect("an end").customer_ref;
    assert_ne!(other, caller);
    let asked = client.start(call("asked", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm, "one number of two people");
    let merge_id = join(&client, "m", &caller, &other).await;
    let known = client.start(call("known", NUMBER)).await.expect("a start");
    assert_eq!((said(&known), known.customer_ref.as_str()), (Said::Reuse, &*caller));
    let identity = known.identity.expect("an identity");
    assert!(identity.evidence.iter().all(|it| !it.signal.starts_with("owners")));
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    let asked = client.start(call("asked again", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    world.close().await;
}

async fn a_confirmation_may_name_any_member(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merge_id = join(&client, "m", &caller, &writer).await;
    let asked = StartInteractionRequest {
        identity_hints: Some(email_hint(MAIL)),
        ..start_with("chat", "web_chat", IdentityHints::default())
    };
    let answer = client.start(asked).await.expect("a start");
    assert_eq!((said(&answer), answer.customer_ref.as_str()), (Said::Confirm, &*caller));
    let mut confirmed = confirm("chat", "u");
    confirmed.identity_feedback = confirmed_as(&caller);
    let answer = client.update(confirmed).await.expect("a confirmation");
    assert_eq!(intents(&answer), ["billing", "returns"]);
    client.end(end("chat")).await.expect("an end");
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    assert_eq!(client.history(&writer).await, ["chat", "first mail"], "whose address it was");
    assert_eq!(client.history(&caller).await, ["first call"]);
    world.close().await;
}

async fn an_end_may_name_any_member(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let merge_id = join(&client, "m", &caller, &writer).await;
    let ticket = EndInteractionRequest {
        customer_ref: caller.clone(),
        channel: "email".into(),
        identity_hints: Some(email_hint(MAIL)),
        ..end_with("ticket", "returns", IntentStatus::Open)
    };
    let ended = client.end(ticket).await.expect("an end");
    assert_eq!(ended.customer_ref, caller, "the whole");
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    assert_eq!(client.history(&writer).await, ["ticket", "first mail"], "whose address it was");
    world.close().await;
}

async fn an_agent_sees_all_of_the_person(engine: Engine) {
    let world = World::on(engine).await;
    let (client, agent) = (staff(&world).await, world.role("agent").await);
    let (caller, writer) = two(&client).await;
    join(&client, "m", &caller, &writer).await;
    client.start(mail("mail")).await.expect("a start");
    let whom = GetCustomerRequest {
        customer_ref: caller.clone(),
        interaction_id: "mail".into(),
        ..Default::default()
    };
    let person = agent.customer(whom).await.expect("settled on a member");
    assert_eq!((person.open_intents.len(), person.identifiers.len()), (2, 2));
    assert!(person.merges.is_empty(), "who merged is for administrators");
    world.close().await;
}

async fn the_stricter_rule_wins(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    client.start(mail("protected")).await.expect("a start");
    let ended = EndInteractionRequest {
        profile: attribute("disclosure", "ALWAYS_CONFIRM"),
        ..end("protected")
    };
    client.end(ended).await.expect("an end");
    let before = client.start(call("before", NUMBER)).await.expect("a start");
    assert_eq!(said(&before), Said::Reuse);
    let merge_id = join(&client, "m", &caller, &writer).await;
    let asked = client.start(call("asked", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert!(asked.open_intents.is_empty() && asked.brief.is_empty());
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    let after = client.start(call("after", NUMBER)).await.expect("a start");
    assert_eq!(said(&after), Said::Reuse);
    world.close().await;
}
