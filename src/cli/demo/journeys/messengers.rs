//! (b) Sarah on five channels: signed in, then by number, then by platform ids.

use super::{ending, intent, named, recommendation, reuses, yes};
use crate::cli::demo::stage::{Stage, System, shows_nothing};
use crate::clock::{MINUTE, Time};
use crate::grpc::proto::{
    Assurance, Identifier, IdentityHints, IntentStatus, Recommendation, StartInteractionRequest,
    StartInteractionResponse,
};

const DELAY: (&str, &str) = ("delivery_delay", "order 7731");

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'b',
        "Sarah's parcel: web, WhatsApp, Telegram, Discord, web",
        "She writes wherever she is. Each platform knows her by another id, and a number that is \
         only said proves nothing: one question, and it is known for good.",
    )?;
    let user_id = stage.cast.id("user");
    let number = stage.cast.number();
    let [telegram, discord] = [stage.cast.platform_id(), stage.cast.platform_id()];
    let at = [600, 480, 360, 240, 120, 60].map(|minutes| stage.cast.minutes_ago(minutes));

    let signed_in = || IdentityHints {
        external_ids: [("user_id".to_owned(), user_id.clone())].into(),
        ..IdentityHints::default()
    };
    let typed = IdentityHints { identifiers: vec![said(&number)], ..signed_in() };
    let web = stage.start(System::Chat, at[0], contact(stage, 1, "web_chat", typed)).await?;
    let sarah = web.customer_ref.clone();
    stage.expect(
        web.new_customer,
        "signed in on the web: somebody new, whose number is only typed",
    )?;
    close(stage, at[0], 1, &sarah, IntentStatus::Open, "Parcel is late, typed her number").await?;

    let digits = number.trim_start_matches('+').to_owned();
    let whatsapp = IdentityHints { whatsapp_id: digits, ..IdentityHints::default() };
    ask_once(stage, at[1], 2, "whatsapp", whatsapp, &sarah).await?;
    let hints = IdentityHints {
        telegram_user_id: telegram.clone(),
        identifiers: vec![said(&number)],
        ..IdentityHints::default()
    };
    ask_once(stage, at[2], 3, "telegram", hints, &sarah).await?;
    let hints = IdentityHints {
        discord_user_id: discord,
        identifiers: vec![said(&number)],
        ..IdentityHints::default()
    };
    ask_once(stage, at[3], 4, "discord", hints, &sarah).await?;

    let web = stage.start(System::Chat, at[4], contact(stage, 5, "web_chat", signed_in())).await?;
    let attempts = web.open_intents.first().map_or(0, |one| one.attempt_count);
    stage.expect(
        reuses(&web, &sarah) && attempts == 4,
        "signed in on the web again: reuse, the same customer throughout, four attempts counted",
    )?;
    close(stage, at[4], 5, &sarah, IntentStatus::Resolved, "Parcel found, arrives tomorrow")
        .await?;

    let hints = IdentityHints { telegram_user_id: telegram, ..IdentityHints::default() };
    let again = stage.start(System::Chat, at[5], contact(stage, 6, "telegram", hints)).await?;
    stage.expect(
        reuses(&again, &sarah) && again.open_intents.is_empty(),
        "on Telegram once more: known at once, and nothing is open any longer",
    )?;
    Ok(())
}

/// A channel that does not know her yet: asked once, then confirmed by the agent.
async fn ask_once(
    stage: &mut Stage<'_>,
    at: Time,
    number: u32,
    channel: &str,
    hints: IdentityHints,
    sarah: &str,
) -> anyhow::Result<()> {
    let request = contact(stage, number, channel, hints);
    let interaction_id = request.interaction_id.clone();
    let asked = stage.start(System::Chat, at, request).await?;
    let told = stage.update(System::Agent, yes("chat", &interaction_id, sarah)).await?;
    stage.expect(
        asks(&asked, sarah) && told.customer_ref == sarah && !told.open_intents.is_empty(),
        "asked first and showed nothing; once confirmed, the agent sees where she left off",
    )?;
    close(stage, at, number, sarah, IntentStatus::Open, "Where is the parcel?").await
}

fn asks(answer: &StartInteractionResponse, sarah: &str) -> bool {
    recommendation(answer) == Recommendation::Confirm
        && answer.customer_ref == sarah
        && shows_nothing(answer)
}

async fn close(
    stage: &mut Stage<'_>,
    at: Time,
    number: u32,
    sarah: &str,
    status: IntentStatus,
    summary: &str,
) -> anyhow::Result<()> {
    let id = interaction_id(stage, number);
    let mut note = ending(&id, sarah, intent(DELAY.0, DELAY.1, status), summary);
    note.profile = named("Sarah Whitfield");
    stage.end(System::Chat, at.plus(6 * MINUTE), note).await?;
    Ok(())
}

fn contact(
    stage: &Stage<'_>,
    number: u32,
    channel: &str,
    hints: IdentityHints,
) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: interaction_id(stage, number),
        channel: channel.to_owned(),
        identity_hints: Some(hints),
        ..StartInteractionRequest::default()
    }
}

fn interaction_id(stage: &Stage<'_>, number: u32) -> String {
    stage.cast.id(&format!("sarah-{number}"))
}

/// A number that she typed or told.
fn said(number: &str) -> Identifier {
    Identifier {
        kind: "phone".to_owned(),
        value: number.to_owned(),
        assurance: Assurance::Asserted.into(),
        ..Identifier::default()
    }
}
