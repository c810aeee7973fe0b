//! Reading back: get, list, customer, and who may read what.

use prost::Message as _;
use threadline::clock::{Clock, DAY, HOUR};
use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerRequest, GetInteractionRequest, IntentStatus,
    InteractionView, ListInteractionsRequest, StartInteractionRequest, StartInteractionResponse,
    UpdateInteractionRequest,
};
use tonic::Code;

use super::remembering::MONDAY;
use super::settling::{NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, end, end_with, get, intent_of, landline_call, number_hint, reject, update,
    variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    pages_hold_every_contact_once,
    an_agent_reads_through_an_interaction,
    a_helpdesk_reads_nothing,
    a_get_shows_what_a_start_would,
    an_update_shows_what_a_get_would,
    history_is_as_long_as_asked_for,
);

async fn pages_hold_every_contact_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut known = String::new();
    for index in 0..25 {
        let id = format!("call {index:02}");
        known = client.start(call(&id, NUMBER)).await.expect("a start").customer_ref;
        client.update(confirm(&id, "u")).await.expect("a confirmation");
        client.end(end(&id)).await.expect("an end");
    }
    let mut request = ListInteractionsRequest {
        customer_ref: known.clone(),
        page_size: 10,
        ..Default::default()
    };
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = client.list(request.clone()).await.expect("a page");
        sizes.push(page.interactions.len());
        ids.extend(page.interactions.into_iter().map(|one| one.interaction_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(sizes, [10, 10, 5]);
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 25, "no duplicates, nobody missing");
    // A page that ends with the last row has no next one.
    let exact = ListInteractionsRequest { page_size: 25, page_token: String::new(), ..request };
    let page = client.list(exact.clone()).await.expect("a page");
    assert_eq!((page.interactions.len(), page.next_page_token.as_str()), (25, ""));
    let none = ListInteractionsRequest { channel: "email".into(), ..exact };
    assert!(client.list(none).await.expect("a page").interactions.is_empty());
    world.close().await;
}

async fn an_agent_reads_through_an_interaction(engine: Engine) {
    let world = World::on(engine).await;
    let (client, agent) = (staff(&world).await, world.role("agent").await);
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("asked", NUMBER)).await.expect("a start");
    let list = ListInteractionsRequest { interaction_id: "asked".into(), ..Default::default() };
    let whom = GetCustomerRequest { interaction_id: "asked".into(), ..Default::default() };
    let code = Code::FailedPrecondition;
    assert_refused(agent.list(list.clone()).await, code, "INTERACTION_NOT_SETTLED");
    assert_refused(agent.customer(whom.clone()).await, code, "INTERACTION_NOT_SETTLED");
    agent.update(confirm("asked", "u")).await.expect("a confirmation");
    let listed = agent.list(list).await.expect("settled").interactions;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].summary, "asked about the invoice");
    let person = agent.customer(whom.clone()).await.expect("settled");
    assert_eq!(person.customer_ref, known);
    assert_eq!(person.identifiers[0].value, "··01", "masked to the last two");
    assert_eq!(client.person(&known).await.identifiers[0].value, NUMBER, "whole for an admin");
    // Naming somebody else through it shows nothing.
    let other = client.start(call("other", "+14155550144")).await.expect("a start").customer_ref;
    let request = GetCustomerRequest { customer_ref: other, ..whom };
    assert_refused(agent.customer(request).await, Code::NotFound, "CUSTOMER_NOT_FOUND");
    world.close().await;
}

async fn a_helpdesk_reads_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let (client, helpdesk) = (staff(&world).await, world.role("helpdesk").await);
    somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("asked", NUMBER)).await.expect("a start");
    let answer = helpdesk.update(confirm("asked", "u")).await.expect("a confirmation");
    assert!(!answer.customer_ref.is_empty());
    assert!(answer.identity.is_none(), "reads nothing");
    assert_silent(&answer);
    let refusal = helpdesk.get(get("asked")).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    world.close().await;
}

async fn a_get_shows_what_a_start_would(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let began = StartInteractionRequest {
        queue: "billing".into(),
        brand: "Globex".into(),
        thread_ref: "t-1".into(),
        ..call("one", NUMBER)
    };
    let started = client.start(began).await.expect("a start");
    let full = client.get(get("one")).await.expect("it");
    assert_eq!(full.customer_ref, started.customer_ref);
    assert!(full.open_intents == started.open_intents && full.variables == started.variables);
    assert!(full.recent_interactions == started.recent_interactions);
    assert_eq!(full.brief, started.brief);
    let facts = full.interaction.expect("its facts");
    assert_eq!((facts.queue.as_str(), facts.brand.as_str()), ("billing", "Globex"));
    assert_eq!((facts.thread_ref.as_str(), facts.channel.as_str()), ("t-1", "voice"));
    assert!(facts.settled && facts.end_time.is_none());
    let basic = GetInteractionRequest { view: InteractionView::Basic.into(), ..get("one") };
    let basic = client.get(basic).await.expect("it");
    assert!(basic.identity.is_some() && basic.interaction.is_some());
    assert!(basic.open_intents.is_empty() && basic.variables.is_empty());
    assert!(basic.recent_interactions.is_empty() && basic.brief.is_empty());
    world.close().await;
}

/// Makes an update; its answer is that of a look right after it, to the letter.
async fn updated(client: &Client, request: UpdateInteractionRequest) -> StartInteractionResponse {
    let look = get(&request.interaction_id);
    let answer = client.update(request).await.expect("an update");
    let mut looked = client.get(look).await.expect("it");
    (looked.interaction, looked.decision) = (None, None);
    let looked = StartInteractionResponse::decode(looked.encode_to_vec().as_slice());
    assert!(answer == looked.expect("the same fields"), "another answer than a look gives");
    answer
}

async fn an_update_shows_what_a_get_would(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let says = |id: &str, update_id: &str, colour: &str, status| UpdateInteractionRequest {
        variables: variable("colour", colour),
        intents: vec![intent_of("exchange", status)],
        ..update(id, update_id)
    };
    client.start(call("one", NUMBER)).await.expect("a start");
    let first = updated(&client, says("one", "1", "red", IntentStatus::Open)).await;
    assert_eq!(first.variables["colour"].value, "red");
    let second = updated(&client, says("one", "2", "blue", IntentStatus::Escalated)).await;
    assert_eq!(second.variables["colour"].value, "blue");
    assert!(second.open_intents.iter().any(|one| one.intent == "exchange"));
    client.end(end_with("one", "exchange", IntentStatus::Resolved)).await.expect("an end");
    let after = updated(&client, says("one", "3", "green", IntentStatus::Open)).await;
    assert_eq!(after.recent_interactions[0].interaction_id, "one");
    // Of somebody who must be asked first, who is then confirmed, and rejected at last.
    client.start(landline_call("asked", NUMBER)).await.expect("a start");
    let silent = updated(&client, says("asked", "1", "black", IntentStatus::Open)).await;
    assert_silent(&silent);
    let sure = updated(&client, confirm("asked", "2")).await;
    assert_eq!(sure.variables["colour"].value, "black");
    let other = updated(&client, reject("asked", "3", None)).await;
    assert_ne!(other.customer_ref, known);
    let back = updated(&client, reject("asked", "4", Some(&known))).await;
    assert_eq!((back.customer_ref, back.variables["colour"].value.as_str()), (known, "black"));
    // Of somebody new.
    client.start(call("stranger", "+14155550177")).await.expect("a start");
    let new = updated(&client, says("stranger", "1", "white", IntentStatus::Open)).await;
    assert!(new.new_customer);
    world.close().await;
}

async fn history_is_as_long_as_asked_for(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for id in ["1", "2", "3"] {
        client.start(call(id, NUMBER)).await.expect("a start");
        let mut said = update(id, "agent");
        said.agent_ref = format!("agent {id}");
        client.update(said).await.expect("an update");
        client.end(end_with(id, "billing", IntentStatus::Open)).await.expect("an end");
    }
    for (limit, expected) in [(None, 3), (Some(2), 2), (Some(0), 0)] {
        let request = StartInteractionRequest {
            history_limit: limit,
            ..call(&format!("limit {limit:?}"), NUMBER)
        };
        let answer = client.start(request).await.expect("a start");
        assert_eq!(answer.recent_interactions.len(), expected, "{limit:?}");
        assert_eq!(answer.last_agent_ref, "agent 3", "whatever the limit");
        assert_eq!(answer.open_intents[0].attempt_count, 3);
    }
    let newest = client.get(get("3")).await.expect("it").recent_interactions;
    let ids: Vec<&str> = newest.iter().map(|one| one.interaction_id.as_str()).collect();
    assert_eq!(ids, ["3", "2", "1"], "newest first");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brief_can_be_read_aloud() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let contact =
        |id: &str, summary: &str| EndInteractionRequest { summary: summary.into(), ..end(id) };
    client.start(call("1", NUMBER)).await.expect("a start");
    client.end(contact("1", "asked about the invoice")).await.expect("an end");
    clock.set(MONDAY.plus(DAY + HOUR));
    client.start(call("2", NUMBER)).await.expect("a start");
    client.end(contact("2", "sent the statement")).await.expect("an end");
    clock.set(MONDAY.plus(2 * DAY));
    let answer = client.start(call("3", NUMBER)).await.expect("a start");
    assert_eq!(said(&answer), Said::Reuse);
    let lines: Vec<&str> = answer.brief.lines().collect();
    assert_eq!(lines.len(), 3, "{}", answer.brief);
    assert!(lines[0].starts_with("Mon") && lines[0].ends_with("asked about the invoice"));
    assert!(lines[1].starts_with("Tue") && lines[1].ends_with("sent the statement"));
    assert_eq!(lines[2], "now: phone");
    // In the customer's language and zone.
    let german = StartInteractionRequest {
        locale: "de-DE".into(),
        time_zone: "Europe/Berlin".into(),
        ..call("4", NUMBER)
    };
    let answer = client.start(german).await.expect("a start");
    assert!(answer.brief.starts_with("Mo"), "{}", answer.brief);
    assert!(answer.brief.contains("15:00"), "{}", answer.brief);
    world.close().await;
}
