//! Customers who have signed in: whose tokens are trusted, and what they decide.

use serde_json::{Value, json};
use threadline::clock::{Clock, MINUTE, SECOND, Time};
use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, IdentityHints, IntentStatus, StartInteractionRequest,
    StartInteractionResponse, UpdateInteractionRequest, Verification,
};
use tonic::Code;

use crate::support::client::{Said, assert_refused, said};
use crate::support::issuer::Issuer;
use crate::support::requests::{
    call, confirm, end, end_with, number_hint, reject, start_with, update, variable,
};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    whoever_signed_in_is_known,
    a_token_decides_alone,
    a_borrowed_number_makes_nobodys_account,
    a_wrong_sign_in_can_be_unlinked,
    a_subject_of_two_customers_is_asked,
    a_word_stands_until_a_later_token,
    an_end_alone_goes_to_whom_its_token_names,
    a_key_may_count_for_less,
    hostile_tokens_are_refused_everywhere,
    a_token_is_one_tenants_own,
    a_repeated_start_may_be_late,
);

pub(super) const ISSUER: &str = "https://login.example.com/";
pub(super) const AUDIENCE: &str = "threadline";

/// The settings of a tenant that trusts these keys.
pub(super) fn trusting(tenant: &str, keys: &[&Issuer]) -> String {
    let keys = keys.iter().map(|issuer| {
        let (kid, pem) = (&issuer.key_id, issuer.pem().replace('\n', "\\n"));
        format!("[[tenants.{tenant}.web_token.keys]]\nkid = \"{kid}\"\npem = \"{pem}\"\n")
    });
    let keys: String = keys.collect();
    format!(
        "[tenants.{tenant}.web_token]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n{keys}"
    )
}

/// A clock that stands at the machine's hour, at a whole second as tokens have them.
pub(super) fn standing() -> Clock {
    let now = Clock::System.now().0;
    Clock::manual(Time(now - now % SECOND))
}

pub(super) fn claims(subject: &str, now: Time) -> Value {
    let now = now.0 / 1_000;
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 300})
}

pub(super) fn token_hint(token: &str) -> IdentityHints {
    IdentityHints { web_token: token.to_owned(), ..Default::default() }
}

pub(super) fn assurance(answer: &StartInteractionResponse) -> Assurance {
    answer.identity.as_ref().expect("an identity").assurance()
}

/// It is known by its token and by nothing else.
#[track_caller]
pub(super) fn assert_proven(answer: &StartInteractionResponse, customer: &str) {
    let identity = answer.identity.as_ref().expect("an identity");
    assert_eq!((said(answer), answer.customer_ref.as_str()), (Said::Reuse, customer));
    assert!(assurance(answer) == Assurance::Verified, "not verified");
    assert!(identity.confidence >= 0.9, "confidence {}", identity.confidence);
    let sum: f64 = identity.evidence.iter().map(|it| it.log_odds).sum();
    let probability = 1.0 / (1.0 + (-sum).exp());
    assert!((probability - identity.match_probability).abs() < 1e-9, "evidence must sum up");
    assert!(identity.evidence.iter().all(|it| it.signal != "recency"), "recency is ignored");
}

async fn whoever_signed_in_is_known(engine: Engine) {
    let clock = standing();
    let keys = ["RS256", "ES256", "EdDSA"].map(|algorithm| Issuer::new(algorithm, algorithm));
    let settings = trusting("acme", &[&keys[0], &keys[1], &keys[2]]);
    let world = Setup::on(engine).clock(&clock).settings(&settings).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = |key: &Issuer| token_hint(&key.token(&claims("user-17", clock.now())));
    let first = client.start(start_with("1", "web_chat", token(&keys[0]))).await.expect("a start");
    assert!(first.new_customer && first.warnings.is_empty());
    let ended = EndInteractionRequest {
        variables: variable("order", "17"),
        ..end_with("1", "billing", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    for (round, key) in keys.iter().enumerate() {
        let id = format!("again {round}");
        let again = client.start(start_with(&id, "web_chat", token(key))).await.expect("a start");
        assert_proven(&again, &first.customer_ref);
        assert_eq!((again.open_intents.len(), again.variables.len()), (1, 1));
        let sources = &again.identity.as_ref().expect("an identity").sources;
        assert!(sources.contains(&"web_token".to_owned()), "{sources:?}");
    }
    let other = token_hint(&keys[1].token(&claims("user-18", clock.now())));
    let other = client.start(start_with("other", "web_chat", other)).await.expect("a start");
    assert!(other.new_customer, "another subject is somebody else");
    let known = client.person(&first.customer_ref).await.identifiers;
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].kind.as_str(), known[0].namespace.as_str()), ("web_token", ISSUER));
    world.close().await;
}

async fn a_token_decides_alone(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let settings = trusting("acme", &[&key]);
    let world = Setup::on(engine).settings(&settings).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = key.token(&claims("user-17", Clock::System.now()));
    let own = client.start(start_with("1", "web_chat", token_hint(&token))).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    let caller = client.start(call("2", "+14155550101")).await.expect("a start");
    client.end(end("2")).await.expect("an end");
    assert_ne!(own.customer_ref, caller.customer_ref);
    // On the other's phone, but signed in as themselves.
    let hints = IdentityHints { web_token: token.clone(), ..number_hint("+14155550101") };
    let both = StartInteractionRequest { identity_hints: Some(hints), ..call("3", "+14155550101") };
    let answer = client.start(both).await.expect("a start");
    assert_proven(&answer, &own.customer_ref);
    let conflicts = &answer.identity.as_ref().expect("an identity").conflicts;
    assert_eq!(conflicts.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["mobile"]);
    client.end(end("3")).await.expect("an end");
    let linked = client.person(&own.customer_ref).await.identifiers;
    assert_eq!(linked.len(), 1, "what disagrees is not linked");
    // Signing in within the call says so, too.
    let mistaken = client.start(call("4", "+14155550101")).await.expect("a start");
    assert_eq!((said(&mistaken), &mistaken.customer_ref), (Said::Reuse, &caller.customer_ref));
    let signs_in = UpdateInteractionRequest {
        identity_hints: Some(token_hint(&token)),
        ..update("4", "signed in")
    };
    let answer = client.update(signs_in.clone()).await.expect("an update");
    assert_proven(&answer, &own.customer_ref);
    assert_proven(&client.update(signs_in).await.expect("a replay"), &own.customer_ref);
    client.end(end("4")).await.expect("an end");
    assert_eq!(client.history(&own.customer_ref).await, ["4", "3", "1"]);
    assert_eq!(client.history(&caller.customer_ref).await, ["2"]);
    assert_eq!(client.person(&own.customer_ref).await.identifiers.len(), 1);
    world.close().await;
}

async fn a_borrowed_number_makes_nobodys_account(engine: Engine) {
    let clock = standing();
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).clock(&clock).settings(&trusting("acme", &[&key])).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = |subject: &str| key.token(&claims(subject, clock.now()));
    let owner = client.start(call("owner", "+14155550101")).await.expect("a start").customer_ref;
    client.end(end_with("owner", "billing", IntentStatus::Open)).await.expect("an end");
    // Somebody else's app shows the number once, and is taken for its owner.
    let hints = IdentityHints { web_token: token("stranger"), ..number_hint("+14155550101") };
    let both = StartInteractionRequest { identity_hints: Some(hints), ..call("both", "") };
    let taken = client.start(both).await.expect("a start");
    assert_eq!((said(&taken), &taken.customer_ref), (Said::Reuse, &owner));
    client.end(end("both")).await.expect("an end");
    let alone = token_hint(&token("stranger"));
    let alone = client.start(start_with("alone", "web_chat", alone)).await.expect("a start");
    assert!(alone.new_customer && alone.open_intents.is_empty(), "their account is their own");
    assert_eq!(client.person(&owner).await.identifiers.len(), 1);
    world.close().await;
}

async fn a_wrong_sign_in_can_be_unlinked(engine: Engine) {
    let clock = standing();
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).clock(&clock).settings(&trusting("acme", &[&key])).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = || token_hint(&key.token(&claims("user-17", clock.now())));
    let first = client.start(start_with("1", "web_chat", token())).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    let shown = client.person(&first.customer_ref).await.identifiers.remove(0);
    let it = super::ties::identifier(&shown.kind, &shown.namespace, &shown.value);
    let gone = super::ties::unlink("u", &first.customer_ref, it.clone());
    assert!(client.unlink(gone).await.expect("an unlink").was_linked);
    let again = client.start(start_with("2", "web_chat", token())).await.expect("a start");
    assert!(again.new_customer, "nobody has it any more");
    // What nobody has and no request may state is refused as before.
    let never = super::ties::unlink("u2", &first.customer_ref, it);
    assert_refused(client.unlink(never).await, Code::InvalidArgument, "INVALID_FIELD");
    world.close().await;
}

async fn a_subject_of_two_customers_is_asked(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let settings = trusting("acme", &[&key]);
    let world = Setup::on(engine).settings(&settings).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = token_hint(&key.token(&claims("user-17", Clock::System.now())));
    client.start(start_with("1", "web_chat", token.clone())).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    let other = client.start(call("2", "+14155550101")).await.expect("a start").customer_ref;
    client.end(end("2")).await.expect("an end");
    // Somebody checked a one-time password, and says that it is somebody else.
    client.start(start_with("3", "web_chat", token.clone())).await.expect("a start");
    let rejected = UpdateInteractionRequest {
        verification: Verification::Otp as i32,
        ..reject("3", "u", Some(&other))
    };
    client.update(rejected).await.expect("an update");
    client.end(end("3")).await.expect("an end");
    let answer = client.start(start_with("4", "web_chat", token)).await.expect("a start");
    assert_ne!(said(&answer), Said::Reuse, "two have this subject");
    assert!(answer.open_intents.is_empty() && answer.recent_interactions.is_empty());
    world.close().await;
}

async fn a_word_stands_until_a_later_token(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let hints = |subject: &str| token_hint(&key.token(&claims(subject, Clock::System.now())));
    let own = client.start(start_with("1", "web_chat", hints("user-17"))).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    // The agent knew of the token, and of more than it.
    client.start(start_with("2", "web_chat", hints("user-17"))).await.expect("a start");
    let somebody_else = client.update(reject("2", "u", None)).await.expect("an update");
    let more = IdentityHints { email: "jo@example.com".into(), ..Default::default() };
    let more = UpdateInteractionRequest { identity_hints: Some(more), ..update("2", "v") };
    let answer = client.update(more).await.expect("an update");
    assert_eq!(answer.customer_ref, somebody_else.customer_ref, "the word stands");
    // What nobody knew when the word was given takes it back.
    client.start(call("3", "+14155550101")).await.expect("a start");
    client.update(confirm("3", "u")).await.expect("an update");
    let signs_in =
        UpdateInteractionRequest { identity_hints: Some(hints("user-17")), ..update("3", "v") };
    let answer = client.update(signs_in).await.expect("an update");
    assert_proven(&answer, &own.customer_ref);
    world.close().await;
}

async fn an_end_alone_goes_to_whom_its_token_names(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let hints = token_hint(&key.token(&claims("user-17", Clock::System.now())));
    let own = client.start(start_with("1", "web_chat", hints.clone())).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    let other = client.start(call("2", "+14155550101")).await.expect("a start").customer_ref;
    client.end(end("2")).await.expect("an end");
    for (id, echoed) in [("3", ""), ("4", other.as_str()), ("5", own.customer_ref.as_str())] {
        let alone = EndInteractionRequest {
            channel: "web_chat".into(),
            customer_ref: echoed.into(),
            identity_hints: Some(hints.clone()),
            ..end(id)
        };
        let ended = client.end(alone).await.expect("an end");
        assert_eq!(ended.customer_ref, own.customer_ref, "{id}");
    }
    assert_eq!(client.history(&other).await, ["2"]);
    assert!(client.person(&other).await.identifiers.iter().all(|it| it.kind != "web_token"));
    world.close().await;
}

async fn a_key_may_count_for_less(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
    let mut capped = World::new_key(&["telephony"]);
    capped.max_assurance = Some("carried".into());
    let client = world.client(&capped).await;
    let token = token_hint(&key.token(&claims("user-17", Clock::System.now())));
    client.start(start_with("1", "web_chat", token.clone())).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    let answer = client.start(start_with("2", "web_chat", token)).await.expect("a start");
    assert!(assurance(&answer) == Assurance::Carried, "the key's ceiling holds");
    world.close().await;
}

async fn hostile_tokens_are_refused_everywhere(engine: Engine) {
    let (key, stranger) = (Issuer::new("ES256", "k"), Issuer::new("ES256", "k"));
    let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
    let client = world.role("telephony").await;
    client.start(start_with("known", "web_chat", IdentityHints::default())).await.expect("a start");
    let now = Clock::System.now();
    let canary = claims("canary", now);
    let with = |name: &str, value: Value| {
        let mut claims = canary.clone();
        claims[name] = value;
        claims
    };
    let cases = [
        ("MALFORMED", "canary".to_owned()),
        ("BAD_SIGNATURE", stranger.token(&canary)),
        ("UNSUPPORTED_ALGORITHM", key.texts(r#"{"alg":"none"}"#, &canary.to_string())),
        ("FORBIDDEN_HEADER", key.texts(r#"{"alg":"ES256","jku":"https://canary"}"#, "{}")),
        ("WRONG_ALGORITHM", key.texts(r#"{"alg":"RS256","kid":"k"}"#, &canary.to_string())),
        ("UNKNOWN_KEY", Issuer::new("ES256", "canary").token(&canary)),
        ("WRONG_ISSUER", key.token(&with("iss", json!("https://canary.example/")))),
        ("WRONG_AUDIENCE", key.token(&with("aud", json!("canary")))),
        ("EXPIRED", key.token(&with("exp", json!(now.0 / 1_000 - 3_600)))),
        ("NOT_YET_VALID", key.token(&with("nbf", json!(now.0 / 1_000 + 3_600)))),
        ("BAD_CLAIM", key.token(&with("sub", json!(["canary"])))),
        ("DUPLICATE_MEMBER", key.texts(r#"{"alg":"ES256","alg":"ES256"}"#, &canary.to_string())),
        ("TOO_LONG", "canary".repeat(160_000)),
    ];
    for (cause, token) in cases {
        let hints = Some(token_hint(&token));
        let starting = start_with("bad", "web_chat", token_hint(&token));
        let updating =
            UpdateInteractionRequest { identity_hints: hints.clone(), ..update("known", "u") };
        let ending = EndInteractionRequest { identity_hints: hints, ..end("known") };
        let refusals = [
            client.start(starting).await.err(),
            client.update(updating).await.err(),
            client.end(ending).await.err(),
        ];
        for refusal in refusals {
            let refusal = refusal.unwrap_or_else(|| panic!("{cause} was accepted"));
            assert_eq!(refusal.code, Code::InvalidArgument, "{cause}: {refusal:?}");
            assert_eq!(refusal.reason, "WEB_TOKEN_REFUSED", "{cause}: {refusal:?}");
            assert_eq!(&*refusal.cause, cause, "{refusal:?}");
            assert_eq!(refusal.names(), ["identity_hints.web_token"]);
            assert!(!format!("{refusal:?}").contains("canary"), "{refusal:?}");
        }
    }
    let worse = start_with("", "web_chat", token_hint("canary"));
    let refusal = assert_refused(client.start(worse).await, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refusal.names(), ["identity_hints.web_token", "interaction_id"]);
    client.end(end("known")).await.expect("nothing of it took effect");
    world.close().await;
}

async fn a_token_is_one_tenants_own(engine: Engine) {
    let (acme, globex) = (Issuer::new("EdDSA", "k"), Issuer::new("EdDSA", "k"));
    let settings = [trusting("acme", &[&acme]), trusting("globex", &[&globex])].concat();
    let world = Setup::on(engine).settings(&settings).open().await;
    let of = |tenant: &str| threadline::cli::keys::NewKey {
        tenant: tenant.into(),
        ..World::new_key(&["telephony"])
    };
    let (one, two) = (world.client(&of("acme")).await, world.client(&of("globex")).await);
    let nobody = world.client(&of("initech")).await;
    let hints = |key: &Issuer| token_hint(&key.token(&claims("user-17", Clock::System.now())));
    for (client, own, other) in [(&one, &acme, &globex), (&two, &globex, &acme)] {
        client.start(start_with("own", "web_chat", hints(own))).await.expect("its own");
        let refusal = client.start(start_with("other", "web_chat", hints(other))).await;
        let code = Code::InvalidArgument;
        let refusal = assert_refused(refusal, code, "WEB_TOKEN_REFUSED");
        assert_eq!(&*refusal.cause, "BAD_SIGNATURE");
    }
    let refusal = nobody.start(start_with("any", "web_chat", hints(&acme))).await;
    let refusal = assert_refused(refusal, Code::InvalidArgument, "WEB_TOKEN_REFUSED");
    assert_eq!(&*refusal.cause, "NOT_CONFIGURED");
    world.close().await;
}

async fn a_repeated_start_may_be_late(engine: Engine) {
    let clock = standing();
    let key = Issuer::new("EdDSA", "k");
    let settings = trusting("acme", &[&key]);
    let world = Setup::on(engine).clock(&clock).settings(&settings).open().await;
    let client = world.role("telephony").await;
    let begun = clock.now();
    let hints = token_hint(&key.token(&claims("user-17", begun)));
    let request = start_with("1", "web_chat", hints.clone());
    let updating =
        UpdateInteractionRequest { identity_hints: Some(hints.clone()), ..update("1", "u") };
    let ending = EndInteractionRequest { identity_hints: Some(hints.clone()), ..end("1") };
    let first = client.start(request.clone()).await.expect("a start");
    client.update(updating.clone()).await.expect("an update");
    client.end(ending.clone()).await.expect("an end");
    // Another token of the same person makes no other request.
    let renewed = token_hint(&key.token(&claims("user-17", begun.plus(SECOND))));
    client.start(start_with("1", "web_chat", renewed)).await.expect("the same start");
    let refused = |it: Result<StartInteractionResponse, crate::support::Refusal>| {
        let refusal = assert_refused(it, Code::InvalidArgument, "WEB_TOKEN_REFUSED");
        assert_eq!(&*refusal.cause, "EXPIRED");
    };
    let expiry = begun.plus(5 * MINUTE);
    for late in [2 * MINUTE, 10 * MINUTE] {
        clock.set(expiry.plus(late));
        let again = client.start(request.clone()).await.expect("the same start");
        assert_eq!(again.customer_ref, first.customer_ref);
        client.update(updating.clone()).await.expect("the same update");
        client.end(ending.clone()).await.expect("the same end");
        refused(client.start(start_with("2", "web_chat", hints.clone())).await);
        let new = UpdateInteractionRequest { update_id: "v".into(), ..updating.clone() };
        refused(client.update(new).await);
    }
    clock.set(expiry.plus(10 * MINUTE + 1));
    refused(client.start(request).await);
    world.close().await;
}
