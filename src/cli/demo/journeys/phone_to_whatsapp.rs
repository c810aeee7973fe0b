//! (c) Jennifer called; now she writes on WhatsApp from the same number.

use super::{ending, intent, named, reuses};
use crate::cli::demo::stage::{Stage, System};
use crate::clock::MINUTE;
use crate::grpc::proto::{IdentityHints, IntentStatus, LineType, StartInteractionRequest, Telco};

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'c',
        "Jennifer calls, then writes on WhatsApp",
        "The same number on a channel she never used before. Is she a stranger there?",
    )?;
    let number = stage.cast.number();
    let call = StartInteractionRequest {
        interaction_id: stage.cast.id("jennifer-call"),
        channel: "voice".to_owned(),
        identity_hints: Some(IdentityHints {
            caller_number: number.clone(),
            ..IdentityHints::default()
        }),
        telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
        ..StartInteractionRequest::default()
    };
    let called = stage.cast.minutes_ago(300);
    let first = stage.start(System::Telephony, called, call.clone()).await?;
    let mut note = ending(
        &call.interaction_id,
        &first.customer_ref,
        intent("appointment", "", IntentStatus::Open),
        "Wants to move Friday's appointment",
    );
    note.profile = named("Jennifer Brooks");
    stage.end(System::Telephony, called.plus(3 * MINUTE), note).await?;

    let message = StartInteractionRequest {
        interaction_id: stage.cast.id("jennifer-whatsapp"),
        channel: "whatsapp".to_owned(),
        identity_hints: Some(IdentityHints {
            whatsapp_id: number.trim_start_matches('+').to_owned(),
            ..IdentityHints::default()
        }),
        ..StartInteractionRequest::default()
    };
    let wrote = stage.cast.minutes_ago(45);
    let second = stage.start(System::Chat, wrote, message.clone()).await?;
    stage.expect(
        first.new_customer && reuses(&second, &first.customer_ref),
        "recognised on WhatsApp by the number she called from (reuse)",
    )?;
    stage.expect(
        second.open_intents.iter().any(|one| one.intent == "appointment"),
        "… with the appointment she wanted to move",
    )?;
    let settled = intent("appointment", "", IntentStatus::Resolved);
    let note = ending(&message.interaction_id, &second.customer_ref, settled, "Moved to Monday");
    stage.end(System::Chat, wrote.plus(5 * MINUTE), note).await?;
    Ok(())
}
