//! Reads that took place: they are written to the journal beside the batches of their tenants.

use super::{Operations, Writer};
use crate::ids::TenantId;
use crate::store::audit::traces::Trace;

impl Writer {
    /// Reads of that tenant, and of the batch's others, which go into the same transaction. A tenant
    /// whose rows are damaged keeps nobody else from it.
    pub(super) fn traces_beside(&mut self, batch: &Operations, tenant: TenantId) -> Vec<Trace> {
        let of_batch = |tenant| batch.iter().any(|operation| operation.tenant() == tenant);
        let (own, others) = std::mem::take(&mut self.traces)
            .into_iter()
            .partition(|trace| trace.tenant == tenant || of_batch(trace.tenant));
        self.traces = others;
        own
    }

    /// Writes what no batch has taken along, each tenant's once; what cannot be written waits, and where
    /// a head is held, for the batches that wait for it.
    pub(super) async fn commit_traces(&mut self) {
        let mut tenants: Vec<TenantId> = self.traces.iter().map(|trace| trace.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants.retain(|tenant| !self.held.waits(*tenant));
        for tenant in tenants {
            self.commit_or_hold(Operations::new(), tenant).await;
        }
    }
}
