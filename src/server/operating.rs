//! What an instance does for its operators, from its first moment to its last: an address of their own,
//! if they chose one, metrics, and traces, if they chose where.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, StatusCode};

use super::listen::ACCEPT_AGAIN;
use super::serving::{HEADERS_WITHIN, speaking};
use super::traces::Tracing;
use super::wire::{Accepted, Patience, greeted};
use crate::continuity::Service;
use crate::continuity::readiness::Readiness;
use crate::events::webhooks::Webhooks;
use crate::grpc::Observing;
use crate::http::{Asked, Operations};

/// Connections of operators at once; more wait.
const CONNECTIONS: usize = 64;

/// What goes on for operators.
pub(super) struct Operating {
    /// What they ask.
    pub operations: Arc<Operations>,
    /// Their own address.
    pub address: Option<SocketAddr>,
    served: Option<JoinHandle<()>>,
    traces: Option<Tracing>,
}

impl Operating {
    /// Listens at their own address, so that an instance can be seen to live while it starts.
    ///
    /// # Errors
    /// An address or endpoint that cannot be used.
    pub async fn begin(chosen: &super::Operations) -> anyhow::Result<Self> {
        let operations = Operations::starting(chosen.metrics_anywhere);
        let traces = chosen.traces.as_ref().map(Tracing::begin).transpose()?;
        let Some(listen) = &chosen.listen else {
            return Ok(Self { operations, address: None, served: None, traces });
        };
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
        let address = listener.local_addr()?;
        if !address.ip().to_canonical().is_loopback() {
            tracing::warn!(%address, "the metrics can be read from other machines, and without TLS");
        }
        tracing::info!(%address, "serving operators");
        let served = Some(tokio::spawn(listen_to(listener, Arc::clone(&operations))));
        Ok(Self { operations, address: Some(address), served, traces })
    }

    /// The service is open: what is counted and traced from now on. It is sent calls once this has
    /// been said; `instance` is the number that it is noted under.
    pub fn opened(
        &self,
        service: &Arc<Service>,
        webhooks: &Arc<Webhooks>,
        instance: i64,
    ) -> Observing {
        let meters = service.meters();
        meters.own_use();
        let build =
            meters.gauges("threadline_build_info", "Which build this is; always 1.", "version");
        build.of(env!("CARGO_PKG_VERSION")).set(1);
        if let Some(traces) = &self.traces {
            service.store().is_seen_by(traces.commits(service.store().engine()));
        }
        self.operations.opened(service, webhooks, Readiness::of(service, instance));
        Observing::new(meters, self.traces.as_ref().map(Tracing::tracer))
    }

    /// Sends the last traces.
    pub async fn end(&mut self) {
        if let Some(traces) = self.traces.take() {
            // It takes its time; one that panicked has nothing more to send.
            let _ = tokio::task::spawn_blocking(move || traces.end()).await;
        }
    }
}

impl Drop for Operating {
    fn drop(&mut self) {
        self.served.iter().for_each(JoinHandle::abort);
    }
}

async fn listen_to(listener: TcpListener, operations: Arc<Operations>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let speaking = Arc::new(speaking(HEADERS_WITHIN));
    // It is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let accepted = listener.accept().await.and_then(|(connection, _)| connection.into_std());
        let Ok(connection) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (speaking, operations) = (Arc::clone(&speaking), Arc::clone(&operations));
        tokio::spawn(async move {
            let accepted = Accepted { connection, place };
            let Some(wire) = greeted(accepted, None, Patience::default()).await else { return };
            let asked = tower::service_fn(move |request| ask(Arc::clone(&operations), request));
            let asked = TowerToHyperService::new(asked);
            // How a connection ended is no news.
            drop(speaking.serve_connection(TokioIo::new(wire), asked).await);
        });
    }
}

async fn ask<B>(
    operations: Arc<Operations>,
    request: Request<B>,
) -> Result<Response<Body>, Infallible> {
    let answer =
        operations.answer(request.method(), request.uri().path(), Asked::ByOperators).await;
    Ok(answer.unwrap_or_else(|| {
        let mut nothing = Response::new(Body::new("/healthz, /readyz or /metrics\n".to_owned()));
        *nothing.status_mut() = StatusCode::NOT_FOUND;
        nothing
    }))
}
