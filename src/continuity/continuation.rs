//! Continuing: a transfer, a conference, a bot that hands over. Customer, assurance and verification
//! are inherited, and the caller's number, often our own extension, is no evidence.

use super::Error;
use super::desk::{Desk, Known};
use super::recognise::{self, look};
use super::record::{About, DecisionRecord, State};
use super::settling::{customer_of, settle};
use super::start_interaction::decide_first;
use crate::clock::Time;
use crate::context::CONTINUATION_WITHIN;
use crate::identity::{Assurance, Basis, Hint};
use crate::ids::Token;

/// The interaction that this one continues, if it is known and not older than a day.
pub(super) async fn continued(
    desk: &mut Desk<'_, '_>,
    about: &About,
    now: Time,
) -> Result<Option<Known>, Error> {
    if about.continues_interaction_id.is_empty() {
        return Ok(None);
    }
    let source =
        if about.continues_source.is_empty() { &about.source } else { &about.continues_source };
    let token = desk.tenant.secrets.interaction(source, &about.continues_interaction_id);
    let Some(known) = desk.interaction(token).await? else { return Ok(None) };
    let newest = known.state.ending.as_ref().map_or(known.state.newest_event, |it| it.end_time);
    let recent = now.since(Time(newest)) <= CONTINUATION_WITHIN;
    Ok(recent.then_some(known))
}

/// Takes over customer, assurance and verification, unless a stronger hint points elsewhere.
pub(super) async fn inherit(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    before: &Known,
    hints: Vec<Hint>,
) -> Result<(), Error> {
    let previous = &before.state;
    state.contact = previous.contact.clone();
    state.hints = hints.iter().map(recognise::hint_record).collect();
    let customer = match customer_of(&previous.customer) {
        Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
        None => None,
    };
    let Some(customer) = customer else {
        decide_first(desk, state, interaction, hints, None).await?;
        return Ok(());
    };
    let looked = look(desk, hints, None, None).await?;
    let strength = previous.decision.as_ref().map_or(0, |decision| decision.assurance);
    let elsewhere = |index: usize| {
        let owners = &looked.shown[index].owners;
        !owners.is_empty() && owners.iter().all(|owner| owner.customer != customer)
    };
    let stronger = (0..looked.shown.len())
        .any(|index| elsewhere(index) && looked.shown[index].assurance.code() > strength);
    if stronger {
        let hints = looked.hints;
        decide_first(desk, state, interaction, hints, None).await?;
        return Ok(());
    }
    state.verification = previous.verification;
    state.feedback = previous.feedback;
    state.named = previous.named.clone();
    state.decision =
        Some(DecisionRecord { inherited: true, ..previous.decision.clone().unwrap_or_default() });
    if previous.settled {
        let basis = Basis::Decided(Assurance::from_code(strength).unwrap_or(Assurance::Asserted));
        settle(desk, state, interaction, customer, &looked, basis, |index| !elsewhere(index))
            .await?;
    } else {
        state.customer = customer.0.to_vec();
    }
    Ok(())
}
