//! (a) Chat on Monday, e-mail on Tuesday, phone on Wednesday: one question.

use super::{ending, intent, named, reuses, variable};
use crate::cli::demo::stage::{Stage, System};
use crate::clock::MINUTE;
use crate::grpc::proto::{
    ConfidenceLevel, EndInteractionRequest, EndInteractionResponse, IdentityHints, IntentStatus,
    LineType, StartInteractionRequest, StartInteractionResponse, Telco,
};

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'a',
        "Nina's bill, in three days and three channels",
        "She asked in a chat on Monday and by e-mail on Tuesday. Does Wednesday's agent make her \
         start all over?",
    )?;
    let [monday, tuesday, wednesday] = stage.cast.three_days();
    let crm_id = stage.cast.id("CRM");
    let mailbox = stage.cast.mailbox("nina");
    let open = || intent("billing_dispute", "invoice 1042", IntentStatus::Open);

    let chat = StartInteractionRequest {
        interaction_id: stage.cast.id("nina-chat"),
        channel: "web_chat".to_owned(),
        identity_hints: Some(shop_id(&crm_id)),
        ..StartInteractionRequest::default()
    };
    let first = stage.start(System::Chat, monday, chat.clone()).await?;
    let mut note = ending(
        &chat.interaction_id,
        &first.customer_ref,
        open(),
        "Asked why invoice 1042 is twice the usual amount",
    );
    note.variables = variable("plan", "Family XL");
    note.profile = named("Nina Alvarez");
    stage.end(System::Chat, monday.plus(9 * MINUTE), note).await?;

    // The ticket system knows an e-mail only when it has been dealt with: an end without a start.
    let ticket = EndInteractionRequest {
        channel: "email".to_owned(),
        identity_hints: Some(IdentityHints { email: mailbox.clone(), ..shop_id(&crm_id) }),
        ..ending(&stage.cast.id("nina-mail"), "", open(), "Sent the invoice again, wants a call")
    };
    let second = stage.end(System::Helpdesk, tuesday, ticket).await?;

    let call = StartInteractionRequest {
        interaction_id: stage.cast.id("nina-call"),
        channel: "voice".to_owned(),
        identity_hints: Some(IdentityHints {
            caller_number: stage.cast.number(),
            email: mailbox,
            ..shop_id(&crm_id)
        }),
        telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
        ..StartInteractionRequest::default()
    };
    let third = stage.start(System::Telephony, wednesday, call.clone()).await?;
    check(stage, &first, &second, &third)?;
    let settled = intent("billing_dispute", "invoice 1042", IntentStatus::Resolved);
    let note =
        ending(&call.interaction_id, &third.customer_ref, settled, "Credited the double charge");
    stage.end(System::Telephony, wednesday.plus(4 * MINUTE), note).await?;
    Ok(())
}

fn check(
    stage: &mut Stage<'_>,
    first: &StartInteractionResponse,
    second: &EndInteractionResponse,
    third: &StartInteractionResponse,
) -> anyhow::Result<()> {
    let level = third.identity.as_ref().map(|one| one.level()).unwrap_or_default();
    let attempts = third.open_intents.first().map_or(0, |one| one.attempt_count);
    stage.expect(
        first.new_customer && second.customer_ref == first.customer_ref,
        "Monday's chat met somebody new; Tuesday's e-mail went into the same history",
    )?;
    stage.expect(
        reuses(third, &first.customer_ref) && level == ConfidenceLevel::VeryHigh,
        "Wednesday's agent may go on where she left off (reuse, very_high)",
    )?;
    stage.expect(
        third.recent_interactions.len() == 2
            && third.brief.lines().count() >= 3
            && attempts == 2
            && third.variables.contains_key("plan"),
        "… and sees both contacts, a brief to read aloud, two attempts, and her plan",
    )
}

fn shop_id(crm_id: &str) -> IdentityHints {
    IdentityHints {
        external_ids: [("crm_id".to_owned(), crm_id.to_owned())].into(),
        ..IdentityHints::default()
    }
}
