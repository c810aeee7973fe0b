//! The journal as an auditor reads it.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::clock::Time;
use crate::ids::{CustomerId, TenantId};
use crate::store::export::WINDOW;
use crate::store::read::optional16;
use crate::store::rows::Verb;
use crate::store::statement::{self, Arguments, Narrowed, scoped};
use crate::store::{Error, Store};

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only of these customers; of all when there is none.
    pub customers: Vec<CustomerId>,
    /// Only this caller; empty for all.
    pub caller: String,
    /// Only these actions; all when there is none.
    pub verbs: Vec<Verb>,
    /// Only from this time on.
    pub since: Option<Time>,
    /// Only before this time.
    pub until: Option<Time>,
    /// So many at most, the newest.
    pub limit: usize,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its place in the journal.
    pub position: i64,
    /// Store time.
    pub received: Time,
    /// The verb's code; 0 once nothing but the hash is left.
    pub verb: i64,
    /// Who did it.
    pub caller: String,
    /// To whom.
    pub customer: Option<CustomerId>,
    /// The outcome's code.
    pub outcome: i64,
}

impl Store {
    /// The newest entries that are wanted, oldest first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn list_audit(
        &self,
        tenant: TenantId,
        wanted: &Wanted,
    ) -> Result<Vec<Listed>, Error> {
        let mut connection = self.readers.acquire().await?;
        let (mut listed, mut before) = (Vec::new(), i64::MAX);
        // From one entry to the next that is there: positions have gaps.
        while listed.len() < wanted.limit
            && let Some(last) = last_before(&mut connection, tenant, before).await?
        {
            let after = last.saturating_sub(WINDOW);
            let left = wanted.limit - listed.len();
            let query = question(tenant, wanted, (after, last), left).newest("$4");
            let rows = query.fetch_all(&mut *connection).await?;
            for row in &rows {
                listed.push(entry(row)?);
            }
            // Before the first position there is none.
            if after == last {
                break;
            }
            before = after;
        }
        listed.reverse();
        Ok(listed)
    }
}

/// The last position up to `before`.
async fn last_before(
    connection: &mut AnyConnection,
    tenant: TenantId,
    before: i64,
) -> Result<Option<i64>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&before);
    let sql = scoped!(
        "SELECT position FROM journal WHERE tenant = $1 AND position <= $2 \
               ORDER BY position DESC LIMIT 1"
    );
    let row = statement::query(sql, arguments).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn question(tenant: TenantId, wanted: &Wanted, (after, last): (i64, i64), left: usize) -> Narrowed {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&after);
    arguments.push(&last);
    arguments.push(&(left as i64));
    arguments.push(&wanted.since.unwrap_or(Time(i64::MIN)));
    arguments.push(&wanted.until.unwrap_or(Time(i64::MAX)));
    arguments.push(&wanted.caller);
    let sql = scoped!(
        "SELECT position, received, verb, caller, customer, outcome FROM journal \
         WHERE tenant = $1 AND position > $2 AND position <= $3 \
         AND received >= $5 AND received < $6 AND ($7 = '' OR caller = $7)"
    );
    Narrowed::of(sql, arguments).one_of("verb", &wanted.verbs).one_of("customer", &wanted.customers)
}

fn entry(row: &AnyRow) -> Result<Listed, Error> {
    Ok(Listed {
        position: row.try_get(0)?,
        received: Time(row.try_get(1)?),
        verb: row.try_get(2)?,
        caller: row.try_get(3)?,
        customer: optional16(row, 4, "journal")?.map(CustomerId),
        outcome: row.try_get(5)?,
    })
}
