//! The journal as an auditor reads it.

use std::fmt::Write as _;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::clock::Time;
use crate::ids::{CustomerId, TenantId};
use crate::store::read::optional16;
use crate::store::rows::Verb;
use crate::store::statement::{self, Arguments};
use crate::store::{Error, Store};

/// Positions that one statement looks through: none takes long, however large the journal is.
const WINDOW: i64 = 100_000;

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
            let (sql, arguments) = question(tenant, wanted, (after, last), left);
            let rows = statement::query_text(sql, arguments).fetch_all(&mut *connection).await?;
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
    let sql = "SELECT position FROM journal WHERE tenant = $1 AND position <= $2 \
               ORDER BY position DESC LIMIT 1";
    let row = statement::query(sql, arguments).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn question(
    tenant: TenantId,
    wanted: &Wanted,
    (after, last): (i64, i64),
    left: usize,
) -> (String, Arguments) {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&after);
    arguments.push(&last);
    arguments.push(&(left as i64));
    arguments.push(&wanted.since.unwrap_or(Time(i64::MIN)));
    arguments.push(&wanted.until.unwrap_or(Time(i64::MAX)));
    arguments.push(&wanted.caller);
    let mut sql = "SELECT position, received, verb, caller, customer, outcome FROM journal \
                   WHERE tenant = $1 AND position > $2 AND position <= $3 \
                   AND received >= $5 AND received < $6 AND ($7 = '' OR caller = $7)"
        .to_owned();
    let mut next = 8;
    for verb in &wanted.verbs {
        one_of(&mut sql, "verb", next, next == 8);
        arguments.push(verb);
        next += 1;
    }
    close(&mut sql, !wanted.verbs.is_empty());
    let before = next;
    for customer in &wanted.customers {
        one_of(&mut sql, "customer", next, next == before);
        arguments.push(customer);
        next += 1;
    }
    close(&mut sql, !wanted.customers.is_empty());
    sql.push_str(" ORDER BY position DESC LIMIT $4");
    (sql, arguments)
}

fn one_of(sql: &mut String, column: &str, parameter: usize, first: bool) {
    // Writing to a String cannot fail.
    let _ = match first {
        true => write!(sql, " AND {column} IN (${parameter}"),
        false => write!(sql, ", ${parameter}"),
    };
}

fn close(sql: &mut String, open: bool) {
    if open {
        sql.push(')');
    }
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
