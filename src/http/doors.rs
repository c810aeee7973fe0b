//! Which door a request takes: gRPC, gRPC-Web, or one of those that speak JSON. A gRPC call costs one
//! look at its content type; everything else may cost a box.

mod pages;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use http_body::Body as _;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue};
use tonic::codegen::http::{Method, Request, Response, Version};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, ServiceExt as _};
use tower_http::cors::{Cors, CorsLayer};

use self::pages::Pages;
use super::calling::Calls;
use super::hooks::{self, Hooks};
use super::lending::lend;
use super::operations::{Asked, Operations};
use super::statuses::Refused;
use super::{rest, sticky_calls};
use crate::continuity::Service;

/// How long a browser need not ask again whether a page may call.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// The forms of gRPC-Web.
const SPOKEN: [&[u8]; 4] = [
    b"application/grpc-web",
    b"application/grpc-web+proto",
    b"application/grpc-web-text",
    b"application/grpc-web-text+proto",
];

/// Doors that no annotation of the protocol tells of.
#[derive(Clone, Copy)]
enum Beside {
    StickyCalls,
    Hooks,
}

impl Beside {
    /// All of them, by what their paths begin with.
    const ALL: [(Self, &'static str); 2] =
        [(Self::StickyCalls, sticky_calls::PREFIX), (Self::Hooks, hooks::PREFIX)];

    fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, prefix)| path.starts_with(prefix)).map(|(door, _)| door)
    }
}

/// Every path of a tenant's that no annotation of the protocol tells of: whoever probes or plants at
/// every route needs these as well.
pub fn paths_beside() -> Vec<String> {
    let of = |(door, _): (Beside, &str)| match door {
        Beside::StickyCalls => sticky_calls::paths().collect::<Vec<_>>(),
        Beside::Hooks => hooks::paths().collect(),
    };
    Beside::ALL.into_iter().flat_map(of).collect()
}

/// Lets every request in by its door.
#[derive(Clone)]
pub struct Doors {
    service: Arc<Service>,
    hooks: watch::Receiver<Arc<Hooks>>,
    operations: Arc<Operations>,
    cors: CorsLayer,
    pages: Pages,
}

impl Doors {
    /// Doors to the services of this instance, which pages of these origins may call, helpdesks
    /// through the hooks as they are then, and operators.
    pub fn new(
        service: Arc<Service>,
        hooks: watch::Receiver<Arc<Hooks>>,
        operations: Arc<Operations>,
        origins: &[HeaderValue],
    ) -> Self {
        Self { service, hooks, operations, cors: cors(origins), pages: Pages::of(origins) }
    }
}

/// What a page may send, and what of an answer it may see. Where no origin is allowed, a page that asks
/// is told so as any other origin is.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let sent = [
        "authorization",
        "content-type",
        "grpc-timeout",
        "traceparent",
        "tracestate",
        "x-grpc-web",
        "x-user-agent",
    ];
    let seen = ["grpc-status", "grpc-message", "grpc-status-details-bin", "retry-after", "allow"];
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(sent.map(HeaderName::from_static))
        .expose_headers(seen.map(HeaderName::from_static))
        .max_age(ASKED_AGAIN_AFTER)
}

impl<S: Calls> Layer<S> for Doors {
    type Service = DoorsService<S>;

    fn layer(&self, calls: S) -> DoorsService<S> {
        let web = GrpcWebLayer::new().layer(calls.clone());
        let service = Arc::clone(&self.service);
        let (hooks, operations) = (self.hooks.clone(), Arc::clone(&self.operations));
        let others = Others { calls: calls.clone(), web, service, hooks, operations };
        DoorsService { calls, others: self.cors.layer(others), pages: self.pages.clone() }
    }
}

/// The gRPC services, behind all doors.
#[derive(Clone)]
pub struct DoorsService<S> {
    calls: S,
    others: Cors<Others<S>>,
    pages: Pages,
}

/// An answer that some other door than gRPC's makes.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

enum Door {
    Grpc,
    GrpcWeb,
    Json,
}

impl Door {
    fn of(request: &Request<Body>) -> Self {
        let named = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        match named.and_then(|it| it.strip_prefix(b"application/grpc")) {
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            Some(rest) if rest.starts_with(b"-web") => Self::GrpcWeb,
            _ => Self::Json,
        }
    }
}

impl<S: Calls> tower::Service<Request<Body>> for DoorsService<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Answering>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.calls.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let door = Door::of(&request);
        if !matches!(door, Door::Grpc) {
            // No browser sends gRPC's content type for a page of another origin without asking first.
            self.pages.part_from_certificate(&mut request);
        }
        match door {
            Door::Grpc if request.version() == Version::HTTP_2 => {
                Either::Left(self.calls.call(request))
            }
            // Who expects to be told to go on has sent nothing yet that would have to be read.
            _ if request.version() == Version::HTTP_2 || request.headers().contains_key(EXPECT) => {
                Either::Right(Box::pin(self.others.clone().oneshot(request)))
            }
            _ => Either::Right(Box::pin(heard_out(self.others.clone(), request))),
        }
    }
}

/// Answers once all that was sent has been read: HTTP/1.1 closes a connection on the rest.
async fn heard_out<S>(others: S, request: Request<Body>) -> Result<Response<Body>, Infallible>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (parts, body) = request.into_parts();
    let (lent, left) = lend(body);
    let answer = others.oneshot(Request::from_parts(parts, lent)).await;
    left.pass_over().await;
    answer
}

/// Every door but that of gRPC.
#[derive(Clone)]
struct Others<S> {
    calls: S,
    web: GrpcWebService<S>,
    service: Arc<Service>,
    hooks: watch::Receiver<Arc<Hooks>>,
    operations: Arc<Operations>,
}

impl<S: Calls> tower::Service<Request<Body>> for Others<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        match Door::of(&request) {
            Door::Grpc => Box::pin(async {
                let said = "gRPC needs HTTP/2: speak that, or gRPC-Web, or JSON";
                Ok(Refused::MediaType(said).answer())
            }),
            Door::GrpcWeb => match unspoken(&request) {
                Some(refused) => Box::pin(async { Ok(refused.answer()) }),
                None => Box::pin(self.web.clone().oneshot(request)),
            },
            Door::Json => {
                let (calls, service) = (self.calls.clone(), Arc::clone(&self.service));
                let (hooks, operations) = (self.hooks.clone(), Arc::clone(&self.operations));
                let head = request.method() == Method::HEAD;
                Box::pin(async move {
                    let (parts, body) = request.into_parts();
                    let (method, path) = (&parts.method, parts.uri.path());
                    let told = operations.answer(method, path, Asked::Anywhere).await;
                    let request = Request::from_parts(parts, body);
                    let answer = match (told, Beside::of(request.uri().path())) {
                        (Some(told), _) => told,
                        (None, Some(Beside::StickyCalls)) => {
                            operations.counted(sticky_calls::answer(calls, &service, request).await)
                        }
                        (None, Some(Beside::Hooks)) => {
                            let hooks = Arc::clone(&hooks.borrow());
                            let answer = hooks::answer(calls, &service, &hooks, request).await;
                            operations.counted(answer)
                        }
                        (None, None) => {
                            operations.counted(rest::answer(calls, &service, request).await)
                        }
                    };
                    Ok(if head { without_body(answer) } else { answer })
                })
            }
        }
    }
}

/// Why a request of gRPC-Web is none.
fn unspoken(request: &Request<Body>) -> Option<Refused> {
    if request.method() != Method::POST {
        return Some(Refused::Verb(vec![Method::POST]));
    }
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let said = "gRPC-Web is application/grpc-web+proto or application/grpc-web-text+proto";
    (!SPOKEN.contains(&kind)).then_some(Refused::MediaType(said))
}

/// An answer to HEAD: over HTTP/2 a body would break the connection's protocol.
fn without_body(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}
