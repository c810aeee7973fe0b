//! Where a tenant's chain ends now: what a checkpoint keeps.

use std::fs::File;
use std::io;

use sqlx::{AnyConnection, Row as _};

use super::chain::End;
use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::durability::log_of;
use crate::store::statement::{self, Arguments, scoped};
use crate::store::{Error, Store};

/// The end of a chain, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The last position and link.
    pub end: End,
    /// Store time of the last batch.
    pub time: Time,
}

/// What the tenant's head says; none where there is none, or it cannot be read.
pub(super) async fn of(
    connection: &mut AnyConnection,
    tenant: TenantId,
) -> Result<Option<Ended>, Error> {
    let sql = scoped!("SELECT position, audit_hash, store_time FROM tenant_head WHERE tenant = $1");
    let row = statement::query(sql, Arguments::of(tenant)).fetch_optional(connection).await?;
    Ok(row.and_then(|row| {
        let end = End { position: row.try_get(0).ok()?, hash: row.try_get(1).ok()? };
        Some(Ended { end, time: Time(row.try_get(2).ok()?) })
    }))
}

/// The end of the last link: what a checkpoint may say, whatever the head is at.
async fn last_link(
    connection: &mut AnyConnection,
    tenant: TenantId,
) -> Result<Option<Ended>, Error> {
    let Some(head) = of(connection, tenant).await? else { return Ok(None) };
    let sql = scoped!(
        "SELECT position, hash FROM audit_link WHERE tenant = $1 \
               ORDER BY position DESC LIMIT 1"
    );
    let row = statement::query(sql, Arguments::of(tenant)).fetch_optional(connection).await?;
    Ok(match row {
        Some(row) => {
            let end = End { position: row.try_get(0)?, hash: row.try_get(1)? };
            Some(Ended { end, time: head.time })
        }
        None => Some(head),
    })
}

impl Store {
    /// Where the tenant's chain ends; on the disk by the time this answers, whoever wrote it, so that
    /// who keeps it keeps nothing that a power cut takes away.
    ///
    /// # Errors
    /// As the database's; [`Error::Unavailable`] when the disk refuses.
    pub async fn audit_end(&self, tenant: TenantId) -> Result<Option<Ended>, Error> {
        let mut connection = self.readers.acquire().await?;
        let ended = last_link(&mut connection, tenant).await?;
        let file = self.engine.file(&mut connection).await?;
        drop(connection);
        if let Some(file) = file {
            let log = log_of(&file);
            let synced = tokio::task::spawn_blocking(move || match File::open(&log) {
                Ok(log) => log.sync_data(),
                // Without a log all is in the file, synced before the log went.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            });
            synced.await.map_err(|_| Error::Unavailable)?.map_err(|_| Error::Unavailable)?;
        }
        Ok(ended)
    }
}
