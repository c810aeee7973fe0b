//! Where SQLite and PostgreSQL differ. Everything else in the store is one SQL text for both.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection as _, Executor as _, Row as _};

use super::Error;
use crate::clock::Time;
use crate::ids::TenantId;

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
                Box::pin(async move { connection.execute(session).await.map(drop) })
            })
            .connect_with(self.options(url)?)
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
        let options = self.options(url)?;
        let mut connection = within(AnyConnection::connect_with(&options)).await?;
        within(connection.execute(self.writer_session())).await?;
        if synced_apart && self == Self::Sqlite {
            let apart = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;";
            within(connection.execute(apart)).await?;
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
        let row = connection.fetch_one("PRAGMA database_list").await?;
        let path: String = row.try_get(2)?;
        Ok((!path.is_empty()).then(|| path.into()))
    }

    fn reader_session(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;"
            }
            Self::Postgres => {
                "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; SET jit = off"
            }
        }
    }

    fn writer_session(self) -> &'static str {
        match self {
            // Fewer, larger checkpoints halve the slowest commits (a server leaves them to others). What a statement may have to
            // take back is kept in memory: else every page it changes is copied to a file first.
            // 64 MiB of pages, since the journal's index is written all over.
            Self::Sqlite => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 10000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;"
            }
            // Key look-ups must not turn into scans of a whole tenant while statistics are young, or
            // know nothing of a new tenant: planned for that one, the journal's other index looks
            // as good, and a batch took ten times as long.
            Self::Postgres => {
                "SET lock_timeout = '2s'; SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan"
            }
        }
    }

    /// Begins a transaction that writes.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            // A plain BEGIN that turns into a write fails under load in spite of any time-out.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// Begins a transaction whose reads all see one moment.
    pub(super) fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Begins the transaction of a batch and takes the first tenant's head, in one round trip.
    pub(super) fn open_batch(self, tenant: TenantId, positions: i64, now: Time) -> String {
        format!("{}; {}", self.begin_write(), self.advance_head(tenant, positions, now))
    }

    /// Takes so many positions for a tenant, moves the store's clock on, and locks the tenant's
    /// batches until commit. SQLite is told the machine's time; PostgreSQL asks its own clock, so
    /// that instances agree.
    pub(super) fn advance_head(self, tenant: TenantId, positions: i64, now: Time) -> String {
        let time = match self {
            Self::Sqlite => format!("MAX(store_time, {})", now.0),
            Self::Postgres => "GREATEST(store_time, \
                CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))"
                .to_owned(),
        };
        format!(
            "UPDATE tenant_head SET position = position + {positions}, store_time = {time} \
             WHERE tenant = {} RETURNING position, audit_hash, store_time",
            tenant.0
        )
    }

    /// Bytes as they stand in a text: of a hash, never of anything that came from outside.
    pub(super) fn literal(self, bytes: &[u8]) -> String {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        match self {
            Self::Sqlite => format!("X'{hex}'"),
            Self::Postgres => format!("'\\x{hex}'"),
        }
    }

    /// Brings the schema up to date. Two processes may try at once: the loser of the race finds the
    /// work done on its next try.
    pub(super) async fn migrate(self, pool: &AnyPool) -> Result<(), Error> {
        let migrator = match self {
            Self::Sqlite => sqlx::migrate!("migrations/sqlite"),
            Self::Postgres => sqlx::migrate!("migrations/postgres"),
        };
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

    /// What time it is for the store: the database's clock on PostgreSQL, the newest persisted mark
    /// on SQLite.
    pub(super) async fn store_time(self, connection: &mut AnyConnection) -> Result<Time, Error> {
        let sql = match self {
            Self::Sqlite => "SELECT CAST(COALESCE(MAX(store_time), 0) AS BIGINT) FROM tenant_head",
            Self::Postgres => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        };
        Ok(Time(sqlx::query_scalar(sql).fetch_one(connection).await?))
    }
}

async fn within<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    tokio::time::timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| Error::Unavailable)?
        .map_err(Error::from)
}
