//! (d) Two people on one landline within a day: ask, never guess.

use super::{ending, intent, named, no, recommendation, variable, yes};
use crate::cli::demo::stage::{Stage, System, shows_nothing};
use crate::clock::{MINUTE, Time};
use crate::grpc::proto::{
    IdentityHints, IntentStatus, LineType, Recommendation, StartInteractionRequest, Telco,
};

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'd',
        "Harold and Edith share a landline",
        "He called about his prescription, she about her birthday surprise for him. The next call \
         from that line must not hear the other's affairs.",
    )?;
    let line = stage.cast.number();
    let at = [360, 240, 60].map(|minutes| stage.cast.minutes_ago(minutes));
    let his = call(&stage.cast.id("harold-call"), &line, Some(stage.cast.id("CRM-H")));
    let her = call(&stage.cast.id("edith-call"), &line, Some(stage.cast.id("CRM-E")));

    let first = stage.start(System::Telephony, at[0], his.clone()).await?;
    let harold = first.customer_ref.clone();
    close(stage, at[0], &his.interaction_id, &harold, "Harold Price", "prescription").await?;

    let second = stage.start(System::Telephony, at[1], her.clone()).await?;
    let rejected = stage.update(System::Agent, no("pbx", &her.interaction_id)).await?;
    let edith = rejected.customer_ref.clone();
    stage.expect(
        recommendation(&second) == Recommendation::Confirm
            && shows_nothing(&second)
            && edith != harold
            && shows_nothing(&rejected),
        "Edith, with an id we never saw: asked for Harold first, then a customer of her own",
    )?;
    close(stage, at[1], &her.interaction_id, &edith, "Edith Price", "birthday_gift").await?;

    let third = call(&stage.cast.id("landline-call"), &line, None);
    let asked = stage.start(System::Telephony, at[2], third.clone()).await?;
    let listed = asked.identity.as_ref().map_or(0, |one| one.candidates.len());
    stage.expect(
        recommendation(&asked) == Recommendation::Confirm && listed == 2 && shows_nothing(&asked),
        "the line alone: confirm, not reuse; two candidates by masked labels, nothing else shown",
    )?;
    let told = stage.update(System::Agent, yes("pbx", &third.interaction_id, &edith)).await?;
    let sees = |name: &str| told.open_intents.iter().any(|one| one.intent == name);
    stage.expect(
        told.customer_ref == edith && sees("birthday_gift") && !sees("prescription"),
        "“It is Edith”: her affairs, and none of Harold's",
    )?;
    Ok(())
}

fn call(interaction_id: &str, line: &str, crm_id: Option<String>) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: interaction_id.to_owned(),
        channel: "voice".to_owned(),
        identity_hints: Some(IdentityHints {
            caller_number: line.to_owned(),
            external_ids: crm_id.into_iter().map(|id| ("crm_id".to_owned(), id)).collect(),
            ..IdentityHints::default()
        }),
        telco: Some(Telco { line_type: LineType::Landline.into(), ..Telco::default() }),
        ..StartInteractionRequest::default()
    }
}

async fn close(
    stage: &mut Stage<'_>,
    at: Time,
    interaction_id: &str,
    customer_ref: &str,
    name: &str,
    about: &str,
) -> anyhow::Result<()> {
    let open = intent(about, "", IntentStatus::Open);
    let mut note = ending(interaction_id, customer_ref, open, &format!("Called about {about}"));
    note.profile = named(name);
    note.variables = variable("last_topic", about);
    stage.end(System::Telephony, at.plus(4 * MINUTE), note).await?;
    Ok(())
}
