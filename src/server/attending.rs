//! Which connections have a call, and what a call is told of its connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::coming::{Coming, Room};
use crate::continuity::ClientCertificate;

/// What happens on one connection. Clones share it.
#[derive(Clone)]
pub(super) struct Activity(Arc<Calls>);

struct Calls {
    since: Instant,
    open: AtomicUsize,
    /// Milliseconds after `since` at which the last call ended.
    last: AtomicU64,
}

impl Activity {
    /// Of a connection that was made just now.
    pub fn new() -> Self {
        let (open, last) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self(Arc::new(Calls { since: Instant::now(), open, last }))
    }

    /// For how long it has had no call; zero while it has one.
    pub fn idle_for(&self) -> Duration {
        if self.0.open.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.0.last.load(Ordering::Acquire));
        self.0.since.elapsed().saturating_sub(last)
    }

    /// A call begins; it ends when this is dropped.
    fn begin(&self) -> Attended {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Attended(self.clone())
    }
}

/// What a connection's calls are told of it.
#[derive(Clone)]
pub(super) struct Peer {
    /// What happens on it.
    pub activity: Activity,
    /// Whom the other end is known by.
    pub certificate: Option<ClientCertificate>,
}

/// A call under way.
struct Attended(Activity);

impl Drop for Attended {
    fn drop(&mut self) {
        let calls = &self.0.0;
        let now = u64::try_from(calls.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        calls.last.fetch_max(now, Ordering::AcqRel);
        calls.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counts the calls of each connection, and bounds how their requests come.
#[derive(Clone)]
pub(super) struct Attending {
    /// For the bytes of requests that have not come whole.
    pub room: Room,
}

impl<S> Layer<S> for Attending {
    type Service = AttendingService<S>;

    fn layer(&self, inner: S) -> AttendingService<S> {
        AttendingService { inner, room: self.room.clone() }
    }
}

/// A service whose calls are attended to.
#[derive(Clone)]
pub(super) struct AttendingService<S> {
    inner: S,
    room: Room,
}

impl<S> Service<Request<Body>> for AttendingService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Answering>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = request.extensions_mut().remove::<Peer>();
        let attended = peer.as_ref().map(|peer| peer.activity.begin());
        if let Some(certificate) = peer.and_then(|peer| peer.certificate) {
            request.extensions_mut().insert(certificate);
        }
        let coming = |body| Body::new(Coming::new(body, &self.room));
        let request = request.map(coming);
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answer = answering.await?;
            Ok(answer.map(|body| Answering { body, _attended: attended }))
        })
    }
}

/// An answer as it goes; its call has ended when it has gone.
pub(super) struct Answering {
    body: Body,
    _attended: Option<Attended>,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_only_without_a_call() {
        let activity = Activity::new();
        let before = Instant::now();
        let call = activity.begin();
        tokio::time::sleep_until(before + Duration::from_millis(5)).await;
        assert_eq!(activity.idle_for(), Duration::ZERO);
        drop(call);
        assert!(activity.idle_for() < before.elapsed());
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert!(activity.idle_for() >= Duration::from_millis(4));
    }

    /// A stream that waits for its next message keeps its connection, however long.
    #[tokio::test]
    async fn a_connection_with_an_open_stream_is_not_idle() {
        let peer = Peer { activity: Activity::new(), certificate: None };
        let activity = peer.activity.clone();
        let answers = tower::service_fn(async |_: Request<Body>| {
            Ok::<_, std::convert::Infallible>(Response::new(Body::new(Stopped)))
        });
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(peer);
        let answer = Attending { room: Room::new() }
            .layer(answers)
            .call(request)
            .await
            .unwrap_or_else(|it| match it {});
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert_eq!(activity.idle_for(), Duration::ZERO);
        drop(answer);
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert!(activity.idle_for() >= Duration::from_millis(4));
    }

    /// Never says anything and never ends.
    struct Stopped;

    impl http_body::Body for Stopped {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }
}
