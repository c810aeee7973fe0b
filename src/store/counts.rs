//! What the store counts of itself: the writer's queue, batches and commits, the disk, connections.

use std::time::Duration;

use super::batch::{Outcome, Written};
use super::{Error, Store};
use crate::meters::{Counter, Gauge, Gauges, Histogram, Meters, SECONDS, took};

/// Bounds of how many operations one batch has; more than the last there cannot be.
const OPERATIONS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The store's meters.
pub(super) struct Counts {
    /// Operations of a batch.
    batch_operations: Histogram,
    /// From a batch's first statement to its commit or failure, in seconds: of one that was put aside,
    /// from its first try.
    commit_seconds: Histogram,
    /// One answer of the disk, in seconds; SQLite only.
    pub sync_seconds: Histogram,
    /// Snapshots read: what the cache did not have.
    pub snapshots: Counter,
    /// Reads that were refused since too many wait for the journal.
    pub reads_refused: Counter,
    outcomes: Outcomes,
    queued: Gauge,
    stalled: Gauge,
    reads_waiting: Gauge,
    connections: Gauges,
}

/// How operations ended.
struct Outcomes {
    committed: Counter,
    replayed: Counter,
    stale: Counter,
    failed: Counter,
}

impl Counts {
    pub fn new(meters: &Meters) -> Self {
        let outcomes = meters.counters(
            "threadline_writer_operations_total",
            "Operations that the writer took, by how they ended; stale ones are decided again.",
            &["outcome"],
        );
        Self {
            batch_operations: meters.histogram(
                "threadline_writer_batch_operations",
                "Operations of one batch.",
                OPERATIONS,
            ),
            commit_seconds: meters.histogram(
                "threadline_writer_commit_seconds",
                "From a batch's first statement to its commit or failure, however long its tenant's \
                 head was held.",
                SECONDS,
            ),
            sync_seconds: meters.histogram(
                "threadline_disk_sync_seconds",
                "How long the disk took for what was committed (SQLite only).",
                SECONDS,
            ),
            snapshots: meters.counter(
                "threadline_database_snapshots_total",
                "Snapshots read: what the cache did not have.",
            ),
            reads_refused: meters.counter(
                "threadline_audit_reads_refused_total",
                "Reads refused since too many answered ones were not in the audit yet.",
            ),
            outcomes: Outcomes {
                committed: outcomes.of(&["committed"]),
                replayed: outcomes.of(&["replayed"]),
                stale: outcomes.of(&["stale"]),
                failed: outcomes.of(&["failed"]),
            },
            queued: meters.gauge(
                "threadline_writer_queued",
                "Operations, reads and housekeeping that wait for the writer.",
            ),
            stalled: meters.gauge(
                "threadline_writer_stalled",
                "1 while a batch or the disk takes longer than a start's budget.",
            ),
            reads_waiting: meters.gauge(
                "threadline_audit_reads_waiting",
                "Answered reads that are not in the audit yet.",
            ),
            connections: meters.gauges(
                "threadline_database_connections",
                "Connections that read from the database.",
                "state",
            ),
        }
    }

    /// A batch of so many operations has ended; one that is halved ends later.
    pub fn batch(&self, operations: usize, time: Duration, result: &Result<Written, Error>) {
        took(&self.commit_seconds, time);
        if operations > 0 {
            self.batch_operations.observe(operations as f64);
        }
        match result {
            Ok(written) => written.outcomes.iter().for_each(|outcome| self.ended(outcome)),
            Err(Error::Refused { .. } | Error::Damaged { .. }) if operations > 1 => {}
            Err(_) => self.outcomes.failed.inc_by(operations as u64),
        }
    }

    /// So many operations failed that waited for a batch.
    pub fn failed_in_no_batch(&self, operations: usize) {
        self.outcomes.failed.inc_by(operations as u64);
    }

    fn ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Committed => self.outcomes.committed.inc(),
            Outcome::Replay => self.outcomes.replayed.inc(),
            Outcome::Stale => self.outcomes.stale.inc(),
            Outcome::Failed(_) => self.outcomes.failed.inc(),
        }
    }
}

impl Store {
    /// Looks at what is not counted as it happens.
    pub fn take_stock(&self) {
        let counts = &self.counts;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        counts.queued.set(number(self.queued()));
        counts.stalled.set(i64::from(self.stalled()));
        counts.reads_waiting.set(number(self.traces_waiting()));
        let (all, idle) = (self.readers.size() as usize, self.readers.num_idle());
        counts.connections.of("idle").set(number(idle));
        counts.connections.of("in_use").set(number(all.saturating_sub(idle)));
    }
}
