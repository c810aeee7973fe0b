//! What of the store is one person's, beside their own rows: refs that resolve to them, rows of the
//! journal, and what tells that they were erased.

use std::collections::{BTreeSet, HashMap};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::export::MOST_CUSTOMERS;
use super::follow;
use super::read::{bytes16, optional16};
use super::rows::Verb;
use super::statement::{self, Arguments, Narrowed, Question, keyed, scoped};
use crate::ids::{CustomerId, Stamp, TenantId, Token};

/// Positions of the journal that are looked through at once: little enough that a request whose time
/// is short has looked through some.
const STRETCH: i64 = 20_000;

/// What is read of a row, where that is true of it.
macro_rules! found {
    ($condition:literal) => {
        concat!(
            "SELECT position, interaction, verb, customer, fingerprint FROM journal \
             WHERE tenant = $1 AND ",
            $condition
        )
    };
}

/// A row of the journal.
#[derive(Clone, Copy)]
pub struct Found {
    /// Its place.
    pub position: i64,
    /// Which interaction or request; random for a read.
    pub interaction: Token,
    /// The verb's code.
    pub verb: i64,
    /// Whom it is about.
    pub customer: Option<CustomerId>,
    /// Of a read, the interaction or request that it named.
    pub named: Option<Token>,
}

/// Part of the journal, looked through.
pub struct Stretch {
    /// Rows of the customers, and reads that named an interaction and showed nobody.
    pub found: Vec<Found>,
    /// The last position that was looked at; where somebody looked further than this snapshot goes, its
    /// last one.
    pub until: i64,
    /// Whether the journal ends there.
    pub is_last: bool,
}

/// Looks on through the journal after a position. No index helps: it would cost every start.
///
/// # Errors
/// As the database's.
pub async fn stretch(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
    after: i64,
) -> Result<Stretch, Error> {
    let sql =
        scoped!("SELECT position FROM journal WHERE tenant = $1 ORDER BY position DESC LIMIT 1");
    let row = statement::query(sql, Arguments::of(tenant)).fetch_optional(&mut *connection).await?;
    let last: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    let part = follow::part(connection, tenant, (after, last), STRETCH).await?;
    let Some((after, until)) = part else {
        return Ok(Stretch { found: Vec::new(), until: last, is_last: true });
    };
    let mut within = Arguments::of(tenant);
    [after, until, Verb::READS.start, Verb::READS.end].iter().for_each(|it| within.push(it));
    let sql = scoped!(found!(
        "position > $2 AND position <= $3 AND verb >= $4 AND verb < $5 \
         AND LENGTH(customer) = 0 AND LENGTH(fingerprint) > 0"
    ));
    let of_nobody = statement::query(sql, within).fetch_all(&mut *connection).await?;
    let mut found = of_nobody.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let sql = scoped!(found!("position > $2 AND position <= $3"));
    for chunk in customers.chunks(MOST_CUSTOMERS) {
        let mut within = Arguments::of(tenant);
        [after, until].iter().for_each(|it| within.push(it));
        let narrowed = Narrowed::of(sql, within).one_of("customer", chunk);
        for row in &narrowed.any().fetch_all(&mut *connection).await? {
            found.push(read(row)?);
        }
    }
    found.sort_unstable_by_key(|row| row.position);
    Ok(Stretch { found, until, is_last: until == last })
}

/// All rows that the journal holds of these interactions or requests.
///
/// # Errors
/// As the database's.
pub async fn rows_of(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interactions: &[Token],
) -> Result<Vec<Found>, Error> {
    let sql = keyed!(found!("interaction"));
    let rows = statement::select_in(connection, tenant, sql, interactions).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Found, Error> {
    let verb: i64 = row.try_get(2)?;
    let named = match Verb::READS.contains(&verb) {
        true => optional16(row, 4, "journal")?.map(Token),
        false => None,
    };
    Ok(Found {
        position: row.try_get(0)?,
        interaction: Token(bytes16(row, 1, "journal")?),
        verb,
        customer: optional16(row, 3, "journal")?.map(CustomerId),
        named,
    })
}

/// Customers whose ref resolves to one of these, over however many steps; these are not among them.
///
/// # Errors
/// As the database's.
pub async fn moved_to(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<Vec<CustomerId>, Error> {
    let sql = keyed!(
        "SELECT customer FROM customer WHERE tenant = $1 AND LENGTH(moved_to) > 0 AND moved_to"
    );
    let mut all: BTreeSet<CustomerId> = customers.iter().copied().collect();
    let (mut found, mut asked) = (Vec::new(), customers.to_vec());
    while !asked.is_empty() {
        let rows = statement::select_in(connection, tenant, sql, &asked).await?;
        asked.clear();
        for row in &rows {
            let customer = CustomerId(bytes16(row, 0, "customer")?);
            if all.insert(customer) {
                asked.push(customer);
                found.push(customer);
            }
        }
    }
    Ok(found)
}

/// How many links and intent facts these customers have.
///
/// # Errors
/// As the database's.
pub async fn counts(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<(i64, i64), Error> {
    let (mut links, mut facts) = (0, 0);
    for chunk in customers.chunks(MOST_CUSTOMERS) {
        let keys: Vec<[u8; 16]> = chunk.iter().map(|customer| customer.0).collect();
        let of = |sql| Question { sql, keys: &keys };
        let questions = [
            of(keyed!(
                "SELECT 1, CAST(COUNT(*) AS BIGINT) FROM link WHERE tenant = $1 AND customer"
            )),
            of(keyed!(
                "SELECT 2, CAST(COUNT(*) AS BIGINT) FROM intent_fact WHERE tenant = $1 AND customer"
            )),
        ];
        for row in statement::select_union(connection, tenant, &questions).await? {
            match row.try_get::<i32, _>(0)? {
                1 => links += row.try_get::<i64, _>(1)?,
                _ => facts += row.try_get::<i64, _>(1)?,
            }
        }
    }
    Ok((links, facts))
}

/// The stamps of those of the customers that there are.
///
/// # Errors
/// As the database's.
pub async fn stamps(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Stamp>, Error> {
    let sql = keyed!("SELECT customer, stamp FROM customer WHERE tenant = $1 AND customer");
    let rows = statement::select_in(connection, tenant, sql, customers).await?;
    let read = |row: &AnyRow| -> Result<(CustomerId, Stamp), Error> {
        Ok((CustomerId(bytes16(row, 0, "customer")?), Stamp(row.try_get(1)?)))
    };
    rows.iter().map(read).collect()
}

/// Which of these tombstones there are.
///
/// # Errors
/// As the database's.
pub async fn tombstones(
    connection: &mut AnyConnection,
    tenant: TenantId,
    tokens: &[Token],
) -> Result<Vec<Token>, Error> {
    let sql = keyed!("SELECT token FROM tombstone WHERE tenant = $1 AND token");
    let rows = statement::select_in(connection, tenant, sql, tokens).await?;
    rows.iter().map(|row| Ok(Token(bytes16(row, 0, "tombstone")?))).collect()
}
