//! GetInteraction: what the start would answer now, under the caller's role.

use std::sync::Arc;

use super::Error;
use super::answer::{Answer, Settled, Warning, Wish, answer, settled};
use super::caller::{Caller, Role};
use super::desk::{Desk, Known};
use super::service::Service;
use super::traces::About;
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::rows::Verb;

impl Service {
    /// The interaction and, with it, the customer's context as it now stands.
    ///
    /// # Errors
    /// [`Error::InteractionNotFound`], [`Error::RoleRequired`], [`Error::SourceNotAllowed`], and
    /// the store's.
    pub async fn get_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        source: &str,
        interaction_id: &str,
        history_limit: usize,
    ) -> Result<Answer, Error> {
        let about = About::interaction(caller, source, interaction_id);
        let wish = Wish { history_limit };
        let got = match may_get(caller, source) {
            Ok(()) => as_it_stands(self, caller, about.interaction, &wish, Vec::new()).await,
            Err(refused) => Err(refused),
        };
        self.traced(caller, Verb::GetInteraction, &about, got, whom)
    }

    /// What the journal knows of an interaction, read afresh.
    pub(super) async fn known(
        self: &Arc<Self>,
        caller: &Caller,
        interaction: Token,
    ) -> Result<Option<Known>, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        Desk::new(self, &caller.tenant, &mut reads).interaction(interaction).await
    }

    /// Labels that are durable now need not be written again.
    pub(super) fn remember_labels(&self, caller: &Caller, settled: &Settled) {
        for (token, text) in &settled.labels {
            self.memory.keep_label(caller.tenant.id, *token, Arc::clone(text));
        }
    }
}

fn may_get(caller: &Caller, source: &str) -> Result<(), Error> {
    caller.needs(&[Role::Telephony, Role::Bot, Role::Agent, Role::Admin, Role::Backfill])?;
    caller.addresses(source).map(drop)
}

/// Whom an answer is about, named in it or not.
pub(super) fn whom(answer: &Answer) -> Vec<CustomerId> {
    answer.whom.into_iter().collect()
}

/// Tries until an interaction stays as it is while its customer is read.
const LOOKS: usize = 8;

/// Reads past the cache: another instance may have written, and nothing here is checked at commit.
///
/// Interaction and customer are read one after the other. Had the interaction moved to somebody
/// else in between, one person would be shown under another's name: so it is looked at again.
pub(super) async fn as_it_stands(
    service: &Arc<Service>,
    caller: &Caller,
    interaction: Token,
    wish: &Wish,
    warnings: Vec<Warning>,
) -> Result<Answer, Error> {
    let mut known = service.known(caller, interaction).await?.ok_or(Error::InteractionNotFound)?;
    for _ in 0..LOOKS {
        let position = known.position();
        let mut reads = Reads::Fresh(Arc::clone(&service.store));
        let mut desk = Desk::new(service, &caller.tenant, &mut reads);
        let settled = settled(&mut desk, known.state, warnings.clone()).await?;
        let now = service.store.now();
        let again = service.known(caller, interaction).await?.ok_or(Error::InteractionNotFound)?;
        if again.position() == position {
            return Ok(answer(settled, caller, now, wish));
        }
        known = again;
    }
    Err(Error::Store(crate::store::Error::Busy))
}
