//! What is written beside batches: reads that took place, and housekeeping.

use std::time::{Duration, Instant};

use super::{BATCH_WITHIN, Chore, Operations, Work, Writer};
use crate::ids::TenantId;
use crate::store::Error;
use crate::store::audit::traces::Trace;
use crate::store::checkpoint::ROWS_OF_A_CHORE;
use crate::store::durability::Awaiting;
use crate::store::statement::{self, scoped};

/// Reads that the database would not take, since a row of their tenant is damaged, are tried again
/// after so long, or with the next batch of their tenant.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

impl Writer {
    /// These come from the queue, where they leave room for others.
    pub(super) fn take_traces(&mut self, traces: Vec<Trace>) {
        self.store.traces.taken();
        self.keep_traces(traces);
    }

    /// They wait for the next batch of their tenant.
    pub(super) fn keep_traces(&mut self, traces: Vec<Trace>) {
        for trace in traces {
            self.traces.entry(trace.tenant).or_default().push(trace);
        }
    }

    /// Reads of that tenant, and of the batch's others, which go into the same transaction. A tenant
    /// whose rows are damaged keeps nobody else from it.
    pub(super) fn traces_beside(&mut self, batch: &Operations, tenant: TenantId) -> Vec<Trace> {
        let mut beside = self.traces.remove(&tenant).unwrap_or_default();
        for operation in batch {
            beside.extend(self.traces.remove(&operation.tenant()).unwrap_or_default());
        }
        beside
    }

    /// These reads are in the journal: nothing is in their tenants' way any more.
    pub(super) fn traces_written(&mut self, traces: &[Trace]) {
        self.store.traces.written(traces);
        self.aside.retain(|tenant, _| !traces.iter().any(|trace| trace.tenant == *tenant));
    }

    /// Reads that failed in a batch of their own, for what the database holds of their tenant, would do
    /// so at every turn, and everybody else's batches would wait for that.
    pub(super) fn set_aside(&mut self, batch: &Operations, tenant: TenantId, error: &Error) {
        if batch.is_empty() && matches!(error, Error::Refused { .. } | Error::Damaged { .. }) {
            self.aside.insert(tenant, Instant::now());
        }
    }

    /// Writes what no batch has taken along, each tenant's once; what cannot be written waits, and where
    /// a head is held, for the batches that wait for it.
    pub(super) async fn commit_traces(&mut self) {
        self.aside.retain(|_, since| since.elapsed() < REFUSED_AGAIN);
        let may = |tenant: &TenantId| !self.held.waits(*tenant) && !self.aside.contains_key(tenant);
        let tenants: Vec<TenantId> = self.traces.keys().copied().filter(may).collect();
        for tenant in tenants {
            self.commit_or_hold(Operations::new(), tenant).await;
        }
    }

    /// Does housekeeping, and says so to whoever asked for it.
    pub(super) async fn chore(&mut self, Chore { work, done }: Chore) {
        self.store.pulse.begin();
        let finished = tokio::time::timeout(BATCH_WITHIN, self.try_chore(work)).await;
        let finished = finished.unwrap_or(Err(Error::Unavailable));
        if let Err(error) = &finished {
            self.end_failed(error).await;
        }
        self.store.pulse.end();
        match &self.syncer {
            Some(syncer) if finished.is_ok() => {
                syncer.wake_once_durable(true, Awaiting::One(done));
            }
            // Whoever asked may be gone; the work is done all the same.
            _ => drop(done.send(finished)),
        }
        self.wrote(ROWS_OF_A_CHORE).await;
    }

    async fn try_chore(&mut self, work: Work) -> Result<(), Error> {
        self.connect().await?;
        let begin = self.store.engine.begin_write();
        let connection = self.connection.as_mut().ok_or(Error::Unavailable)?;
        statement::command(connection, begin).await?;
        work(connection).await?;
        statement::command(connection, scoped!("COMMIT")).await?;
        Ok(())
    }
}
