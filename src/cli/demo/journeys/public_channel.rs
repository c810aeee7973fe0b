//! (g) In a public Discord channel everybody reads along.

use super::{ending, intent, variable};
use crate::cli::demo::stage::{Stage, System, shows_nothing};
use crate::clock::MINUTE;
use crate::grpc::proto::{Audience, IdentityHints, IntentStatus, StartInteractionRequest};

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'g',
        "Leo asks again, in public",
        "He wrote us a private message on Discord; now he asks in a channel that everybody reads. \
         We know him, and must not show it.",
    )?;
    let discord_user_id = stage.cast.platform_id();
    let contact = |interaction_id: String, audience: Audience| StartInteractionRequest {
        interaction_id,
        channel: "discord".to_owned(),
        audience: audience.into(),
        identity_hints: Some(IdentityHints {
            discord_user_id: discord_user_id.clone(),
            ..IdentityHints::default()
        }),
        ..StartInteractionRequest::default()
    };
    let at = stage.cast.minutes_ago(150);
    let message = contact(stage.cast.id("leo-message"), Audience::Private);
    let first = stage.start(System::Chat, at, message.clone()).await?;
    let mut note = ending(
        &message.interaction_id,
        &first.customer_ref,
        intent("account_suspended", "", IntentStatus::Open),
        "Account suspended after a late payment",
    );
    note.variables = variable("amount_due", "84.20");
    stage.end(System::Chat, at.plus(6 * MINUTE), note).await?;

    let at = stage.cast.minutes_ago(20);
    let post = contact(stage.cast.id("leo-post"), Audience::Public);
    let second = stage.start(System::Chat, at, post).await?;
    let candidates = second.identity.as_ref().map_or(0, |one| one.candidates.len());
    stage.expect(
        first.new_customer && !second.new_customer && second.customer_ref == first.customer_ref,
        "recognised in the public channel",
    )?;
    stage.expect(
        shows_nothing(&second) && candidates == 0,
        "… and nothing said: no brief, no intents, no variables, no candidates",
    )
}
