//! Whose it is: poisoning, confirming, and what nobody has said. The store is poisoned here or
//! nowhere.

use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, IdentityConfirmed, IdentityHints, IntentStatus,
    StartInteractionRequest, StartInteractionResponse, UpdateInteractionRequest, Verification,
    update_interaction_request,
};
use tonic::Code;

use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_confirms, end_with, external_hint, landline_call,
    number_hint, reject, start_with, update, variable,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_typed_mail_address_opens_nothing,
    an_echo_confirms_nothing,
    a_confirmation_discloses,
    a_confirmation_may_name_another,
    a_bot_confirms_only_with_a_secret,
    an_unconfirmed_contact_is_kept_apart,
    a_rejected_candidate_keeps_nothing,
    a_typed_mail_address_only_asks,
);

pub(super) const NUMBER: &str = "+14155550101";
pub(super) const MAIL: &str = "jo@example.com";

/// Nothing of anybody's past is in this answer.
#[track_caller]
pub(super) fn assert_silent(answer: &StartInteractionResponse) {
    assert!(answer.open_intents.is_empty() && answer.variables.is_empty(), "context");
    assert!(answer.profile.is_empty() && answer.recent_interactions.is_empty(), "context");
    assert_eq!((answer.brief.as_str(), answer.last_agent_ref.as_str()), ("", ""));
    assert_eq!((answer.withheld_count, answer.withheld_variables.len()), (0, 0));
    // At most where they wrote just now.
    assert!(answer.reply_windows.len() <= 1 && answer.diverged_thread.is_none(), "other threads");
}

pub(super) async fn staff(world: &World) -> Client {
    world.client(&World::new_key(&["telephony", "admin"])).await
}

/// Somebody with a past: one settled contact by these hints, an open matter, a value, a summary.
pub(super) async fn somebody(
    client: &Client,
    id: &str,
    channel: &str,
    hints: IdentityHints,
) -> String {
    let answer = client.start(start_with(id, channel, hints)).await.expect("a start");
    assert!(answer.new_customer, "somebody new");
    let ended = EndInteractionRequest {
        variables: variable("order", "17"),
        summary: "asked about the invoice".into(),
        agent_ref: "nina".into(),
        ..end_with(id, "billing", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end").customer_ref
}

async fn a_typed_mail_address_opens_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let victim = somebody(&client, "victim", "email", email_hint(MAIL)).await;
    let attack = |email: &str| IdentityHints {
        whatsapp_id: "+14155550166".into(),
        email: email.into(),
        ..Default::default()
    };
    for round in ["one", "two", "three"] {
        let id = format!("attack {round}");
        let answer =
            client.start(start_with(&id, "whatsapp", attack(MAIL))).await.expect("a start");
        assert_ne!(said(&answer), Said::Reuse, "{round}");
        assert_silent(&answer);
        // What every client does: it echoes the ref it was given.
        let echo = EndInteractionRequest {
            customer_ref: answer.customer_ref,
            identity_hints: Some(attack(MAIL)),
            ..end_with(&id, "password_reset", IntentStatus::Open)
        };
        client.end(echo).await.expect("an end");
    }
    let own = client.start(start_with("own", "whatsapp", attack(""))).await.expect("a start");
    assert_ne!(own.customer_ref, victim, "the attacker's phone is not the victim's");
    assert_silent(&own);
    let again = client.start(start_with("again", "whatsapp", attack(""))).await.expect("a start");
    assert_ne!(again.customer_ref, victim);
    for intent in &again.open_intents {
        assert_ne!(intent.intent, "billing", "the victim's affairs");
    }
    let linked = client.person(&victim).await.identifiers;
    assert!(linked.iter().all(|one| one.kind == "email"), "nothing of the attacker's was linked");
    // And the victim is still met as before.
    let back = client.start(start_with("back", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!((back.customer_ref, back.open_intents.len()), (victim, 1));
    world.close().await;
}

async fn an_echo_confirms_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let before = client.person(&known).await;
    let hints = IdentityHints {
        customer_ref: known.clone(),
        discord_user_id: "880012".into(),
        ..Default::default()
    };
    let mut echo = start_with("echo", "discord", hints);
    for _ in 0..3 {
        let answer = client.start(echo.clone()).await.expect("a start");
        assert_ne!(said(&answer), Said::Reuse, "a ref alone is hearsay");
        assert_silent(&answer);
        let ended =
            EndInteractionRequest { customer_ref: known.clone(), ..end(&echo.interaction_id) };
        client.end(ended).await.expect("an end");
        echo.interaction_id.push('x');
    }
    let after = client.person(&known).await;
    assert_eq!(after.contact_count, before.contact_count, "nothing is counted");
    assert!(after.identifiers == before.identifiers, "nothing is linked");
    world.close().await;
}

async fn a_confirmation_discloses(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let asked = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
    assert!(!asked.new_customer);
    assert_silent(&asked);
    let candidates = &asked.identity.as_ref().expect("an identity").candidates;
    assert_eq!(candidates.len(), 1);
    assert_eq!(candidates[0].customer_ref, known);
    assert_eq!(candidates[0].label, "··01", "the last two digits, no more");
    let sure = client.update(confirm("asked", "u")).await.expect("a confirmation");
    assert_eq!((said(&sure), &sure.customer_ref), (Said::Reuse, &known));
    let identity = sure.identity.as_ref().expect("an identity");
    assert!(identity.confidence >= 0.5, "{}", identity.confidence);
    assert!(identity.assurance() >= Assurance::Authenticated);
    let score: f64 = identity.evidence.iter().map(|one| one.log_odds).sum();
    let p = 1.0 / (1.0 + (-score).exp());
    assert!((p - identity.match_probability).abs() < 1e-9, "evidence sums to the score");
    assert_eq!(sure.open_intents[0].intent, "billing");
    assert_eq!(sure.variables["order"].value, "17");
    assert_eq!(sure.last_agent_ref, "nina");
    assert!(sure.brief.contains("asked about the invoice"), "{}", sure.brief);
    client.end(end("asked")).await.expect("an end");
    assert_eq!(client.person(&known).await.contact_count, 2);
    // At the end, and after it, it does the same.
    client.start(landline_call("late", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { identity_feedback: end_confirms(), ..end("late") };
    assert_eq!(client.end(ended).await.expect("an end").customer_ref, known);
    assert_eq!(client.person(&known).await.contact_count, 3);
    world.close().await;
}

async fn a_confirmation_may_name_another(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let caller = somebody(&client, "caller", "voice", number_hint(NUMBER)).await;
    let writer = somebody(&client, "writer", "email", email_hint(MAIL)).await;
    // Both are shown, in conflict: who it is must be asked.
    let both = IdentityHints { email: MAIL.into(), ..number_hint(NUMBER) };
    let asked = client.start(start_with("both", "voice", both)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    let identity = asked.identity.as_ref().expect("an identity");
    assert_eq!(identity.candidates.len(), 2);
    assert_eq!(identity.conflicts.len(), 1, "always listed");
    assert_silent(&asked);
    let other = if asked.customer_ref == caller { writer } else { caller };
    let named = IdentityConfirmed { customer_ref: other.clone() };
    let named = update_interaction_request::IdentityFeedback::IdentityConfirmed(named);
    let request =
        UpdateInteractionRequest { identity_feedback: Some(named), ..update("both", "u") };
    let sure = client.update(request).await.expect("a confirmation");
    assert_eq!((said(&sure), &sure.customer_ref), (Said::Reuse, &other));
    client.end(end("both")).await.expect("an end");
    assert_eq!(client.person(&other).await.contact_count, 2);
    world.close().await;
}

async fn a_bot_confirms_only_with_a_secret(engine: Engine) {
    let world = World::on(engine).await;
    let (bot, staff) = (world.role("bot").await, staff(&world).await);
    let known = somebody(&staff, "known", "voice", number_hint(NUMBER)).await;
    bot.start(landline_call("bot", NUMBER)).await.expect("a start");
    let mut said_so = confirm("bot", "u1");
    let refusal = bot.update(said_so.clone()).await;
    assert_refused(refusal, Code::PermissionDenied, "VERIFICATION_REQUIRED");
    let refusal = bot.update(reject("bot", "u2", None)).await;
    assert_refused(refusal, Code::PermissionDenied, "VERIFICATION_REQUIRED");
    let ended = EndInteractionRequest { identity_feedback: end_confirms(), ..end("bot") };
    assert_refused(bot.end(ended).await, Code::PermissionDenied, "VERIFICATION_REQUIRED");
    for weak in [Verification::Knowledge, Verification::Document, Verification::AgentJudgement] {
        said_so.verification = weak.into();
        let refusal = bot.update(said_so.clone()).await;
        assert_refused(refusal, Code::PermissionDenied, "VERIFICATION_REQUIRED");
    }
    said_so.verification = Verification::Pin.into();
    let sure = bot.update(said_so).await.expect("a PIN will do");
    assert_eq!(sure.customer_ref, known);
    assert_eq!(said(&sure), Said::Reuse);
    assert!(sure.identity.expect("an identity").assurance() == Assurance::Verified);
    world.close().await;
}

async fn an_unconfirmed_contact_is_kept_apart(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let before = client.person(&known).await;
    let hints = IdentityHints { email: "maybe@example.com".into(), ..number_hint(NUMBER) };
    let asked =
        StartInteractionRequest { identity_hints: Some(hints), ..landline_call("maybe", NUMBER) };
    assert_eq!(said(&client.start(asked).await.expect("a start")), Said::Confirm);
    let ended = EndInteractionRequest { summary: "somebody called".into(), ..end("maybe") };
    assert_eq!(client.end(ended).await.expect("an end").customer_ref, known);
    let after = client.person(&known).await;
    assert_eq!(after.contact_count, before.contact_count, "feeds no score");
    assert!(after.identifiers == before.identifiers, "links nothing");
    assert_eq!(client.history(&known).await, ["maybe", "known"], "but is in the history");
    client.start(landline_call("next", NUMBER)).await.expect("a start");
    let sure = client.update(confirm("next", "u")).await.expect("a confirmation");
    let marks: Vec<_> =
        sure.recent_interactions.iter().map(|it| (&*it.interaction_id, it.confirmed)).collect();
    assert_eq!(marks, [("maybe", false), ("known", true)]);
    world.close().await;
}

async fn a_rejected_candidate_keeps_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("other", NUMBER)).await.expect("a start");
    let answer = client.update(reject("other", "u", None)).await.expect("a rejection");
    assert!(answer.new_customer);
    assert_ne!(answer.customer_ref, known);
    assert_silent(&answer);
    let ended = end_with("other", "moving_house", IntentStatus::Open);
    let other = client.end(ended).await.expect("an end").customer_ref;
    assert_eq!(other, answer.customer_ref);
    assert_eq!(client.history(&known).await, ["known"]);
    assert_eq!(client.history(&other).await, ["other"]);
    assert_eq!(client.person(&other).await.identifiers.len(), 1, "a new customer is linked, too");
    // Two share the line now: alone it never discloses again.
    let shared = client.start(call("shared", NUMBER)).await.expect("a start");
    assert_ne!(said(&shared), Said::Reuse);
    assert_silent(&shared);
    world.close().await;
}

async fn a_typed_mail_address_only_asks(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "web_chat", email_hint(MAIL)).await;
    for round in 0..4 {
        let id = format!("round {round}");
        let asked = client.start(start_with(&id, "web_chat", email_hint(MAIL))).await;
        let asked = asked.expect("a start");
        assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
        assert_silent(&asked);
        client.update(confirm(&id, "u")).await.expect("a confirmation");
        client.end(end(&id)).await.expect("an end");
    }
    // A signed-in id beside it is carried by the caller's system: that is another matter.
    let hints = IdentityHints { email: MAIL.into(), ..external_hint("user_id", "u-7") };
    client.start(start_with("signed in", "web_chat", hints.clone())).await.expect("a start");
    client.update(confirm("signed in", "u")).await.expect("a confirmation");
    client.end(end("signed in")).await.expect("an end");
    let back = client.start(start_with("back", "web_chat", hints)).await.expect("a start");
    assert_eq!((said(&back), back.customer_ref), (Said::Reuse, known));
    world.close().await;
}
