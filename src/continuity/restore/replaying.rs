//! Who was erased after the rows were copied is erased again, by the same code; who has no key any
//! more is removed. Tenant by tenant, in small operations: done again, each finds less to do.

use std::collections::HashSet;
use std::sync::Arc;

use super::Restored;
use super::error::RestoreError;
use super::removing::{self, Leaves, Removing, Task, Walk};
use crate::continuity::Error;
use crate::continuity::record::PlaceRecord;
use crate::continuity::sealing::Slot;
use crate::continuity::service::Service;
use crate::continuity::settling::token_of;
use crate::continuity::tenant::Tenant;
use crate::ids::{CustomerId, Token};
use crate::store::backup::loading::Loading;
use crate::store::rows::{TombstoneKind, Verb};

/// Rows that are read at once.
const PAGE: i64 = 1_000;
/// Customers, or places, of one operation.
const STEP: usize = 256;

/// Replays what was erased, in every tenant.
pub(super) async fn replay(
    service: &Arc<Service>,
    loading: &mut Loading,
    named: &[u8],
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    for number in loading.tenants().await? {
        let tenant = service.tenant(number).await?;
        let own = Replay { service, tenant: &tenant };
        own.run(Task::Begin(named.to_vec()), Leaves::Nothing).await?;
        own.keep_places(loading).await?;
        let erased = own.erased(loading).await?;
        restored.erased += erased.len() as u64;
        own.remove(&erased, Leaves::Tombstones).await?;
        let without_key = loading.without_key(number).await?;
        restored.without_key += without_key.len() as u64;
        own.remove(&without_key, Leaves::Nothing).await?;
        loading.remove_unused_keys(number).await?;
    }
    Ok(())
}

/// One tenant's.
struct Replay<'r> {
    service: &'r Arc<Service>,
    tenant: &'r Arc<Tenant>,
}

impl Replay<'_> {
    async fn run(&self, task: Task, leaves: Leaves) -> Result<(), Error> {
        let removing = Removing {
            service: Arc::clone(self.service),
            tenant: Arc::clone(self.tenant),
            task,
            leaves,
            walked: Walk::default(),
        };
        match self.service.store().run(Arc::new(removing)).await {
            // What is there already was done before this restore was killed.
            Ok(_) | Err(Error::AlreadyDone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn remove(&self, customers: &[CustomerId], leaves: Leaves) -> Result<(), Error> {
        for some in customers.chunks(STEP) {
            self.run(Task::Customers(some.to_vec()), leaves).await?;
        }
        Ok(())
    }

    /// The customers who were erased: whose tombstone there is.
    async fn erased(&self, loading: &mut Loading) -> Result<Vec<CustomerId>, RestoreError> {
        let (tenant, mut tombstones, mut after) = (self.tenant.id, HashSet::new(), None);
        loop {
            let kinds = TombstoneKind::Customer..=TombstoneKind::Customer;
            let page = loading.tombstones(tenant, kinds, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            tombstones.extend(page.into_iter().map(|(token, _)| token));
        }
        let (mut erased, mut after) = (Vec::new(), None);
        while !tombstones.is_empty() {
            let page = loading.customers(tenant, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            let token =
                |customer: &CustomerId| self.tenant.secrets.tombstone("customer", &customer.0);
            erased.extend(page.iter().filter(|it| tombstones.contains(&token(it))));
        }
        Ok(erased)
    }

    /// Keeps the places of interactions and requests that were erased: also of those that were
    /// somebody else's when the rows were copied, or came after them.
    async fn keep_places(&self, loading: &mut Loading) -> Result<(), RestoreError> {
        let mut after = None;
        loop {
            let kinds = TombstoneKind::Interaction..=TombstoneKind::Request;
            let page = loading.tombstones(self.tenant.id, kinds, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let places = page.iter().map(|(token, content)| self.opened(*token, content));
            let places = places.collect::<Result<Vec<_>, Error>>()?;
            // One that is on somebody's file is taken from it, each by itself.
            let mut simple = Vec::new();
            for place in places {
                match removing::is_filed(self.service, self.tenant, place).await? {
                    true => self.run(Task::Places(vec![place]), Leaves::Tombstones).await?,
                    false => simple.push(place),
                }
            }
            for some in simple.chunks(STEP) {
                self.run(Task::Places(some.to_vec()), Leaves::Tombstones).await?;
            }
        }
    }

    /// The place that a tombstone keeps.
    fn opened(&self, token: Token, content: &[u8]) -> Result<(Token, Verb), Error> {
        let slot = Slot::Tombstone { token };
        let record: PlaceRecord = slot.open(self.tenant.id, &self.tenant.key, content)?;
        let verb = Verb::from_code(record.verb).ok_or(Error::Sealed)?;
        Ok((token_of(&record.interaction).ok_or(Error::Sealed)?, verb))
    }
}
