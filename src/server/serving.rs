//! What is spoken on a connection: HTTP/2, or HTTP/1.1 where a peer begins with that, each within
//! its limits, until draining ends it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{mpsc, watch};
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::service::Routes;
use tonic::transport::server::Connected as _;
use tonic_health::ServingStatus;
use tower::Layer as _;

use super::attending::{Attending, Peer};
use super::coming::Room;
use super::wire::Wire;
use super::workers::{Phase, reached};
use crate::events::Watching;
use crate::grpc::proto::customer_service_server::CustomerServiceServer;
use crate::grpc::proto::interaction_service_server::InteractionServiceServer;
use crate::grpc::{self, Customers, Interactions, MAX_REQUEST_BYTES, Observing};
use crate::http::Doors;

/// Streams of one connection at once, and so its calls in work.
const STREAMS: u32 = 256;
/// A peer that is silent this long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of one call's headers, as either version counts them: an API key and a deadline need few.
const HEADER_BYTES: usize = 16 << 10;
/// Bytes of one HTTP/2 frame; a message may come in many.
const FRAME_BYTES: u32 = 16 << 10;
/// Calls that a peer may take back before they were looked at (rapid reset, CVE-2023-44487); one
/// more, and the connection ends.
const RESETS_BEFORE_ACCEPTED: usize = 20;
/// Streams that we reset because a peer broke the protocol; one more, and the connection ends.
const RESETS_FOR_ERRORS: usize = 256;
/// Headers of one HTTP/1.1 request.
const HEADERS: usize = 64;
/// How long an HTTP/1.1 peer may take from the answer before, or its first word, to the end of its
/// next request's headers. More than load balancers keep a connection in reserve.
pub(super) const HEADERS_WITHIN: Duration = Duration::from_secs(75);

/// Serves the connections that one worker is handed, until the phase is past serving and what is
/// open has ended.
pub(super) async fn serve_on(
    mut connections: mpsc::UnboundedReceiver<Wire>,
    watching: Arc<Watching>,
    doors: Doors,
    observing: Observing,
    mut phase: watch::Receiver<Phase>,
) {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<InteractionServiceServer<Interactions>>().await;
    health_reporter.set_serving::<CustomerServiceServer<Customers>>().await;
    let routes = routes(&watching).add_service(health).prepare();
    let attending = Attending { room: Room::new() };
    let calls = attending.layer(doors.layer(observing.layer(routes)));
    let speaking = speaking(HEADERS_WITHIN);
    let open = GracefulShutdown::new();
    // Also while draining: whoever asks on an open connection is told.
    let mut leaving = phase.clone();
    tokio::spawn(async move {
        reached(&mut leaving, Phase::Leaving).await;
        health_reporter.set_not_serving::<InteractionServiceServer<Interactions>>().await;
        health_reporter.set_not_serving::<CustomerServiceServer<Customers>>().await;
        health_reporter.set_service_status("", ServingStatus::NotServing).await;
    });
    loop {
        let wire = tokio::select! {
            () = reached(&mut phase, Phase::Draining) => break,
            Some(wire) = connections.recv() => wire,
            else => break,
        };
        let calls = OnConnection { peer: wire.connect_info(), calls: calls.clone() };
        let connection =
            speaking.serve_connection(TokioIo::new(wire), TowerToHyperService::new(calls));
        let connection = open.watch(connection.into_owned());
        // How a connection ended is no news: its calls were answered, or their callers know.
        tokio::spawn(async move { drop(connection.await) });
    }
    watching.stop();
    // Whoever is greeted now is not served any more.
    drop(connections);
    open.shutdown().await;
}

/// Every service of ours, and reflection.
fn routes(watching: &Arc<Watching>) -> Routes {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(grpc::proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        // The descriptors were made by our own build.
        .expect("our own descriptors are valid");
    let interactions = InteractionServiceServer::new(Interactions::new(watching))
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let customers = CustomerServiceServer::new(Customers::new(watching))
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    Routes::new(reflection).add_service(interactions).add_service(customers)
}

/// Both versions with their limits. What the wire limits (the first words, reading on, a connection
/// without a call) is not here.
pub(super) fn speaking(headers_within: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_header_list_size(HEADER_BYTES as u32)
        .max_pending_accept_reset_streams(RESETS_BEFORE_ACCEPTED)
        .max_local_error_reset_streams(RESETS_FOR_ERRORS)
        .max_frame_size(FRAME_BYTES);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_within)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES);
    builder
}

/// The calls of one connection, which know which it is.
#[derive(Clone)]
struct OnConnection<S> {
    peer: Peer,
    calls: S,
}

impl<S, B> tower::Service<Request<B>> for OnConnection<S>
where
    S: tower::Service<Request<Body>>,
    B: http_body::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.calls.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.calls.call(request.map(Body::new))
    }
}

#[cfg(test)]
mod tests;
