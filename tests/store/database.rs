//! A database of one's own for each test: a file in a folder that goes away, or a fresh database
//! on the PostgreSQL that `THREADLINE_TEST_POSTGRES` names.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use threadline::ids::Entropy;
use threadline::store::Engine;

/// Where a superuser of a throw-away PostgreSQL is.
const POSTGRES: &str = "THREADLINE_TEST_POSTGRES";

pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    folder: tempfile::TempDir,
    /// The server it was made on, and its name there.
    origin: Option<(String, String)>,
}

impl Database {
    /// A new one; none when the engine is PostgreSQL and no server was named.
    pub(crate) async fn fresh(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let url = format!("sqlite:{}", folder.path().join("store.db").display());
                Some(Self { engine, url, folder, origin: None })
            }
            Engine::Postgres => {
                let server = std::env::var(POSTGRES).ok().filter(|url| !url.is_empty());
                let Some(server) = server else {
                    eprintln!("{POSTGRES} is not set: not run on PostgreSQL (./test.sh does)");
                    return None;
                };
                Some(Self::at(server).await)
            }
        }
    }

    /// A new one on this PostgreSQL server.
    pub(crate) async fn at(server: String) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("threadline_{:016x}_{number}", Entropy::System.positive());
        administer(&server, &format!("CREATE DATABASE {name}")).await;
        let (before, _) = server.rsplit_once('/').expect("a URL with a database");
        let url = format!("{before}/{name}");
        let folder = tempfile::tempdir().expect("a folder");
        Self { engine: Engine::Postgres, url, folder, origin: Some((server, name)) }
    }

    /// A connection past the store.
    pub(crate) async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self.engine {
            Engine::Sqlite => format!("{}?mode=rwc", self.url),
            Engine::Postgres => self.url.clone(),
        };
        AnyConnection::connect(&url).await.expect("the database answers")
    }

    /// The folder that goes away with it.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Takes it away.
    pub(crate) async fn remove(self) {
        if let Some((server, name)) = &self.origin {
            administer(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

async fn administer(server: &str, sql: &str) {
    sqlx::any::install_default_drivers();
    let mut connection =
        AnyConnection::connect(server).await.expect("the PostgreSQL of THREADLINE_TEST_POSTGRES");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("a superuser may do this");
    connection.close().await.expect("a connection that closes");
}
