//! A database to play on: prepared once, with a tenant whose customers stay and one whose are
//! purged, and a service on it as a server opens it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, Executor as _};
use threadline::cli::keys::{NewKey, create};
use threadline::clock::{Clock, Time};
use threadline::continuity::Service;
use threadline::crypto::ApiKey;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Serve};
use threadline::store::{Engine, Schedule};

use crate::database::Database;
use crate::keys::ROOT_KEY;

/// When the tests' own clock begins.
pub(crate) const MORNING: Time = Time(1_790_000_000_000);
/// Known alone, an identifier is enough also when it was not seen for a week.
pub(crate) const SETTINGS: &str = "[policy]\nreuse_confidence = 0.31\n";

/// Keys that a play may revoke.
pub(crate) const REVOCABLE: u8 = 2;
/// Before a key, in its header.
pub(crate) const BEARER: &str = "Bearer ";

/// A database with two tenants, and keys of each.
pub(crate) struct Ground {
    pub(crate) database: Database,
    /// A key of the tenant whose customers stay, and one of the tenant whose are purged.
    keys: [String; 2],
    /// Keys of the first tenant that may be revoked.
    revocable: Vec<String>,
}

impl Ground {
    /// A new one; none when the engine is PostgreSQL and no server was named.
    pub(crate) async fn prepare(engine: Engine) -> Option<Self> {
        let database = Database::fresh(engine).await?;
        let clock = Clock::manual(MORNING);
        let service = open(&database.url, clock, Entropy::System, Schedule::Free).await;
        let keys = [key(&service, false).await, key(&service, true).await];
        let mut revocable = Vec::new();
        for _ in 0..REVOCABLE {
            revocable.push(key(&service, false).await);
        }
        service.store().close().await;
        Some(Self { database, keys, revocable })
    }

    /// The headers of a play: that of the key that lasts, and of those that are revoked, if any is.
    pub(crate) fn keys(&self, purges: bool, revokes: bool) -> Vec<String> {
        let revocable = self.revocable.iter().filter(|_| revokes);
        let all = [&self.keys[usize::from(purges)]].into_iter().chain(revocable);
        all.map(|key| format!("{BEARER}{key}")).collect()
    }

    /// No key is revoked any more, whatever an earlier play on the same database has done.
    pub(crate) async fn renew_keys(&self) {
        if self.database.engine == Engine::Postgres {
            let sql = "UPDATE api_key SET revoked = 0 WHERE revoked > 0";
            let mut connection = self.database.connect().await;
            connection.execute(sql).await.expect("we may do this");
            connection.close().await.expect("a connection that closes");
        }
    }

    /// The same once more: a file of its own on SQLite; PostgreSQL is shared.
    pub(crate) fn copy(&self) -> (String, Option<tempfile::TempDir>) {
        let Some(original) = self.database.url.strip_prefix("sqlite:") else {
            return (self.database.url.clone(), None);
        };
        let in_memory = tempfile::tempdir_in(MEMORY);
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let copy = folder.path().join("store.db");
        std::fs::copy(original, &copy).expect("a file that can be copied");
        (format!("sqlite:{}", copy.display()), Some(folder))
    }

    /// Makes all that the purged tenant has eight days older.
    pub(crate) async fn age(&self) {
        let sql = "UPDATE journal SET received = received - 691200000 WHERE tenant = 2";
        let mut connection = self.database.connect().await;
        connection.execute(sql).await.expect("we may do this");
        connection.close().await.expect("a connection that closes");
    }
}

/// Files that live in memory: the machine is not switched off in these tests.
const MEMORY: &str = "/dev/shm";

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

/// Revokes the key of this header, as `threadline keys revoke` does, and does it again while the
/// database's lock is not free in time.
pub(crate) async fn revoke(service: &Service, header: &str) {
    let key = ApiKey::parse(header.trim_start_matches(BEARER)).expect("a key of ours");
    while service.store().revoke_api_key(key.tenant, &key.id).await.is_err() {}
}

async fn key(service: &Service, test: bool) -> String {
    let key = NewKey {
        tenant: "acme".into(),
        roles: ["telephony", "backfill", "admin"].map(str::to_owned).to_vec(),
        source: "pbx".into(),
        may_address: Vec::new(),
        max_assurance: None,
        test,
    };
    create(service, &key).await.expect("a key")
}
