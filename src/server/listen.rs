//! Serving: bind, serve until told to stop, drain, and end hard if draining does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::transport::Server;

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
/// Streams of one connection at once, and so its calls in work.
const STREAMS: u32 = 1_024;
/// A peer that is silent this long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

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
    swept: JoinHandle<()>,
    checkpoints: Option<JoinHandle<()>>,
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
        self.swept.abort();
        self.checkpoints.iter().for_each(JoinHandle::abort);
        if tokio::time::timeout(DRAIN_WITHIN, self.service.store().close()).await.is_err() {
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
    let checkpoint_every = serve.configuration.checkpoint_every;
    let checkpoint_file = serve.configuration.checkpoint_file.clone();
    let service = serve.open_for(Durable::AfterCommit).await?;
    // The first phone number would otherwise pay for loading the metadata.
    tokio::task::spawn_blocking(identity::warm_up).await.context("warming up")?;
    let listener =
        TcpListener::bind(&listen).await.with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr()?;
    let (phase, watched) = watch::channel(Phase::Serving);
    let workers = (0..workers)
        .map(|_| Worker::start(&service, watched.clone()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let accepting = tokio::spawn(accept(listener, workers.iter().map(Worker::hands).collect()));
    let swept = tokio::spawn(sweep(Arc::clone(&service), sweep_every));
    let keep = |file| tokio::spawn(checkpoints::keep(Arc::clone(&service), file, checkpoint_every));
    let checkpoints = checkpoint_file.map(keep);
    tracing::info!(%address, "serving");
    Ok(Running { address, service, phase, workers, accepting, swept, checkpoints })
}

/// Takes connections and deals them out in turn.
async fn accept(listener: TcpListener, workers: Vec<Hands>) {
    for worker in workers.iter().cycle() {
        let connection = loop {
            match listener.accept().await {
                Ok((connection, _)) => break connection,
                // Too many open files, or a peer that went away: others may fare better soon.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        };
        // Small answers must not wait for more: without this a call took 43 ms.
        let _ = connection.set_nodelay(true);
        if let Ok(connection) = connection.into_std() {
            // A worker that has ended serves nobody: the connection closes as it is dropped.
            let _ = worker.send(connection);
        }
    }
}

/// Serves the connections that one worker is handed, until the phase is past serving.
pub(super) async fn serve_on(
    connections: impl Stream<Item = std::io::Result<TcpStream>>,
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
        .layer(Logged)
        .max_concurrent_streams(Some(STREAMS))
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
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
