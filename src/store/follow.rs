//! The journal as it grows, in order of position: what those who follow it read.
//!
//! A tenant's head serialises its batches, so whoever sees a position sees all before it: a reader
//! that remembers where it was misses nothing, however many instances write. Positions have gaps, and
//! where a backup was put back one of billions: whoever walks goes from one row that is there to the
//! next ([`part`]).

use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::admin::GREETING;
use super::read::{bytes16, optional16};
use super::reads::{Load, outside};
use super::rows::Verb;
use super::statement::{self, Arguments, keyed, scoped};
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};

const TABLE: &str = "journal";
/// What is read of a row, where that is true of it.
macro_rules! entries {
    ($condition:literal) => {
        concat!(
            "SELECT position, interaction, verb, part, received, time, customer, state FROM journal \
             WHERE tenant = $1 AND ",
            $condition
        )
    };
}

/// A row of the journal that has content, or had it.
#[derive(Clone)]
pub struct Entry {
    /// Order of commit.
    pub position: i64,
    /// Which interaction or request.
    pub interaction: Token,
    /// What was done; none for what a newer version does.
    pub verb: Option<Verb>,
    /// The update's id or the end's revision.
    pub part: Vec<u8>,
    /// Store time.
    pub received: Time,
    /// Event time.
    pub time: Time,
    /// On whom it was decided.
    pub customer: Option<CustomerId>,
    /// Sealed; empty once stripped.
    pub state: Vec<u8>,
}

/// Where an interaction's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Order of commit.
    pub position: i64,
    /// The code of what was done.
    pub verb: i64,
    /// On whom it was decided.
    pub customer: Option<CustomerId>,
}

/// The newest position of a tenant's journal; 0 before the first.
///
/// # Errors
/// As the database's.
pub async fn head(connection: &mut AnyConnection, tenant: TenantId) -> Result<i64, Error> {
    let sql = scoped!("SELECT position FROM tenant_head WHERE tenant = $1");
    let row = statement::query(sql, Arguments::of(tenant)).fetch_optional(connection).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
}

/// The next part of the journal after one position and up to another, so wide at most, as what it is
/// after and what it reaches to. It begins with a row that is there; `None` when there is none. What is
/// committed later has a higher position than every row that is seen now, and is not passed over.
///
/// # Errors
/// As the database's.
pub async fn part(
    connection: &mut AnyConnection,
    tenant: TenantId,
    (after, until): (i64, i64),
    width: i64,
) -> Result<Option<(i64, i64)>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&after);
    let sql = scoped!(
        "SELECT position FROM journal WHERE tenant = $1 AND position > $2 \
         ORDER BY position LIMIT 1"
    );
    let row = statement::query(sql, arguments).fetch_optional(connection).await?;
    let Some(first) = row.map(|row| row.try_get::<i64, _>(0)).transpose()? else { return Ok(None) };
    let before = first - 1;
    Ok((first <= until).then(|| (before, until.min(before.saturating_add(width)))))
}

/// The rows after one position and up to another, oldest first, so many at most; those that never
/// had content, as reads, are left out.
///
/// # Errors
/// As the database's.
pub async fn entries_between(
    connection: &mut AnyConnection,
    tenant: TenantId,
    (after, until): (i64, i64),
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&after);
    arguments.push(&until);
    arguments.push(&limit);
    let sql = scoped!(entries!(
        "position > $2 AND position <= $3 AND (LENGTH(state) > 0 OR LENGTH(digest) > 0) \
         ORDER BY position LIMIT $4"
    ));
    let rows = statement::query(sql, arguments).fetch_all(connection).await?;
    rows.iter().map(entry).collect()
}

/// The rows at these positions, in no order.
///
/// # Errors
/// As the database's.
pub async fn entries_at(
    connection: &mut AnyConnection,
    tenant: TenantId,
    positions: &[i64],
) -> Result<Vec<Entry>, Error> {
    let sql = keyed!(entries!("position"));
    let rows = statement::select_in(connection, tenant, sql, positions).await?;
    rows.iter().map(entry).collect()
}

/// Where the rows of these interactions are, in no order.
///
/// # Errors
/// As the database's.
pub async fn places(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interactions: &[Token],
) -> Result<Vec<(Token, Place)>, Error> {
    let sql = keyed!(
        "SELECT interaction, position, verb, customer FROM journal \
         WHERE tenant = $1 AND interaction"
    );
    let rows = statement::select_in(connection, tenant, sql, interactions).await?;
    let place = |row: &AnyRow| {
        let customer = optional16(row, 3, TABLE)?.map(CustomerId);
        let place = Place { position: row.try_get(1)?, verb: row.try_get(2)?, customer };
        Ok((Token(bytes16(row, 0, TABLE)?), place))
    };
    rows.iter().map(place).collect()
}

fn entry(row: &AnyRow) -> Result<Entry, Error> {
    Ok(Entry {
        position: row.try_get(0)?,
        interaction: Token(bytes16(row, 1, TABLE)?),
        verb: Verb::from_code(row.try_get(2)?),
        part: row.try_get(3)?,
        received: Time(row.try_get(4)?),
        time: Time(row.try_get(5)?),
        customer: optional16(row, 6, TABLE)?.map(CustomerId),
        state: row.try_get(7)?,
    })
}

impl Store {
    /// When the first row after a position was committed, of those of which that is still known; `None`
    /// when there is none.
    ///
    /// # Errors
    /// As the database's.
    pub async fn committed_after(
        &self,
        tenant: TenantId,
        position: i64,
    ) -> Result<Option<Time>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&position);
        // Of what was erased only the hash is left.
        let sql = scoped!(
            "SELECT received FROM journal WHERE tenant = $1 AND position > $2 AND received > 0 \
             ORDER BY position LIMIT 1"
        );
        let row = statement::query(sql, arguments).fetch_optional(&mut *connection).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(Time))
    }

    /// Runs a load of one moment that may find nothing. What it found is durable when this returns:
    /// nobody is told what a power failure could still take back. For nothing, nothing is asked of
    /// the disk.
    ///
    /// # Errors
    /// As the database's; [`Error::Unavailable`] when the disk does not answer.
    pub async fn news<T: Send + 'static>(
        self: &Arc<Self>,
        load: Load<Option<T>>,
    ) -> Result<Option<T>, Error> {
        let found = outside(self, load).await?;
        if found.is_some() {
            self.durability.reached().await?;
        }
        Ok(found)
    }
}
