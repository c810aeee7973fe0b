//! Removes a customer by time: one that nothing was ever linked to, one of a test tenant, one whose
//! last contact on file, or last request, went some time ago and of whom nothing is left.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::joining;
use super::load;
use super::service::Service;
use super::settling::remaining;
use super::sweep;
use super::tenant::Tenant;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{Disclosure, EMPTIED_KEPT, current_profile, current_variables};
use crate::ids::{CustomerId, TenantId};
use crate::store::rows::{JournalRow, Outcome, Verb};
use crate::store::sweep::{OldRow, RowsOf};
use crate::store::{Boxed, Operation, Proposed, Reads, Removal};

pub(super) struct PurgeOperation {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    which: RowsOf,
    row: OldRow,
    now: Time,
}

impl PurgeOperation {
    pub fn new(
        service: &Arc<Service>,
        tenant: &Arc<Tenant>,
        which: RowsOf,
        row: OldRow,
        now: Time,
    ) -> Self {
        let (service, tenant) = (Arc::clone(service), Arc::clone(tenant));
        Self { service, tenant, which, row, now }
    }

    /// How many were removed.
    async fn purge(&self, desk: &mut Desk<'_, '_>) -> Result<u64, Error> {
        let customer = self.row.customer.ok_or(Error::AlreadyDone)?;
        let person = desk.one(customer, false).await?;
        let person = person.ok_or(Error::AlreadyDone)?;
        let is_joined = !person.members.is_empty();
        let kept = match self.which {
            RowsOf::Unidentified => is_identified(&person) || is_joined,
            RowsOf::Expired => is_identified(&person) || self.has_anything(desk, &person).await?,
            _ => false,
        };
        if kept {
            return Err(Error::AlreadyDone);
        }
        let now = self.service.store.now();
        if self.which == RowsOf::Expired && (is_joined || self.still_knows(desk, customer).await?) {
            // What expires later is all that is left, or a merge, which no row of theirs may tell of when it
            // is taken back: they are looked at again when this row is as old, once, of however many
            // contacts of theirs there are such rows.
            let again = desk.tenant.secrets.text("emptied", &customer.to_ref());
            let part = now.0.div_euclid(EMPTIED_KEPT).to_be_bytes().to_vec();
            let row = sweep::row(again, Verb::Expire, Some(customer), now);
            desk.effects.journal.push(JournalRow { part, outcome: Outcome::Done, ..row });
            return Ok(0);
        }
        joining::leave(desk, customer).await?;
        desk.effects.heads.extend(person.links.iter().map(|link| link.token));
        desk.effects.removals.push(Removal::Customer { customer });
        self.write(desk, customer, now).await?;
        Ok(1)
    }

    /// The row that guards the purge is the customer's own: one interaction may have made several, and
    /// may be somebody else's by now. Then it goes on, and keeps what was said in it.
    async fn write(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        now: Time,
    ) -> Result<(), Error> {
        let own = desk.tenant.secrets.text("purged", &customer.to_ref());
        let interaction = self.row.interaction;
        let row = if desk.whose(interaction).await? == Some(customer) {
            desk.effects.strip.push(interaction);
            // Its newest position moves: what another instance remembers of it is stale.
            let row = sweep::row(interaction, Verb::Purge, Some(customer), now);
            JournalRow { part: own.0.to_vec(), ..row }
        } else {
            sweep::row(own, Verb::Purge, Some(customer), now)
        };
        desk.effects.journal.push(row);
        Ok(())
    }

    /// Whether variables that have not expired are known of them.
    async fn still_knows(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
    ) -> Result<bool, Error> {
        let person = desk.person(customer, true).await?.ok_or(Error::AlreadyDone)?;
        let context = person.context.clone().unwrap_or_default();
        Ok(!current_variables(&context.variables, self.now).is_empty())
    }

    /// Whether anything is known of them that does not expire, or somebody decided something about them.
    ///
    /// A contact that goes on is not on file yet. It began before the last one went: otherwise there
    /// was no identifier left to find them by; and so it has been filed by now, or closed.
    async fn has_anything(
        &self,
        desk: &mut Desk<'_, '_>,
        person: &Remembered,
    ) -> Result<bool, Error> {
        let customer: CustomerId = person.row.customer;
        let direct = person.ties.iter().any(|tie| tie.assurance > 0);
        if direct || load::disclosure(person) != Disclosure::Normal {
            return Ok(true);
        }
        if !remaining(desk, customer, &[]).await?.is_empty() {
            return Ok(true);
        }
        let person = desk.person(customer, true).await?.ok_or(Error::AlreadyDone)?;
        let context = person.context.clone().unwrap_or_default();
        Ok(!context.facts.is_empty()
            || !current_profile(&context.profile).is_empty()
            // That somebody agreed has to be shown for as long as they are known.
            || context.consents.blocks > 0)
    }
}

/// Whether identifiers point to them, or their ref to somebody else. A contact or request that goes takes
/// the last identifier away, and leaves a row of its own by which they are looked at again.
pub(super) fn is_identified(person: &Remembered) -> bool {
    !person.links.is_empty() || person.row.moved_to.is_some()
}

impl Operation for PurgeOperation {
    type Answer = u64;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<u64>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            let removed = self.purge(&mut desk).await?;
            Ok(desk.propose(removed))
        })
    }
}
