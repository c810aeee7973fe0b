//! A service under test: its database, its process, and a caller for every stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BenchArgs;
use super::caller::Caller;
use super::child::{Place, Server};
use super::cpu::{self, Meter};
use super::prepare;
use super::workload::{Workload, World};
use crate::cli::serve::ThrowAway;
use crate::ids::Entropy;

/// Megabytes that have room for all customers.
const LARGE_CACHE: u32 = 1_024;
/// Megabytes that `start-cold` gives the service to remember with.
const TINY_CACHE: u32 = 1;
/// What a start may take besides: in a build that is not measured for its speed as long as it likes, so
/// that a busy machine degrades none.
const BUDGET: &str = if cfg!(debug_assertions) { "start_budget_ms = 30000\n" } else { "" };

/// Settings of the service: calls as many as it can answer, and so much to remember with.
fn settings_with(cache_megabytes: u32) -> String {
    format!(
        "[server]\ncache_megabytes = {cache_megabytes}\n{BUDGET}\
         [policy]\nkey_rate = 1000000\ntenant_rate = 1000000\n"
    )
}

/// A service that is ready to be measured.
pub(super) struct Stand {
    server: Server,
    /// One for each stream.
    pub(super) callers: Vec<Caller>,
    /// Whom the service knows.
    pub(super) world: Arc<World>,
    /// Whose processor time counts.
    pub(super) meter: Meter,
    /// How long it took to make it ready.
    pub(super) prepared: Duration,
    /// Files of the service; gone when this is.
    _folder: ThrowAway,
}

impl Stand {
    /// Serves `database` under a tenant of its own, with customers and a warm cache.
    ///
    /// # Errors
    /// When the service does not start or refuses a call.
    pub(super) async fn open(
        arguments: &BenchArgs,
        database: &Database,
        root_key: &str,
        workload: Workload,
    ) -> anyhow::Result<Self> {
        let folder = ThrowAway::make("bench")?;
        let url = database.url(&folder);
        let settings = folder.file("settings.toml");
        std::fs::write(&settings, settings_with(LARGE_CACHE))?;
        let root_key = database.needs_key().then_some(root_key);
        let place = Place { database: &url, root_key, settings: &settings };
        let key = place.make_key(&format!("bench-{:016x}", Entropy::System.positive()))?;
        let server = Server::serve(&place, &folder.file("service.log")).await?;
        let callers = callers(arguments, &Target::Service(&server.address, &key)).await?;
        let world = World::new(arguments.customers, arguments.seed);
        let begun = Instant::now();
        prepare::customers(&callers, &world).await?;
        let prepared = begun.elapsed();
        let database = database.port().and_then(cpu::postmaster);
        let mut stand = Self {
            meter: Meter { server: server.id(), database },
            server,
            callers,
            world,
            prepared,
            _folder: folder,
        };
        if workload == Workload::StartCold {
            std::fs::write(&settings, settings_with(TINY_CACHE))?;
            stand.server.stop().await?;
            let log = stand._folder.file("cold.log");
            stand.server = Server::serve(&place, &log).await?;
            stand.meter.server = stand.server.id();
            let target = Target::Service(&stand.server.address, &key);
            stand.callers = self::callers(arguments, &target).await?;
        }
        Ok(stand)
    }

    /// Stops the service.
    ///
    /// # Errors
    /// When it cannot be asked to.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        drop(self.callers);
        self.server.stop().await
    }
}

/// Where to connect to.
pub(super) enum Target<'a> {
    /// The service's address, and an API key.
    Service(&'a str, &'a str),
    /// The echo's address.
    Echo(&'a str),
}

/// A caller for each stream, over as many connections as were asked for. Neighbours in the list
/// use different connections.
///
/// # Errors
/// When nobody answers there.
pub(super) async fn callers(
    arguments: &BenchArgs,
    target: &Target<'_>,
) -> anyhow::Result<Vec<Caller>> {
    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        connections.push(match target {
            Target::Service(address, key) => Caller::service(address, key).await?,
            Target::Echo(address) => Caller::echo(address).await?,
        });
    }
    let streams = usize::from(arguments.streams);
    Ok((0..streams).flat_map(|_| connections.iter().cloned()).collect())
}

/// Which database to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// A SQLite file that is gone afterwards.
    ThrowAway,
    /// A SQLite file that stays.
    Sqlite(String),
    /// A PostgreSQL.
    Postgres(String),
}

impl Database {
    /// Reads what the command line says.
    ///
    /// # Errors
    /// What it must be.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is = |scheme: &str| text.starts_with(scheme) && text.len() > scheme.len();
        if text == "sqlite" {
            Ok(Self::ThrowAway)
        } else if is("sqlite:") {
            Ok(Self::Sqlite(text.to_owned()))
        } else if is("postgres://") || is("postgresql://") {
            Ok(Self::Postgres(text.to_owned()))
        } else {
            Err("must be sqlite (a file that is gone afterwards), sqlite:PATH or postgres://…"
                .to_owned())
        }
    }

    /// As the reports name it.
    pub(super) fn engine(&self) -> &'static str {
        match self {
            Self::ThrowAway | Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    fn url(&self, folder: &ThrowAway) -> String {
        match self {
            Self::ThrowAway => format!("sqlite:{}", folder.file("bench.db").display()),
            Self::Sqlite(url) | Self::Postgres(url) => url.clone(),
        }
    }

    /// Whether it is served with our root key: a file that stays has one of its own beside it,
    /// unless the environment names another.
    fn needs_key(&self) -> bool {
        !matches!(self, Self::Sqlite(_)) || std::env::var_os("THREADLINE_ROOT_KEY").is_some()
    }

    /// PostgreSQL's port, when it is on this machine.
    fn port(&self) -> Option<u16> {
        let Self::Postgres(url) = self else { return None };
        let (_, rest) = url.split_once("://")?;
        let place = rest.split(['/', '?']).next()?;
        let place = place.rsplit('@').next()?;
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "5432"));
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        here.then_some(port.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Configuration, Layers};

    #[test]
    fn databases_are_told_apart() {
        assert_eq!(Database::parse("sqlite"), Ok(Database::ThrowAway));
        assert_eq!(Database::parse("sqlite:a.db").unwrap().engine(), "sqlite");
        assert_eq!(Database::parse("postgres://u:p@h/d").unwrap().engine(), "postgres");
        for bad in ["", "sqlite:", "postgres://", "mysql://u:p@h/d"] {
            assert!(Database::parse(bad).unwrap_err().starts_with("must be"), "{bad}");
        }
    }

    #[test]
    fn the_service_is_given_settings_that_it_takes() {
        let by_default = Configuration::parse("", &Layers::default()).unwrap().start_budget;
        for megabytes in [LARGE_CACHE, TINY_CACHE] {
            let read = Configuration::parse(&settings_with(megabytes), &Layers::default()).unwrap();
            // Only a release is measured as it is served by default.
            assert_eq!(read.start_budget == by_default, !cfg!(debug_assertions));
        }
    }

    #[test]
    fn only_a_postgres_of_this_machine_is_looked_for() {
        let port = |url: &str| Database::parse(url).unwrap().port();
        assert_eq!(port("postgres://u:p@127.0.0.1:20123/d?a=b"), Some(20_123));
        assert_eq!(port("postgres://localhost/d"), Some(5_432));
        assert_eq!(port("postgres://u:p@db.example.com:5432/d"), None);
        assert_eq!(port("sqlite:a.db"), None);
    }
}
