//! Walking a tenant's chain: in one snapshot, page by page, in order of position.

use std::collections::{HashMap, VecDeque};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::chain::{Chain, End, Entry, Link, Verified, names};
use crate::ids::TenantId;
use crate::store::rows::Verb;
use crate::store::statement::{self, Arguments, Keyed, Scoped, keyed, scoped};
use crate::store::{Error, Store};

macro_rules! entries {
    ($tail:literal) => {
        concat!(
            "SELECT position, verb, received, time, outcome, interaction, part, fingerprint, \
             channel, customer, caller, state, digest, strips, stripped_by, hash FROM journal \
             WHERE tenant = $1 AND position",
            $tail
        )
    };
}

/// All that is hashed of rows; the text goes on after their positions.
pub(in crate::store) const ENTRIES: Keyed = keyed!(entries!(""));
/// Rows or links that are read at once.
const PAGE: i64 = 1_000;

impl Store {
    /// Walks the tenant's chain from its beginning to its end, as both are now. `reached` is told
    /// how many rows were read so far. While it goes on, SQLite's log is not taken away.
    ///
    /// # Errors
    /// As the database's; what does not fit is no error, it is what the walk is for.
    pub async fn verify_audit(
        &self,
        tenant: TenantId,
        checkpoints: Vec<End>,
        reached: impl Fn(u64) + Send,
    ) -> Result<Verified, Error> {
        let mut connection = self.reader(self.engine.begin_read()).await?;
        let walked = walk(&mut connection, tenant, checkpoints, reached).await;
        let ended = statement::command(&mut connection, scoped!("COMMIT")).await.is_ok();
        if !ended {
            // A connection in an unknown state goes back to nobody.
            drop(connection.detach());
        }
        walked
    }
}

async fn walk(
    connection: &mut AnyConnection,
    tenant: TenantId,
    checkpoints: Vec<End>,
    reached: impl Fn(u64) + Send,
) -> Result<Verified, Error> {
    let mut chain = Chain::through(checkpoints);
    let (mut rows, mut links) = (Rows::default(), Links::default());
    let mut read = 0;
    loop {
        let link = links.next(connection, tenant).await?;
        let until = link.as_ref().map_or(i64::MAX, |link| link.position);
        while let Some(one) = rows.next(connection, tenant, until).await? {
            match &one.entry {
                Some(entry) => chain.entry(entry, one.witnessed),
                None => chain.unreadable(one.position),
            }
            read += 1;
            if read % PAGE as u64 == 0 {
                reached(read);
            }
        }
        let Some(link) = link else { break };
        chain.link(link);
    }
    reached(read);
    let head = super::end::of(connection, tenant).await?;
    Ok(chain.end(head.map(|head| head.end).as_ref()))
}

/// Links not yet looked at, and where the next page begins.
struct Links {
    page: VecDeque<Link>,
    from: Option<i64>,
}

impl Default for Links {
    fn default() -> Self {
        Self { page: VecDeque::new(), from: Some(i64::MIN) }
    }
}

impl Links {
    async fn next(
        &mut self,
        connection: &mut AnyConnection,
        tenant: TenantId,
    ) -> Result<Option<Link>, Error> {
        if let (true, Some(from)) = (self.page.is_empty(), self.from) {
            let sql = scoped!(
                "SELECT position, entries, hash FROM audit_link \
                       WHERE tenant = $1 AND position >= $2 ORDER BY position LIMIT $3"
            );
            for row in page(connection, tenant, sql, from).await? {
                let (position, entries) = (row.try_get(0)?, row.try_get(1)?);
                // What is no hash fits nothing.
                let hash = row.try_get(2).unwrap_or_default();
                self.page.push_back(Link { position, entries, hash });
            }
            self.from = self.page.back().and_then(|link| link.position.checked_add(1));
        }
        Ok(self.page.pop_front())
    }
}

struct Read {
    position: i64,
    /// None where a column holds what it cannot hold.
    entry: Option<Entry>,
    witnessed: bool,
}

/// Rows not yet looked at, and where the next page begins.
struct Rows {
    page: VecDeque<Read>,
    from: Option<i64>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { page: VecDeque::new(), from: Some(i64::MIN) }
    }
}

impl Rows {
    /// The next row that is not after `until`.
    async fn next(
        &mut self,
        connection: &mut AnyConnection,
        tenant: TenantId,
        until: i64,
    ) -> Result<Option<Read>, Error> {
        if let (true, Some(from)) = (self.page.is_empty(), self.from) {
            let sql = scoped!(entries!(" >= $2 ORDER BY position LIMIT $3"));
            for row in page(connection, tenant, sql, from).await? {
                let (position, entry) = (row.try_get(0)?, entry(&row).ok());
                self.page.push_back(Read { position, entry, witnessed: false });
            }
            self.from = self.page.back().and_then(|read| read.position.checked_add(1));
            self.ask_witnesses(connection, tenant).await?;
        }
        match self.page.front() {
            Some(read) if read.position <= until => Ok(self.page.pop_front()),
            _ => Ok(None),
        }
    }

    /// Asks the rows that are said to have taken content away.
    async fn ask_witnesses(
        &mut self,
        connection: &mut AnyConnection,
        tenant: TenantId,
    ) -> Result<(), Error> {
        let named = |read: &Read| read.entry.as_ref().map_or(0, |entry| entry.stripped_by);
        let mut wanted: Vec<i64> = self.page.iter().map(named).filter(|by| *by != 0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let sql =
            keyed!("SELECT position, strips, verb FROM journal WHERE tenant = $1 AND position");
        let mut strips: HashMap<i64, (Vec<u8>, i64)> = HashMap::new();
        for row in statement::select_in(connection, tenant, sql, &wanted).await? {
            let list = row.try_get(1).unwrap_or_default();
            strips.insert(row.try_get(0)?, (list, row.try_get(2).unwrap_or_default()));
        }
        for read in &mut self.page {
            let by = named(read);
            let forgotten = read.entry.as_ref().is_some_and(Entry::is_forgotten);
            // What was stripped keeps who did what to whom: only an erasure takes that as well.
            let said = strips.get(&by).is_some_and(|(list, verb)| {
                names(list, read.position) && (!forgotten || *verb == Verb::Erase as i64)
            });
            read.witnessed = by > read.position && said;
        }
        Ok(())
    }
}

async fn page(
    connection: &mut AnyConnection,
    tenant: TenantId,
    sql: Scoped,
    from: i64,
) -> Result<Vec<AnyRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&from);
    arguments.push(&PAGE);
    Ok(statement::query(sql, arguments).fetch_all(connection).await?)
}

/// A row of [`ENTRIES`].
pub(in crate::store) fn entry(row: &AnyRow) -> Result<Entry, sqlx::Error> {
    let text = |index: usize| row.try_get::<String, _>(index).map(String::into_bytes);
    Ok(Entry {
        numbers: [
            row.try_get(1)?,
            row.try_get(0)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
        ],
        texts: [
            row.try_get(5)?,
            row.try_get(6)?,
            row.try_get(7)?,
            text(8)?,
            row.try_get(9)?,
            text(10)?,
        ],
        state: row.try_get(11)?,
        digest: row.try_get(12)?,
        strips: row.try_get(13)?,
        stripped_by: row.try_get(14)?,
        hash: row.try_get(15)?,
    })
}
