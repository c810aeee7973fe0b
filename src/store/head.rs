//! A tenant's head: the row that serialises its batches, hands out journal positions, keeps the
//! store's time and the end of the audit chain.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::engine::{on_postgres, on_sqlite};
use super::rows::JournalRow;
use super::statement::{self, Arguments, Literal, Scoped, Spelled, scoped};
use super::{Engine, Error, Store, audit};
use crate::clock::Time;
use crate::ids::TenantId;

/// PostgreSQL waits a fifth of a second for a head and then says so. Where it says nothing, the connection
/// is lost, and a batch must not wait until all of its time has passed.
const OPENED_WITHIN: Duration = Duration::from_secs(3);
/// What [`on_postgres::HEAD_SOON`] says.
const SOON: Duration = Duration::from_millis(200);
/// A head that was not free when it was last asked for: all other tenants wait meanwhile.
const HEAD_AT_ONCE: Scoped = scoped!("SET LOCAL lock_timeout = '20ms'");
/// What [`HEAD_AT_ONCE`] says.
const AT_ONCE: Duration = Duration::from_millis(20);

/// What batches know of the connection that they are written on.
#[derive(Default)]
pub(super) struct Session {
    /// SQLite's number, which moves when another connection has written the file. None, on PostgreSQL
    /// too, before the first batch of a connection: memory may know what is not there.
    pub seen: Option<i64>,
    /// Whether the head that is asked for next was held when it was last asked for.
    pub was_held: bool,
}

impl Session {
    /// How long a head is waited for that another instance holds.
    pub fn patience(&self, engine: Engine) -> Duration {
        match (engine, self.was_held) {
            (Engine::Sqlite, _) => Duration::ZERO,
            (Engine::Postgres, false) => SOON,
            (Engine::Postgres, true) => AT_ONCE,
        }
    }

    fn head_within(&self) -> Scoped {
        if self.was_held { HEAD_AT_ONCE } else { on_postgres::HEAD_SOON }
    }
}

/// A tenant's head, held until commit.
pub(super) struct Head {
    /// Whose.
    pub tenant: TenantId,
    /// The first position that was taken.
    pub first: i64,
    /// Store time.
    pub now: Time,
    /// The oldest version of the root key that may wrap a new key of this tenant.
    pub root_version: i64,
    audit_hash: Vec<u8>,
}

impl Head {
    /// Begins the transaction, and takes the first tenant's head with it; `None`, and no transaction,
    /// while another instance holds it.
    pub async fn open(
        store: &Store,
        connection: &mut AnyConnection,
        session: &mut Session,
        tenant: TenantId,
        positions: i64,
    ) -> Result<Option<Self>, Error> {
        let rows = match store.engine {
            Engine::Sqlite => {
                let arguments = advance_by(store, tenant, positions);
                statement::query(on_sqlite::OPEN, arguments).fetch_all(&mut *connection).await?
            }
            Engine::Postgres => {
                let opening = Spelled::default()
                    .command(store.engine.begin_write())
                    .command(session.head_within())
                    .statement(on_postgres::ADVANCE, tenant, &[Literal::Number(positions)])
                    .command(on_postgres::ROWS_LATER)
                    .fetch_all(&mut *connection);
                let opened = tokio::time::timeout(OPENED_WITHIN, opening).await;
                match opened.map_err(|_| Error::Unavailable)?.map_err(Error::from) {
                    Err(Error::Busy) => {
                        statement::command(connection, scoped!("ROLLBACK")).await?;
                        return Ok(None);
                    }
                    opened => {
                        let rows = opened?;
                        // It is this batch that takes its time from now on, and not whoever had the head.
                        store.pulse.begin();
                        rows
                    }
                }
            }
        };
        let mut rows = rows.into_iter();
        let version: i64 = match store.engine {
            Engine::Sqlite => rows.next().ok_or(Error::Unavailable)?.try_get(0)?,
            // Stamps tell of what other instances write.
            Engine::Postgres => 0,
        };
        if session.seen.replace(version).is_none_or(|before| before != version) {
            // Another process wrote the file, or the connection is a new one: the commit that it was lost
            // in may have taken place, and after a failover others are gone. What is in memory is worth
            // nothing any more.
            store.gate.commit_unseen(&*store.listener);
        }
        Self::read(store, tenant, positions, rows.next()).map(Some)
    }

    /// Takes the head of one more tenant.
    pub async fn advance(
        store: &Store,
        connection: &mut AnyConnection,
        tenant: TenantId,
        positions: i64,
    ) -> Result<Self, Error> {
        let row = match store.engine {
            Engine::Sqlite => {
                let advance =
                    statement::query(on_sqlite::ADVANCE, advance_by(store, tenant, positions));
                advance.fetch_optional(&mut *connection).await?
            }
            Engine::Postgres => {
                let advance = on_postgres::ADVANCE;
                let text = Spelled::default();
                let text = text.statement(advance, tenant, &[Literal::Number(positions)]);
                text.fetch_optional(connection).await?
            }
        };
        Self::read(store, tenant, positions, row)
    }

    fn read(
        store: &Store,
        tenant: TenantId,
        positions: i64,
        row: Option<AnyRow>,
    ) -> Result<Self, Error> {
        let row = row.ok_or(Error::Damaged { table: "tenant_head" })?;
        let now = Time(row.try_get(2)?);
        store.saw_store_time(now);
        let first = row.try_get::<i64, _>(0)? - positions + 1;
        let root_version = row.try_get(3)?;
        store.oldest_root_version.fetch_max(root_version, Ordering::Relaxed);
        Ok(Self { tenant, first, now, root_version, audit_hash: row.try_get(1)? })
    }

    /// Gives back the positions that were taken: none was used.
    pub async fn give_back(self, connection: &mut AnyConnection) -> Result<(), Error> {
        let mut arguments = Arguments::of(self.tenant);
        arguments.push(&(self.first - 1));
        let sql = scoped!("UPDATE tenant_head SET position = $2 WHERE tenant = $1");
        statement::query(sql, arguments).execute(connection).await?;
        Ok(())
    }

    /// The next link of the chain, over what was written.
    pub fn link(&self, rows: &[&JournalRow]) -> Link {
        Link {
            tenant: self.tenant,
            position: rows.last().map_or(self.first, |row| row.position),
            entries: rows.len() as i64,
            hash: audit::link(&self.audit_hash, rows.iter().copied()),
        }
    }
}

/// A link of a tenant's audit chain.
pub(super) struct Link {
    tenant: TenantId,
    position: i64,
    entries: i64,
    hash: [u8; 32],
}

/// Writes the links and commits, on SQLite the last link in one text with the commit.
pub(super) async fn link_and_commit(
    engine: Engine,
    connection: &mut AnyConnection,
    links: &[Link],
) -> Result<(), Error> {
    match engine {
        Engine::Sqlite => {
            for (index, link) in links.iter().enumerate() {
                let last = index + 1 == links.len();
                let text = if last { on_sqlite::LINK_AND_COMMIT } else { on_sqlite::LINK };
                statement::query(text, link.arguments()).execute(&mut *connection).await?;
            }
        }
        Engine::Postgres => {
            let linked = links.iter().fold(Spelled::default(), |text, link| link.spelled(text));
            linked.command(scoped!("COMMIT")).execute(connection).await?;
        }
    }
    Ok(())
}

/// Appends one row to a tenant's journal, with a link of its own, inside a transaction that somebody
/// else begins and ends. For a head that batches wait for already it is [`Error::Busy`] at once.
pub(super) async fn append(
    store: &Store,
    connection: &mut AnyConnection,
    tenant: TenantId,
    mut row: JournalRow,
) -> Result<(), Error> {
    let held = store.held_up.waits(tenant);
    if held {
        statement::command(connection, HEAD_AT_ONCE).await?;
    }
    let head = Head::advance(store, connection, tenant, 1).await?;
    if held {
        statement::command(connection, on_postgres::ROWS_LATER).await?;
    }
    (row.position, row.received) = (head.first, head.now);
    statement::insert(connection, tenant, &[&row]).await?;
    let link = head.link(&[&row]);
    match store.engine {
        Engine::Sqlite => {
            statement::query(on_sqlite::LINK, link.arguments()).execute(connection).await?;
        }
        Engine::Postgres => {
            link.spelled(Spelled::default()).execute(connection).await?;
        }
    }
    Ok(())
}

/// What SQLite's texts that take positions are given.
fn advance_by(store: &Store, tenant: TenantId, positions: i64) -> Arguments {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&positions);
    arguments.push(&store.clock.now());
    arguments
}

impl Link {
    fn arguments(&self) -> Arguments {
        let mut arguments = Arguments::of(self.tenant);
        arguments.push(&self.position);
        arguments.push(&self.entries);
        arguments.push(&self.hash.to_vec());
        arguments
    }

    /// The same, spelled out.
    fn spelled(&self, text: Spelled) -> Spelled {
        let hash = Literal::Hash(&self.hash);
        let others = [Literal::Number(self.position), Literal::Number(self.entries), hash];
        text.statement(on_postgres::LINK, self.tenant, &others)
    }
}
