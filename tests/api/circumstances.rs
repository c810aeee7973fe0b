//! The circumstances of a contact: who listens, who called whom, what it continues, how much time
//! there was.

use std::time::Duration;

use threadline::grpc::proto::{
    Audience, Direction, EndInteractionRequest, IdentityHints, IntentStatus, LineType,
    ProfileAttributeInput, StartInteractionRequest,
};
use tonic::{Code, Request};

use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, external_hint, get, landline_call, line, number_hint,
    reject, start_with, update,
};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    others_listen,
    a_customer_may_ask_for_care,
    only_an_admin_sets_disclosure,
    a_tenant_may_disclose_on_confirm,
    a_transfer_keeps_its_identity,
    an_unknown_continuation_is_a_warning,
    an_outbound_call_is_known_by_the_dialled_number,
    own_numbers_identify_nobody,
    a_withheld_number_identifies_nobody,
    no_time_no_decision,
);

async fn others_listen(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let hints = || IdentityHints { discord_user_id: "880011".into(), ..email_hint(MAIL) };
    let known = somebody(&client, "known", "discord", hints()).await;
    for audience in [Audience::Group, Audience::Public] {
        let id = audience.as_str_name();
        let mut request = start_with(id, "discord", hints());
        request.audience = audience.into();
        let answer = client.start(request).await.expect("a start");
        assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known), "{id}");
        assert!(!answer.new_customer);
        assert_silent(&answer);
        let identity = answer.identity.expect("an identity");
        assert!(identity.confidence >= 0.5);
        assert!(identity.candidates.is_empty() && identity.conflicts.is_empty());
        // An update that turns to the customer alone discloses.
        let mut aside = update(id, "aside");
        aside.audience = Audience::Private.into();
        let answer = client.update(aside).await.expect("an update");
        assert_eq!(answer.open_intents.len(), 1, "{id}");
        client.end(end(id)).await.expect("an end");
    }
    world.close().await;
}

/// An end by an admin that caps what is shown of its customer.
fn capped(id: &str, disclosure: &str) -> EndInteractionRequest {
    let input = ProfileAttributeInput { value: disclosure.into(), ..Default::default() };
    let profile = [("disclosure".to_owned(), input)].into();
    EndInteractionRequest { revision: Some(1), profile, ..end(id) }
}

async fn a_customer_may_ask_for_care(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("known", NUMBER)).await.expect("a start").customer_ref;
    client.end(end_with("known", "billing", IntentStatus::Open)).await.expect("an end");
    client.end(capped("known", "ALWAYS_CONFIRM")).await.expect("an amendment");
    let asked = client.start(call("asked", NUMBER)).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
    assert_silent(&asked);
    let sure = client.update(confirm("asked", "u")).await.expect("a confirmation");
    assert_eq!((said(&sure), sure.open_intents.len()), (Said::Reuse, 1));
    client.end(capped("asked", "NEVER")).await.expect("an end");
    let hidden = client.start(call("hidden", NUMBER)).await.expect("a start");
    assert_eq!(said(&hidden), Said::Ignore);
    assert_silent(&hidden);
    let hidden = client.update(confirm("hidden", "u")).await.expect("a confirmation");
    assert_silent(&hidden);
    client.end(end("hidden")).await.expect("an end");
    // It caps what is shown, never the settling.
    assert_eq!(client.person(&known).await.contact_count, 3);
    client
        .end(EndInteractionRequest { revision: Some(2), ..capped("hidden", "NORMAL") })
        .await
        .expect("an amendment");
    let open = client.start(call("open", NUMBER)).await.expect("a start");
    assert_eq!((said(&open), open.open_intents.len()), (Said::Reuse, 1));
    world.close().await;
}

async fn only_an_admin_sets_disclosure(engine: Engine) {
    let world = World::on(engine).await;
    let telephony = world.role("telephony").await;
    telephony.start(call("known", NUMBER)).await.expect("a start");
    let refusal = telephony.end(capped("known", "NEVER")).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    world.close().await;
}

async fn a_tenant_may_disclose_on_confirm(engine: Engine) {
    let settings = "[tenants.acme]\nconfirm_discloses = \"context\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let asked = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
    assert_eq!((asked.open_intents.len(), asked.variables.len()), (1, 1));
    world.close().await;
}

async fn a_transfer_keeps_its_identity(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("asked", NUMBER)).await.expect("a start");
    client.update(confirm("asked", "u")).await.expect("a confirmation");
    let extension = "+14155550999";
    let transfer = StartInteractionRequest {
        continues_interaction_id: "asked".into(),
        ..call("transfer", extension)
    };
    let answer = client.start(transfer).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known));
    assert_eq!(answer.open_intents.len(), 1, "what was confirmed stays confirmed");
    client.end(end("transfer")).await.expect("an end");
    let linked = client.person(&known).await.identifiers;
    assert!(linked.iter().all(|one| one.value != extension), "our extension is no evidence");
    let stranger = client.start(call("stranger", extension)).await.expect("a start");
    assert!(stranger.new_customer);
    // A stronger hint that points elsewhere decides afresh.
    let other = somebody(
        &client,
        "other",
        "whatsapp",
        IdentityHints { whatsapp_id: "US.13491208655302741918".into(), ..Default::default() },
    )
    .await;
    client.start(call("weak", "+14155550188")).await.expect("a start");
    let stronger = StartInteractionRequest {
        continues_interaction_id: "weak".into(),
        ..start_with(
            "stronger",
            "whatsapp",
            IdentityHints { whatsapp_id: "US.13491208655302741918".into(), ..Default::default() },
        )
    };
    assert_eq!(client.start(stronger).await.expect("a start").customer_ref, other);
    world.close().await;
}

async fn an_unknown_continuation_is_a_warning(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let request = StartInteractionRequest {
        continues_interaction_id: "nothing".into(),
        ..call("one", NUMBER)
    };
    let answer = client.start(request).await.expect("a start");
    assert!(answer.new_customer);
    assert_eq!(answer.warnings[0].code, "unknown_continues_interaction_id");
    assert_eq!(answer.warnings[0].field, "continues_interaction_id");
    world.close().await;
}

fn outbound(id: &str, dialed: &str, own: &str) -> StartInteractionRequest {
    let hints = IdentityHints { dialed_number: dialed.into(), ..number_hint(own) };
    StartInteractionRequest {
        direction: Direction::Outbound.into(),
        telco: line(LineType::Mobile),
        ..start_with(id, "voice", hints)
    }
}

async fn an_outbound_call_is_known_by_the_dialled_number(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let ours = "+18005550100";
    let answer = client.start(outbound("back", NUMBER, ours)).await.expect("a start");
    assert_eq!(answer.customer_ref, known);
    client.update(confirm("back", "u")).await.expect("they answered, it is them");
    client.end(end("back")).await.expect("an end");
    let linked = client.person(&known).await.identifiers;
    assert!(linked.iter().all(|one| one.value != ours), "our number is nobody's");
    // Inbound, the dialled number is ours and no hint.
    let inbound = IdentityHints { dialed_number: NUMBER.into(), ..number_hint("+14155550155") };
    let answer = client.start(start_with("in", "voice", inbound)).await.expect("a start");
    assert!(answer.new_customer);
    world.close().await;
}

async fn own_numbers_identify_nobody(engine: Engine) {
    let settings = "[policy]\nown_numbers = [\"+18005550100\"]\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    for id in ["one", "two"] {
        let answer = client.start(call(id, "1-800-555-0100")).await.expect("a start");
        assert!(answer.new_customer, "{id}");
        assert_eq!(answer.warnings[0].code, "own_number");
        client.end(end(id)).await.expect("an end");
    }
    world.close().await;
}

async fn a_withheld_number_identifies_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut refs = Vec::new();
    for (id, number) in [("1", "anonymous"), ("2", "anonymous"), ("3", "Restricted"), ("4", "")] {
        let answer = client.start(call(id, number)).await.expect("a start");
        assert!(answer.new_customer);
        assert_eq!(said(&answer), Said::Ignore);
        let identity = answer.identity.as_ref().expect("an identity");
        assert_eq!(identity.confidence, 0.0);
        assert_silent(&answer);
        client.end(end_with(id, "billing", IntentStatus::Open)).await.expect("an end");
        refs.push(answer.customer_ref);
    }
    refs.sort_unstable();
    refs.dedup();
    assert_eq!(refs.len(), 4, "a new customer each time");
    // A crm_id that was said later says who it is.
    client.start(call("5", "anonymous")).await.expect("a start");
    let known = somebody(&client, "6", "web_chat", external_hint("crm_id", "C-6")).await;
    let answer = client.update(reject("5", "u", Some(&known))).await.expect("a rejection");
    assert_eq!(answer.customer_ref, known);
    world.close().await;
}

async fn no_time_no_decision(engine: Engine) {
    let world = Setup::on(engine).budget(Duration::from_nanos(1)).open().await;
    let client = staff(&world).await;
    // Nor is it enough to find out whose key it is.
    let unknown = client.get(get("nowhere")).await;
    assert_refused(unknown, Code::NotFound, "INTERACTION_NOT_FOUND");
    let mut degraded = 0;
    for round in 0..5 {
        let mut request = Request::new(call(&format!("hurry {round}"), NUMBER));
        request.set_timeout(Duration::from_secs(20));
        let answer = client.start(request).await.expect("no error");
        if !answer.degraded {
            continue;
        }
        degraded += 1;
        assert_eq!(answer.customer_ref, "");
        assert_eq!(answer.degraded_reason, "BUDGET_EXHAUSTED");
        assert_eq!(said(&answer), Said::Ignore);
        assert!(!answer.new_customer);
        assert_silent(&answer);
    }
    assert!(degraded > 0, "a nanosecond is no time");
    // The end brings the hints and is durable all the same.
    let brought = EndInteractionRequest {
        channel: "voice".into(),
        identity_hints: Some(number_hint(NUMBER)),
        ..end("hurry end")
    };
    let made = client.end(brought).await.expect("an end").customer_ref;
    assert!(!made.is_empty());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_deadline_degrades_and_a_retry_decides() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let mut hurry = Request::new(call("one", NUMBER));
    hurry.metadata_mut().insert("grpc-timeout", "1m".parse().expect("ASCII"));
    match client.start(hurry).await {
        Ok(answer) => assert!(answer.degraded && answer.customer_ref.is_empty()),
        // The client's own side of the transport may give up first.
        Err(refusal) => {
            let gave_up = [Code::DeadlineExceeded, Code::Cancelled];
            assert!(gave_up.contains(&refusal.code), "{refusal:?}");
        }
    }
    let answer = client.start(call("one", NUMBER)).await.expect("the same start");
    assert!(!answer.degraded && answer.new_customer, "a retry decides");
    let again = client.start(call("one", NUMBER)).await.expect("the same start");
    assert_eq!(again.customer_ref, answer.customer_ref);
    world.close().await;
}
