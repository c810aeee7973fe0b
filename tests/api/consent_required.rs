//! Where the tenant asks for a consent, nothing of a context is shown without it.

use threadline::context::ConsentState::{Granted, Refused, Withdrawn};
use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerRequest, GetInteractionResponse, ListInteractionsRequest,
    StartInteractionResponse, Warning,
};

use super::consents::{consent, state, told, upsert_consents};
use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{call, email_hint, end, get, number_hint};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    without_consent_nothing_is_shown,
    a_customer_may_agree_while_they_speak,
    an_agent_is_shown_nothing_without_consent,
    a_withdrawal_counts_on_every_instance,
);

const STRICT: &str = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";

/// A tenant that shows nothing without consent.
async fn strict(engine: Engine) -> World {
    Setup::on(engine).settings(STRICT).open().await
}

fn warned(warnings: &[Warning]) -> bool {
    warnings.iter().any(|it| it.code == "consent_missing" && it.field == "consents")
}

/// Nothing but that something is held back.
#[track_caller]
fn assert_withheld(answer: &StartInteractionResponse, count: i32) {
    assert_eq!(answer.withheld_count, count);
    assert!(warned(&answer.warnings));
    assert_silent(&StartInteractionResponse { withheld_count: 0, ..answer.clone() });
}

async fn without_consent_nothing_is_shown(engine: Engine) {
    let world = strict(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let answer = client.start(call("one", NUMBER)).await.expect("a start");
    // The recognition is as ever; an intent, a variable, a summary are held back.
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known));
    assert!(answer.identity.as_ref().is_some_and(|it| it.confidence >= 0.5));
    assert_withheld(&answer, 3);
    assert!(answer.consents.is_empty());
    let ended = EndInteractionRequest { summary: "a secret".into(), ..end("one") };
    assert_eq!(client.end(ended).await.expect("an end").customer_ref, known, "settled as ever");
    let shown = client.get(get("one")).await.expect("the interaction");
    assert_nothing_of_it(&shown);
    // Neither does another purpose do, nor one that they refused.
    let request = upsert_consents("other", &known, consent("recording", Granted));
    client.upsert(request).await.expect("an upsert");
    let answer = client.start(call("two", NUMBER)).await.expect("a start");
    assert_withheld(&answer, 4);
    assert_eq!(state(&answer.consents["recording"]), Granted, "may the call be recorded?");
    let request = upsert_consents("no", &known, consent("history", Refused));
    client.upsert(request).await.expect("an upsert");
    assert_withheld(&client.start(call("three", NUMBER)).await.expect("a start"), 4);
    // Who has agreed is shown; an administrator sees them in any case.
    assert_eq!(client.person(&known).await.open_intents.len(), 1);
    assert!(client.history(&known).await.len() >= 2);
    let request = upsert_consents("yes", &known, consent("history", Granted));
    client.upsert(request).await.expect("an upsert");
    let answer = client.start(call("four", NUMBER)).await.expect("a start");
    assert_eq!((answer.open_intents.len(), answer.withheld_count), (1, 0));
    assert!(!warned(&answer.warnings) && !answer.brief.is_empty());
    let shown = client.get(get("one")).await.expect("the interaction");
    assert_eq!(shown.interaction.expect("it").summary, "a secret");
    world.close().await;
}

fn assert_nothing_of_it(shown: &GetInteractionResponse) {
    let interaction = shown.interaction.as_ref().expect("the interaction");
    assert_eq!((interaction.summary.as_str(), interaction.intents.len()), ("", 0));
    assert!(shown.open_intents.is_empty() && shown.recent_interactions.is_empty());
    assert!(shown.variables.is_empty() && shown.brief.is_empty() && warned(&shown.warnings));
}

async fn a_customer_may_agree_while_they_speak(engine: Engine) {
    let world = strict(engine).await;
    let client = staff(&world).await;
    somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let answer = client.start(call("call", NUMBER)).await.expect("a start");
    assert_withheld(&answer, 3);
    // "May we use your history?"
    let answer = client.update(told("call", "asked", Granted)).await.expect("an update");
    assert_eq!((answer.open_intents.len(), answer.withheld_count), (1, 0));
    assert!(!warned(&answer.warnings));
    let answer = client.update(told("call", "no", Withdrawn)).await.expect("an update");
    assert_withheld(&answer, 3);
    // A caller who is new: what they say is shown to whoever takes the call over.
    client.start(call("new", "+14155550177")).await.expect("a start");
    let answer = client.update(told("new", "asked", Granted)).await.expect("an update");
    assert!(answer.new_customer && state(&answer.consents["history"]) == Granted);
    world.close().await;
}

async fn an_agent_is_shown_nothing_without_consent(engine: Engine) {
    let world = strict(engine).await;
    let (client, agent) = (staff(&world).await, world.role("agent").await);
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    let settled_on = || GetCustomerRequest { interaction_id: "known".into(), ..Default::default() };
    let history =
        || ListInteractionsRequest { interaction_id: "known".into(), ..Default::default() };
    let person = agent.customer(settled_on()).await.expect("them");
    assert!(person.open_intents.is_empty() && person.variables.is_empty());
    assert!(person.profile.is_empty() && warned(&person.warnings));
    assert_eq!(person.withheld_count, 2);
    let page = agent.list(history()).await.expect("a page");
    assert_eq!((page.interactions.len(), page.withheld_count), (0, 1));
    assert!(warned(&page.warnings) && page.next_page_token.is_empty());
    let request = upsert_consents("yes", &known, consent("history", Granted));
    client.upsert(request).await.expect("an upsert");
    let person = agent.customer(settled_on()).await.expect("them");
    assert_eq!((person.open_intents.len(), person.withheld_count), (1, 0));
    assert!(person.warnings.is_empty() && person.consents["history"].evidence.is_empty());
    let page = agent.list(history()).await.expect("a page");
    assert_eq!((page.interactions.len(), page.withheld_count, page.warnings.len()), (1, 0, 0));
    // An administrator names whom they want to see.
    let admin = world.role("admin").await;
    let request = upsert_consents("no", &known, consent("history", Withdrawn));
    client.upsert(request).await.expect("an upsert");
    assert_eq!(admin.person(&known).await.open_intents.len(), 1);
    world.close().await;
}

async fn a_withdrawal_counts_on_every_instance(engine: Engine) {
    let world = strict(engine).await;
    let bearer = format!("Bearer {}", world.key(&World::new_key(&["telephony", "admin"])).await);
    let client = world.with_header(Some(&bearer)).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let request = upsert_consents("yes", &known, consent("history", Granted));
    client.upsert(request).await.expect("an upsert");
    let other = world.beside(STRICT).await;
    let there = Client::connect(other.address, Some(&bearer)).await;
    let answer = there.start(call("there", NUMBER)).await.expect("a start");
    assert_eq!(answer.open_intents.len(), 1, "remembered there");
    let request = upsert_consents("no", &known, consent("history", Withdrawn));
    client.upsert(request).await.expect("an upsert");
    assert_withheld(&there.start(call("after", NUMBER)).await.expect("a start"), 3);
    drop(there);
    other.stop().await.expect("an orderly stop");
    world.close().await;
}
