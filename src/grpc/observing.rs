//! Every call, seen from outside: how often each is made, how it ended, how long it took, with a line in
//! the log at level debug; and, where traces are asked for, its span. Nothing of what was said: neither the request nor the answer is ever
//! looked at here.
//!
//! Whichever door a call came in by, it comes by here once. It costs a look-up of its path and a few
//! atomic operations.

mod calls;
mod spans;
mod stream;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use opentelemetry_sdk::trace::SdkTracer;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Layer, Service};

use self::calls::Calls;
use self::spans::Span;
use self::stream::ObservedStream;
use super::protocol::{PROTOCOL, code_name};
use crate::continuity::Caller;
use crate::continuity::tenant::Tenant;
use crate::meters::Meters;

/// Observes every call. Clones count together.
#[derive(Clone)]
pub struct Observing {
    calls: Arc<Calls>,
    tracer: Option<SdkTracer>,
}

impl Observing {
    /// Counts with these meters, once for each instance; traces where there is a tracer.
    pub fn new(meters: &Meters, tracer: Option<SdkTracer>) -> Self {
        Self { calls: Arc::new(Calls::new(meters)), tracer }
    }
}

impl<S> Layer<S> for Observing {
    type Service = ObservingService<S>;

    fn layer(&self, inner: S) -> ObservingService<S> {
        ObservingService { inner, observing: self.clone() }
    }
}

/// A service whose calls are observed.
#[derive(Clone)]
pub struct ObservingService<S> {
    inner: S,
    observing: Observing,
}

impl<S, I> Service<Request<I>> for ObservingService<S>
where
    S: Service<Request<I>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<I>) -> Self::Future {
        let Observing { calls, tracer } = &self.observing;
        let number = PROTOCOL.number(request.uri().path());
        let span = tracer.as_ref().and_then(|it| Span::begin(it, number, request.headers()));
        let whose = calls.by_tenant().then(Whose::default);
        if let Some(whose) = &whose {
            request.extensions_mut().insert(whose.clone());
        }
        let calls = Arc::clone(calls);
        let call = Call { calls, number, begun: Instant::now(), whose, span, ended: false };
        Observed { answering: self.inner.call(request), call: Some(call) }
    }
}

/// Whose a call is, once that is known; only where tenants are told apart.
#[derive(Clone, Default)]
pub(super) struct Whose(Arc<OnceLock<Arc<Tenant>>>);

impl Whose {
    /// It is this caller's.
    pub(super) fn note(&self, caller: &Caller) {
        // A stream that is authenticated again is whose it was.
        let _ = self.0.set(Arc::clone(&caller.tenant));
    }
}

/// A call under way. Dropped before it has ended, it was cancelled.
struct Call {
    calls: Arc<Calls>,
    number: Option<usize>,
    begun: Instant,
    whose: Option<Whose>,
    span: Option<Box<Span>>,
    ended: bool,
}

impl Call {
    /// The answer has begun; that of a stream ends later.
    fn answered(self, answer: Response<Body>) -> Response<Body> {
        let refused = answer.extensions().get::<Status>().cloned();
        let refused = refused.or_else(|| Status::from_header_map(answer.headers()));
        let refused = refused.filter(|status| status.code() != Code::Ok);
        let streams = self.number.is_none_or(|number| PROTOCOL.calls[number].streams);
        match refused {
            None if streams => answer.map(|body| Body::new(ObservedStream::new(body, self))),
            refused => {
                self.end(refused.as_ref());
                answer
            }
        }
    }

    fn end(mut self, refused: Option<&Status>) {
        self.note(refused.map(|status| (status.code(), reason(status))));
    }

    fn note(&mut self, refused: Option<(Code, usize)>) {
        self.ended = true;
        let tenant = self.whose.as_ref().and_then(|whose| whose.0.get());
        let reason = refused.map(|(_, reason)| reason);
        // A path that we do not serve may hold anything.
        let call = PROTOCOL.path(self.number);
        let code = code_name(refused.map_or(Code::Ok, |(code, _)| code));
        let milliseconds = self.begun.elapsed().as_secs_f64() * 1_000.0;
        tracing::debug!(call, code, milliseconds, "answered");
        self.calls.ended(self.number, tenant.map(Arc::as_ref), self.begun.elapsed(), reason);
        if let Some(span) = self.span.take() {
            span.end(refused);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.note(Some((Code::Cancelled, PROTOCOL.reason_of(Code::Cancelled))));
        }
    }
}

/// Why a call was refused: the documented reason, or the bare code where the transport refused it.
fn reason(status: &Status) -> usize {
    let documented = match status.details() {
        [] => None,
        _ => status.get_details_error_info().and_then(|named| PROTOCOL.reason(&named.reason)),
    };
    documented.unwrap_or_else(|| PROTOCOL.reason_of(status.code()))
}

pin_project! {
    /// A call whose answer is awaited.
    pub struct Observed<F> {
        #[pin]
        answering: F,
        call: Option<Call>,
    }
}

impl<F, E> Future for Observed<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let own = self.project();
        let traced = own.call.as_ref().and_then(|call| call.span.as_ref()).map(|it| it.traced());
        let answer = match traced {
            Some(traced) => ready!(traced.during(|| own.answering.poll(context))),
            None => ready!(own.answering.poll(context)),
        };
        Poll::Ready(match (answer, own.call.take()) {
            (Ok(answer), Some(call)) => Ok(call.answered(answer)),
            (answer, _) => answer,
        })
    }
}

#[cfg(test)]
mod tests;
