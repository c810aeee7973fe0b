//! Where SQLite and PostgreSQL differ. Everything else in the store is one SQL text for both.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection as _, Row as _};

use super::Error;
use super::statement::{self, Across, Scoped, scoped};
use crate::clock::Time;

/// Which database holds the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// One file, one process that serves; local commands may write it too.
    Sqlite,
    /// Several instances on one database.
    Postgres,
}

/// Readers of the embedded store; more than the cores gain nothing.
const SQLITE_READERS: u32 = 8;
/// About eight connections serve best; thirty-two were slower.
const POSTGRES_READERS: u32 = 8;
/// Statements that a connection to PostgreSQL keeps prepared.
const STATEMENTS: usize = 500;
/// How often migrating is tried.
const MIGRATION_TRIES: usize = 10;
/// How long a connection may take to become ready.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

impl Engine {
    /// The engine of a database URL: `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    /// [`Error::Configuration`] for any other scheme.
    pub fn of(url: &str) -> Result<Self, Error> {
        if url.starts_with("sqlite:") {
            Ok(Self::Sqlite)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Ok(Self::Postgres)
        } else {
            Err(Error::Configuration("the database must be sqlite:PATH or postgres://…".into()))
        }
    }

    /// Whether a URL can be used, without asking anybody.
    ///
    /// # Errors
    /// [`Error::Configuration`] for one that cannot; it is not repeated: it may hold a password.
    pub fn check(url: &str) -> Result<(), Error> {
        Self::of(url)?.options(url).map(drop)
    }

    /// The file of an embedded store; none of a server's, or of one in memory.
    pub fn file_of(url: &str) -> Option<PathBuf> {
        let (path, asked) = url.split_once('?').unwrap_or((url, ""));
        let in_memory = path.contains(":memory:") || asked.contains("mode=memory");
        let is_file = matches!(Self::of(url), Ok(Self::Sqlite)) && !in_memory;
        let file = is_file.then(|| SqliteConnectOptions::from_str(path).ok()).flatten()?;
        Some(file.get_filename().to_owned())
    }

    /// Whether there is a database, as far as that can be seen without asking anybody: an embedded
    /// store's file with something in it.
    pub fn is_there(url: &str) -> bool {
        let holds = |file: PathBuf| file.metadata().is_ok_and(|found| found.len() > 0);
        Self::file_of(url).is_none_or(holds)
    }

    /// Which one a connection leads to.
    pub(super) fn behind(connection: &AnyConnection) -> Self {
        match connection.backend_name() {
            "SQLite" => Self::Sqlite,
            _ => Self::Postgres,
        }
    }

    fn options(self, url: &str) -> Result<AnyConnectOptions, Error> {
        sqlx::any::install_default_drivers();
        let url = match self {
            // The file is made when it is missing: the embedded store needs no set-up.
            Self::Sqlite if !url.contains('?') => format!("{url}?mode=rwc"),
            // Every table's insert in every size, and every look-up: more than the driver's 100.
            Self::Postgres if !url.contains("statement-cache-capacity") => {
                let joint = if url.contains('?') { '&' } else { '?' };
                format!("{url}{joint}statement-cache-capacity={STATEMENTS}")
            }
            _ => url.to_owned(),
        };
        AnyConnectOptions::from_str(&url)
            .map(ConnectOptions::disable_statement_logging)
            .map_err(|_| Error::Configuration("the database URL cannot be read".into()))
    }

    /// The same, for who connects now: a file of SQLite's that is still missing is made for its owner
    /// alone. Its logs take their mode from it.
    fn connecting(self, url: &str) -> Result<AnyConnectOptions, Error> {
        let options = self.options(url)?;
        let (_, asked) = url.split_once('?').unwrap_or((url, "mode=rwc"));
        if let Some(file) = Self::file_of(url).filter(|_| asked.contains("mode=rwc")) {
            // One that is there keeps its mode; what cannot be made, SQLite says.
            drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(file));
        }
        Ok(options)
    }

    /// A pool of connections that only read.
    pub(super) async fn readers(self, url: &str) -> Result<AnyPool, Error> {
        let size = match self {
            Self::Sqlite => SQLITE_READERS,
            Self::Postgres => POSTGRES_READERS,
        };
        let session = self.reader_session();
        let mut options = AnyPoolOptions::new();
        if self == Self::Sqlite {
            // With its last connection SQLite takes the log away, and somebody may be syncing it.
            options = options.idle_timeout(None).max_lifetime(None);
        }
        options
            .max_connections(size)
            .min_connections(1)
            // Asking first would double the round trips; a broken connection shows itself.
            .test_before_acquire(false)
            .acquire_timeout(CONNECT_WITHIN)
            .after_connect(move |connection, _| {
                Box::pin(async move { statement::command(connection, session).await })
            })
            .connect_with(self.connecting(url)?)
            .await
            .map_err(Error::from)
    }

    /// The one connection that writes. `synced_apart`: its commits are brought to the disk, and the
    /// log into the file, by others.
    pub(super) async fn writer(
        self,
        url: &str,
        synced_apart: bool,
    ) -> Result<AnyConnection, Error> {
        let options = self.connecting(url)?;
        let mut connection = within(AnyConnection::connect_with(&options)).await?;
        within(statement::command(&mut connection, self.writer_session())).await?;
        if self == Self::Sqlite {
            within(super::page_cache::set(&mut connection)).await?;
        }
        if synced_apart && self == Self::Sqlite {
            let apart = scoped!("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;");
            within(statement::command(&mut connection, apart)).await?;
        }
        Ok(connection)
    }

    /// The file that SQLite writes; none where there is none, as on PostgreSQL.
    pub(super) async fn file(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Option<PathBuf>, Error> {
        if self == Self::Postgres {
            return Ok(None);
        }
        let row = statement::ask(connection, scoped!("PRAGMA database_list")).await?;
        let path: String = row.try_get(2)?;
        Ok((!path.is_empty()).then(|| path.into()))
    }

    fn reader_session(self) -> Scoped {
        match self {
            Self::Sqlite => {
                scoped!(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;"
                )
            }
            // As the writer: what is looked up by its key is found by an index, whatever the planner
            // takes a young table for, and is not planned again.
            Self::Postgres => {
                scoped!(
                    "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan"
                )
            }
        }
    }

    fn writer_session(self) -> Scoped {
        match self {
            // Fewer, larger checkpoints halve the slowest commits; a server leaves them to others
            // (`checkpoint.rs`). What a statement may have to
            // take back is kept in memory: else every page it changes is copied to a file first.
            // What is taken away is overwritten: of who was erased no byte may stay in the file.
            Self::Sqlite => {
                scoped!(
                    "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 10000; PRAGMA temp_store = MEMORY;"
                )
            }
            // Key look-ups must not turn into scans of a whole tenant while statistics are young, or
            // know nothing of a new tenant: planned for that one, the journal's other index looks
            // as good, and a batch took ten times as long.
            // An instance that stops inside a batch holds its tenant's head: for two seconds at most.
            Self::Postgres => {
                scoped!(
                    "SET lock_timeout = '2s'; SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '2s'; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan"
                )
            }
        }
    }

    /// Begins a transaction that writes.
    pub(super) fn begin_write(self) -> Scoped {
        match self {
            // A plain BEGIN that turns into a write fails under load in spite of any time-out.
            Self::Sqlite => scoped!("BEGIN IMMEDIATE"),
            Self::Postgres => scoped!("BEGIN ISOLATION LEVEL READ COMMITTED"),
        }
    }

    /// Begins a transaction whose reads all see one moment.
    pub(super) fn begin_read(self) -> Scoped {
        match self {
            Self::Sqlite => scoped!("BEGIN"),
            Self::Postgres => scoped!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        }
    }

    /// Lets the statements of one transaction take as long as a whole table needs, and plan for that.
    pub(super) fn unhurried_transaction(self) -> Option<Scoped> {
        (self == Self::Postgres).then_some(scoped!(
            "SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = '10min'; \
             SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; \
             SET LOCAL plan_cache_mode = auto"
        ))
    }

    /// Lets a session that loads whole tables take its time, and plan for that.
    pub(super) fn unhurried_session(self) -> Option<Scoped> {
        (self == Self::Postgres).then_some(scoped!(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '10min'; \
             SET work_mem = '256MB'; SET enable_seqscan = on; SET enable_bitmapscan = on; \
             SET plan_cache_mode = auto"
        ))
    }

    /// Brings the schema up to date. Two processes may try at once: the loser of the race finds the
    /// work done on its next try.
    pub(super) async fn migrate(self, pool: &AnyPool) -> Result<(), Error> {
        let migrator = self.migrator();
        let mut tries = 0;
        while let Err(error) = migrator.run(pool).await {
            tries += 1;
            if tries == MIGRATION_TRIES {
                tracing::error!(kind = ?std::mem::discriminant(&error), "the schema cannot be brought up to date");
                return Err(Error::Configuration("the schema cannot be brought up to date".into()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Brings the schema to that migration, where it is not there yet.
    pub(super) async fn migrate_to(
        self,
        connection: &mut AnyConnection,
        migration: i64,
    ) -> Result<(), Error> {
        let migrated = self.migrator().run_to(migration, connection).await;
        migrated.map_err(|_| Error::Configuration("the schema cannot be made".into()))
    }

    /// The newest migration that this program knows.
    pub(super) fn newest_migration(self) -> i64 {
        self.migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    fn migrator(self) -> Migrator {
        match self {
            Self::Sqlite => sqlx::migrate!("migrations/sqlite"),
            Self::Postgres => sqlx::migrate!("migrations/postgres"),
        }
    }

    /// What time it is for the store: the database's clock on PostgreSQL, the newest persisted mark
    /// on SQLite.
    pub(super) async fn store_time(self, connection: &mut AnyConnection) -> Result<Time, Error> {
        let row = match self {
            Self::Sqlite => statement::across(Across::StoreTime).fetch_one(connection).await?,
            Self::Postgres => {
                let now =
                    scoped!("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)");
                statement::ask(connection, now).await?
            }
        };
        Ok(Time(row.try_get(0)?))
    }
}

/// Adds a link to a tenant's audit chain, and gives positions back that nothing was written at: the
/// head names the last row.
macro_rules! link {
    () => {
        "INSERT INTO audit_link (tenant, position, entries, hash) VALUES ($1, $2, $3, $4); \
         UPDATE tenant_head SET audit_hash = $4, position = $2 WHERE tenant = $1"
    };
}

/// The texts around a batch on SQLite. They have parameters, so that they stay prepared, and may be
/// several statements: each text costs two changes of thread.
pub(super) mod on_sqlite {
    use crate::store::statement::{Keyed, Scoped, keyed, scoped};

    macro_rules! advance {
        () => {
            "UPDATE tenant_head SET position = position + $2, store_time = MAX(store_time, $3) \
             WHERE tenant = $1 RETURNING position, audit_hash, store_time, root_version"
        };
    }

    /// Takes positions for a tenant and moves the store's clock on to the machine's time.
    pub(in super::super) const ADVANCE: Scoped = scoped!(advance!());
    /// Begins the transaction first, and answers first with a number that moves when another
    /// connection has written the file.
    pub(in super::super) const OPEN: Scoped =
        scoped!(concat!("BEGIN IMMEDIATE; PRAGMA data_version; ", advance!()));
    /// Finds what of the journal is not forgotten: nobody else writes meanwhile.
    pub(in super::super) const STAYING: Keyed =
        keyed!("SELECT position FROM journal WHERE tenant = $1 AND verb > 0 AND position");
    /// Adds a link.
    pub(in super::super) const LINK: Scoped = scoped!(link!());
    /// Commits after the last link.
    pub(in super::super) const LINK_AND_COMMIT: Scoped = scoped!(concat!(link!(), "; COMMIT"));
}

/// The texts around a batch on PostgreSQL, which takes several statements in one round trip only
/// without parameters: their values are spelled out.
pub(super) mod on_postgres {
    use crate::store::statement::{Keyed, Scoped, keyed, scoped};

    /// Takes positions for a tenant, moves the store's clock on to the database's, so that
    /// instances agree, and locks the tenant's batches until commit.
    pub(in super::super) const ADVANCE: Scoped = scoped!(
        "UPDATE tenant_head SET position = position + $2, store_time = GREATEST(store_time, \
         CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)) \
         WHERE tenant = $1 RETURNING position, audit_hash, store_time, root_version"
    );
    /// A head that is held is asked for again, and other tenants go on meanwhile: it must be waited for
    /// for less than they have time for.
    pub(in super::super) const HEAD_SOON: Scoped = scoped!("SET LOCAL lock_timeout = '200ms'");
    /// Whoever has the head waits for other rows as the session does.
    pub(in super::super) const ROWS_LATER: Scoped = scoped!("SET LOCAL lock_timeout = '2s'");
    /// Plans that were made when tables were smaller are made again.
    pub(in super::super) const PLAN_AGAIN: Scoped = scoped!("DISCARD PLANS");
    /// Strips an interaction's rows, with its hash function: a round trip for each row would make a
    /// long one's batch long.
    pub(in super::super) const STRIP: Scoped = scoped!(
        "UPDATE journal SET digest = sha256(state), state = $4, stripped_by = $3 \
         WHERE tenant = $1 AND interaction = $2 AND position < $3 AND LENGTH(state) > 0"
    );
    /// Finds what of the journal is not forgotten, and lets nobody forget it before commit.
    pub(in super::super) const STAYING: Keyed = keyed!(
        "SELECT position FROM journal WHERE tenant = $1 AND verb > 0 AND position",
        "ORDER BY position FOR KEY SHARE"
    );
    /// Adds a link.
    pub(in super::super) const LINK: Scoped = scoped!(link!());
}

async fn within<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    tokio::time::timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| Error::Unavailable)?
        .map_err(Error::from)
}
