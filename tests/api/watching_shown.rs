//! What an event shows: what GetInteraction shows to the same caller, and no more, also to whoever
//! comes late.

use prost::Message as _;
use threadline::context::ConsentState::Granted;
use threadline::grpc::proto::{
    Audience, EndInteractionRequest, GetInteractionRequest, GetInteractionResponse,
    InteractionView, Recommendation, Sensitivity, StartInteractionRequest, VariableInput,
    WatchInteractionsRequest,
};

use super::consents::{consent, upsert_consents};
use super::customers::{mail as mail_address, upsert_with};
use super::merging::join;
use super::settling::{MAIL, NUMBER, somebody, staff};
use super::visitors::Site;
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, email_hint, end, external_hint, number_hint, reject, start, start_with, update,
};
use crate::support::watcher::{Watcher, after, everything};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    an_event_shows_what_a_look_shows,
    it_shows_what_is_to_be_done_with_a_browser,
    it_goes_by_the_settings_as_they_are_now,
    who_calls_is_there_before_the_phone_rings,
    a_late_watcher_is_not_shown_whom_it_was_mistaken_for,
    a_late_watcher_is_not_shown_what_was_capped_since,
);

type Interactions = Watcher<threadline::grpc::proto::WatchInteractionsResponse>;

fn viewed(view: InteractionView) -> WatchInteractionsRequest {
    WatchInteractionsRequest { view: view as i32, history_limit: Some(3), ..everything() }
}

/// A watcher and the same caller's looks.
struct Pair {
    client: Client,
    watcher: Interactions,
    view: InteractionView,
}

impl Pair {
    async fn of(client: Client, view: InteractionView) -> Self {
        let watcher = client.watch(viewed(view)).await.expect("a stream");
        Self { client, watcher, view }
    }

    /// The next event shows what a look shows.
    async fn agrees(&mut self, id: &str, what: &str) -> GetInteractionResponse {
        let event = self.watcher.event().await;
        assert_eq!(event.id(), id, "{what}");
        let get = GetInteractionRequest {
            interaction_id: id.into(),
            view: self.view as i32,
            history_limit: Some(3),
            ..Default::default()
        };
        let looked = self.client.get(get).await.expect("a known interaction");
        let shown = event.shown.expect("an interaction");
        assert!(shown == looked, "{what}: an event shows something else than a look");
        shown
    }
}

fn holds(shown: &GetInteractionResponse, text: &str) -> bool {
    shown.encode_to_vec().windows(text.len()).any(|part| part == text.as_bytes())
}

fn capped(id: &str, rule: &str) -> EndInteractionRequest {
    EndInteractionRequest {
        profile: super::customers::attributes(&[("disclosure", rule)]),
        ..end(id)
    }
}

/// People with different pasts and rules.
async fn people(client: &Client) {
    somebody(client, "p1", "voice", number_hint(NUMBER)).await;
    let secret = VariableInput {
        value: "a secret".into(),
        sensitivity: Sensitivity::Sensitive as i32,
        ..Default::default()
    };
    let told = EndInteractionRequest {
        variables: [("diagnosis".to_owned(), secret)].into(),
        revision: Some(1),
        ..end("p1")
    };
    client.end(told).await.expect("an amendment");
    client.start(start_with("p2", "email", email_hint(MAIL))).await.expect("a start");
    client.end(end("p2")).await.expect("an end");
    for (number, rule) in [("+14155550201", "NEVER"), ("+14155550202", "ALWAYS_CONFIRM")] {
        client.start(call(rule, number)).await.expect("a start");
        client.end(capped(rule, rule)).await.expect("an end");
    }
    let one = somebody(client, "m1", "web_chat", external_hint("crm_id", "C-1")).await;
    let other =
        client.upsert(upsert_with("m2", vec![mail_address("m@example.com")], &[("x", "y")]));
    let other = other.await.expect("an upsert").customer.expect("them").customer_ref;
    join(client, "join", &one, &other).await;
}

async fn an_event_shows_what_a_look_shows(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    people(&client).await;
    let mut pairs = Vec::new();
    for role in ["agent", "admin"] {
        for view in [InteractionView::Full, InteractionView::Basic] {
            pairs.push(Pair::of(world.role(role).await, view).await);
        }
    }
    let group =
        StartInteractionRequest { audience: Audience::Group as i32, ..call("in a group", NUMBER) };
    let starts = [
        ("known", call("known", NUMBER)),
        ("asked", start_with("asked", "web_chat", email_hint(MAIL))),
        ("protected", call("protected", "+14155550201")),
        ("bereaved", call("bereaved", "+14155550202")),
        ("nobody", start("nobody", "voice")),
        ("merged", start_with("merged", "web_chat", external_hint("crm_id", "C-1"))),
        ("in a group", group),
    ];
    for (id, request) in starts {
        client.start(request).await.expect("a start");
        for pair in &mut pairs {
            pair.agrees(id, id).await;
        }
    }
    client.update(confirm("asked", "u")).await.expect("a confirmation");
    for pair in &mut pairs {
        let shown = pair.agrees("asked", "confirmed").await;
        let said = shown.identity.as_ref().expect("an identity").recommendation();
        assert!(said == Recommendation::Reuse);
    }
    let ended = EndInteractionRequest {
        summary: "asked for the diagnosis".into(),
        sensitivity: Sensitivity::Sensitive as i32,
        ..end("known")
    };
    client.end(ended).await.expect("an end");
    for pair in &mut pairs {
        pair.agrees("known", "ended").await;
    }
    world.close().await;
}

/// Somebody came back to a browser, and another one signed in there since: who is there now is asked,
/// whatever the view.
async fn it_shows_what_is_to_be_done_with_a_browser(engine: Engine) {
    let site = Site::on(engine).await;
    site.chat("before", "browser-1", "").await;
    assert_eq!(said(&site.start("open", "browser-1", "").await), Said::Reuse);
    site.chat("signed in", "browser-1", "user-17").await;
    // What one stream asks for is read for all: whoever asks for less is first, and alone.
    for view in [InteractionView::Basic, InteractionView::Full] {
        let mut pair = Pair::of(site.world.role("agent").await, view).await;
        let id = view.as_str_name().to_owned();
        site.client.update(update("open", &id)).await.expect("an update");
        let shown = pair.agrees("open", &id).await;
        let identity = shown.identity.as_ref().expect("an identity");
        assert!(identity.recommendation() == Recommendation::Confirm, "{id}");
    }
    site.world.close().await;
}

/// Also what all who watch are shown of is read by them.
async fn it_goes_by_the_settings_as_they_are_now(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "past", "voice", number_hint(NUMBER)).await;
    let agreed = upsert_consents("yes", &known, consent("history", Granted));
    client.upsert(agreed).await.expect("an upsert");
    let mut pair = Pair::of(world.role("agent").await, InteractionView::Basic).await;
    client.start(call("before", NUMBER)).await.expect("a start");
    pair.agrees("before", "before").await;
    let asks = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";
    world.reload(asks).await.expect("valid settings");
    client.start(call("after", NUMBER)).await.expect("a start");
    let shown = pair.agrees("after", "they have agreed").await;
    assert!(shown.warnings.iter().all(|one| one.code != "consent_missing"));
    world.close().await;
}

/// The screen-pop: a known caller comes with their context, who is to be asked only with a masked
/// label, and who is in company with nothing.
async fn who_calls_is_there_before_the_phone_rings(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "past", "voice", number_hint(NUMBER)).await;
    somebody(&client, "mailed", "email", email_hint(MAIL)).await;
    let agent = world.role("agent").await;
    let mut watcher = agent.watch(everything()).await.expect("a stream");
    client.start(call("rings", NUMBER)).await.expect("a start");
    let event = watcher.event().await;
    let shown = event.shown();
    assert_eq!(shown.customer_ref, known);
    assert!(
        shown.identity.as_ref().expect("an identity").recommendation() == Recommendation::Reuse
    );
    assert!(shown.brief.contains("asked about the invoice"), "{}", shown.brief);
    assert_eq!((shown.open_intents.len(), shown.variables.len()), (1, 1));
    client.start(start_with("typed", "web_chat", email_hint(MAIL))).await.expect("a start");
    let event = watcher.event().await;
    let shown = event.shown();
    let identity = shown.identity.as_ref().expect("an identity");
    assert!(identity.recommendation() == Recommendation::Confirm);
    assert_eq!(identity.candidates[0].label, "j···");
    for hidden in ["invoice", "billing", "nina", MAIL] {
        assert!(!holds(shown, hidden), "{hidden}");
    }
    let together =
        StartInteractionRequest { audience: Audience::Public as i32, ..call("street", NUMBER) };
    client.start(together).await.expect("a start");
    let event = watcher.event().await;
    assert!(event.shown().brief.is_empty() && !holds(event.shown(), "invoice"));
    world.close().await;
}

/// Whoever comes late is not shown a person for whom somebody else was once taken.
async fn a_late_watcher_is_not_shown_whom_it_was_mistaken_for(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let past = somebody(&client, "past", "voice", number_hint(NUMBER)).await;
    let agent = world.role("agent").await;
    let token = agent.watch(everything()).await.expect("a stream").token;
    client.start(call("one", NUMBER)).await.expect("a start");
    client.update(reject("one", "u", None)).await.expect("a rejection");
    let mut late = agent.watch(after(&token)).await.expect("the stream again");
    for what in ["STARTED", "UPDATED"] {
        let event = late.event().await;
        assert_eq!(crate::support::watcher::name(event.kind), what);
        assert_ne!(event.shown().customer_ref, past, "{what}");
        assert!(!holds(event.shown(), "invoice") && !holds(event.shown(), &past), "{what}");
    }
    world.close().await;
}

/// Nor what may not be shown any more.
async fn a_late_watcher_is_not_shown_what_was_capped_since(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    somebody(&client, "past", "voice", number_hint(NUMBER)).await;
    let agent = world.role("agent").await;
    let token = agent.watch(everything()).await.expect("a stream").token;
    client.start(call("one", NUMBER)).await.expect("a start");
    client.end(capped("one", "NEVER")).await.expect("an end");
    let mut late = agent.watch(after(&token)).await.expect("the stream again");
    let event = late.event().await;
    assert_eq!(event.id(), "one");
    assert!(event.shown().brief.is_empty() && !holds(event.shown(), "invoice"));
    world.close().await;
}
