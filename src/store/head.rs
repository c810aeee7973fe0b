//! A tenant's head: the row that serialises its batches, hands out journal positions, keeps the
//! store's time and the end of the audit chain.

use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};

use super::rows::JournalRow;
use super::{Engine, Error, Store, audit};
use crate::clock::Time;
use crate::ids::TenantId;

/// PostgreSQL waits two seconds for a head and then says so. Where it says nothing, the connection is
/// lost, and a batch must not wait until all of its time has passed.
const OPENED_WITHIN: Duration = Duration::from_secs(3);

/// A tenant's head, held until commit.
pub(super) struct Head {
    /// Whose.
    pub tenant: TenantId,
    /// The first position that was taken.
    pub first: i64,
    /// Store time.
    pub now: Time,
    audit_hash: Vec<u8>,
}

impl Head {
    /// Begins the transaction, and takes the first tenant's head with it.
    pub async fn open(
        store: &Store,
        connection: &mut AnyConnection,
        foreign: &mut Option<i64>,
        tenant: TenantId,
        positions: i64,
    ) -> Result<Self, Error> {
        let text = store.engine.open_batch(tenant, positions, store.clock.now());
        let opening = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(text)));
        let rows = match store.engine {
            Engine::Sqlite => opening.await?,
            Engine::Postgres => {
                let opened = tokio::time::timeout(OPENED_WITHIN, opening).await;
                opened.map_err(|_| Error::Unavailable)??
            }
        };
        let mut rows = rows.into_iter();
        if store.engine == Engine::Sqlite {
            let version: i64 = rows.next().ok_or(Error::Unavailable)?.try_get(0)?;
            if foreign.replace(version).is_none_or(|before| before != version) {
                // Another process wrote the file: what is in memory is worth nothing any more.
                store.gate.commit_unseen(&*store.listener);
            }
        }
        Self::read(store, tenant, positions, rows.next())
    }

    /// Takes the head of one more tenant.
    pub async fn advance(
        store: &Store,
        connection: &mut AnyConnection,
        tenant: TenantId,
        positions: i64,
    ) -> Result<Self, Error> {
        let text = store.engine.advance_head(tenant, positions, store.clock.now());
        let row = connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(text))).await?;
        Self::read(store, tenant, positions, row)
    }

    fn read(
        store: &Store,
        tenant: TenantId,
        positions: i64,
        row: Option<AnyRow>,
    ) -> Result<Self, Error> {
        let row = row.ok_or(Error::Damaged { table: "tenant_head" })?;
        let now = Time(row.try_get(2)?);
        store.saw_store_time(now);
        let first = row.try_get::<i64, _>(0)? - positions + 1;
        Ok(Self { tenant, first, now, audit_hash: row.try_get(1)? })
    }

    /// The statements that link what was written to the tenant's chain.
    pub fn link(&self, engine: Engine, rows: &[&JournalRow]) -> String {
        let hash = engine.literal(&audit::link(&self.audit_hash, rows.iter().copied()));
        let last = rows.last().map_or(self.first, |row| row.position);
        let (tenant, entries) = (self.tenant.0, rows.len());
        format!(
            "INSERT INTO audit_link (tenant, position, entries, hash) \
             VALUES ({tenant}, {last}, {entries}, {hash}); \
             UPDATE tenant_head SET audit_hash = {hash} WHERE tenant = {tenant}; "
        )
    }
}
