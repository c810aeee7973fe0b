//! (f) We call back, and transfer: the customer stays who they are.

use super::{ending, intent, named, reuses};
use crate::cli::demo::stage::{Stage, System};
use crate::clock::MINUTE;
use crate::grpc::proto::{
    Direction, IdentityHints, IntentStatus, LineType, StartInteractionRequest, Telco,
};

const FAULT: &str = "router_fault";

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'f',
        "Omar is called back and passed on",
        "When we call, the number that identifies is the one we dialled; after a transfer the \
         caller's number is our own extension. Neither may cost Omar his story.",
    )?;
    let number = stage.cast.number();
    let open = || intent(FAULT, "", IntentStatus::Open);

    let call = voice(&stage.cast.id("omar-call"), dials_us(&number));
    let at = stage.cast.minutes_ago(200);
    let first = stage.start(System::Telephony, at, call.clone()).await?;
    let omar = first.customer_ref.clone();
    let mut note = ending(&call.interaction_id, &omar, open(), "Router restarts every hour");
    note.disposition = "callback_promised".to_owned();
    note.profile = named("Omar Haddad");
    stage.end(System::Telephony, at.plus(5 * MINUTE), note).await?;

    let mut back = voice(&stage.cast.id("omar-callback"), we_dial(&number));
    back.direction = Direction::Outbound.into();
    let at = stage.cast.minutes_ago(80);
    let second = stage.start(System::Telephony, at, back.clone()).await?;
    stage.expect(
        first.new_customer && reuses(&second, &omar) && !second.open_intents.is_empty(),
        "our own call: recognised by the number we dialled (reuse), with what we promised",
    )?;

    let mut passed_on = voice(&stage.cast.id("omar-transfer"), dials_us("204"));
    passed_on.telco = None;
    passed_on.continues_interaction_id = back.interaction_id.clone();
    passed_on.continues_source = "pbx".to_owned();
    let at = stage.cast.minutes_ago(76);
    let third = stage.start(System::Agent, at, passed_on.clone()).await?;
    stage.expect(
        reuses(&third, &omar) && third.open_intents.iter().any(|one| one.intent == FAULT),
        "passed on from extension 204: still Omar, nothing to repeat (reuse)",
    )?;
    let mut note = ending(&back.interaction_id, &omar, open(), "Passed on to the network desk");
    note.disposition = "transferred".to_owned();
    stage.end(System::Telephony, at.plus(MINUTE), note).await?;
    let settled = intent(FAULT, "", IntentStatus::Resolved);
    let note = ending(&passed_on.interaction_id, &omar, settled, "New firmware, runs");
    stage.end(System::Agent, at.plus(9 * MINUTE), note).await?;
    Ok(())
}

fn voice(interaction_id: &str, hints: IdentityHints) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: interaction_id.to_owned(),
        channel: "voice".to_owned(),
        identity_hints: Some(hints),
        telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
        ..StartInteractionRequest::default()
    }
}

fn dials_us(number: &str) -> IdentityHints {
    IdentityHints { caller_number: number.to_owned(), ..IdentityHints::default() }
}

fn we_dial(number: &str) -> IdentityHints {
    IdentityHints { dialed_number: number.to_owned(), ..IdentityHints::default() }
}
