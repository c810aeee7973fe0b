//! Deliveries that go by time, or with what they told of.

use sqlx::{AnyConnection, Row as _};

use super::DeliveryRow;
use super::endpoints::named;
use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::admin::GREETING;
use crate::store::engine::{on_postgres, on_sqlite};
use crate::store::statement::{self, keyed, scoped};
use crate::store::{Engine, Error, Store};

/// Removes what tells of these places of the journal, wherever it was to be sent.
pub(in crate::store) async fn forget(
    connection: &mut AnyConnection,
    tenant: TenantId,
    positions: &[i64],
) -> Result<(), Error> {
    // By endpoint, since that is how they are found.
    let sql = keyed!(
        "DELETE FROM webhook_delivery WHERE tenant = $1 AND endpoint IN \
         (SELECT endpoint FROM webhook_endpoint WHERE tenant = $1) AND position"
    );
    statement::select_in(connection, tenant, sql, positions).await.map(drop)
}

/// Those whose places are still there. What was forgotten while it was being tried leaves no row; and
/// whoever forgets one of these meanwhile waits until its row can be seen.
pub(super) async fn still_there(
    connection: &mut AnyConnection,
    tenant: TenantId,
    mut rows: Vec<DeliveryRow>,
) -> Result<Vec<DeliveryRow>, Error> {
    let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
    let sql = match Engine::behind(connection) {
        Engine::Sqlite => on_sqlite::STAYING,
        Engine::Postgres => on_postgres::STAYING,
    };
    let found = statement::select_in(connection, tenant, sql, &positions).await?;
    let there: Result<Vec<i64>, sqlx::Error> = found.iter().map(|row| row.try_get(0)).collect();
    let there = there?;
    rows.retain(|row| there.contains(&row.position));
    Ok(rows)
}

impl Store {
    /// Removes what was given up at an endpoint before `before` and nobody has asked for, about so many
    /// at most; how many went. The writer is asked only when a reader has found some.
    ///
    /// # Errors
    /// As the database's.
    pub async fn forget_dead_letters(
        &self,
        tenant: TenantId,
        endpoint: i64,
        before: Time,
        limit: i64,
    ) -> Result<u64, Error> {
        let old = |more: i64| {
            let mut arguments = named(tenant, endpoint);
            arguments.push(&before);
            arguments.push(&more);
            arguments
        };
        let sql = scoped!(
            "SELECT position FROM webhook_delivery WHERE tenant = $1 AND endpoint = $2 \
             AND state = 2 AND failed < $3 ORDER BY position LIMIT $4"
        );
        let mut connection = self.reader(GREETING).await?;
        let rows = statement::query(sql, old(limit)).fetch_all(&mut *connection).await?;
        drop(connection);
        let Some(last) = rows.last() else { return Ok(0) };
        let sql = scoped!(
            "DELETE FROM webhook_delivery WHERE tenant = $1 AND endpoint = $2 \
             AND state = 2 AND failed < $3 AND position <= $4"
        );
        self.execute(sql, old(last.try_get(0)?)).await
    }
}
