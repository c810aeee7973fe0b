//! Serving: bind, serve until told to stop, drain, and end hard if draining does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use super::{Configuration, root_keys};
use crate::clock::Clock;
use crate::continuity::service::Settings;
use crate::continuity::{Error, Service};
use crate::grpc::proto::customer_service_server::CustomerServiceServer;
use crate::grpc::proto::interaction_service_server::InteractionServiceServer;
use crate::grpc::{self, Customers, Interactions, Logged, MAX_REQUEST_BYTES};
use crate::identity;
use crate::ids::Entropy;
use crate::store::Schedule;

/// How long open calls may go on after the stop was asked for.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// Streams of one connection at once.
const STREAMS: u32 = 1_024;
/// Calls of one connection in work at once.
const CALLS: usize = 1_024;
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
    stop: watch::Sender<bool>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
    swept: JoinHandle<()>,
}

impl Running {
    /// Stops: no new connections, open calls may end, then everything is closed.
    ///
    /// # Errors
    /// When serving had failed before.
    pub async fn stop(self) -> anyhow::Result<()> {
        // Nobody listens any more only when everything has ended already.
        let _ = self.stop.send(true);
        let abort = self.served.abort_handle();
        let served = match tokio::time::timeout(DRAIN_WITHIN, self.served).await {
            Ok(served) => served,
            Err(_) => {
                tracing::warn!("open calls did not end in time and were cut off");
                abort.abort();
                Ok(Ok(()))
            }
        };
        self.swept.abort();
        if tokio::time::timeout(DRAIN_WITHIN, self.service.store().close()).await.is_err() {
            tracing::warn!("the store did not close in time");
        }
        served.context("the server failed")?.context("the server failed")
    }

    /// Waits until serving ends by itself.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.served).await.context("the server failed")?.context("the server failed")
    }
}

/// Opens the service, warms up, binds and serves in the background.
///
/// # Errors
/// Settings, root key, database or address that cannot be used.
pub async fn serve(serve: Serve) -> anyhow::Result<Running> {
    let (listen, sweep_every) =
        (serve.configuration.listen.clone(), serve.configuration.sweep_every);
    let service = serve.open().await?;
    // The first phone number would otherwise pay for loading the metadata.
    tokio::task::spawn_blocking(identity::warm_up).await.context("warming up")?;
    let listener =
        TcpListener::bind(&listen).await.with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(serve_on(listener, Arc::clone(&service), stopped));
    let swept = tokio::spawn(sweep(Arc::clone(&service), sweep_every));
    tracing::info!(%address, "serving");
    Ok(Running { address, service, stop, served, swept })
}

async fn serve_on(
    listener: TcpListener,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
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
    // Small answers must not wait for more: without this a call took 43 ms.
    let connections = TcpListenerStream::new(listener);
    let connections = tokio_stream::StreamExt::map(connections, |connection| {
        connection.inspect(|it| drop(it.set_nodelay(true)))
    });
    Server::builder()
        .layer(Logged)
        .max_concurrent_streams(Some(STREAMS))
        .concurrency_limit_per_connection(CALLS)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(health)
        .add_service(reflection)
        .add_service(interactions)
        .add_service(customers)
        .serve_with_incoming_shutdown(connections, async move {
            // The sender is gone only when the server is being dropped: that is a stop, too.
            let _ = stopped.wait_for(|stop| *stop).await;
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
