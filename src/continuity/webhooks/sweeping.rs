//! What of web-hooks ends by time: what was given up, whom receivers were told was erased, and whatever a
//! test tenant has.

use std::sync::Arc;

use super::name;
use crate::clock::{DAY, Time};
use crate::context::TEST_TENANT_KEPT;
use crate::continuity::Error;
use crate::continuity::service::Service;
use crate::continuity::sweep::{STEP, Swept};
use crate::continuity::tenant::Tenant;

/// Whom receivers are told was erased is forgotten after this, in milliseconds, told or not.
const NOTICES_KEPT: i64 = 30 * DAY;
/// What was given up is forgotten after this, in milliseconds, whether its endpoint is on or off.
const GIVEN_UP_KEPT: i64 = 30 * DAY;

impl Service {
    /// Sweeps a tenant's endpoints. Rows are enough: one that does not open is swept like any other.
    pub(in crate::continuity) async fn sweep_webhooks(
        self: &Arc<Self>,
        tenant: &Tenant,
        now: Time,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        for row in self.store.webhook_endpoints(tenant.id).await? {
            if tenant.test && now.since(row.created) > TEST_TENANT_KEPT {
                // The audit says which, as when somebody removes it.
                let called = name(tenant.id, row.endpoint);
                let gone = self.store.remove_webhook(tenant.id, row.endpoint, &called).await?;
                swept.endpoints += u64::from(gone);
                continue;
            }
            loop {
                let before = now.plus(-GIVEN_UP_KEPT);
                let gone = self.store.forget_dead_letters(tenant.id, row.endpoint, before, STEP);
                let gone = gone.await?;
                swept.letters += gone;
                if gone < STEP as u64 {
                    break;
                }
            }
        }
        self.store.forget_notices(tenant.id, now.plus(-NOTICES_KEPT)).await?;
        Ok(())
    }
}
