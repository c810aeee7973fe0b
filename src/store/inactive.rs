//! Customers in order of their ids, which is that of their making: for a walk over all of them, a
//! part at a time, that needs no index of its own.

use sqlx::Row as _;

use super::read::{bytes16, time};
use super::statement::{self, Arguments, scoped};
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId};

/// What a walk looks at of a customer.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Whom.
    pub customer: CustomerId,
    /// Store time of the first write.
    pub received: Time,
    /// Event time of the newest settled contact; zero when there was none.
    pub last_contact: Time,
    /// Whether they are active, and stand for themselves.
    pub is_active: bool,
}

impl Store {
    /// The customers after that one, so many at most.
    ///
    /// # Errors
    /// As the database's.
    pub async fn customers_after(
        &self,
        tenant: TenantId,
        after: CustomerId,
        limit: i64,
    ) -> Result<Vec<Seen>, Error> {
        let mut connection = self.readers.acquire().await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&after);
        arguments.push(&limit);
        let sql = scoped!(
            "SELECT customer, received, last_contact, archived, \
                   CAST(LENGTH(moved_to) AS BIGINT) FROM customer \
                   WHERE tenant = $1 AND customer > $2 ORDER BY customer LIMIT $3"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
        let seen = |row: &sqlx::any::AnyRow| -> Result<Seen, Error> {
            let active = time(row, 3)? == Time(0) && row.try_get::<i64, _>(4)? == 0;
            Ok(Seen {
                customer: CustomerId(bytes16(row, 0, "customer")?),
                received: time(row, 1)?,
                last_contact: time(row, 2)?,
                is_active: active,
            })
        };
        rows.iter().map(seen).collect()
    }
}
