//! Erasing a person, in the writer's transaction: their rows of the journal are forgotten but for
//! their hashes, places and tombstones are kept so that nothing that comes late brings them back.

use std::collections::HashSet;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::audit::walk;
use super::engine::on_postgres;
use super::read::{bytes16, optional16};
use super::rows::{JournalRow, TombstoneRow, Verb};
use super::statement::{self, Arguments, Keyed, MOST_KEYS, Row, keyed, scoped};
use super::webhooks::{NoticeRow, leaving, notices};
use super::{Engine, Error};
use crate::clock::Time;
use crate::ids::{CustomerId, Entropy, TenantId, Token};

/// Rows that are read and written again at once.
const STEP: usize = 256;
/// Positions that PostgreSQL is asked for at once. For more it would read the tenant's whole journal each
/// time while it knows nothing of it yet: of 40,000 rows for 256 positions.
const POSITIONS: usize = 32;
/// Rows that may come between a decision to erase and its commit; with more it is decided again.
const MOST_BETWEEN: i64 = 10_000;

/// A person who is erased, as decided on the journal up to `until`. The rows of their customers go
/// as removals.
#[derive(Clone, Default)]
pub struct Erasure {
    /// Every ref of theirs.
    pub customers: Vec<CustomerId>,
    /// Their interactions, and the requests that changed them.
    pub interactions: Vec<Token>,
    /// The last position of the journal that was looked at.
    pub until: i64,
    /// Positions of the rows that lose everything but their hash, each once, in order.
    pub forgets: Vec<i64>,
    /// Positions of rows that stay, and lost their content to one of those. The writer finds them.
    pub left: Vec<i64>,
    /// Rows that are written once those are forgotten: places of what was erased, and of
    /// interactions of others what they are without this person.
    pub places: Vec<JournalRow>,
    /// What tells those who come late.
    pub tombstones: Vec<TombstoneRow>,
    /// What tells receivers of web-hooks; kept only where there are any.
    pub notice: Option<NoticeRow>,
}

impl Erasure {
    /// How many rows it writes or takes away, roughly.
    pub(super) fn rows(&self) -> usize {
        8 * self.customers.len()
            + 2 * self.forgets.len()
            + self.places.len()
            + self.tombstones.len()
    }

    /// Numbers its rows after the erasure's own, which is at `position`.
    pub(super) fn number(&mut self, position: i64, next: &mut i64, now: Time) {
        for row in &mut self.places {
            (row.position, row.received) = (*next, now);
            *next += 1;
        }
        for row in &mut self.tombstones {
            (row.erasure, row.erased) = (position, now);
        }
        if let Some(row) = &mut self.notice {
            (row.position, row.made) = (position, now);
        }
    }
}

/// Whether the journal has come to hold more of this person, or about their interactions, than the
/// decision saw. A start of somebody known changes no stamp.
pub(super) async fn is_outrun(
    connection: &mut AnyConnection,
    tenant: TenantId,
    erasure: &Erasure,
) -> Result<bool, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&erasure.until);
    arguments.push(&MOST_BETWEEN);
    let sql = scoped!(
        "SELECT interaction, verb, customer, fingerprint FROM journal \
         WHERE tenant = $1 AND position > $2 ORDER BY position LIMIT $3"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    if rows.len() as i64 == MOST_BETWEEN {
        return Ok(true);
    }
    let customers: HashSet<CustomerId> = erasure.customers.iter().copied().collect();
    let interactions: HashSet<Token> = erasure.interactions.iter().copied().collect();
    for row in &rows {
        let interaction = Token(bytes16(row, 0, "journal")?);
        let customer = optional16(row, 2, "journal")?.map(CustomerId);
        let of_them = customer.is_some_and(|customer| customers.contains(&customer));
        let read = customer.is_none() && Verb::READS.contains(&row.try_get(1)?);
        let named = if read { optional16(row, 3, "journal")?.map(Token) } else { None };
        let about = named.is_some_and(|named| interactions.contains(&named));
        if of_them || about || interactions.contains(&interaction) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Positions that the erasure's own row must name, 8 bytes each: of the rows that it forgets, and of
/// those that one of them had stripped, which name the erasure from now on.
pub(super) async fn named(
    connection: &mut AnyConnection,
    tenant: TenantId,
    erasure: &mut Erasure,
) -> Result<Vec<u8>, Error> {
    if Engine::behind(connection) == Engine::Postgres {
        statement::command(connection, on_postgres::PLAN_AGAIN).await?;
    }
    erasure.left = left_without_witness(connection, tenant, erasure).await?;
    let mut positions = [&erasure.forgets[..], &erasure.left].concat();
    positions.sort_unstable();
    Ok(positions.into_iter().flat_map(i64::to_be_bytes).collect())
}

/// What a look-up finds at these positions.
async fn at(
    connection: &mut AnyConnection,
    tenant: TenantId,
    sql: Keyed,
    positions: &[i64],
) -> Result<Vec<AnyRow>, Error> {
    let most = match Engine::behind(connection) {
        Engine::Sqlite => MOST_KEYS,
        Engine::Postgres => POSITIONS,
    };
    let mut rows = Vec::new();
    for positions in positions.chunks(most) {
        rows.extend(statement::select_in(connection, tenant, sql, positions).await?);
    }
    Ok(rows)
}

/// Rows that lost their content to a row which is forgotten, and stay.
async fn left_without_witness(
    connection: &mut AnyConnection,
    tenant: TenantId,
    erasure: &Erasure,
) -> Result<Vec<i64>, Error> {
    let mut left = Vec::new();
    let sql = keyed!(
        "SELECT position, strips FROM journal WHERE tenant = $1 AND LENGTH(strips) > 0 AND position"
    );
    for row in at(connection, tenant, sql, &erasure.forgets).await? {
        let (taker, strips): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let stripped = strips.chunks_exact(8).map(|bytes| {
            // Of eight bytes.
            i64::from_be_bytes(bytes.try_into().unwrap_or_default())
        });
        let stripped: Vec<i64> =
            stripped.filter(|it| erasure.forgets.binary_search(it).is_err()).collect();
        let sql =
            keyed!("SELECT position, stripped_by FROM journal WHERE tenant = $1 AND position");
        for row in at(connection, tenant, sql, &stripped).await? {
            if row.try_get::<i64, _>(1)? == taker {
                left.push(row.try_get(0)?);
            }
        }
    }
    Ok(left)
}

/// Forgets what is to be forgotten in the name of the row at `by`, and writes what is kept.
///
/// # Errors
/// [`Error::Damaged`] when a place is taken: then nothing of it may be written.
pub(super) async fn carry_out(
    connection: &mut AnyConnection,
    tenant: TenantId,
    erasure: &Erasure,
    by: i64,
    entropy: &Entropy,
) -> Result<(), Error> {
    for position in &erasure.left {
        let mut arguments = Arguments::of(tenant);
        arguments.push(position);
        arguments.push(&by);
        let sql =
            scoped!("UPDATE journal SET stripped_by = $3 WHERE tenant = $1 AND position = $2");
        statement::query(sql, arguments).execute(&mut *connection).await?;
    }
    for positions in erasure.forgets.chunks(STEP) {
        forget(connection, tenant, positions, by, entropy).await?;
        leaving::forget(connection, tenant, positions).await?;
    }
    let kept = statement::insert(connection, tenant, &erasure.places).await?;
    if kept != erasure.places.len() as u64 {
        return Err(Error::Damaged { table: "journal" });
    }
    for customer in &erasure.customers {
        for sql in [
            scoped!("DELETE FROM customer_merge WHERE tenant = $1 AND one = $2"),
            scoped!("DELETE FROM customer_merge WHERE tenant = $1 AND other = $2"),
        ] {
            let mut arguments = Arguments::of(tenant);
            arguments.push(customer);
            statement::query(sql, arguments).execute(&mut *connection).await?;
        }
    }
    statement::insert(connection, tenant, &erasure.tombstones).await?;
    notices::keep(connection, tenant, erasure.notice.as_ref()).await
}

/// Puts a row that has nothing but its hash in the place of each.
async fn forget(
    connection: &mut AnyConnection,
    tenant: TenantId,
    positions: &[i64],
    by: i64,
    entropy: &Entropy,
) -> Result<(), Error> {
    let mut left = Vec::with_capacity(positions.len());
    for row in at(connection, tenant, walk::ENTRIES, positions).await? {
        let entry = walk::entry(&row)?;
        let hash = entry.row_hash().to_vec();
        let interaction = Token(entropy.bytes());
        left.push(Forgotten { interaction, position: entry.position(), by, hash });
    }
    let sql = keyed!("DELETE FROM journal WHERE tenant = $1 AND position");
    at(connection, tenant, sql, positions).await?;
    statement::insert(connection, tenant, &left).await?;
    Ok(())
}

/// What is left of a row of the journal (ADR 0039).
struct Forgotten {
    /// Random: part of the row's key.
    interaction: Token,
    position: i64,
    by: i64,
    hash: Vec<u8>,
}

impl Row for Forgotten {
    const TABLE: &'static str = JournalRow::TABLE;
    const COLUMNS: &'static [&'static str] = &[
        "interaction",
        "verb",
        "part",
        "position",
        "fingerprint",
        "received",
        "time",
        "channel",
        "customer",
        "caller",
        "outcome",
        "state",
        "digest",
        "strips",
        "stripped_by",
        "hash",
    ];
    const ON_CONFLICT: &'static str = "ON CONFLICT DO NOTHING";

    fn bind(&self, arguments: &mut Arguments) {
        let (number, text, bytes) = (0_i64, String::new(), Vec::<u8>::new());
        arguments.push(&self.interaction);
        arguments.push(&number);
        arguments.push(&bytes);
        arguments.push(&self.position);
        arguments.push(&bytes);
        arguments.push(&number);
        arguments.push(&number);
        arguments.push(&text);
        arguments.push(&bytes);
        arguments.push(&text);
        arguments.push(&number);
        arguments.push(&bytes);
        arguments.push(&bytes);
        arguments.push(&bytes);
        arguments.push(&self.by);
        arguments.push(&self.hash);
    }
}
