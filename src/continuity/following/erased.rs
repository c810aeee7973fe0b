//! Whom an erasure was of: its row of the journal names nobody, a notice does for as long as somebody is
//! still to be told.

use crate::continuity::record::NoticeRecord;
use crate::continuity::sealing::Slot;
use crate::continuity::settling::customer_of;
use crate::continuity::tenant::Tenant;
use crate::ids::CustomerId;
use crate::store::follow::Entry;
use crate::store::{self, Connection, webhooks};

/// The refs of whom a request erased, what their set was called first; `None` once all were told.
pub(super) async fn refs(
    tenant: &Tenant,
    connection: &mut Connection,
    row: &Entry,
) -> Result<Option<Vec<CustomerId>>, store::Error> {
    let erasure = row.interaction;
    let notice = webhooks::notice_of(connection, tenant.id, erasure).await?;
    let Some(content) = notice else { return Ok(None) };
    let slot = Slot::ErasureNotice { erasure };
    match slot.open::<NoticeRecord>(tenant.id, &tenant.key, &content) {
        Ok(record) => Ok(Some(record.refs.iter().filter_map(|id| customer_of(id)).collect())),
        Err(_) => {
            // One damaged row keeps nobody from all that come after it.
            let position = row.position;
            tracing::error!(position, "whom an erasure was of does not open: tell receivers");
            Ok(None)
        }
    }
}
