//! Reads of personal data, on their way into the journal.
//!
//! Who reads waits for no commit: the row is handed to the writer before the answer goes out, and is
//! written with whatever batch of its tenant comes next, at once when none comes. None is given up: a
//! batch that fails keeps its traces for the next one, and while too many wait, reads are refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::rows::JournalRow;
use crate::store::writer::Item;
use crate::store::{Error, Store};

/// Traces that may wait; more reads are refused.
pub(in super::super) const MOST_TRACES: usize = 1_024;

/// A read that has taken place.
pub(in super::super) struct Trace {
    /// Whose.
    pub tenant: TenantId,
    /// What the journal will hold of it. Its interaction is random: no two are one.
    pub row: JournalRow,
}

/// Gives one tenant's traces their positions and store time.
pub(in super::super) fn number(traces: &mut [Trace], tenant: TenantId, next: &mut i64, now: Time) {
    for trace in traces.iter_mut().filter(|trace| trace.tenant == tenant) {
        (trace.row.position, trace.row.received) = (*next, now);
        *next += 1;
    }
}

/// One tenant's traces, in order.
pub(in super::super) fn of(
    traces: &[Trace],
    tenant: TenantId,
) -> impl Iterator<Item = &JournalRow> {
    traces.iter().filter(move |trace| trace.tenant == tenant).map(|trace| &trace.row)
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
    pub fn trace(&self, tenant: TenantId, rows: Vec<JournalRow>) -> Result<(), Error> {
        let count = rows.len();
        let waiting = &self.traces.0;
        if waiting.fetch_add(count, Ordering::AcqRel) + count > MOST_TRACES {
            waiting.fetch_sub(count, Ordering::AcqRel);
            return Err(Error::QueueFull);
        }
        let traces = rows.into_iter().map(|row| Trace { tenant, row }).collect();
        self.submit(Item::Traces(traces)).inspect_err(|_| self.traces.written(count))
    }
}
