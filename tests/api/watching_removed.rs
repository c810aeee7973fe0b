//! Watching while things are taken away: redactions, erasures, and people who have not agreed.

use prost::Message as _;
use threadline::context::ConsentState::Granted;
use threadline::grpc::proto::{
    EndInteractionRequest, GetInteractionRequest, GetInteractionResponse, InteractionView,
    WatchCustomerRequest, WatchInteractionsRequest,
};
use tonic::Code;

use super::consents::{consent, upsert_consents};
use super::erasing::{erased, gone};
use super::settling::{NUMBER, somebody, staff};
use super::watching_customers::of;
use crate::support::requests::{call, confirm, end, number_hint, redact, reject, update};
use crate::support::watcher::{after, everything, name, told};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    what_is_taken_out_is_told_and_not_shown,
    an_erasure_is_told_as_that_and_nothing_of_the_person_is,
    without_consent_an_event_shows_what_a_look_shows,
    without_consent_an_agent_is_told_nothing,
);

fn holds(shown: &GetInteractionResponse, text: &str) -> bool {
    shown.encode_to_vec().windows(text.len()).any(|part| part == text.as_bytes())
}

/// A desktop that shows the contact learns that its content went; who comes late is not shown it.
async fn what_is_taken_out_is_told_and_not_shown(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watcher = client.watch(everything()).await.expect("a stream");
    let token = watcher.token.clone();
    let customer = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let mut theirs = client.watch_customer(of(&customer)).await.expect("a stream");
    let said = EndInteractionRequest { summary: "told us her diagnosis".into(), ..end("one") };
    client.end(said).await.expect("an end");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "one")]));
    let ended = watcher.event().await;
    assert!(holds(ended.shown(), "diagnosis"), "it was there");
    client.redact(redact("one", "r", &[])).await.expect("a redaction");
    let redacted = watcher.event().await;
    assert_eq!((name(redacted.kind), redacted.id()), ("REDACTED", "one"));
    let facts = redacted.shown().interaction.as_ref().expect("its facts");
    assert!(facts.summary.is_empty() && facts.redact_time.is_some());
    assert_eq!(theirs.events(2).await, told(&[("ENDED", "one"), ("REDACTED", "one")]));
    let mut late = client.watch(after(&token)).await.expect("the stream again");
    for what in ["STARTED", "ENDED", "REDACTED"] {
        let event = late.event().await;
        assert_eq!((name(event.kind), event.id()), (what, "one"));
        assert!(!holds(event.shown(), "diagnosis"), "{what}");
    }
    world.close().await;
}

/// What was somebody else's in the end goes on without the person who is erased, and is told once as
/// what happened to it; of the person's own nothing is told.
async fn an_erasure_is_told_as_that_and_nothing_of_the_person_is(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watcher = client.watch(everything()).await.expect("a stream");
    let token = watcher.token.clone();
    let dana = somebody(&client, "past", "voice", number_hint(NUMBER)).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    client.update(reject("one", "u", None)).await.expect("a rejection");
    let before = [("STARTED", "past"), ("ENDED", "past"), ("STARTED", "one"), ("UPDATED", "one")];
    assert_eq!(watcher.events(4).await, told(&before));
    let mut theirs = client.watch_customer(of(&dana)).await.expect("a stream");
    let by_filter = WatchInteractionsRequest { customer_ref: dana.clone(), ..everything() };
    let mut filtered = client.watch(by_filter.clone()).await.expect("a stream");
    gone(&client, &dana, "e").await;
    client.update(update("one", "v")).await.expect("an update");
    client.end(end("one")).await.expect("an end");
    let since = [("REDACTED", "one"), ("UPDATED", "one"), ("ENDED", "one")];
    assert_eq!(watcher.events(3).await, told(&since), "and nothing else");
    let mut late = client.watch(after(&token)).await.expect("the stream again");
    for (what, id) in since {
        let event = late.event().await;
        assert_eq!((name(event.kind), event.id()), (what, id));
        assert!(!holds(event.shown(), &dana) && !holds(event.shown(), "invoice"), "{what}");
    }
    for ended in [theirs.end().await, filtered.end().await] {
        let said = (ended.refusal.code, ended.refusal.reason.as_str());
        assert_eq!(said, (Code::NotFound, "ERASED"), "{ended:?}");
    }
    erased(client.watch_customer(of(&dana)).await);
    erased(client.watch(by_filter).await);
    world.close().await;
}

const STRICT: &str = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";

/// In either view: whether somebody has agreed decides of a summary, too.
async fn without_consent_an_event_shows_what_a_look_shows(engine: Engine) {
    let world = Setup::on(engine).settings(STRICT).open().await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    for (round, agreed) in [(0, false), (1, true)] {
        if agreed {
            let yes = upsert_consents("yes", &known, consent("history", Granted));
            client.upsert(yes).await.expect("an upsert");
        }
        for view in [InteractionView::Full, InteractionView::Basic] {
            let id = format!("{} {round}", view.as_str_name());
            let watch = WatchInteractionsRequest { view: view as i32, ..everything() };
            let mut watcher = client.watch(watch).await.expect("a stream");
            client.start(call(&id, NUMBER)).await.expect("a start");
            let said = EndInteractionRequest { summary: "a secret".into(), ..end(&id) };
            client.end(said).await.expect("an end");
            watcher.event().await;
            let event = watcher.event().await;
            let look = GetInteractionRequest {
                interaction_id: id.clone(),
                view: view as i32,
                ..Default::default()
            };
            let looked = client.get(look).await.expect("a known interaction");
            assert!(*event.shown() == looked, "{id}");
            assert_eq!(holds(event.shown(), "a secret"), agreed, "{id}");
        }
    }
    world.close().await;
}

/// What is not listed without consent is not streamed either.
async fn without_consent_an_agent_is_told_nothing(engine: Engine) {
    let world = Setup::on(engine).settings(STRICT).open().await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(call("here", NUMBER)).await.expect("a start");
    client.update(confirm("here", "u")).await.expect("a confirmation");
    let through = WatchCustomerRequest { interaction_id: "here".into(), ..Default::default() };
    let agent = world.role("agent").await;
    let mut watcher = agent.watch_customer(through).await.expect("a stream");
    client.start(call("two", NUMBER)).await.expect("a start");
    let first = watcher.message().await.expect("a heartbeat");
    assert!(first.shown.is_none() && name(first.kind) == "HEARTBEAT", "nothing was told");
    // What is told is decided when it is sent: from now on they have agreed.
    let yes = upsert_consents("yes", &known, consent("history", Granted));
    client.upsert(yes).await.expect("an upsert");
    client.start(call("three", NUMBER)).await.expect("a start");
    assert_eq!(watcher.events(2).await, told(&[("CUSTOMER_CHANGED", ""), ("STARTED", "three")]));
    world.close().await;
}
