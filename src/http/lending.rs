//! A request's body, lent to whoever answers: what they left unread is read before the answer goes.
//! Over HTTP/1.1 a connection closes on what is left, and a client that is still sending may then
//! never read why it was refused.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot::{self, Receiver, Sender};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

/// So much of what nobody reads is passed over, in bytes.
pub(super) const MOST_PASSED_OVER: u64 = 8 << 20;

/// The body, and where it comes back to.
pub(super) fn lend(body: Body) -> (Body, Left) {
    let (back, left) = oneshot::channel();
    (Body::new(Lent { body: Some(body), back: Some(back) }), Left(left))
}

struct Lent {
    body: Option<Body>,
    back: Option<Sender<Body>>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Whoever lent it may not wait for it any more.
            let _ = back.send(body);
        }
    }
}

/// What comes back of a body.
pub(super) struct Left(Receiver<Body>);

impl Left {
    /// Reads what was left unread, if it is not too much; nothing while somebody still reads.
    pub async fn pass_over(mut self) {
        let Ok(mut body) = self.0.try_recv() else { return };
        if body.size_hint().lower() > MOST_PASSED_OVER {
            return;
        }
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len) as u64;
            if length > MOST_PASSED_OVER {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::StreamBody;
    use tokio_stream::StreamExt as _;

    use super::*;

    /// So many parts of a mebibyte, and how many of them were taken.
    fn counted(parts: usize) -> (Body, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let parts = tokio_stream::iter(0..parts).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; 1 << 20])))
        });
        (Body::new(StreamBody::new(parts)), taken)
    }

    #[tokio::test]
    async fn what_is_left_is_read_and_not_for_ever() {
        // One for whoever borrows it, and what exceeds the limit is the last.
        for (parts, read) in [(3, 3), (20, 1 + 9)] {
            let (body, taken) = counted(parts);
            let (mut lent, left) = lend(body);
            assert!(lent.frame().await.is_some(), "it can be read meanwhile");
            drop(lent);
            left.pass_over().await;
            assert_eq!(taken.load(Ordering::Relaxed), read);
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_whoever_still_reads() {
        let (lent, left) = lend(counted(2).0);
        left.pass_over().await;
        assert_eq!(lent.collect().await.expect("all of it").to_bytes().len(), 2 << 20);
    }
}
