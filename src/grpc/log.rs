//! One line a call, at level debug: which call, how it ended, how long it took. Nothing of what was
//! said: neither the request nor the answer is ever seen here.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::Either;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

/// The calls that are named; whatever else a client asks for is not repeated.
const CALLS: [&str; 6] = [
    "/threadline.v1.InteractionService/StartInteraction",
    "/threadline.v1.InteractionService/UpdateInteraction",
    "/threadline.v1.InteractionService/EndInteraction",
    "/threadline.v1.InteractionService/GetInteraction",
    "/threadline.v1.InteractionService/ListInteractions",
    "/threadline.v1.CustomerService/GetCustomer",
];

/// A call whose end will be logged.
type Logging<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Logs every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl<S> Layer<S> for Logged {
    type Service = LoggedService<S>;

    fn layer(&self, inner: S) -> LoggedService<S> {
        LoggedService { inner }
    }
}

/// A service whose calls are logged.
#[derive(Clone, Debug)]
pub struct LoggedService<S> {
    inner: S,
}

impl<S, I, O> Service<Request<I>> for LoggedService<S>
where
    S: Service<Request<I>, Response = Response<O>>,
    S::Future: Send + 'static,
{
    type Response = Response<O>;
    type Error = S::Error;
    type Future = Either<S::Future, Logging<Result<Response<O>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return Either::Left(self.inner.call(request));
        }
        // A path that we do not serve may hold anything.
        let path = request.uri().path();
        let call = CALLS.into_iter().find(|known| *known == path).unwrap_or("another call");
        let begun = Instant::now();
        let answering = self.inner.call(request);
        Either::Right(Box::pin(async move {
            let answer = answering.await;
            let status =
                answer.as_ref().ok().and_then(|answer| answer.headers().get("grpc-status"));
            let code = status.and_then(|code| code.to_str().ok()).unwrap_or("0").to_owned();
            let milliseconds = begun.elapsed().as_secs_f64() * 1_000.0;
            tracing::debug!(call, code, milliseconds, "answered");
            answer
        }))
    }
}
