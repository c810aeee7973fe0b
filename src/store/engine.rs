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
            // Fewer, larger checkpoints halve the slowest commits; a server leaves them to others
            // (`checkpoint.rs`). What a statement may have to
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

/// The texts around a batch on SQLite. They have parameters, so that they stay prepared, and may be
/// several statements: each text costs two changes of thread.
pub(super) mod on_sqlite {
    macro_rules! advance {
        () => {
            "UPDATE tenant_head SET position = position + ?, store_time = MAX(store_time, ?) \
             WHERE tenant = ? RETURNING position, audit_hash, store_time"
        };
    }
    macro_rules! link {
        () => {
            "INSERT INTO audit_link (tenant, position, entries, hash) VALUES (?, ?, ?, ?); \
             UPDATE tenant_head SET audit_hash = ?, position = ? WHERE tenant = ?"
        };
    }

    /// Takes positions for a tenant and moves the store's clock on to the machine's time.
    pub(in super::super) const ADVANCE: &str = advance!();
    /// Begins the transaction first, and answers first with a number that moves when another
    /// connection has written the file.
    pub(in super::super) const OPEN: &str =
        concat!("BEGIN IMMEDIATE; PRAGMA data_version; ", advance!());
    /// Adds a link to a tenant's audit chain, and gives positions back that nothing was written at:
    /// the head names the last row.
    pub(in super::super) const LINK: &str = link!();
    /// Commits after the last link.
    pub(in super::super) const LINK_AND_COMMIT: &str = concat!(link!(), "; COMMIT");
}

/// The texts around a batch on PostgreSQL, which takes several statements in one round trip only
/// without parameters: of numbers and hashes of our own, never of anything that came from outside.
pub(super) mod on_postgres {
    use super::TenantId;

    /// Takes positions for a tenant, moves the store's clock on to the database's, so that
    /// instances agree, and locks the tenant's batches until commit.
    pub(in super::super) fn advance(tenant: TenantId, positions: i64) -> String {
        format!(
            "UPDATE tenant_head SET position = position + {positions}, \
             store_time = GREATEST(store_time, \
             CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)) \
             WHERE tenant = {} RETURNING position, audit_hash, store_time",
            tenant.0
        )
    }

    /// Begins the transaction first.
    pub(in super::super) fn open(tenant: TenantId, positions: i64) -> String {
        let begin = super::Engine::Postgres.begin_write();
        format!("{begin}; {}", advance(tenant, positions))
    }

    /// Adds a link to a tenant's audit chain, and ends so that another text may follow.
    pub(in super::super) fn link(
        tenant: TenantId,
        (position, entries): (i64, i64),
        hash: &[u8],
    ) -> String {
        let (tenant, hash) = (tenant.0, data_encoding::HEXLOWER.encode(hash));
        format!(
            "INSERT INTO audit_link (tenant, position, entries, hash) \
             VALUES ({tenant}, {position}, {entries}, '\\x{hash}'); \
             UPDATE tenant_head SET audit_hash = '\\x{hash}', position = {position} \
             WHERE tenant = {tenant}; "
        )
    }
}

async fn within<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    tokio::time::timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| Error::Unavailable)?
        .map_err(Error::from)
}
