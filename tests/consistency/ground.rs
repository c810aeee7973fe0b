//! A database to play on: prepared once, with a tenant whose customers stay and one whose are
//! purged, and a service on it as a server opens it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use threadline::cli::keys::{NewKey, create};
use threadline::clock::{Clock, Time};
use threadline::continuity::Service;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Serve};
use threadline::store::{Engine, Schedule};

/// Where a superuser of a throw-away PostgreSQL is.
const POSTGRES: &str = "THREADLINE_TEST_POSTGRES";
/// Bytes 0 to 31.
pub(crate) const ROOT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// When the tests' own clock begins.
pub(crate) const MORNING: Time = Time(1_790_000_000_000);
/// Known alone, an identifier is enough also when it was not seen for a week.
pub(crate) const SETTINGS: &str = "[policy]\nreuse_confidence = 0.31\n";

/// A database with two tenants, and a key of each.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    /// A key of the tenant whose customers stay, and one of the tenant whose are purged.
    pub(crate) keys: [String; 2],
    folder: tempfile::TempDir,
    name: String,
}

impl Ground {
    /// A new one; none when the engine is PostgreSQL and no server was named.
    pub(crate) async fn prepare(engine: Engine) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().expect("a folder");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("threadline_{:016x}_{number}", Entropy::System.positive());
        let url = match engine {
            Engine::Sqlite => file_in(&folder),
            Engine::Postgres => {
                let Some(server) = server() else {
                    eprintln!("{POSTGRES} is not set: not run on PostgreSQL (./test.sh does)");
                    return None;
                };
                administer(&server, &format!("CREATE DATABASE {name}")).await;
                let (before, _) = server.rsplit_once('/').expect("a URL with a database");
                format!("{before}/{name}")
            }
        };
        let clock = Clock::manual(MORNING);
        let service = open(&url, clock, Entropy::System, Schedule::Free).await;
        let keys = [key(&service, false).await, key(&service, true).await];
        service.store().close().await;
        Some(Self { engine, url, keys, folder, name })
    }

    /// The same once more: a file of its own on SQLite; PostgreSQL is shared.
    pub(crate) fn copy(&self) -> (String, Option<tempfile::TempDir>) {
        if self.engine == Engine::Postgres {
            return (self.url.clone(), None);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let copied = std::fs::copy(self.folder.path().join(FILE), folder.path().join(FILE));
        copied.expect("a file that can be copied");
        (file_in(&folder), Some(folder))
    }

    /// Takes it away.
    pub(crate) async fn remove(self) {
        if self.engine == Engine::Postgres {
            let server = server().expect("it was there before");
            administer(&server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        }
    }
}

const FILE: &str = "store.db";

fn file_in(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join(FILE).display())
}

fn server() -> Option<String> {
    std::env::var(POSTGRES).ok().filter(|url| !url.is_empty())
}

async fn administer(url: &str, sql: &str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.expect("the database answers");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("we may do this");
    connection.close().await.expect("a connection that closes");
}

/// Makes all that the purged tenant has eight days older.
pub(crate) async fn age(url: &str) {
    administer(url, "UPDATE journal SET received = received - 691200000 WHERE tenant = 2").await;
}

/// How a server is started on a database.
pub(crate) fn settings(url: &str, clock: Clock, entropy: Entropy, schedule: Schedule) -> Serve {
    let layers = Layers {
        listen: Some("127.0.0.1:0".into()),
        database: Some(url.to_owned()),
        ..Layers::default()
    };
    let mut configuration = Configuration::parse(SETTINGS, &layers).expect("valid settings");
    configuration.start_budget = Duration::from_secs(600);
    configuration.sweep_every = Duration::from_secs(86_400);
    Serve { configuration, root_key: Some(ROOT_KEY.to_owned()), clock, entropy, schedule }
}

/// A service on a database.
pub(crate) async fn open(
    url: &str,
    clock: Clock,
    entropy: Entropy,
    schedule: Schedule,
) -> Arc<Service> {
    settings(url, clock, entropy, schedule).open().await.expect("a service")
}

async fn key(service: &Service, test: bool) -> String {
    let key = NewKey {
        tenant: "acme".into(),
        roles: ["telephony", "backfill"].map(str::to_owned).to_vec(),
        source: "pbx".into(),
        may_address: Vec::new(),
        max_assurance: None,
        test,
    };
    create(service, &key).await.expect("a key")
}
