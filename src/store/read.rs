//! What is read, each as one plain function over a connection.

use std::collections::{HashMap, HashSet};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::gate::Key;
use super::rows::{InteractionRow, JournalRow, Outcome, Verb};
use super::statement::{self, Arguments, Question, keyed, scoped};
use super::{Error, ReadSet};
use crate::clock::Time;
use crate::ids::{CustomerId, KeyId, Stamp, TenantId, Token};

pub use super::people::{Person, people};

/// Owners of one identifier that are read at most: one more than may identify.
pub const MOST_OWNERS: usize = 65;

pub(super) fn bytes16(row: &AnyRow, index: usize, table: &'static str) -> Result<[u8; 16], Error> {
    let bytes: Vec<u8> = row.try_get(index)?;
    bytes.try_into().map_err(|_| Error::Damaged { table })
}

pub(super) fn optional16(
    row: &AnyRow,
    index: usize,
    table: &'static str,
) -> Result<Option<[u8; 16]>, Error> {
    let bytes: Vec<u8> = row.try_get(index)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes.try_into().map(Some).map_err(|_| Error::Damaged { table })
}

pub(super) fn time(row: &AnyRow, index: usize) -> Result<Time, Error> {
    Ok(Time(row.try_get(index)?))
}

/// Who owns one identifier.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// `None` when the token has never been seen.
    pub stamp: Option<Stamp>,
    /// Each owner and the code of the link's assurance.
    pub customers: Vec<(CustomerId, i64)>,
}

/// The owners of each token, with the stamps they hold under. Unknown tokens are there, empty. One
/// statement, so that it needs no transaction to be of one moment.
///
/// # Errors
/// As the database's.
pub async fn owners(
    connection: &mut AnyConnection,
    tenant: TenantId,
    tokens: &[Token],
) -> Result<HashMap<Token, Owners>, Error> {
    let mut found: HashMap<Token, Owners> =
        tokens.iter().map(|token| (*token, Owners::default())).collect();
    let tokens = distinct(tokens.iter().map(|token| token.0));
    let questions = [
        Question {
            sql: keyed!("SELECT 1, token, token, stamp FROM head WHERE tenant = $1 AND token"),
            keys: &tokens,
        },
        Question {
            sql: keyed!(
                "SELECT 2, token, customer, assurance FROM link WHERE tenant = $1 AND token"
            ),
            keys: &tokens,
        },
    ];
    for row in statement::select_union(connection, tenant, &questions).await? {
        let owners = found.entry(Token(bytes16(&row, 1, "head")?)).or_default();
        if row.try_get::<i32, _>(0)? == 1 {
            owners.stamp = Some(Stamp(row.try_get(3)?));
        } else if owners.customers.len() < MOST_OWNERS {
            owners.customers.push((CustomerId(bytes16(&row, 2, "link")?), row.try_get(3)?));
        }
    }
    found.values_mut().for_each(|owners| owners.customers.sort_unstable());
    Ok(found)
}

/// The stamps and positions of a read set, as they are now.
pub(super) struct Stamps {
    heads: HashMap<Token, Stamp>,
    customers: HashMap<CustomerId, Stamp>,
    interactions: HashMap<Token, i64>,
}

/// A key that was found stale.
pub(super) enum StaleKey {
    Head(Token),
    Customer(CustomerId),
    Interaction(Token),
}

impl StaleKey {
    pub(super) fn of(&self, tenant: TenantId) -> Key {
        match self {
            Self::Head(token) => Key::Head(tenant, *token),
            Self::Customer(id) => Key::Customer(tenant, *id),
            Self::Interaction(token) => Key::Interaction(tenant, *token),
        }
    }
}

impl Stamps {
    pub(super) fn stale(&self, read: &ReadSet) -> Vec<StaleKey> {
        let heads =
            read.heads.iter().filter(|(token, stamp)| self.heads.get(token) != stamp.as_ref());
        let customers =
            read.customers.iter().filter(|(id, stamp)| self.customers.get(id) != Some(stamp));
        let interactions = read.interactions.iter().filter(|(token, position)| {
            self.interactions.get(token).copied().unwrap_or(0) != *position
        });
        heads
            .map(|(token, _)| StaleKey::Head(*token))
            .chain(customers.map(|(id, _)| StaleKey::Customer(*id)))
            .chain(interactions.map(|(token, _)| StaleKey::Interaction(*token)))
            .collect()
    }
}

pub(super) fn distinct<K: Copy + Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Vec<K> {
    let mut seen = HashSet::new();
    keys.filter(|key| seen.insert(*key)).collect()
}

pub(super) async fn stamps(
    connection: &mut AnyConnection,
    tenant: TenantId,
    wanted: &ReadSet,
) -> Result<Stamps, Error> {
    let mut found =
        Stamps { heads: HashMap::new(), customers: HashMap::new(), interactions: HashMap::new() };
    let tokens = distinct(wanted.heads.iter().map(|(token, _)| token.0));
    let customers = distinct(wanted.customers.iter().map(|(id, _)| id.0));
    let interactions = distinct(wanted.interactions.iter().map(|(token, _)| token.0));
    let questions = [
        Question {
            sql: keyed!("SELECT 1, token, stamp FROM head WHERE tenant = $1 AND token"),
            keys: &tokens,
        },
        Question {
            sql: keyed!("SELECT 2, customer, stamp FROM customer WHERE tenant = $1 AND customer"),
            keys: &customers,
        },
        Question {
            sql: keyed!(
                "SELECT 3, interaction, CAST(MAX(position) AS BIGINT) FROM journal \
                  WHERE tenant = $1 AND interaction",
                "GROUP BY interaction"
            ),
            keys: &interactions,
        },
    ];
    for row in statement::select_union(connection, tenant, &questions).await? {
        let (key, value) = (bytes16(&row, 1, "head")?, row.try_get(2)?);
        match row.try_get::<i32, _>(0)? {
            1 => drop(found.heads.insert(Token(key), Stamp(value))),
            2 => drop(found.customers.insert(CustomerId(key), Stamp(value))),
            _ => drop(found.interactions.insert(Token(key), value)),
        }
    }
    Ok(found)
}

/// One operation that the journal holds of an interaction.
#[derive(Clone, Debug)]
pub struct JournalGuard {
    /// What was done.
    pub verb: Verb,
    /// The update's id or the end's revision.
    pub part: Vec<u8>,
    /// Keyed hash of the request's content.
    pub fingerprint: Vec<u8>,
    /// Order of commit.
    pub position: i64,
}

/// What the journal holds of one interaction.
#[derive(Clone)]
pub struct JournalEntry {
    /// All operations so far, oldest first.
    pub guards: Vec<JournalGuard>,
    /// The newest one's sealed state; empty once stripped.
    pub state: Vec<u8>,
    /// The customer it was decided on.
    pub customer: Option<CustomerId>,
    /// Store time of the first row.
    pub received: Time,
    /// Whether it was erased with its person: its place is all that is kept.
    pub erased: bool,
}

impl JournalEntry {
    /// What is known of an interaction once `rows` were added to `before`: those that are of the same as
    /// the first of them.
    pub fn extended(before: Option<&Self>, rows: &[JournalRow]) -> Self {
        let mut guards = before.map_or_else(Vec::new, |entry| entry.guards.clone());
        let first = rows.first();
        let own = |row: &&JournalRow| first.is_some_and(|it| it.interaction == row.interaction);
        guards.extend(rows.iter().filter(own).map(|row| JournalGuard {
            verb: row.verb,
            part: row.part.clone(),
            fingerprint: row.fingerprint.clone(),
            position: row.position,
        }));
        let newest = rows.iter().rfind(own);
        let received = before.map(|entry| entry.received).or(first.map(|row| row.received));
        Self {
            guards,
            state: newest.map_or_else(Vec::new, |row| row.state.clone()),
            customer: newest.and_then(|row| row.customer),
            received: received.unwrap_or_default(),
            erased: newest.is_some_and(|row| row.outcome == Outcome::Erased),
        }
    }

    /// The newest operation.
    pub fn newest(&self) -> Option<&JournalGuard> {
        self.guards.last()
    }
}

/// What the journal holds of one interaction; `None` when it was never heard of.
///
/// # Errors
/// As the database's.
pub async fn journal(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interaction: Token,
) -> Result<Option<JournalEntry>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&interaction);
    // Ordered here and not there, and the newest found by a sum: for the order's sake SQLite would
    // walk the tenant's whole journal.
    let sql = scoped!(
        "SELECT verb, part, fingerprint, position, received, customer, outcome, digest, hash, \
         CASE WHEN position = (SELECT MAX(position + 0) FROM journal WHERE tenant = $1 \
         AND interaction = $2) THEN state END FROM journal WHERE tenant = $1 AND interaction = $2"
    );
    let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
    let mut received = Time(i64::MAX);
    let (mut guards, mut last) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        let verb = Verb::from_code(row.try_get(0)?).ok_or(Error::Damaged { table: "journal" })?;
        guards.push(JournalGuard {
            verb,
            part: row.try_get(1)?,
            fingerprint: row.try_get(2)?,
            position: row.try_get(3)?,
        });
        received = received.min(time(row, 4)?);
        let state: Option<Vec<u8>> = row.try_get(9)?;
        last = state.map(|state| (row, state)).or(last);
    }
    guards.sort_by_key(|guard| guard.position);
    let (Some(newest), Some((row, state))) = (guards.last(), last) else { return Ok(None) };
    let customer = optional16(row, 5, "journal")?.map(CustomerId);
    let outcome: i64 = row.try_get(6)?;
    let erased = outcome == Outcome::Erased as i64;
    let (digest, hash): (Vec<u8>, Vec<u8>) = (row.try_get(7)?, row.try_get(8)?);
    // A place that is kept has no content either.
    let place = erased || outcome == Outcome::Removed as i64;
    let stripped = place || !digest.is_empty() || !hash.is_empty();
    if state.is_empty() && !stripped && newest.verb.has_content() {
        return Err(Error::Damaged { table: "journal" });
    }
    Ok(Some(JournalEntry { guards, state, customer, received, erased }))
}

/// A wrapped key as stored: its name, the root key's version, the wrapped bytes.
pub type WrappedKey = (KeyId, i64, Vec<u8>);

/// The wrapped data keys among `ids`.
///
/// # Errors
/// As the database's.
pub async fn data_keys(
    connection: &mut AnyConnection,
    tenant: TenantId,
    ids: &[KeyId],
) -> Result<Vec<WrappedKey>, Error> {
    let sql = keyed!(
        "SELECT data_key, root_version, wrapped FROM data_key WHERE tenant = $1 AND data_key"
    );
    let rows = statement::select_in(connection, tenant, sql, ids).await?;
    rows.iter().map(|row| Ok((KeyId(row.try_get(0)?), row.try_get(1)?, row.try_get(2)?))).collect()
}

/// The sealed texts of labels.
///
/// # Errors
/// As the database's.
pub async fn labels(
    connection: &mut AnyConnection,
    tenant: TenantId,
    tokens: &[Token],
) -> Result<Vec<(Token, Vec<u8>)>, Error> {
    let sql = keyed!("SELECT token, content FROM label WHERE tenant = $1 AND token");
    let rows = statement::select_in(connection, tenant, sql, tokens).await?;
    rows.iter().map(|row| Ok((Token(bytes16(row, 0, "label")?), row.try_get(1)?))).collect()
}

pub(super) fn interaction_row(row: &AnyRow) -> Result<InteractionRow, Error> {
    const TABLE: &str = "interaction";
    Ok(InteractionRow {
        customer: CustomerId(bytes16(row, 0, TABLE)?),
        ended: time(row, 1)?,
        interaction: Token(bytes16(row, 2, TABLE)?),
        state: row.try_get(3)?,
        started: time(row, 4)?,
        received: time(row, 5)?,
        channel: row.try_get(6)?,
        direction: row.try_get(7)?,
        confirmed: row.try_get::<i64, _>(8)? != 0,
        counted: row.try_get::<i64, _>(9)? != 0,
        contact: Token(bytes16(row, 10, TABLE)?),
        agent: optional16(row, 11, TABLE)?.map(Token),
        queue: optional16(row, 12, TABLE)?.map(Token),
        brand: optional16(row, 13, TABLE)?.map(Token),
        disposition: optional16(row, 14, TABLE)?.map(Token),
        content: row.try_get(15)?,
        revision: row.try_get(16)?,
    })
}
