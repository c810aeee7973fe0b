//! Reads of personal data, on their way into the journal.
//!
//! Who reads waits for no commit: the row is handed to the writer before the answer goes out, and is
//! written with whatever batch of its tenant comes next, at once when none comes. None is given up: a
//! batch that fails keeps its traces for the next one, and while too many wait, reads are refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashSet;
use sqlx::AnyConnection;

use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::JournalRow;
use crate::store::writer::Item;
use crate::store::{Effects, Error, Store, belonging};

/// Traces that may wait; more reads are refused.
pub(in super::super) const MOST_TRACES: usize = 1_024;

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
pub(in super::super) struct Waiting(AtomicUsize);

impl Waiting {
    /// So many have been written.
    pub fn written(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::AcqRel);
    }
}

impl Store {
    /// Reads that were answered and are not in the journal yet; at most 1,024.
    pub fn traces_waiting(&self) -> usize {
        self.traces.0.load(Ordering::Acquire)
    }

    /// Hands over what the journal shall hold of a read, before its answer goes out.
    ///
    /// # Errors
    /// [`Error::QueueFull`] while too many wait, [`Error::Unavailable`] once the store is closed: then
    /// the read must not be answered.
    pub fn trace(&self, tenant: TenantId, reads: Vec<Read>) -> Result<(), Error> {
        let count = reads.len();
        let waiting = &self.traces.0;
        if waiting.fetch_add(count, Ordering::AcqRel) + count > MOST_TRACES {
            waiting.fetch_sub(count, Ordering::AcqRel);
            self.counts.reads_refused.inc_by(count as u64);
            return Err(Error::QueueFull);
        }
        let traces = reads
            .into_iter()
            .map(|read| Trace { tenant, customer: read.row.customer, read })
            .collect();
        self.submit(Item::Traces(traces)).inspect_err(|_| self.traces.written(count))
    }
}
