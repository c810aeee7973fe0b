//! What the test binaries share: a server on an engine of its own, keys by role, typed clients,
//! and `each_engine!`, which runs one case on SQLite and on PostgreSQL.
//!
//! A case takes an [`Engine`] and opens its own [`World`]; nothing is shared between cases. The
//! PostgreSQL half runs when `THREADLINE_TEST_POSTGRES` is set (`./test.sh` sets it), and then
//! fails when the cluster cannot be reached.

pub mod client;
pub mod issuer;
pub mod key_server;
pub mod requests;
pub mod watcher;
pub mod web;

use std::io::Write as _;
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;
use threadline::cli::keys::{NewKey, create};
use threadline::clock::{Clock, Time};
use threadline::ids::{CustomerId, Entropy};
use threadline::server::{Configuration, ConfigurationError, Layers, Running, Serve, serve};
use threadline::store::Schedule;

pub use client::{Client, Refusal};

/// 32 bytes in base64: every test instance may share it.
pub const ROOT_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// Starts in tests that are not about budgets have all the time they need.
const PATIENCE: Duration = Duration::from_secs(30);
/// The company that tests belong to when they do not say otherwise.
pub const TENANT: &str = "acme";

/// Where a case stores things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on the cluster that the environment names.
    Postgres,
}

/// The cluster's address; without one the PostgreSQL half of a case says that it did not run.
pub fn postgres() -> Option<String> {
    let url = std::env::var("THREADLINE_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let note = "not run on PostgreSQL: THREADLINE_TEST_POSTGRES is not set; ./test.sh sets it";
        // Nobody reads it when standard error is closed.
        drop(writeln!(std::io::stderr(), "{note}"));
    }
    url
}

/// Runs each named case, an `async fn(Engine)`, as one test on SQLite and one on PostgreSQL.
macro_rules! each_engine {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$case($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::support::postgres().is_some() {
                    super::$case($crate::support::Engine::Postgres).await;
                }
            }
        }
    )+};
}
pub(crate) use each_engine;

/// How a world is set up.
pub struct Setup {
    engine: Engine,
    settings: String,
    clock: Clock,
    budget: Duration,
}

impl Setup {
    /// The defaults on this engine.
    pub fn on(engine: Engine) -> Self {
        Self { engine, settings: String::new(), clock: Clock::System, budget: PATIENCE }
    }

    /// With this text as `threadline.toml`.
    pub fn settings(mut self, text: &str) -> Self {
        self.settings = text.to_owned();
        self
    }

    /// With a clock that stands still until it is set. On SQLite it is the store's clock, too.
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// With this much time for a start.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Opens it.
    pub async fn open(self) -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = match self.engine {
            Engine::Sqlite => format!("sqlite:{}", folder.path().join("test.db").display()),
            Engine::Postgres => make_database().await,
        };
        let engine = self.engine;
        let running = self.serve(&database).await;
        World { running, database, engine, _folder: folder }
    }

    async fn serve(self, database: &str) -> Running {
        let layers = Layers {
            listen: Some("127.0.0.1:0".into()),
            database: Some(database.to_owned()),
            ..Layers::default()
        };
        let mut configuration =
            Configuration::parse(&self.settings, &layers).expect("valid settings");
        configuration.start_budget = self.budget;
        configuration.sweep_every = Duration::from_secs(86_400);
        let running = serve(Serve {
            configuration,
            root_key: Some(ROOT_KEY.into()),
            clock: self.clock,
            entropy: Entropy::System,
            schedule: Schedule::Free,
        });
        running.await.expect("a server")
    }
}

async fn make_database() -> String {
    let cluster = postgres().expect("cases on PostgreSQL run only with a cluster");
    let (server, _) = cluster.rsplit_once('/').expect("a URL with a database");
    let name = format!("threadline_{:016x}", Entropy::System.stamp().0);
    let mut connection = PgConnection::connect(&cluster).await.expect("the cluster answers");
    let statement = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    connection.execute(sqlx::raw_sql(statement)).await.expect("a database of our own");
    connection.close().await.expect("the cluster answers");
    format!("{server}/{name}")
}

/// A server, listening, on a store of its own.
pub struct World {
    /// The server.
    pub running: Running,
    /// Its database's URL.
    pub database: String,
    /// Where it stores things.
    pub engine: Engine,
    _folder: TempDir,
}

impl World {
    /// A world with the defaults.
    pub async fn on(engine: Engine) -> Self {
        Setup::on(engine).open().await
    }

    /// The same store, served anew with this text as `threadline.toml`.
    pub async fn again_with(self, settings: &str) -> World {
        self.running.stop().await.expect("an orderly stop");
        let running = Setup::on(self.engine).settings(settings).serve(&self.database).await;
        World { running, ..self }
    }

    /// Tells the server these settings instead, while it serves; which of them take a start.
    pub async fn reload(&self, settings: &str) -> Result<Vec<String>, ConfigurationError> {
        self.running.reload(Configuration::parse(settings, &Layers::default())?).await
    }

    /// A connection to the database, past the server.
    pub async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.database).await.expect("the database answers")
    }

    /// Flips a bit in a sealed column of a customer, who is `$1` in `row`, past the server.
    pub async fn damage(&self, (table, column): (&str, &str), row: &str, customer_ref: &str) {
        let id = CustomerId::parse_ref(customer_ref).expect("a ref").0.to_vec();
        let mut past = self.connect().await;
        let look = AssertSqlSafe(format!("SELECT {column} FROM {table} WHERE {row}"));
        let found = sqlx::query(look).bind(id.clone()).fetch_one(&mut past).await;
        let mut value: Vec<u8> = found.expect("a row").get(0);
        let middle = value.len() / 2;
        value[middle] ^= 1;
        let put = AssertSqlSafe(format!("UPDATE {table} SET {column} = $2 WHERE {row}"));
        let put = sqlx::query(put).bind(id).bind(value).execute(&mut past).await;
        assert_eq!(put.expect("a write").rows_affected(), 1);
    }

    /// Takes so many positions of the journal from every tenant, as a restore does, past the server.
    pub async fn gap(&self, positions: i64) {
        let mut past = self.connect().await;
        let sql = "UPDATE tenant_head SET position = position + $1";
        let moved = sqlx::query(sql).bind(positions).execute(&mut past).await;
        assert!(moved.expect("a write").rows_affected() > 0);
    }

    /// How far the journal of [`TENANT`] goes.
    pub async fn reached(&self) -> i64 {
        let mut past = self.connect().await;
        let sql = "SELECT position FROM tenant_head WHERE tenant = 1";
        sqlx::query(sql).fetch_one(&mut past).await.expect("a head").get(0)
    }

    /// Puts the journal of [`TENANT`] back to that place, past the server, as a failover does that loses what
    /// came after it: its places are handed out again. Of its web-hooks all is said to be told up to `told`.
    pub async fn put_back(&self, place: i64, told: i64) {
        let mut past = self.connect().await;
        let mut all = past.begin().await.expect("a transaction");
        for (sql, to) in [
            ("UPDATE tenant_head SET position = $1 WHERE tenant = 1", place),
            ("DELETE FROM journal WHERE tenant = 1 AND position > $1", place),
            ("DELETE FROM audit_link WHERE tenant = 1 AND position > $1", place),
            ("DELETE FROM webhook_delivery WHERE tenant = 1 AND position > $1", place),
            ("UPDATE webhook_endpoint SET position = $1 WHERE tenant = 1", told),
        ] {
            sqlx::query(sql).bind(to).execute(&mut *all).await.expect("a write");
        }
        all.commit().await.expect("a write");
    }

    /// Another instance on the same store, with this text as `threadline.toml`.
    pub async fn beside(&self, settings: &str) -> Running {
        Setup::on(self.engine).settings(settings).serve(&self.database).await
    }

    /// A new key of [`TENANT`] with these roles, source `default`.
    pub fn new_key(roles: &[&str]) -> NewKey {
        NewKey {
            tenant: TENANT.into(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            source: "default".into(),
            may_address: Vec::new(),
            max_assurance: None,
            test: false,
        }
    }

    /// Makes that key.
    pub async fn key(&self, key: &NewKey) -> String {
        create(&self.running.service, key).await.expect("a key")
    }

    /// A client with this key.
    pub async fn client(&self, key: &NewKey) -> Client {
        let key = self.key(key).await;
        self.with_header(Some(&format!("Bearer {key}"))).await
    }

    /// A client of [`TENANT`] with one role, source `default`.
    pub async fn role(&self, role: &str) -> Client {
        self.client(&Self::new_key(&[role])).await
    }

    /// A client with these roles and another source.
    pub async fn of_source(&self, roles: &[&str], source: &str, others: &[&str]) -> Client {
        let others = others.iter().map(|source| (*source).to_owned()).collect();
        let own = NewKey { source: source.into(), may_address: others, ..Self::new_key(roles) };
        self.client(&own).await
    }

    /// A client that sends this `authorization`.
    pub async fn with_header(&self, authorization: Option<&str>) -> Client {
        Client::connect(self.running.address, authorization).await
    }

    /// The store's time.
    pub fn now(&self) -> Time {
        self.running.service.store().now()
    }

    /// Stops the server and drops its database.
    pub async fn close(self) {
        self.running.stop().await.expect("an orderly stop");
        if self.engine == Engine::Postgres {
            let cluster = postgres().expect("it was there before");
            let (_, name) = self.database.rsplit_once('/').expect("a URL with a database");
            let mut connection = PgConnection::connect(&cluster).await.expect("the cluster");
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let dropped = connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await;
            dropped.expect("our own database can be dropped");
        }
    }
}
