//! What is said of a contact after its end: who may see its matters from then on, wherever they are shown,
//! and that nobody was reached stays so.

use threadline::grpc::proto::{
    Direction, EndInteractionRequest, Intent, IntentStatus, Sensitivity, UpdateInteractionRequest,
};

use super::settling::{NUMBER, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, end, end_with, get, intent_of, landline_call, redact, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    what_is_said_to_be_sensitive_is_hidden_wherever_it_is_shown,
    what_waits_for_a_word_is_hidden_as_well,
    whoever_was_not_reached_stays_so_without_the_text,
);

/// Says that a matter is for few eyes.
fn sensitive(id: &str, intent: &str) -> UpdateInteractionRequest {
    let private = Intent {
        sensitivity: Sensitivity::Sensitive.into(),
        ..intent_of(intent, IntentStatus::Open)
    };
    UpdateInteractionRequest { intents: vec![private], ..update(id, "sensitive") }
}

/// How many matters the next call shows: open ones, and those of earlier contacts; and its brief.
async fn shown(client: &Client, id: &str) -> (usize, usize, String) {
    let answer = client.start(call(id, NUMBER)).await.expect("a start");
    assert_eq!(said(&answer), Said::Reuse);
    let recent = answer.recent_interactions.iter().map(|it| it.intents.len()).sum();
    (answer.open_intents.len(), recent, answer.brief)
}

async fn what_is_said_to_be_sensitive_is_hidden_wherever_it_is_shown(engine: Engine) {
    let world = World::on(engine).await;
    let (client, telephony) = (staff(&world).await, world.role("telephony").await);
    client.start(call("first", NUMBER)).await.expect("a start");
    client.end(end("first")).await.expect("an end");
    client.start(call("one", NUMBER)).await.expect("a start");
    client.end(end_with("one", "divorce", IntentStatus::Open)).await.expect("an end");
    let own = async || {
        let known = telephony.get(get("one")).await.expect("it").interaction;
        known.expect("its facts").intents.len()
    };
    let (open, recent, brief) = shown(&telephony, "a").await;
    assert_eq!((open, recent, own().await), (1, 1, 1));
    assert!(brief.contains("divorce"), "{brief}");
    client.update(sensitive("one", "divorce")).await.expect("an update");
    let (open, recent, brief) = shown(&telephony, "b").await;
    assert_eq!((open, recent, own().await), (0, 0, 0));
    assert!(!brief.contains("divorce"), "{brief}");
    world.close().await;
}

async fn what_waits_for_a_word_is_hidden_as_well(engine: Engine) {
    let world = World::on(engine).await;
    let (client, telephony) = (staff(&world).await, world.role("telephony").await);
    client.start(call("first", NUMBER)).await.expect("a start");
    client.end(end("first")).await.expect("an end");
    let asked = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    client.end(end_with("asked", "divorce", IntentStatus::Open)).await.expect("an end");
    let (open, recent, _) = shown(&telephony, "a").await;
    assert_eq!((open, recent), (0, 1), "on the candidate's file");
    client.update(sensitive("asked", "divorce")).await.expect("an update");
    let (open, recent, _) = shown(&telephony, "b").await;
    assert_eq!((open, recent), (0, 0));
    world.close().await;
}

async fn whoever_was_not_reached_stays_so_without_the_text(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("known", NUMBER)).await.expect("a start").customer_ref;
    client.end(end_with("known", "billing", IntentStatus::Open)).await.expect("an end");
    let mut out = call("out", "+18005550100");
    out.direction = Direction::Outbound.into();
    out.identity_hints.as_mut().expect("hints").dialed_number = NUMBER.into();
    assert_eq!(client.start(out).await.expect("a start").customer_ref, known);
    client.update(confirm("out", "yes")).await.expect("a confirmation");
    let ends = |revision: i64, disposition: &str| EndInteractionRequest {
        disposition: disposition.into(),
        revision: Some(revision),
        ..end("out")
    };
    let intents = vec![intent_of("billing", IntentStatus::Open)];
    let unanswered = EndInteractionRequest { intents, ..ends(1, "no_answer") };
    client.end(unanswered).await.expect("an end");
    client.redact(redact("out", "r", &["disposition"])).await.expect("a redaction");
    let counted = async || {
        let person = client.person(&known).await;
        (person.open_intents[0].attempt_count, person.contact_count)
    };
    let scored = EndInteractionRequest { csat: Some(5), ..ends(2, "") };
    client.end(scored).await.expect("a late score");
    assert_eq!(counted().await, (1, 1), "a score is no word of who was reached");
    client.end(ends(3, "sold")).await.expect("an amendment");
    assert_eq!(counted().await, (2, 2), "this one is");
    world.close().await;
}
