//! The yardstick: a gRPC server that does nothing but answer.
//!
//! It is as bare as tonic gets: no layers, no key, two workers, a prebuilt payload. What the service
//! costs beyond it is what recognising, remembering and sealing cost. Each request says how long its
//! answer is to be, so that one echo serves every workload with the sizes that were measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use anyhow::Context as _;
use prost::bytes::Bytes;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The worker threads of the yardstick, whatever the machine has.
pub(super) const WORKERS: usize = 2;
/// The longest answer it can give, in bytes.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;
/// Its only call.
pub(super) const PATH: &str = "/threadline.bench.Echo/Echo";

/// What is sent to the echo.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EchoRequest {
    /// What the service would have been sent.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) payload: Bytes,
    /// How long the payload of the answer is to be.
    #[prost(uint32, tag = "2")]
    pub(super) answer_bytes: u32,
}

/// What it answers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EchoResponse {
    /// As long as was asked for.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) payload: Bytes,
}

/// Serves on a free port of the loopback address, says which on standard output, and ends when
/// standard input ends: when whoever started it is gone.
///
/// # Errors
/// When it cannot listen.
pub async fn run() -> anyhow::Result<ExitCode> {
    // A runtime of its own: the yardstick has two workers on every machine.
    let serving = tokio::task::spawn_blocking(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(WORKERS).enable_all().build()?.block_on(serve())
    });
    serving.await.context("the echo failed")??;
    Ok(ExitCode::SUCCESS)
}

async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("the echo cannot listen")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    std::thread::spawn(|| {
        let mut ignored = Vec::new();
        // However reading ends, nobody is there any more.
        let _ = std::io::stdin().read_to_end(&mut ignored);
        std::process::exit(0);
    });
    let connections =
        tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |connection| {
            connection.inspect(|it| drop(it.set_nodelay(true)))
        });
    let echo = Echo { longest: Bytes::from(vec![b'.'; LONGEST_ANSWER]) };
    tonic::transport::Server::builder().add_service(echo).serve_with_incoming(connections).await?;
    Ok(())
}

#[derive(Clone)]
struct Echo {
    longest: Bytes,
}

impl NamedService for Echo {
    const NAME: &'static str = "threadline.bench.Echo";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(echo, request).await) })
    }
}

impl UnaryService<EchoRequest> for Echo {
    type Response = EchoResponse;
    type Future = Ready<Result<Response<EchoResponse>, Status>>;

    fn call(&mut self, request: Request<EchoRequest>) -> Self::Future {
        let wanted = request.into_inner().answer_bytes as usize;
        ready(if wanted > LONGEST_ANSWER {
            Err(Status::invalid_argument("answer_bytes: is longer than the echo can answer"))
        } else {
            Ok(Response::new(EchoResponse { payload: self.longest.slice(..wanted) }))
        })
    }
}
