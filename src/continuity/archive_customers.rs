//! Sets customers aside who were not in contact for long: a number that they had may be another's by
//! now. Nothing of them goes; a start that finds them asks first.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::service::Service;
use super::sweep;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::{Outcome, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads};

/// Customers of one operation at most.
pub(super) const AT_ONCE: usize = 32;

pub(super) struct ArchiveOperation {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    customers: Vec<CustomerId>,
    now: Time,
}

impl ArchiveOperation {
    pub fn new(
        service: &Arc<Service>,
        tenant: &Arc<Tenant>,
        customers: &[CustomerId],
        now: Time,
    ) -> Self {
        let (service, tenant) = (Arc::clone(service), Arc::clone(tenant));
        Self { service, tenant, customers: customers.to_vec(), now }
    }

    async fn archive(&self, desk: &mut Desk<'_, '_>) -> Result<u64, Error> {
        let people = desk.people(&self.customers, false).await?;
        let retention = self.tenant.policy.retention;
        let mut done = 0;
        for customer in &self.customers {
            let Some(person) = people.get(customer) else { continue };
            let row = &person.row;
            // They may have been in contact since they were looked at.
            let inactive = row.archived == Time(0)
                && row.moved_to.is_none()
                && retention.is_inactive(row.last_contact, row.received, self.now);
            if !inactive {
                continue;
            }
            desk.take_in_hand(*customer).await?.touch().archived = self.now;
            // Random: it guards nothing, and somebody may be set aside more than once.
            let named = Token(self.service.entropy.bytes());
            let row = sweep::row(named, Verb::Archive, Some(*customer), self.now);
            desk.effects
                .journal
                .push(crate::store::rows::JournalRow { outcome: Outcome::Done, ..row });
            done += 1;
        }
        if done == 0 { Err(Error::AlreadyDone) } else { Ok(done) }
    }
}

impl Operation for ArchiveOperation {
    type Answer = u64;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<u64>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            let done = self.archive(&mut desk).await?;
            Ok(desk.propose(done))
        })
    }
}
