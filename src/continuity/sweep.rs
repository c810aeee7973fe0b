//! What ends by time: starts that never end are closed, customers without any identifier are
//! removed, interactions past retention go, inactive customers are set aside, expired values go, and web-hooks'
//! dead letters and notices. In
//! small steps, while serving.
//!
//! Each step is one operation of the writer, as a request's: it waits in the queue with all others,
//! and holds nobody up for longer than a large request does. A mark remembers how far each sweep has come, so
//! that a process that is killed goes on where it was; what is done twice is done once.

use std::sync::Arc;

use super::Error;
use super::archive_customers::ArchiveOperation;
use super::close_interaction::CloseOperation;
use super::expire_interactions::ExpireOperation;
use super::journaling::Entry;
use super::purge_customer::PurgeOperation;
use super::service::Service;
use super::tenant::Tenant;
use crate::clock::{DAY, Time};
use crate::context::{EMPTIED_KEPT, TEST_TENANT_KEPT, UNIDENTIFIED_KEPT, never_ended_after};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::{JournalRow, Outcome, Verb};
use crate::store::sweep::{OldRow, RowsOf};
use crate::store::{Operation, Verdict};

/// Rows looked at in one step.
pub(super) const STEP: i64 = 200;
/// Who a sweep is, in the journal.
pub(super) const SWEEP: &str = "sweep";

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Interactions closed because no end came.
    pub closed: u64,
    /// Customers removed.
    pub purged: u64,
    /// Blocks of expired values removed.
    pub expired: u64,
    /// Interactions, and requests that changed customers, that were past retention.
    pub forgotten: u64,
    /// Customers set aside.
    pub archived: u64,
    /// Web-hooks that were given up long ago.
    pub letters: u64,
    /// Endpoints for web-hooks of test tenants.
    pub endpoints: u64,
}

impl Service {
    /// Sweeps every tenant once, as far as there is anything to sweep. One that cannot be swept keeps no
    /// other from it.
    ///
    /// # Errors
    /// The first that was met; what was swept before and after it stays swept.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, Error> {
        self.sweep_as_of(self.store.now()).await
    }

    /// The same as if it were `now`, in store time. Looks for inactive customers again when it has
    /// not done so for a day.
    ///
    /// # Errors
    /// As [`Service::sweep`].
    pub async fn sweep_as_of(self: &Arc<Self>, now: Time) -> Result<Swept, Error> {
        let (mut swept, mut first) = (Swept::default(), None);
        for row in self.store.tenants().await? {
            if let Err(error) = self.sweep_tenant(row.tenant, now, &mut swept).await {
                tracing::warn!(tenant = row.tenant.0, %error, "a tenant could not be swept");
                first = first.or(Some(error));
            }
        }
        first.map_or(Ok(swept), Err)
    }

    async fn sweep_tenant(
        self: &Arc<Self>,
        tenant: TenantId,
        now: Time,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        let tenant = self.tenant(tenant).await?;
        for which in [RowsOf::Voice, RowsOf::OtherChannels] {
            swept.closed += self.each_old_row(&tenant, which, now).await?;
        }
        swept.purged += self.each_old_row(&tenant, RowsOf::Unidentified, now).await?;
        if tenant.test {
            swept.purged += self.each_old_row(&tenant, RowsOf::NewCustomers, now).await?;
        }
        swept.forgotten += self.each_old_row(&tenant, RowsOf::Said, now).await?;
        swept.purged += self.each_old_row(&tenant, RowsOf::Expired, now).await?;
        swept.archived += self.each_inactive_customer(&tenant, now).await?;
        self.sweep_webhooks(&tenant, now, swept).await?;
        loop {
            let gone = self.store.remove_expired_blocks(tenant.id, now, STEP).await?;
            swept.expired += gone;
            if gone < STEP as u64 {
                return Ok(());
            }
        }
    }

    /// Walks the rows that are old enough, from where the sweep last stopped.
    async fn each_old_row(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        which: RowsOf,
        now: Time,
    ) -> Result<u64, Error> {
        let (name, cutoff) = match which {
            RowsOf::Voice => ("never_ended_voice", Some(now.plus(-never_ended_after("voice")))),
            RowsOf::OtherChannels => ("never_ended_other", Some(now.plus(-never_ended_after("")))),
            RowsOf::Unidentified => ("unidentified", Some(now.plus(-UNIDENTIFIED_KEPT))),
            RowsOf::NewCustomers => ("test_customers", Some(now.plus(-TEST_TENANT_KEPT))),
            RowsOf::Said => {
                ("retention", tenant.policy.retention.interactions_before(now, tenant.test))
            }
            RowsOf::Expired => ("emptied", Some(now.plus(-EMPTIED_KEPT))),
        };
        let Some(cutoff) = cutoff else { return Ok(0) };
        let mut mark = self.store.sweep_mark(tenant.id, name).await?;
        let mut done = 0;
        loop {
            let walk = self.store.walk(tenant.id, which, mark, cutoff, STEP).await?;
            let Some(last) = walk.last else { break };
            done += self.each_of(tenant, which, walk.found, now).await?;
            mark = last;
            self.store.set_sweep_mark(tenant.id, name, mark).await?;
        }
        Ok(done)
    }

    async fn each_of(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        which: RowsOf,
        found: Vec<OldRow>,
        now: Time,
    ) -> Result<u64, Error> {
        let mut done = 0;
        if which == RowsOf::Said {
            for rows in super::expire_interactions::groups(found) {
                done += self.step(ExpireOperation::new(self, tenant, rows, now)).await?;
            }
            return Ok(done);
        }
        for row in found {
            done += match which {
                RowsOf::Voice | RowsOf::OtherChannels => {
                    self.step(CloseOperation::new(self, tenant, row)).await?
                }
                _ => self.step(PurgeOperation::new(self, tenant, which, row, now)).await?,
            };
        }
        Ok(done)
    }

    /// Sets aside who was not in contact for long. All customers are looked at in order of their
    /// ids, once a day.
    async fn each_inactive_customer(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        now: Time,
    ) -> Result<u64, Error> {
        let retention = tenant.policy.retention;
        let Some(after) = retention.inactive else { return Ok(0) };
        let begun = self.store.sweep_mark(tenant.id, "archive").await?;
        let walked = Time(self.store.sweep_mark(tenant.id, "archive_walked").await?);
        if begun == 0 && now.since(walked) < DAY {
            return Ok(0);
        }
        let (mut reached, mut done) = (began_with(begun), 0);
        loop {
            let seen = self.store.customers_after(tenant.id, reached, STEP).await?;
            let Some(last) = seen.last() else { break };
            reached = last.customer;
            let inactive = seen.iter().filter(|one| one.is_active);
            let inactive: Vec<CustomerId> = inactive
                .filter(|one| retention.is_inactive(one.last_contact, one.received, now))
                .map(|one| one.customer)
                .collect();
            for customers in inactive.chunks(super::archive_customers::AT_ONCE) {
                done += self.step(ArchiveOperation::new(self, tenant, customers, now)).await?;
            }
            // Whoever comes after these was made after them.
            if seen.iter().all(|one| now.since(one.received) <= after) {
                break;
            }
            self.store.set_sweep_mark(tenant.id, "archive", first_of(reached)).await?;
        }
        self.store.set_sweep_mark(tenant.id, "archive", 0).await?;
        self.store.set_sweep_mark(tenant.id, "archive_walked", now.0).await?;
        Ok(done)
    }

    /// One operation; how much it did.
    async fn step<O>(self: &Arc<Self>, operation: O) -> Result<u64, Error>
    where
        O: Operation<Answer = u64, Refusal = Error>,
    {
        let operation = Arc::new(operation);
        let mut swept = self.store.run(Arc::clone(&operation)).await;
        if matches!(swept, Err(Error::Sealed)) {
            // A root key may have been added since this process last looked: what it wraps is not damaged.
            self.follow_root_keys().await?;
            swept = self.store.run(operation).await;
        }
        match swept {
            Ok(Verdict::Committed(done)) => Ok(done),
            Ok(Verdict::Replay) | Err(Error::AlreadyDone | Error::Erased) => Ok(0),
            // The store does not answer: it goes on at the next.
            Err(Error::Store(error)) if error.is_transient() => Err(error.into()),
            Err(error) => {
                // One that cannot be swept must not keep all the others from it.
                tracing::warn!(%error, "a sweep left something where it was");
                Ok(0)
            }
        }
    }
}

/// The first half of an id, as a mark: it is never zero, and grows with the time it was made.
fn first_of(customer: CustomerId) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&customer.0[..8]);
    i64::from_be_bytes(first)
}

/// Before every id that begins so.
fn began_with(first: i64) -> CustomerId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    CustomerId(bytes)
}

/// A row that says what a sweep did, and holds nothing of anybody.
pub(super) fn row(
    interaction: Token,
    verb: Verb,
    customer: Option<CustomerId>,
    time: Time,
) -> JournalRow {
    let (part, fingerprint) = (Vec::new(), Vec::new());
    let entry = Entry { interaction, verb, part, fingerprint, time, caller: SWEEP };
    JournalRow { customer, ..entry.bare(Outcome::Removed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Entropy;

    #[test]
    fn a_mark_loses_nobody_and_grows_with_time() {
        let entropy = Entropy::seeded(3);
        let ids: Vec<CustomerId> = (1..200)
            .map(|number| CustomerId::new(Time(1_700_000_000_000 + number), &entropy))
            .collect();
        for pair in ids.windows(2) {
            let (one, next) = (first_of(pair[0]), first_of(pair[1]));
            assert!(0 < one && one <= next);
            assert!(began_with(one) <= pair[0] && began_with(one) < pair[1]);
        }
    }
}
