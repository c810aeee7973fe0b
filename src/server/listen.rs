//! Serving: bind, serve until told to stop, drain, and end hard if draining does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use zeroize::Zeroizing;

use super::beside::Beside;
use super::examine::plaintext_refused;
use super::machine;
use super::operating::Operating;
use super::root_key::{Given, Source, own_file};
use super::rotating::Attendance;
use super::running::Running;
use super::tls::Certificates;
use super::wire::Accepted;
use super::workers::{Hands, Phase, Worker};
use super::{Configuration, checkpoints, hook_secrets};
use crate::clock::Clock;
use crate::continuity::service::Settings;
use crate::continuity::{Error, Service};
use crate::events::Watching;
use crate::events::webhooks::Webhooks;
use crate::http::Doors;
use crate::http::hooks::Hooks;
use crate::identity;
use crate::ids::Entropy;
use crate::meters::Meters;
use crate::store::{Durable, Schedule};

/// How long accepting rests when the system refuses a connection.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(20);
/// How long until refused connections are told of again.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Between two times that it is noted which keys were used.
const USES_NOTED_EVERY: Duration = Duration::from_secs(60);

/// What to serve with.
pub struct Serve {
    /// All settings.
    pub configuration: Configuration,
    /// `THREADLINE_ROOT_KEY`.
    pub root_key: Option<String>,
    /// The machine's clock, or a test's.
    pub clock: Clock,
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// How the steps of requests and writer follow each other; a test chooses.
    pub schedule: Schedule,
}

impl Serve {
    /// Opens the service without listening: what local commands need.
    ///
    /// # Errors
    /// Root key, database or schema that cannot be used.
    pub async fn open(self) -> anyhow::Result<Arc<Service>> {
        self.open_for(Durable::InCommit).await
    }

    /// Where the root key comes from.
    ///
    /// # Errors
    /// None or several, or a file that is not there.
    pub fn root_key_source(&self) -> anyhow::Result<Source> {
        let configuration = &self.configuration;
        let given = Given {
            text: self.root_key.clone().map(Zeroizing::new),
            file: configuration.root_key_file.clone(),
            command: configuration.root_key_command.clone(),
        };
        Source::choose(given, &configuration.database, &self.entropy)
    }

    async fn open_for(self, durable: Durable) -> anyhow::Result<Arc<Service>> {
        let settings = self.settings(durable)?;
        let database = settings.database.clone();
        match Service::open(settings).await {
            Err(Error::Sealed) => {
                anyhow::bail!("the root key is not the one this database was made with")
            }
            Err(Error::RootKeyMissing(version)) => anyhow::bail!(
                "this database needs version {version} of the root key, which is not given \
                 (docs/security.md, \"The root key\")"
            ),
            Err(Error::RootKeySource(error)) => Err(error.into()),
            Err(Error::Store(error)) => {
                Err(error.explained(&database).await).context("the store cannot be opened")
            }
            opened => opened.context("the store cannot be opened"),
        }
    }

    /// Whether it was said where the root key is, or the embedded store has a file of its own.
    pub fn has_root_key(&self) -> bool {
        let configuration = &self.configuration;
        self.root_key.as_ref().is_some_and(|text| !text.trim().is_empty())
            || configuration.root_key_file.is_some()
            || configuration.root_key_command.is_some()
            || own_file(&configuration.database).is_some_and(|file| file.exists())
    }

    /// What the service is opened with.
    ///
    /// # Errors
    /// A root key that cannot be used.
    pub fn settings(self, durable: Durable) -> anyhow::Result<Settings> {
        let root_keys = self.root_key_source()?.reader();
        drop(self.root_key.map(Zeroizing::new));
        let configuration = self.configuration;
        Ok(Settings {
            database: configuration.database,
            root_keys,
            policies: configuration.policies,
            certified: configuration.certified,
            clock: self.clock,
            entropy: self.entropy,
            budget: configuration.start_budget,
            cache_bytes: configuration.cache_bytes,
            schedule: self.schedule,
            durable,
            meters: Meters::new(configuration.operations.by_tenant),
        })
    }
}

/// Opens the service, warms up, binds and serves in the background.
///
/// # Errors
/// Settings, root key, database or address that cannot be used.
pub async fn serve(serve: Serve) -> anyhow::Result<Running> {
    let configuration = serve.configuration.clone();
    let (hooks, hooks_now) = watch::channel(opened_hooks(&serve)?);
    let tls = configuration.tls.clone().map(Certificates::read).transpose();
    let tls = tls.context("[server.tls]")?.map(Arc::new);
    let checked = |address: SocketAddr| match plaintext_refused(&configuration, address) {
        Some(refused) => anyhow::bail!(refused),
        None => anyhow::Ok(()),
    };
    // Where it is plain at once, nothing is opened; a name is known when it is bound.
    configuration.listen.parse().map_or(Ok(()), checked)?;
    machine::allow_files(configuration.connections);
    let operating = Operating::begin(&configuration.operations).await?;
    let instance = serve.entropy.positive();
    let entropy = serve.entropy.clone();
    let service = serve.open_for(Durable::AfterCommit).await?;
    let attendance = Attendance::begin(&service, instance).await.context("the root key")?;
    say_who_is_missing(&service, &configuration).await;
    // The first phone number would otherwise pay for loading the metadata.
    tokio::task::spawn_blocking(identity::warm_up).await.context("warming up")?;
    let listen = &configuration.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr()?;
    checked(address)?;
    if tls.is_none() {
        say_aloud(address);
    }
    let watching = Watching::new(Arc::clone(&service));
    let webhooks = Webhooks::new(Arc::clone(&service), configuration.webhooks.clone(), instance);
    let observing = operating.opened(&service, &webhooks, instance);
    let operations = Arc::clone(&operating.operations);
    let doors =
        Doors::new(Arc::clone(&service), hooks_now, operations, &configuration.allowed_origins);
    let (phase, watched) = watch::channel(Phase::Serving);
    let workers = (0..configuration.workers)
        .map(|_| Worker::start(&watching, tls.clone(), &doors, &observing, watched.clone()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let hands = workers.iter().map(Worker::hands).collect();
    let places = Arc::new(Semaphore::new(configuration.connections));
    let accepting = tokio::spawn(accept(listener, places, hands));
    let swept = tokio::spawn(sweep(Arc::clone(&service), configuration.sweep_every));
    let noted = tokio::spawn(note_uses_often(Arc::clone(&service)));
    let certificates_kept = tls.clone().map(|known| tokio::spawn(known.keep_up()));
    let every = configuration.checkpoint_every;
    let keep = |file| tokio::spawn(checkpoints::keep(Arc::clone(&service), file, every));
    let checkpoints = configuration.checkpoint_file.clone().map(keep);
    tracing::info!(%address, tls = tls.is_some(), "serving");
    let attended = tokio::spawn(attendance.keep());
    let delivered = tokio::spawn(Arc::clone(&webhooks).run());
    let beside = Beside { swept, noted, certificates_kept, checkpoints, attended, delivered };
    Ok(Running {
        address,
        operations: operating.address,
        service,
        webhooks,
        configuration,
        phase,
        workers,
        accepting,
        hooks,
        entropy,
        certificates: tls,
        beside,
        operating,
        instance,
    })
}

fn opened_hooks(serve: &Serve) -> anyhow::Result<Arc<Hooks>> {
    let opened = hook_secrets::open(serve.configuration.hooks.clone(), &serve.entropy);
    opened.map(Arc::new).map_err(|wrong| anyhow::anyhow!(wrong.join("\n")))
}

/// That it is served without TLS, if others can reach it.
fn say_aloud(address: SocketAddr) {
    if !address.ip().to_canonical().is_loopback() {
        // As loud as it gets: it is seen at every level of the log but off.
        tracing::error!(%address, "serving WITHOUT TLS: whoever is on the way reads and changes everything, API keys too");
    }
}

/// Of which tenants there are settings and nothing else: most likely their names are misspelt, and
/// whoever is meant is served by other ones.
async fn say_who_is_missing(service: &Service, configuration: &Configuration) {
    // What keeps it from being read is said by whoever needs it.
    let Ok(there) = service.store().tenants().await else { return };
    for name in configuration.policies.by_tenant.keys() {
        if !there.iter().any(|tenant| tenant.name == *name) {
            let setting = format!("tenants.{name}");
            tracing::warn!(
                setting,
                "there is no tenant of that name, and nobody is served by these settings"
            );
        }
    }
}

/// Takes connections and deals them out in turn; more than there are places for are closed at once.
async fn accept(listener: TcpListener, places: Arc<Semaphore>, workers: Vec<Hands>) {
    let mut refused = Refused::default();
    for worker in workers.iter().cycle() {
        let (connection, place) = loop {
            match listener.accept().await {
                Ok((connection, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => break (connection, place),
                    Err(_) => {
                        drop(connection);
                        refused.tell("there is no place for another connection");
                    }
                },
                // Too many open files, or a peer that went away: others may fare better soon.
                Err(_) => {
                    refused.tell("the system gives no more connections");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        };
        // Small answers must not wait for more: without this a call took 43 ms.
        let _ = connection.set_nodelay(true);
        if let Ok(connection) = connection.into_std() {
            // A worker that has ended serves nobody: the connection closes as it is dropped.
            let _ = worker.send(Accepted { connection, place });
        }
    }
}

/// Tells of connections that were refused, not more often than somebody reads it.
#[derive(Default)]
struct Refused {
    told: Option<Instant>,
    since: u64,
}

impl Refused {
    fn tell(&mut self, why: &'static str) {
        self.since += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
            tracing::warn!(why, refused = self.since, "connections were refused");
            *self = Self { told: Some(Instant::now()), since: 0 };
        }
    }
}

/// Ends by time what has to end, while serving.
async fn sweep(service: Arc<Service>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = service.forget_changed().await {
            tracing::warn!(%error, "what others have changed stays in memory until the next sweep");
        }
        match service.sweep().await {
            Ok(swept) if swept != Default::default() => tracing::info!(?swept, "swept"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a sweep did not finish; it goes on at the next"),
        }
    }
}

/// Notes which keys were used, while serving.
async fn note_uses_often(service: Arc<Service>) {
    loop {
        tokio::time::sleep(USES_NOTED_EVERY).await;
        note_uses(&service).await;
    }
}

pub(super) async fn note_uses(service: &Service) {
    if let Err(error) = service.note_uses().await {
        tracing::debug!(%error, "it was not noted which keys were used");
    }
}
