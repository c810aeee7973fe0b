//! A customer's history as it is read: contacts, intent facts, blocks of values.

mod at_once;

use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::read::{bytes16, interaction_row, optional16};
use super::rows::{BlockKind, BlockRow, FactRow, InteractionRow};
use super::statement::{self, Arguments, scoped};
use crate::clock::Time;
use crate::ids::{CustomerId, Stamp, TenantId, Token};

pub use at_once::{MOST_AT_ONCE, histories, history};

/// Contacts of a context at most: as many as one answer may show.
pub const MOST_CONTACTS: i64 = 50;
/// Intent facts of a context at most, the newest.
pub const MOST_FACTS: i64 = 1_000;
/// Blocks of variables of a context at most, the newest.
pub const MOST_BLOCKS: i64 = 500;
/// Blocks of attributes of a context at most, the newest. They do not expire: each contact that sets
/// one adds to them, and one that is older than so many others is not shown any more.
pub const MOST_LASTING: i64 = 2_000;
/// Blocks of consents of a context at most, the newest. Where there are as many, some may be left
/// out, and none of them counts as granted.
pub const MOST_CONSENTS: i64 = 2_000;

/// The columns of a contact, in the order in which [`interaction_row`] reads them.
macro_rules! contact_columns {
    () => {
        "customer, ended, interaction, state, started, received, channel, direction, confirmed, \
         counted, contact, agent, queue, brand, disposition, content, revision"
    };
}
pub(super) use contact_columns;

/// Contacts with all their columns, under a condition that begins with the tenant.
macro_rules! contacts {
    ($condition:literal) => {
        scoped!(concat!(
            "SELECT ",
            $crate::store::history::contact_columns!(),
            " FROM interaction WHERE ",
            $condition
        ))
    };
}
pub(super) use contacts;

/// The sealed rows of one customer's context.
#[derive(Clone, Default)]
pub struct History {
    /// Ended contacts, newest first.
    pub interactions: Vec<InteractionRow>,
    /// Intent facts, newest first.
    pub facts: Vec<FactRow>,
    /// Blocks, newest first.
    pub blocks: Vec<BlockRow>,
    /// Contacts on file that go on, newest first.
    pub running: Vec<InteractionRow>,
    /// The customer's stamp of the same moment; `None` when there is no such customer.
    pub stamp: Option<Stamp>,
}

/// Which part of a history.
pub struct Page {
    /// Only what was filed before this time and interaction.
    pub before: Option<(Time, Token)>,
    /// Only this channel.
    pub channel: Option<String>,
    /// So many at most.
    pub limit: i64,
}

/// Ended contacts, newest first.
///
/// # Errors
/// As the database's.
pub async fn page_of(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    page: &Page,
) -> Result<Vec<InteractionRow>, Error> {
    let (time, interaction) = page.before.unwrap_or((Time(i64::MAX), Token([0xff; 16])));
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&time);
    arguments.push(&interaction);
    arguments.push(&page.limit);
    arguments.push(&page.channel.clone().unwrap_or_default());
    // State 0 is active: not yet history.
    let sql = contacts!(
        "tenant = $1 AND customer = $2 AND state > 0 \
         AND (ended < $3 OR (ended = $3 AND interaction < $4)) AND ($6 = '' OR channel = $6) \
         ORDER BY ended DESC, interaction DESC LIMIT $5"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(interaction_row).collect()
}

/// Every contact on file, active ones too: what links and counters are folded from.
///
/// # Errors
/// As the database's.
pub async fn whole_file(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
) -> Result<Vec<InteractionRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    let sql = contacts!("tenant = $1 AND customer = $2 ORDER BY ended, interaction");
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(interaction_row).collect()
}

/// Whether a contact is on a customer's file that is not this one, nor goes on with it; any, if none is
/// named.
///
/// # Errors
/// As the database's.
pub async fn has_contact_beside(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    contact: Option<Token>,
) -> Result<bool, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&contact);
    let sql = scoped!(
        "SELECT 1 FROM interaction WHERE tenant = $1 AND customer = $2 AND contact <> $3 LIMIT 1"
    );
    let row = statement::query(sql, arguments).fetch_optional(&mut *connection).await?;
    Ok(row.is_some())
}

/// Intent facts of a customer, newest first; of one interaction only if named.
///
/// # Errors
/// As the database's.
pub async fn facts(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    interaction: Option<Token>,
) -> Result<Vec<FactRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&MOST_FACTS);
    arguments.push(&interaction);
    let sql = scoped!(
        "SELECT customer, interaction, intent, reference, status, counts, time, contact, \
               channel, sensitivity, content FROM intent_fact \
               WHERE tenant = $1 AND customer = $2 AND (LENGTH($4) = 0 OR interaction = $4) \
               ORDER BY time DESC, interaction DESC LIMIT $3"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(fact_row).collect()
}

pub(super) fn fact_row(row: &sqlx::any::AnyRow) -> Result<FactRow, Error> {
    const TABLE: &str = "intent_fact";
    Ok(FactRow {
        customer: CustomerId(bytes16(row, 0, TABLE)?),
        interaction: Token(bytes16(row, 1, TABLE)?),
        intent: Token(bytes16(row, 2, TABLE)?),
        reference: optional16(row, 3, TABLE)?.map(Token),
        status: row.try_get(4)?,
        counts: row.try_get::<i64, _>(5)? != 0,
        time: Time(row.try_get(6)?),
        contact: Token(bytes16(row, 7, TABLE)?),
        channel: row.try_get(8)?,
        sensitivity: row.try_get(9)?,
        content: row.try_get(10)?,
    })
}

/// The blocks that one interaction gave a customer, expired ones too.
///
/// # Errors
/// As the database's.
pub async fn blocks_of(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    interaction: Option<Token>,
) -> Result<Vec<BlockRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&customer);
    arguments.push(&interaction);
    let sql = scoped!(
        "SELECT customer, kind, interaction, part, position, expire, content FROM block \
               WHERE tenant = $1 AND customer = $2 AND (LENGTH($3) = 0 OR interaction = $3)"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(block_row).collect()
}

/// Customers of whom different things were said, after that one, in order of their ids.
///
/// # Errors
/// As the database's.
pub async fn disputed(
    connection: &mut AnyConnection,
    tenant: TenantId,
    after: CustomerId,
    limit: i64,
) -> Result<Vec<CustomerId>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&after);
    arguments.push(&limit);
    let sql = scoped!(
        "SELECT customer FROM dispute WHERE tenant = $1 AND customer > $2 \
               ORDER BY customer LIMIT $3"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    rows.iter().map(|row| Ok(CustomerId(bytes16(row, 0, "dispute")?))).collect()
}

pub(super) fn block_row(row: &sqlx::any::AnyRow) -> Result<BlockRow, Error> {
    const TABLE: &str = "block";
    let kind = BlockKind::from_code(row.try_get(1)?).ok_or(Error::Damaged { table: TABLE })?;
    Ok(BlockRow {
        customer: CustomerId(bytes16(row, 0, TABLE)?),
        kind,
        interaction: Token(bytes16(row, 2, TABLE)?),
        part: row.try_get(3)?,
        position: row.try_get(4)?,
        expire: Time(row.try_get(5)?),
        content: row.try_get(6)?,
    })
}
