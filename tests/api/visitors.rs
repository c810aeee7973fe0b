//! Anonymous visitors, and what becomes of their history when they sign in.

use threadline::clock::Clock;
use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, GetCustomerRequest, IdentityHints, IntentStatus,
    StartInteractionRequest, StartInteractionResponse, UpdateInteractionRequest,
};
use tonic::Code;

use super::erasing::whole;
use super::settling::assert_silent;
use super::web_tokens::{assert_proven, assurance, claims, token_hint, trusting};
use crate::support::client::{Said, assert_refused, said};
use crate::support::issuer::Issuer;
use crate::support::requests::{email_hint, end, end_with, get, start_with, update, variable};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    an_anonymous_visitor_comes_back,
    a_first_sign_in_takes_the_history_along,
    signing_in_within_a_chat_takes_the_history_along,
    two_tabs_sign_in_at_once,
    whoever_is_known_takes_the_chat_along,
    an_earlier_history_joins_whoever_is_known,
    who_sits_at_the_browser_still_is_not_shown_who_signed_in,
    nor_is_a_visitor_who_came_back,
    a_visitor_who_says_who_they_are_is_handed_on,
    two_tabs_join_one_history_once,
    a_start_that_is_known_joins_nobody,
    a_shared_browser_discloses_nobody,
);

/// A world that trusts one key.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) client: Client,
    key: Issuer,
}

impl Site {
    pub(super) async fn on(engine: Engine) -> Self {
        let key = Issuer::new("EdDSA", "k");
        let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
        let client = world.client(&World::new_key(&["telephony", "admin"])).await;
        Self { world, client, key }
    }

    /// A browser, signed in if there is a subject.
    pub(super) fn hints(&self, visitor: &str, subject: &str) -> IdentityHints {
        let token = match subject {
            "" => String::new(),
            subject => self.key.token(&claims(subject, Clock::System.now())),
        };
        IdentityHints { visitor_id: visitor.to_owned(), ..token_hint(&token) }
    }

    pub(super) async fn start(
        &self,
        id: &str,
        visitor: &str,
        subject: &str,
    ) -> StartInteractionResponse {
        let hints = self.hints(visitor, subject);
        self.client.start(start_with(id, "web_chat", hints)).await.expect("a start")
    }

    pub(super) async fn sign_in(&self, id: &str, subject: &str) -> StartInteractionResponse {
        let hints = Some(self.hints("", subject));
        let signs_in = UpdateInteractionRequest { identity_hints: hints, ..update(id, "sign in") };
        self.client.update(signs_in).await.expect("an update")
    }

    /// A whole chat with an open matter.
    pub(super) async fn chat(&self, id: &str, visitor: &str, subject: &str) -> String {
        self.start(id, visitor, subject).await;
        let ended = EndInteractionRequest {
            variables: variable("order", id),
            ..end_with(id, "delivery", IntentStatus::Open)
        };
        self.client.end(ended).await.expect("an end").customer_ref
    }
}

async fn an_anonymous_visitor_comes_back(engine: Engine) {
    let site = Site::on(engine).await;
    let visitor = site.chat("1", "browser-1", "").await;
    let again = site.start("2", "browser-1", "").await;
    assert_eq!((said(&again), again.customer_ref.as_str()), (Said::Reuse, visitor.as_str()));
    assert!(assurance(&again) == Assurance::Carried, "a cookie can be copied");
    assert_eq!(again.open_intents.len(), 1);
    let other = site.start("3", "browser-2", "").await;
    assert!(other.new_customer);
    // Said on the phone, it is only hearsay.
    let hints = site.hints("browser-1", "");
    let said_so = site.client.start(start_with("4", "voice", hints)).await.expect("a start");
    assert_ne!(said(&said_so), Said::Reuse);
    assert_silent(&said_so);
    site.world.close().await;
}

async fn a_first_sign_in_takes_the_history_along(engine: Engine) {
    let site = Site::on(engine).await;
    let visitor = site.chat("1", "browser-1", "").await;
    let first = site.start("2", "browser-1", "user-17").await;
    assert_eq!(first.customer_ref, visitor, "the visitor is the customer from now on");
    site.client.end(end("2")).await.expect("an end");
    // On any other device, by the token alone.
    let elsewhere = site.start("3", "", "user-17").await;
    assert_proven(&elsewhere, &visitor);
    assert_eq!(elsewhere.open_intents.len(), 1, "what was asked anonymously");
    assert_eq!(site.client.history(&visitor).await, ["2", "1"]);
    site.world.close().await;
}

async fn signing_in_within_a_chat_takes_the_history_along(engine: Engine) {
    let site = Site::on(engine).await;
    let visitor = site.chat("1", "browser-1", "").await;
    let chat = site.start("2", "browser-1", "").await;
    assert_eq!((said(&chat), &chat.customer_ref), (Said::Reuse, &visitor));
    let signed_in = site.sign_in("2", "user-17").await;
    assert_eq!((said(&signed_in), &signed_in.customer_ref), (Said::Reuse, &visitor));
    assert_eq!(signed_in.open_intents.len(), 1);
    site.client.end(end("2")).await.expect("an end");
    assert_proven(&site.start("3", "", "user-17").await, &visitor);
    site.world.close().await;
}

async fn two_tabs_sign_in_at_once(engine: Engine) {
    let site = Site::on(engine).await;
    for round in 0..5 {
        let [browser, subject] = ["browser", "user"].map(|it| format!("{it}-{round}"));
        let ids = ["earlier", "a", "b", "c", "d"].map(|it| format!("{it} {round}"));
        let [earlier, a, b, c, d] = &ids;
        let visitor = site.chat(earlier, &browser, "").await;
        tokio::join!(site.start(a, &browser, ""), site.start(b, &browser, ""));
        // Two tabs that are open sign in, and two more are opened by whoever has signed in.
        let (one, two, three, four) = tokio::join!(
            site.sign_in(a, &subject),
            site.sign_in(b, &subject),
            site.start(c, &browser, &subject),
            site.start(d, &browser, &subject),
        );
        let refs = [one, two, three, four].map(|answer| answer.customer_ref);
        assert!(refs.iter().all(|one| *one == visitor), "{refs:?} of {visitor}");
        for id in &ids[1..] {
            site.client.end(end(id)).await.expect("an end");
        }
        assert_proven(&site.start(&format!("later {round}"), "", &subject).await, &visitor);
        let mut history = site.client.history(&visitor).await;
        history.sort_unstable();
        let mut all = ids.to_vec();
        all.sort_unstable();
        assert_eq!(history, all, "each once");
        assert_eq!(site.client.person(&visitor).await.identifiers.len(), 2);
    }
    site.world.close().await;
}

async fn whoever_is_known_takes_the_chat_along(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("1", "", "user-17").await;
    // A new browser, anonymous at first.
    let chat = site.start("2", "browser-1", "").await;
    assert!(chat.new_customer);
    let signed_in = site.sign_in("2", "user-17").await;
    assert_proven(&signed_in, &known);
    site.client.end(end("2")).await.expect("an end");
    assert_eq!(site.client.history(&known).await, ["2", "1"]);
    assert_eq!(site.client.person(&chat.customer_ref).await.customer_ref, known);
    site.world.close().await;
}

async fn an_earlier_history_joins_whoever_is_known(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("1", "", "user-17").await;
    let visitor = site.chat("2", "browser-1", "").await;
    let signed_in = site.start("3", "browser-1", "user-17").await;
    assert_proven(&signed_in, &known);
    assert!(signed_in.identity.as_ref().expect("an identity").conflicts.is_empty());
    site.client.end(end("3")).await.expect("an end");
    let person = site.client.person(&visitor).await;
    assert_eq!(person.customer_ref, known, "one person");
    assert_eq!(person.merges.len(), 1);
    assert_eq!(person.merges[0].reason, "the visitor signed in");
    assert_eq!(site.client.history(&visitor).await, ["3", "2", "1"]);
    let elsewhere = site.start("4", "", "user-17").await;
    assert_proven(&elsewhere, &known);
    let orders = elsewhere.open_intents[0].attempt_count;
    assert_eq!(orders, 2, "what was asked anonymously and what was asked before");
    // By the browser alone, it is a question from now on.
    let anybody = site.start("5", "browser-1", "").await;
    assert_ne!(said(&anybody), Said::Reuse);
    assert_silent(&anybody);
    // Once joined, nothing is joined again.
    assert_proven(&site.start("6", "browser-1", "user-17").await, &known);
    assert_eq!(site.client.person(&known).await.merges.len(), 1);
    site.world.close().await;
}

async fn who_sits_at_the_browser_still_is_not_shown_who_signed_in(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("1", "", "user-17").await;
    // Somebody chats at a browser that all use; another one signs in there meanwhile.
    let open = site.start("2", "browser-1", "").await;
    assert!(open.new_customer);
    assert_proven(&site.start("3", "browser-1", "user-17").await, &known);
    let looked = site.client.get(get("2")).await.expect("it goes on");
    assert!(looked.open_intents.is_empty() && looked.variables.is_empty(), "by the browser alone");
    let same = site.client.update(update("2", "more")).await.expect("an update");
    assert_eq!(said(&same), Said::Confirm);
    assert_silent(&same);
    let agent = site.world.role("agent").await;
    let through = GetCustomerRequest { interaction_id: "2".into(), ..Default::default() };
    assert!(agent.customer(through).await.is_err(), "nor by the way of the customer");
    site.world.close().await;
}

async fn nor_is_a_visitor_who_came_back(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("1", "", "user-17").await;
    for (browser, subject) in [("browser-1", "user-17"), ("browser-2", "user-new")] {
        let [before, open, handed, signed_in, on] =
            ["before", "open", "handed", "signs in", "on"].map(|id| format!("{id} {browser}"));
        site.chat(&before, browser, "").await;
        let back = site.start(&open, browser, "").await;
        assert_eq!(said(&back), Said::Reuse, "nobody else is known there");
        let going_on = |id: &str| StartInteractionRequest {
            continues_interaction_id: open.clone(),
            ..start_with(id, "web_chat", IdentityHints::default())
        };
        let passed = site.client.start(going_on(&handed)).await.expect("it is handed on");
        assert_eq!(said(&passed), Said::Reuse);
        let other = site.start(&signed_in, browser, subject).await;
        if subject == "user-17" {
            assert_proven(&other, &known);
        }
        site.client
            .end(EndInteractionRequest {
                variables: variable("secret", "of who signed in"),
                ..end(&signed_in)
            })
            .await
            .expect("an end");
        for id in [&open, &handed] {
            let looked = site.client.get(get(id)).await.expect("it goes on");
            assert!(looked.open_intents.is_empty() && looked.variables.is_empty(), "{id}");
            let same = site.client.update(update(id, "more")).await.expect("an update");
            assert_eq!(said(&same), Said::Confirm, "{id}");
            assert_silent(&same);
        }
        let on = site.client.start(going_on(&on)).await.expect("a continuation");
        assert_ne!(said(&on), Said::Reuse);
        assert_silent(&on);
    }
    site.world.close().await;
}

async fn a_visitor_who_says_who_they_are_is_handed_on(engine: Engine) {
    let site = Site::on(engine).await;
    for (browser, hints) in
        [("browser-1", email_hint("jo@example.com")), ("browser-2", site.hints("", "user-17"))]
    {
        let [before, chat, on] = ["before", "chat", "on"].map(|id| format!("{id} {browser}"));
        site.chat(&before, browser, "").await;
        site.start(&chat, browser, "").await;
        let identity_hints = Some(hints);
        let says = UpdateInteractionRequest { identity_hints, ..update(&chat, "says") };
        let says = site.client.update(says).await.expect("an update");
        assert_eq!(said(&says), Said::Reuse, "{browser}");
        let handed = StartInteractionRequest {
            continues_interaction_id: chat,
            ..start_with(&on, "web_chat", site.hints(browser, ""))
        };
        let handed = site.client.start(handed).await.expect("it is handed on");
        assert_eq!((said(&handed), &handed.customer_ref), (Said::Reuse, &says.customer_ref));
        assert!(!handed.open_intents.is_empty(), "{browser}");
        let later = site.client.update(update(&on, "later")).await.expect("an update");
        assert_eq!(said(&later), Said::Reuse, "{browser}");
    }
    site.world.close().await;
}

async fn two_tabs_join_one_history_once(engine: Engine) {
    let site = Site::on(engine).await;
    for round in 0..5 {
        let [browser, subject] = ["browser", "user"].map(|it| format!("{it}-{round}"));
        let ids = ["known", "earlier", "a", "b", "c", "d"].map(|it| format!("{it} {round}"));
        let [known, earlier, a, b, c, d] = &ids;
        let customer = site.chat(known, "", &subject).await;
        let visitor = site.chat(earlier, &browser, "").await;
        tokio::join!(site.start(a, &browser, ""), site.start(b, &browser, ""));
        let (one, two, three, four) = tokio::join!(
            site.sign_in(a, &subject),
            site.sign_in(b, &subject),
            site.start(c, &browser, &subject),
            site.start(d, &browser, &subject),
        );
        for answer in [one, two, three, four] {
            assert_proven(&answer, &customer);
        }
        for id in &ids[2..] {
            site.client.end(end(id)).await.expect("an end");
        }
        let person = site.client.person(&visitor).await;
        assert_eq!((person.customer_ref.as_str(), person.merges.len()), (&*customer, 1), "once");
        let mut history = site.client.history(&customer).await;
        history.sort_unstable();
        let mut all = ids.to_vec();
        all.sort_unstable();
        assert_eq!(history, all, "each once");
    }
    site.world.close().await;
}

/// A row of the journal beside that of the start would be written whether that one is new or not.
async fn a_start_that_is_known_joins_nobody(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("1", "", "user-17").await;
    let visitor = site.chat("2", "browser-1", "").await;
    let signs_in = start_with("2", "web_chat", site.hints("browser-1", "user-17"));
    let refused = site.client.start(signs_in).await;
    assert_refused(refused, Code::AlreadyExists, "START_CONFLICT");
    assert!(site.client.person(&visitor).await.merges.is_empty());
    whole(&site.world).await;
    assert_proven(&site.start("3", "browser-1", "user-17").await, &known);
    assert_proven(&site.start("3", "browser-1", "user-17").await, &known);
    let person = site.client.person(&visitor).await;
    assert_eq!((person.customer_ref.as_str(), person.merges.len()), (&*known, 1));
    whole(&site.world).await;
    site.world.close().await;
}

async fn a_shared_browser_discloses_nobody(engine: Engine) {
    let site = Site::on(engine).await;
    let one = site.chat("1", "kiosk", "user-1").await;
    // Signed out, anybody may sit there.
    let anybody = site.start("2", "kiosk", "").await;
    assert_ne!(said(&anybody), Said::Reuse);
    assert_silent(&anybody);
    site.client.end(end("2")).await.expect("an end");
    // Somebody else signs in: they are nobody but themselves.
    let two = site.chat("3", "kiosk", "user-2").await;
    assert_ne!(two, one);
    assert_proven(&site.start("4", "kiosk", "user-2").await, &two);
    let back = site.start("5", "kiosk", "user-1").await;
    assert_proven(&back, &one);
    assert!(back.identity.expect("an identity").conflicts.is_empty());
    let other = site.start("6", "kiosk", "user-2").await;
    assert_eq!(other.identity.expect("an identity").conflicts.len(), 1, "listed");
    let kinds = |person: threadline::grpc::proto::GetCustomerResponse| {
        person.identifiers.into_iter().map(|it| it.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(site.client.person(&two).await), ["web_token"]);
    site.world.close().await;
}
