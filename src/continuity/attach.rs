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
use super::start_interaction::{StartOperation, guard, without_caller_number};
use crate::ids::TenantId;
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
            let fresh = self.0.state();
            complete(&mut state, &fresh);
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
                filing::file(&mut desk, &mut state, *interaction).await?;
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
}
