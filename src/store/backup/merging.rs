//! Where rows and keys of two moments meet.

use std::ops::RangeInclusive;

use sqlx::Row as _;

use super::loading::Loading;
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::Error;
use crate::store::read::bytes16;
use crate::store::rows::TombstoneKind;
use crate::store::statement::{self, Across, Arguments, scoped};
use crate::store::webhooks::EndpointState;

impl Loading {
    /// The tenants that were loaded.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenants(&mut self) -> Result<Vec<TenantId>, Error> {
        let rows = statement::across(Across::Tenants).fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok(TenantId(row.try_get(0)?))).collect()
    }

    /// Moves every tenant's head on, as a step: positions that may have been handed out after the
    /// copy was made are not handed out again, and its clock does not go back. Which root key wraps, the
    /// keys say that came back: the rows may know of newer ones. Nothing is sent to a web-hook's endpoint
    /// before somebody says so: nobody knows here what became of it since.
    ///
    /// # Errors
    /// As the database's.
    pub async fn move_on(
        &mut self,
        (named, steps): (&[u8], i64),
        positions: i64,
        time: Time,
    ) -> Result<(), Error> {
        let tenants = self.tenants().await?;
        self.begun().await?;
        for tenant in tenants {
            let mut arguments = Arguments::of(tenant);
            arguments.push(&positions);
            arguments.push(&time);
            let sql = scoped!(
                "UPDATE tenant_head SET position = position + $2, root_version = 0, store_time = \
                 CASE WHEN store_time < $3 THEN $3 ELSE store_time END WHERE tenant = $1"
            );
            statement::query(sql, arguments).execute(&mut self.connection).await?;
            let mut arguments = Arguments::of(tenant);
            arguments.push(&(EndpointState::Restored as i64));
            let sql = scoped!("UPDATE webhook_endpoint SET state = $2 WHERE tenant = $1");
            statement::query(sql, arguments).execute(&mut self.connection).await?;
        }
        self.mark(named, steps).await?;
        self.commit().await
    }

    /// The tenant's customers whose data key is not there, oldest ref first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn without_key(&mut self, tenant: TenantId) -> Result<Vec<CustomerId>, Error> {
        let sql = scoped!(
            "SELECT c.customer FROM customer c LEFT JOIN data_key k \
             ON k.tenant = $1 AND k.data_key = c.data_key \
             WHERE c.tenant = $1 AND k.data_key IS NULL ORDER BY c.customer"
        );
        let query = statement::query(sql, Arguments::of(tenant));
        let rows = query.fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok(CustomerId(bytes16(row, 0, "customer")?))).collect()
    }

    /// The tenant's tombstones of some kinds, after a token, in order, so many at most: token and
    /// sealed content.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tombstones(
        &mut self,
        tenant: TenantId,
        kinds: RangeInclusive<TombstoneKind>,
        after: Option<Token>,
        limit: i64,
    ) -> Result<Vec<(Token, Vec<u8>)>, Error> {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&after);
        arguments.push(&limit);
        arguments.push(&(*kinds.start() as i64));
        arguments.push(&(*kinds.end() as i64));
        let sql = scoped!(
            "SELECT token, content FROM tombstone WHERE tenant = $1 AND token > $2 \
             AND kind >= $4 AND kind <= $5 ORDER BY token LIMIT $3"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut self.connection).await?;
        let read =
            |row: &sqlx::any::AnyRow| Ok((Token(bytes16(row, 0, "tombstone")?), row.try_get(1)?));
        rows.iter().map(read).collect()
    }

    /// The tenant's customers after one of them, in order, so many at most.
    ///
    /// # Errors
    /// As the database's.
    pub async fn customers(
        &mut self,
        tenant: TenantId,
        after: Option<CustomerId>,
        limit: i64,
    ) -> Result<Vec<CustomerId>, Error> {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&after);
        arguments.push(&limit);
        let sql = scoped!(
            "SELECT customer FROM customer WHERE tenant = $1 AND customer > $2 \
             ORDER BY customer LIMIT $3"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok(CustomerId(bytes16(row, 0, "customer")?))).collect()
    }

    /// Destroys keys that nobody of the tenant has: of people who came after the copy of the rows.
    /// How many.
    ///
    /// # Errors
    /// As the database's.
    pub async fn remove_unused_keys(&mut self, tenant: TenantId) -> Result<u64, Error> {
        // As sets: looked up one by one, each would walk the tenant's customers.
        let sql = scoped!(
            "DELETE FROM data_key WHERE tenant = $1 \
             AND data_key NOT IN (SELECT data_key FROM customer WHERE tenant = $1) \
             AND data_key NOT IN (SELECT data_key FROM tenant WHERE tenant = $1)"
        );
        let query = statement::query(sql, Arguments::of(tenant));
        Ok(query.execute(&mut self.connection).await?.rows_affected())
    }
}
