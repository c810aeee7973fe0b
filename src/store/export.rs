//! All that the store holds of some customers, page by page: nothing is left out, and nothing that is
//! read takes long.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::belonging;
use super::history::{block_row, contacts as all_contacts, fact_row};
use super::people;
use super::read::{bytes16, distinct, interaction_row, optional16, time};
use super::rows::{BlockKind, BlockRow, CustomerRow, FactRow, InteractionRow, Verb};
use super::statement::{self, Arguments, Narrowed, keyed, scoped};
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};

/// Rows of one page.
pub const PAGE: i64 = 100;
/// Positions of the journal that one statement looks through: none takes long, however large it is.
pub const WINDOW: i64 = 100_000;
/// Customers of one statement; a set has fewer members, but anybody may have had many refs.
pub(super) const MOST_CUSTOMERS: usize = 256;

/// Contacts on file, active ones too, oldest first, after that one.
///
/// # Errors
/// As the database's.
pub async fn contacts(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    after: Option<(Time, Token)>,
) -> Result<Vec<InteractionRow>, Error> {
    let (ended, interaction) = after.unwrap_or((Time(i64::MIN), Token([0; 16])));
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&ended);
    arguments.push(&interaction);
    arguments.push(&PAGE);
    let sql = all_contacts!(
        "tenant = $1 AND customer = $2 AND (ended, interaction) > ($3, $4) \
         ORDER BY ended, interaction LIMIT $5"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(interaction_row).collect()
}

/// The place of a fact among those of its customer.
pub type FactPlace = (Token, Token, Option<Token>);

/// Intent facts, in order of their keys, after that one.
///
/// # Errors
/// As the database's.
pub async fn facts(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    after: Option<FactPlace>,
) -> Result<Vec<FactRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    // Nothing is before every token.
    arguments.push(&after.map(|(interaction, ..)| interaction));
    arguments.push(&after.map(|(_, intent, _)| intent));
    arguments.push(&after.and_then(|(.., reference)| reference));
    arguments.push(&PAGE);
    let sql = scoped!(
        "SELECT customer, interaction, intent, reference, status, counts, time, contact, \
               channel, sensitivity, content FROM intent_fact \
               WHERE tenant = $1 AND customer = $2 \
               AND (interaction, intent, reference) > ($3, $4, $5) \
               ORDER BY interaction, intent, reference LIMIT $6"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(fact_row).collect()
}

/// Blocks of every kind, expired ones too, in order of their keys, after that one.
///
/// # Errors
/// As the database's.
pub async fn blocks(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    after: Option<(BlockKind, Token, i64)>,
) -> Result<Vec<BlockRow>, Error> {
    let (kind, interaction, part) = match after {
        Some((kind, interaction, part)) => (kind as i64, interaction, part),
        None => (0, Token([0; 16]), 0),
    };
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&kind);
    arguments.push(&interaction);
    arguments.push(&part);
    arguments.push(&PAGE);
    let sql = scoped!(
        "SELECT customer, kind, interaction, part, position, expire, content FROM block \
               WHERE tenant = $1 AND customer = $2 AND (kind, interaction, part) > ($3, $4, $5) \
               ORDER BY kind, interaction, part LIMIT $6"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(block_row).collect()
}

/// Refs that name one of these by now, since their customers were left with nothing.
///
/// # Errors
/// As the database's.
pub async fn older_refs(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<Vec<CustomerRow>, Error> {
    let refs = belonging::moved_to(connection, tenant, customers).await?;
    let found = people::people(connection, tenant, &refs).await?;
    let mut rows: Vec<CustomerRow> = found.into_values().map(|person| person.row).collect();
    rows.sort_by_key(|row| row.customer);
    Ok(rows)
}

/// Who of these customers is marked since different things were said of them.
///
/// # Errors
/// As the database's.
pub async fn disputed(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<Vec<CustomerId>, Error> {
    let sql = keyed!("SELECT customer FROM dispute WHERE tenant = $1 AND customer");
    let rows = statement::select_in(connection, tenant, sql, customers).await?;
    rows.iter().map(|row| Ok(CustomerId(bytes16(row, 0, "dispute")?))).collect()
}

/// The highest journal position so far.
///
/// # Errors
/// As the database's.
pub async fn last_position(connection: &mut AnyConnection, tenant: TenantId) -> Result<i64, Error> {
    let sql = scoped!("SELECT position FROM tenant_head WHERE tenant = $1");
    let found = statement::query(sql, Arguments::of(tenant)).fetch_optional(connection).await?;
    found.map_or(Ok(0), |row| Ok(row.try_get(0)?))
}

/// One entry of the journal.
#[derive(Clone)]
pub struct Entry {
    /// Its place.
    pub position: i64,
    /// Which interaction or request.
    pub interaction: Token,
    /// The verb's code.
    pub verb: i64,
    /// The update's id or the end's revision, blind.
    pub part: Vec<u8>,
    /// Store time.
    pub received: Time,
    /// Event time.
    pub time: Time,
    /// The channel's name.
    pub channel: String,
    /// On whom it was decided.
    pub customer: Option<CustomerId>,
    /// The public part of the API key.
    pub caller: String,
    /// The outcome's code.
    pub outcome: i64,
}

impl Entry {
    /// What was done; `None` for what a newer version did, and once nothing but the hash is left.
    pub fn verb(&self) -> Option<Verb> {
        Verb::from_code(self.verb)
    }
}

/// An entry's columns, under a condition.
macro_rules! entries_where {
    ($condition:literal) => {
        concat!(
            "SELECT position, interaction, verb, part, received, time, channel, customer, caller, \
             outcome FROM journal WHERE tenant = $1 AND ",
            $condition
        )
    };
}

fn entry(row: &AnyRow) -> Result<Entry, Error> {
    Ok(Entry {
        position: row.try_get(0)?,
        interaction: Token(bytes16(row, 1, "journal")?),
        verb: row.try_get(2)?,
        part: row.try_get(3)?,
        received: time(row, 4)?,
        time: time(row, 5)?,
        channel: row.try_get(6)?,
        customer: optional16(row, 7, "journal")?.map(CustomerId),
        caller: row.try_get(8)?,
        outcome: row.try_get(9)?,
    })
}

/// Entries about these customers after one position and up to another, in order, [`PAGE`] at most.
/// There is no index for it: the two should lie no more than [`WINDOW`] apart.
///
/// # Errors
/// As the database's.
pub async fn entries(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
    (after, until): (i64, i64),
) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for some in customers.chunks(MOST_CUSTOMERS) {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&after);
        arguments.push(&until);
        arguments.push(&PAGE);
        let sql = scoped!(entries_where!("position > $2 AND position <= $3"));
        let narrowed = Narrowed::of(sql, arguments).one_of("customer", some);
        for row in &narrowed.oldest("$4").fetch_all(&mut *connection).await? {
            found.push(entry(row)?);
        }
    }
    found.sort_by_key(|entry| entry.position);
    found.truncate(PAGE as usize);
    Ok(found)
}

/// Every entry of each of these interactions and requests, each one's oldest first.
///
/// # Errors
/// As the database's.
pub async fn versions(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interactions: &[Token],
) -> Result<Vec<Entry>, Error> {
    let interactions = distinct(interactions.iter().copied());
    let sql = keyed!(entries_where!("interaction"));
    let rows = statement::select_in(connection, tenant, sql, &interactions).await?;
    let mut found = rows.iter().map(entry).collect::<Result<Vec<Entry>, Error>>()?;
    found.sort_by_key(|entry| (entry.interaction, entry.position));
    Ok(found)
}

/// What one entry holds, sealed; empty once it was taken away.
///
/// # Errors
/// As the database's.
pub async fn content(
    connection: &mut AnyConnection,
    tenant: TenantId,
    entry: &Entry,
) -> Result<Vec<u8>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&entry.interaction);
    arguments.push(&entry.verb);
    arguments.push(&entry.part);
    let sql = scoped!(
        "SELECT state FROM journal \
               WHERE tenant = $1 AND interaction = $2 AND verb = $3 AND part = $4"
    );
    let row = statement::query(sql, arguments).fetch_optional(connection).await?;
    row.map_or(Ok(Vec::new()), |row| Ok(row.try_get(0)?))
}
