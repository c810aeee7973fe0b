//! A start that arrives after its end.

use std::sync::Arc;

use super::Error;
use super::absorb::{News, absorb};
use super::answer::{Settled, settled};
use super::continuation::continued;
use super::desk::Desk;
use super::filing;
use super::journaling::{self, Entry};
use super::record::State;
use super::settling;
use super::start_interaction::{StartOperation, guard, without_caller_number};
use crate::identity::{Attestation, Direction, LineType};
use crate::ids::{TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads};

/// A start that arrives after its end: its facts and hints are attached as an update's.
pub(super) struct AttachOperation(pub Arc<StartOperation>);

impl Operation for AttachOperation {
    type Answer = Settled;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.0.tenant()
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Settled>, Error>> {
        Box::pin(async move {
            let StartOperation { service, caller, start, interaction, fingerprint, begun } =
                &*self.0;
            let mut desk = Desk::new(service, &caller.tenant, reads);
            let known = desk.interaction(*interaction).await?.ok_or(Error::InteractionNotFound)?;
            if guard(&known, Verb::Attach).is_some() {
                return Err(Error::AlreadyDone);
            }
            let mut state = known.state;
            let before = said_of_attempt(&state);
            complete(&mut state, &self.0.state());
            let mut warnings = self.0.warnings();
            let continued = continued(&mut desk, &start.about, *begun).await?;
            warnings.extend(continued.warning);
            if state.conversation.is_empty() {
                state.conversation = continued.conversation;
            }
            let hints = match &continued.before {
                Some(_) => without_caller_number(&start.normalised.hints),
                None => start.normalised.hints.clone(),
            };
            if let Some(before) = continued.before
                && state.contact == interaction.0
            {
                state.contact.clone_from(&before.state.contact);
            }
            let news =
                News { hints, named: start.normalised.customer_ref.clone(), ..News::default() };
            let ceiling = caller.max_assurance;
            warnings.extend(absorb(&mut desk, &mut state, *interaction, &news, ceiling).await?);
            if state.ending.is_some() && !state.customer.is_empty() {
                file_anew(&mut desk, &mut state, *interaction, &before).await?;
            }
            let entry = Entry {
                interaction: *interaction,
                verb: Verb::Attach,
                part: Vec::new(),
                fingerprint: fingerprint.clone(),
                time: *begun,
                caller: &caller.key_id,
            };
            journaling::write(&mut desk, &state, entry).await?;
            let settled = settled(&mut desk, state, warnings).await?;
            Ok(desk.propose(settled))
        })
    }
}

/// What decides how an ended contact counts as an attempt: its chain, and whether it reached anybody.
fn said_of_attempt(state: &State) -> (Vec<u8>, bool) {
    (state.contact.clone(), state.ending.as_ref().is_some_and(|ending| ending.reached))
}

/// Files the contact as it now stands. What the end said of matters was counted by what was known
/// then, and is written again where that has changed.
async fn file_anew(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    before: &(Vec<u8>, bool),
) -> Result<(), Error> {
    filing::file(desk, state, interaction).await?;
    if said_of_attempt(state) != *before {
        filing::flush(desk, state, interaction).await?;
    }
    if state.counted && !filing::counts(state) {
        settling::recount(desk, state, interaction).await?;
    }
    Ok(())
}

/// Fills in what the end did not say of itself.
fn complete(state: &mut State, start: &State) {
    let said = start.about.clone().unwrap_or_default();
    let about = state.about.get_or_insert_default();
    for (known, said) in [
        (&mut about.thread_ref, said.thread_ref),
        (&mut about.agent_ref, said.agent_ref),
        (&mut about.queue, said.queue),
        (&mut about.brand, said.brand),
        (&mut about.continues_interaction_id, said.continues_interaction_id),
        (&mut about.continues_source, said.continues_source),
        (&mut state.locale, start.locale.clone()),
        (&mut state.time_zone, start.time_zone.clone()),
    ] {
        if known.is_empty() {
            *known = said;
        }
    }
    if start.start_given && !state.start_given {
        let end = state.ending.as_ref().map_or(i64::MAX, |ending| ending.end_time);
        state.start_time = start.start_time.min(end);
        state.start_given = true;
    }
    state.audience = state.audience.max(start.audience);
    for (known, said, unsaid) in [
        (&mut state.line_type, start.line_type, LineType::default().code()),
        (&mut state.attestation, start.attestation, Attestation::default().code()),
    ] {
        if *known == unsaid {
            *known = said;
        }
    }
    turn_outbound(state, start);
}

/// Nobody says OUTBOUND by saying nothing, as an end does of INBOUND; and of a start that is known, an
/// end does not change the direction either. Whether anybody was reached follows from it.
fn turn_outbound(state: &mut State, start: &State) {
    if start.direction != Direction::Outbound.code() || state.direction == start.direction {
        return;
    }
    state.direction = start.direction;
    let ending = state.ending.as_ref();
    let reached = ending.is_some_and(|it| filing::was_reached(state, &it.disposition));
    if let Some(ending) = &mut state.ending {
        ending.reached = reached;
    }
}
