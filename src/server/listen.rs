//! Serving: bind, serve until told to stop, drain, and end hard if draining does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::transport::Server;

use super::attending::Attending;
use super::machine;
use super::tls::Certificates;
use super::wire::{Accepted, Wire};
use super::workers::{Hands, Phase, Worker, reached};
use super::{Configuration, checkpoints, root_keys};
use crate::clock::Clock;
use crate::continuity::service::Settings;
use crate::continuity::{Error, Service};
use crate::grpc::proto::customer_service_server::CustomerServiceServer;
use crate::grpc::proto::interaction_service_server::InteractionServiceServer;
use crate::grpc::{self, Customers, Interactions, Logged, MAX_REQUEST_BYTES};
use crate::identity;
use crate::ids::Entropy;
use crate::store::{Durable, Schedule};

/// How long open calls may go on after the stop was asked for.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// How long accepting rests when the system refuses a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);
/// How long until refused connections are told of again.
const TOLD_AGAIN: Duration = Duration::from_secs(60);
/// Streams of one connection at once, and so its calls in work.
const STREAMS: u32 = 256;
/// A peer that is silent this long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of one call's headers, as HTTP/2 counts them: an API key and a deadline need few.
const HEADER_BYTES: u32 = 16 << 10;
/// Bytes of one HTTP/2 frame; a message may come in many.
const FRAME_BYTES: u32 = 16 << 10;
/// Calls that a peer may take back before they were looked at (rapid reset, CVE-2023-44487); one
/// more, and the connection ends.
const RESETS_BEFORE_ACCEPTED: usize = 20;
/// Streams that we reset because a peer broke the protocol; one more, and the connection ends.
const RESETS_FOR_ERRORS: usize = 256;

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

    async fn open_for(self, durable: Durable) -> anyhow::Result<Arc<Service>> {
        let configuration = self.configuration;
        let keys = root_keys(self.root_key.as_deref(), &configuration.database, &self.entropy)?;
        let opened = Service::open(Settings {
            database: configuration.database,
            root_keys: keys,
            policies: configuration.policies,
            clock: self.clock,
            entropy: self.entropy,
            budget: configuration.start_budget,
            cache_bytes: configuration.cache_bytes,
            schedule: self.schedule,
            durable,
        });
        match opened.await {
            Err(Error::Sealed) => {
                anyhow::bail!("the root key is not the one this database was made with")
            }
            opened => opened.context("the store cannot be opened"),
        }
    }
}

/// A server that is listening.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// The service behind it.
    pub service: Arc<Service>,
    phase: watch::Sender<Phase>,
    workers: Vec<Worker>,
    accepting: JoinHandle<()>,
    beside: Beside,
}

/// What goes on beside serving, until it stops.
struct Beside {
    swept: JoinHandle<()>,
    noted: JoinHandle<()>,
    certificates_kept: Option<JoinHandle<()>>,
    checkpoints: Option<JoinHandle<()>>,
}

impl Beside {
    fn stop(&self) {
        let always = [&self.swept, &self.noted];
        let chosen = [&self.certificates_kept, &self.checkpoints];
        let all = always.into_iter().chain(chosen.into_iter().flatten());
        all.for_each(JoinHandle::abort);
    }
}

impl Running {
    /// Stops: no new connections, open calls may end, then everything is closed.
    ///
    /// # Errors
    /// When serving had failed before.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.enter(Phase::Draining);
        self.accepting.abort();
        let served = match tokio::time::timeout(DRAIN_WITHIN, self.ended()).await {
            Ok(served) => served,
            Err(_) => {
                tracing::warn!("open calls did not end in time and were cut off");
                self.enter(Phase::Cut);
                self.ended().await
            }
        };
        self.beside.stop();
        let closing = async {
            note_uses(&self.service).await;
            self.service.store().close().await;
        };
        if tokio::time::timeout(DRAIN_WITHIN, closing).await.is_err() {
            tracing::warn!("the store did not close in time");
        }
        self.enter(Phase::Over);
        let threads = self.workers.into_iter().map(Worker::into_thread);
        for thread in threads.collect::<Vec<_>>() {
            // A thread that panicked has nothing left to wait for.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        served
    }

    fn enter(&self, phase: Phase) {
        // Nobody listens any more only when everything has ended already.
        let _ = self.phase.send(phase);
    }

    /// Waits until serving ends.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let mut served = Ok(());
        for worker in &mut self.workers {
            served = served.and(worker.served().await);
        }
        served
    }
}

/// Opens the service, warms up, binds and serves in the background.
///
/// # Errors
/// Settings, root key, database or address that cannot be used.
pub async fn serve(serve: Serve) -> anyhow::Result<Running> {
    let listen = serve.configuration.listen.clone();
    let (workers, sweep_every) = (serve.configuration.workers, serve.configuration.sweep_every);
    let (connections, anywhere) =
        (serve.configuration.connections, serve.configuration.plaintext_anywhere);
    let tls = serve.configuration.tls.clone().map(Certificates::read).transpose();
    let tls = tls.context("[server.tls]")?.map(Arc::new);
    let checked = |address: SocketAddr| {
        let safe = tls.is_some() || anywhere || address.ip().to_canonical().is_loopback();
        anyhow::ensure!(safe, "{}", plaintext_refused(address));
        anyhow::Ok(())
    };
    // Where it is plain at once, nothing is opened; a name is known when it is bound.
    listen.parse().map_or(Ok(()), checked)?;
    machine::allow_files(connections);
    let checkpoint_every = serve.configuration.checkpoint_every;
    let checkpoint_file = serve.configuration.checkpoint_file.clone();
    let service = serve.open_for(Durable::AfterCommit).await?;
    // The first phone number would otherwise pay for loading the metadata.
    tokio::task::spawn_blocking(identity::warm_up).await.context("warming up")?;
    let listener =
        TcpListener::bind(&listen).await.with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr()?;
    checked(address)?;
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        // As loud as it gets: it is seen at every level of the log but off.
        tracing::error!(%address, "serving WITHOUT TLS: whoever is on the way reads and changes everything, API keys too");
    }
    let (phase, watched) = watch::channel(Phase::Serving);
    let workers = (0..workers)
        .map(|_| Worker::start(&service, tls.clone(), watched.clone()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let hands = workers.iter().map(Worker::hands).collect();
    let accepting = tokio::spawn(accept(listener, Arc::new(Semaphore::new(connections)), hands));
    let swept = tokio::spawn(sweep(Arc::clone(&service), sweep_every));
    let noted = tokio::spawn(note_uses_often(Arc::clone(&service)));
    let with_tls = tls.is_some();
    let certificates_kept = tls.map(|certificates| tokio::spawn(certificates.keep_up()));
    let keep = |file| tokio::spawn(checkpoints::keep(Arc::clone(&service), file, checkpoint_every));
    let checkpoints = checkpoint_file.map(keep);
    tracing::info!(%address, tls = with_tls, "serving");
    let beside = Beside { swept, noted, certificates_kept, checkpoints };
    Ok(Running { address, service, phase, workers, accepting, beside })
}

fn plaintext_refused(address: SocketAddr) -> String {
    format!(
        "{address} can be reached from other machines, and without TLS everything sent to it can be \
         read and changed on the way: set [server.tls], listen on 127.0.0.1, or, behind a proxy that \
         speaks TLS, set server.plaintext = \"anywhere\""
    )
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

/// Serves the connections that one worker is handed, until the phase is past serving.
pub(super) async fn serve_on(
    connections: impl Stream<Item = std::io::Result<Wire>>,
    service: Arc<Service>,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), tonic::transport::Error> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<InteractionServiceServer<Interactions>>().await;
    health_reporter.set_serving::<CustomerServiceServer<Customers>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(grpc::proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        // The descriptors were made by our own build.
        .expect("our own descriptors are valid");
    let interactions = InteractionServiceServer::new(Interactions::new(Arc::clone(&service)))
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let customers = CustomerServiceServer::new(Customers::new(service))
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    Server::builder()
        .layer(Attending)
        .layer(Logged)
        .max_concurrent_streams(Some(STREAMS))
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .http2_max_header_list_size(HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(RESETS_BEFORE_ACCEPTED))
        .http2_max_local_error_reset_streams(Some(RESETS_FOR_ERRORS))
        .max_frame_size(FRAME_BYTES)
        .add_service(health)
        .add_service(reflection)
        .add_service(interactions)
        .add_service(customers)
        .serve_with_incoming_shutdown(connections, async move {
            reached(&mut phase, Phase::Draining).await;
            health_reporter.set_not_serving::<InteractionServiceServer<Interactions>>().await;
        })
        .await
}

/// Ends by time what has to end, while serving.
async fn sweep(service: Arc<Service>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
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

async fn note_uses(service: &Service) {
    if let Err(error) = service.note_uses().await {
        tracing::debug!(%error, "it was not noted which keys were used");
    }
}
