//! The answer of a call that streams: it ends with its trailers, or when nobody listens any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::{Code, Status};

use super::Call;

/// A stream of a call that has not ended.
pub(super) struct ObservedStream {
    body: Body,
    call: Option<Call>,
}

impl ObservedStream {
    pub(super) fn new(body: Body, call: Call) -> Self {
        Self { body, call: Some(call) }
    }

    fn end(&mut self, refused: Option<&Status>) {
        if let Some(call) = self.call.take() {
            call.end(refused);
        }
    }
}

impl http_body::Body for ObservedStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.end(None),
            Some(Err(status)) => self.end(Some(status)),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let ended = Status::from_header_map(trailers);
                    self.end(ended.filter(|status| status.code() != Code::Ok).as_ref());
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
