//! Reads of personal data, on their way into the journal.
//!
//! Who reads waits for no commit: the row is handed to the writer before the answer goes out, and is
//! written with whatever batch of its tenant comes next, at once when none comes. None is given up: a
//! batch that fails keeps its traces for the next one, and while too many of a tenant wait, its reads are
//! refused: what keeps one tenant's from being written must not close the others' doors.

use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::AnyConnection;

use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::JournalRow;
use crate::store::writer::{Item, QUEUE};
use crate::store::{Effects, Error, Store, belonging};

/// Traces of one tenant that may wait; more of its reads are refused.
const MOST_TRACES: usize = 1_024;
/// And of all tenants: no more than some megabytes.
const MOST_TRACES_IN_ALL: usize = 16_384;
/// Places of the writer's queue that they may take, of all tenants: half, since starts and ends need it,
/// too. One tenant's may take half of these.
const MOST_QUEUED: usize = 2_048;
const _: () = assert!(2 * MOST_TRACES <= MOST_QUEUED && 2 * MOST_QUEUED <= QUEUE);

/// A read that has taken place.
pub(in super::super) struct Trace {
    /// Whose.
    pub tenant: TenantId,
    /// Whom it was of. A batch that is not committed must not have forgotten it.
    customer: Option<CustomerId>,
    /// What the journal will hold of it.
    pub read: Read,
}

/// What the journal will hold of a read.
pub struct Read {
    /// The row. Its interaction is random: no two are one.
    pub row: JournalRow,
    /// What there is of its customer once they are erased: a read that is written only then must not
    /// name them.
    pub tombstone: Option<Token>,
}

impl From<JournalRow> for Read {
    fn from(row: JournalRow) -> Self {
        Self { row, tombstone: None }
    }
}

/// What there will be of whom these effects erase.
pub(in super::super) fn tombstones_of(effects: &Effects) -> impl Iterator<Item = Token> {
    effects.erasure.iter().flat_map(|erasure| erasure.tombstones.iter().map(|row| row.token))
}

/// Reads of people who have been erased since they took place name nobody; those of `erased` are
/// about to be.
pub(in super::super) async fn forget_erased(
    connection: &mut AnyConnection,
    traces: &mut [Trace],
    tenant: TenantId,
    mut erased: FxHashSet<Token>,
) -> Result<(), Error> {
    let own = |trace: &Trace| trace.read.tombstone.filter(|_| trace.tenant == tenant);
    let tokens: FxHashSet<Token> = traces.iter().filter_map(own).collect();
    if tokens.is_empty() {
        return Ok(());
    }
    let tokens: Vec<Token> = tokens.into_iter().collect();
    erased.extend(belonging::tombstones(connection, tenant, &tokens).await?);
    for trace in traces {
        if let Some(token) = own(trace) {
            trace.read.row.customer = trace.customer.filter(|_| !erased.contains(&token));
        }
    }
    Ok(())
}

/// Gives one tenant's traces their positions and store time.
pub(in super::super) fn number(traces: &mut [Trace], tenant: TenantId, next: &mut i64, now: Time) {
    for trace in traces.iter_mut().filter(|trace| trace.tenant == tenant) {
        (trace.read.row.position, trace.read.row.received) = (*next, now);
        *next += 1;
    }
}

/// One tenant's traces, in order.
pub(in super::super) fn of(
    traces: &[Trace],
    tenant: TenantId,
) -> impl Iterator<Item = &JournalRow> {
    traces.iter().filter(move |trace| trace.tenant == tenant).map(|trace| &trace.read.row)
}

/// How many wait, in the queue and with the writer.
#[derive(Default)]
pub(in super::super) struct Waiting(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    all: usize,
    /// Handed over at once, and not taken by the writer yet: each has one place in its queue.
    queued: usize,
    /// Of each tenant that has any.
    of: FxHashMap<TenantId, usize>,
}

impl Waiting {
    /// The writer has taken one from its queue.
    pub fn taken(&self) {
        let mut tally = self.lock();
        tally.queued = tally.queued.saturating_sub(1);
    }

    /// These have been written.
    pub fn written(&self, traces: &[Trace]) {
        let mut tally = self.lock();
        traces.iter().for_each(|trace| tally.leave(trace.tenant, 1));
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        // Numbers that are off by one trace at most: a poisoned lock is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Counts so many more of a tenant's, which are handed over at once, if they may wait; whether they
    /// may.
    fn join(&mut self, tenant: TenantId, count: usize) -> bool {
        let own = self.of.get(&tenant).copied().unwrap_or_default() + count;
        let all = self.all + count;
        let has_room = own <= MOST_TRACES && all <= MOST_TRACES_IN_ALL;
        let may = has_room && self.queued < MOST_QUEUED;
        if may {
            self.of.insert(tenant, own);
            (self.all, self.queued) = (all, self.queued + 1);
        }
        may
    }

    /// These were not handed over after all.
    fn withdraw(&mut self, tenant: TenantId, count: usize) {
        self.queued = self.queued.saturating_sub(1);
        self.leave(tenant, count);
    }

    /// So many of a tenant's wait no more.
    fn leave(&mut self, tenant: TenantId, count: usize) {
        self.all = self.all.saturating_sub(count);
        if let Entry::Occupied(mut own) = self.of.entry(tenant) {
            let left = own.get().saturating_sub(count);
            if left == 0 {
                own.remove();
            } else {
                own.insert(left);
            }
        }
    }
}

impl Store {
    /// Reads that were answered and are not in the journal yet; at most 1,024 of one tenant.
    pub fn traces_waiting(&self) -> usize {
        self.traces.lock().all
    }

    /// Hands over what the journal shall hold of a read, before its answer goes out.
    ///
    /// # Errors
    /// [`Error::QueueFull`] while too many of the tenant wait, or of all tenants together, or too many have
    /// yet to be taken by the writer, [`Error::Unavailable`] once the store is closed: then the read must
    /// not be answered.
    pub fn trace(&self, tenant: TenantId, reads: Vec<Read>) -> Result<(), Error> {
        let count = reads.len();
        if !self.traces.lock().join(tenant, count) {
            self.counts.reads_refused.inc_by(count as u64);
            return Err(Error::QueueFull);
        }
        let traces = reads
            .into_iter()
            .map(|read| Trace { tenant, customer: read.row.customer, read })
            .collect();
        let submitted = self.submit(Item::Traces(traces));
        submitted.inspect_err(|_| self.traces.lock().withdraw(tenant, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_room_of_its_own_and_all_have_an_end() {
        let mut tally = Tally::default();
        let tenants = MOST_TRACES_IN_ALL / MOST_TRACES;
        for tenant in (0..).take(tenants).map(TenantId) {
            assert!(tally.join(tenant, MOST_TRACES), "{tenant:?}");
            assert!(!tally.join(tenant, 1), "{tenant:?}");
        }
        let late = TenantId(-1);
        assert!(!tally.join(late, 1), "all together are too many");
        tally.leave(TenantId(0), MOST_TRACES);
        assert!(tally.join(late, 1));
        assert_eq!((tally.all, tally.of.len()), (MOST_TRACES_IN_ALL - MOST_TRACES + 1, tenants));
    }

    #[test]
    fn half_of_the_queue_is_left_to_others() {
        let (mut tally, mut joined) = (Tally::default(), 0);
        for tenant in (0..8).map(TenantId) {
            joined += (0..MOST_TRACES).filter(|_| tally.join(tenant, 1)).count();
        }
        assert_eq!((joined, tally.all), (MOST_QUEUED, MOST_QUEUED));
        tally.withdraw(TenantId(0), 1);
        assert!(tally.join(TenantId(7), MOST_TRACES), "many at once take one place");
        let waiting = Waiting(Mutex::new(tally));
        assert!(!waiting.lock().join(TenantId(7), 0));
        waiting.taken();
        assert!(waiting.lock().join(TenantId(7), 0));
    }

    #[test]
    fn what_is_refused_takes_no_room() {
        let (mut tally, tenant) = (Tally::default(), TenantId(1));
        assert!(!tally.join(tenant, MOST_TRACES + 1));
        assert!(tally.join(tenant, MOST_TRACES));
        tally.leave(tenant, MOST_TRACES);
        assert_eq!((tally.all, tally.of.len()), (0, 0));
    }
}
