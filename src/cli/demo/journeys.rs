//! The seven journeys, one file each, and the words they share.

mod billing;
mod callback;
mod landline;
mod messengers;
mod phone_to_whatsapp;
mod public_channel;
mod withheld;

use std::collections::BTreeMap;

use super::stage::Stage;
use crate::grpc::proto::update_interaction_request::IdentityFeedback;
use crate::grpc::proto::{
    EndInteractionRequest, IdentityConfirmed, IdentityRejected, Intent, IntentStatus,
    ProfileAttributeInput, Recommendation, StartInteractionResponse, UpdateInteractionRequest,
    VariableInput,
};

/// Plays all of them; one that breaks off is counted and the next one played.
///
/// # Errors
/// When the page cannot be written.
pub(super) async fn play_all(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let played = billing::play(stage).await;
    broken_off(stage, played)?;
    let played = messengers::play(stage).await;
    broken_off(stage, played)?;
    let played = phone_to_whatsapp::play(stage).await;
    broken_off(stage, played)?;
    let played = landline::play(stage).await;
    broken_off(stage, played)?;
    let played = withheld::play(stage).await;
    broken_off(stage, played)?;
    let played = callback::play(stage).await;
    broken_off(stage, played)?;
    let played = public_channel::play(stage).await;
    broken_off(stage, played)
}

fn broken_off(stage: &mut Stage<'_>, played: anyhow::Result<()>) -> anyhow::Result<()> {
    match played {
        Ok(()) => Ok(()),
        Err(error) => stage.expect(false, &format!("broken off: {error:#}")),
    }
}

/// What to do with an answer.
fn recommendation(answer: &StartInteractionResponse) -> Recommendation {
    answer.identity.as_ref().map(|one| one.recommendation()).unwrap_or_default()
}

/// Whether the answer is `reuse` of this customer.
fn reuses(answer: &StartInteractionResponse, customer_ref: &str) -> bool {
    recommendation(answer) == Recommendation::Reuse && answer.customer_ref == customer_ref
}

/// An end that echoes the customer and keeps one intent and a note.
fn ending(
    interaction_id: &str,
    customer_ref: &str,
    intent: Intent,
    summary: &str,
) -> EndInteractionRequest {
    EndInteractionRequest {
        interaction_id: interaction_id.to_owned(),
        customer_ref: customer_ref.to_owned(),
        intents: vec![intent],
        summary: summary.to_owned(),
        ..EndInteractionRequest::default()
    }
}

fn intent(name: &str, reference: &str, status: IntentStatus) -> Intent {
    Intent {
        intent: name.to_owned(),
        reference: reference.to_owned(),
        status: status.into(),
        ..Intent::default()
    }
}

fn variable(name: &str, value: &str) -> BTreeMap<String, VariableInput> {
    let value = VariableInput { value: value.to_owned(), ..VariableInput::default() };
    BTreeMap::from([(name.to_owned(), value)])
}

fn named(name: &str) -> BTreeMap<String, ProfileAttributeInput> {
    let value =
        ProfileAttributeInput { value: name.to_owned(), ..ProfileAttributeInput::default() };
    BTreeMap::from([("name".to_owned(), value)])
}

/// The agent's “yes” to an interaction that another system started.
fn yes(source: &str, interaction_id: &str, customer_ref: &str) -> UpdateInteractionRequest {
    let customer_ref = customer_ref.to_owned();
    answer_to(
        source,
        interaction_id,
        IdentityFeedback::IdentityConfirmed(IdentityConfirmed { customer_ref }),
    )
}

/// The agent's “no”, without knowing who it is instead.
fn no(source: &str, interaction_id: &str) -> UpdateInteractionRequest {
    let nobody = IdentityRejected { customer_ref: None };
    answer_to(source, interaction_id, IdentityFeedback::IdentityRejected(nobody))
}

fn answer_to(
    source: &str,
    interaction_id: &str,
    feedback: IdentityFeedback,
) -> UpdateInteractionRequest {
    UpdateInteractionRequest {
        interaction_id: interaction_id.to_owned(),
        source: source.to_owned(),
        update_id: "who-it-is".to_owned(),
        identity_feedback: Some(feedback),
        ..UpdateInteractionRequest::default()
    }
}
