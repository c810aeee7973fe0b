//! How a request comes: without a long pause, and within what all requests of a worker may take
//! before they have come whole. Whoever sends them may be nobody we know: a key is looked at when
//! the request is there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

use crate::grpc::{self, MAX_REQUEST_BYTES};

/// How long a request may stop coming before it has come whole.
const COMES_ON_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of one worker's requests that have come while more of them is awaited.
const MOST_COMING: usize = 64 << 20;
/// A request that is no larger finds room all the same, as its headers do, which may be as many: who
/// fills the room with unfinished requests keeps no ordinary call out.
const ALWAYS: usize = 16 << 10;

/// Room for the bytes of requests that have not come whole. Clones share it.
#[derive(Clone)]
pub(super) struct Room(Arc<Shared>);

struct Shared {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    /// Of one worker, with nothing in it.
    pub fn new() -> Self {
        Self::of(MOST_COMING)
    }

    fn of(most: usize) -> Self {
        Self(Arc::new(Shared { taken: AtomicUsize::new(0), most }))
    }
}

/// What one request takes of it, until this is dropped.
struct Taken {
    room: Room,
    bytes: usize,
}

impl Taken {
    /// Whether there is room for more of one request. A stream's messages are taken away as they
    /// come whole: it never holds more than a request may have.
    fn take(&mut self, more: usize) -> bool {
        let more = more.min(MAX_REQUEST_BYTES.saturating_sub(self.bytes));
        let shared = &self.room.0;
        self.bytes += more;
        let taken = shared.taken.fetch_add(more, Ordering::Relaxed) + more;
        taken <= shared.most || self.bytes <= ALWAYS
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request as it comes.
pub(super) struct Coming {
    body: Body,
    within: Duration,
    /// Set while it has stopped.
    by: Option<Pin<Box<Sleep>>>,
    taken: Taken,
}

impl Coming {
    /// Of which nothing has come yet.
    pub fn new(body: Body, room: &Room) -> Self {
        let taken = Taken { room: room.clone(), bytes: 0 };
        Self { body, within: COMES_ON_WITHIN, by: None, taken }
    }
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.by = None;
            let bytes = frame.as_ref().and_then(|it| it.as_ref().ok()).and_then(Frame::data_ref);
            // What has come whole is worked on at once, however much comes beside it.
            let more = bytes.map(Bytes::len).filter(|_| !self.body.is_end_stream());
            return match more.is_none_or(|more| self.taken.take(more)) {
                true => Poll::Ready(frame),
                false => Poll::Ready(Some(Err(grpc::crowded()))),
            };
        }
        let within = self.within;
        let by = self.by.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(by.as_mut().poll(context));
        Poll::Ready(Some(Err(Status::deadline_exceeded("the request stopped coming"))))
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
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    const PART: usize = 2 * ALWAYS;

    /// So many parts that come, and then nothing for ever, or the end.
    fn comes(parts: usize, ends: bool) -> Body {
        let part = || Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; PART])));
        let come = futures_util::stream::iter(std::iter::repeat_with(part).take(parts));
        match ends {
            true => Body::new(StreamBody::new(come)),
            false => {
                let more = futures_util::stream::pending();
                Body::new(StreamBody::new(futures_util::StreamExt::chain(come, more)))
            }
        }
    }

    #[tokio::test]
    async fn a_request_that_stops_coming_is_not_waited_for() {
        let mut coming = Coming::new(comes(0, false), &Room::new());
        coming.within = Duration::from_millis(1);
        let status = coming.frame().await.expect("a frame").expect_err("an error");
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn unfinished_requests_have_so_much_room_together() {
        let room = Room::of(10 * PART);
        let mut open = Vec::new();
        for _ in 0..10 {
            let mut coming = Coming::new(comes(1, false), &room);
            coming.frame().await.expect("a frame").expect("there is room");
            open.push(coming);
        }
        let mut one_more = Coming::new(comes(1, false), &room);
        let status = one_more.frame().await.expect("a frame").expect_err("no room");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let small = [&[0; ALWAYS][..], &[]].map(Bytes::from_static).map(Frame::data);
        let small = StreamBody::new(futures_util::stream::iter(small.map(Ok::<_, Status>)));
        let come = Coming::new(Body::new(small), &room).collect().await;
        assert_eq!(come.expect("an ordinary call is let in").to_bytes().len(), ALWAYS);
        drop((open, one_more));
        let again = Coming::new(comes(10, true), &room).collect().await;
        assert_eq!(again.expect("there is room again").to_bytes().len(), 10 * PART);
        assert_eq!(room.0.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_stream_takes_no_more_than_one_request() {
        let room = Room::of(MAX_REQUEST_BYTES);
        let parts = 2 * MAX_REQUEST_BYTES / PART;
        let come = Coming::new(comes(parts, true), &room).collect().await;
        assert_eq!(come.expect("there is room").to_bytes().len(), parts * PART);
    }
}
