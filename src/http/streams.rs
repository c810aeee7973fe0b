//! Streams of messages over HTTP: a line of JSON each, or server-sent events to whoever asks for
//! those. What ends a stream early is its last line, `{"error": …}`, or an event named `error`.

use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost::bytes::BytesMut;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use tonic::codegen::http::{HeaderValue, Response};

use super::calling::{Answers, framed};
use super::json;
use super::statuses::{NO_STORE, Refused, text};
use crate::grpc::MAX_REQUEST_BYTES;

/// How a stream is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Events,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let events = accepted.split([',', ';']).any(|it| it.trim() == "text/event-stream");
        if events { Self::Events } else { Self::Lines }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    fn message(self, text: &str) -> String {
        match self {
            Self::Lines => format!("{text}\n"),
            Self::Events => format!("data: {text}\n\n"),
        }
    }

    fn error(self, status: &Status) -> String {
        let text = text(status);
        match self {
            Self::Lines => format!("{{\"error\":{text}}}\n"),
            Self::Events => format!("event: error\ndata: {text}\n\n"),
        }
    }
}

/// The answers of an RPC as they come.
pub(super) fn answered(
    answers: Answers,
    of: MessageDescriptor,
    asked: &HeaderMap,
) -> Response<Body> {
    let form = Form::of(asked);
    let written = stream::unfold(Some(answers), move |answers| {
        let of = of.clone();
        async move {
            let mut answers = answers?;
            let (text, rest) = match answers.next().await {
                Ok(None) => return None,
                Ok(Some(bytes)) => match line(&of, &bytes) {
                    Ok(text) => (form.message(&text), Some(answers)),
                    Err(status) => (form.error(&status), None),
                },
                Err(status) => (form.error(&status), None),
            };
            Some((Ok::<_, Status>(Frame::data(Bytes::from(text))), rest))
        }
    });
    let mut answer = Response::new(Body::new(StreamBody::new(written)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(CACHE_CONTROL, NO_STORE);
    answer
}

/// A message as JSON.
///
/// # Errors
/// What no answer of ours can be.
pub(super) fn line(of: &MessageDescriptor, bytes: &[u8]) -> Result<String, Status> {
    let message = DynamicMessage::decode(of.clone(), bytes);
    let message = message.map_err(|_| Status::internal("internal error"))?;
    json::write(&message, false, false).map_err(|_| Status::internal("internal error"))
}

/// Requests that come a line each, as the messages of a gRPC stream. Why they go on no more, the call
/// says that reads them: as a status, which [`Refused`] knows again.
pub(super) fn requested(body: Body, of: MessageDescriptor) -> Body {
    let lines = Lines { body, come: BytesMut::new(), ended: false, number: 0, of };
    let messages = stream::try_unfold(lines, |mut lines| async move {
        let message = lines.next().await.map_err(|refused| refused.status().0)?;
        Ok::<_, Status>(message.map(|message| (Frame::data(message), lines)))
    });
    Body::new(StreamBody::new(messages))
}

struct Lines {
    body: Body,
    come: BytesMut,
    ended: bool,
    number: u64,
    of: MessageDescriptor,
}

impl Lines {
    /// The next message, framed; none at the end. Empty lines say nothing.
    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        while let Some(line) = self.line().await? {
            self.number += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let number = self.number;
            let message = json::read(&self.of, &line).map_err(|mut wrong| {
                for one in &mut wrong {
                    one.description.push_str(&format!(" (line {number} of the stream)"));
                }
                wrong
            })?;
            return Ok(Some(framed(&message.encode_to_vec())));
        }
        Ok(None)
    }

    async fn line(&mut self) -> Result<Option<Bytes>, Refused> {
        let mut looked = 0;
        loop {
            let unseen = &self.come[looked..];
            let end = unseen.iter().position(|byte| *byte == b'\n');
            // It may end in the very part that makes it too long.
            if looked + end.unwrap_or(unseen.len()) > MAX_REQUEST_BYTES {
                return Err(Refused::TooLarge);
            }
            if let Some(end) = end {
                return Ok(Some(self.come.split_to(looked + end + 1).freeze()));
            }
            looked = self.come.len();
            if self.ended {
                let rest = self.come.split().freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            match self.body.frame().await {
                None => self.ended = true,
                Some(Err(status)) => return Err(Refused::of_body(status)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.come.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::http::rules::POOL;

    /// Two messages and an end that is none of ours, as they are written for whoever accepts this.
    async fn written(accept: &'static str, ends_well: bool) -> (HeaderValue, String) {
        let of = POOL.get_message_by_name("threadline.v1.GetInteractionRequest").expect("ours");
        let message = |id: &str| {
            let text = format!(r#"{{"interaction_id":"{id}"}}"#);
            let read = json::read(&of, text.as_bytes()).expect("a message");
            Frame::data(framed(&read.encode_to_vec()))
        };
        let mut end = HeaderMap::new();
        end.insert("grpc-status", HeaderValue::from_static(if ends_well { "0" } else { "14" }));
        end.insert("grpc-message", HeaderValue::from_static("away"));
        let frames = [message("a"), message("b"), Frame::trailers(end)].map(Ok::<_, Infallible>);
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        let mut asked = HeaderMap::new();
        asked.insert(ACCEPT, HeaderValue::from_static(accept));
        let answer = answered(Answers::of(body), of.clone(), &asked);
        let kind = answer.headers()[CONTENT_TYPE].clone();
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        (kind, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn answers_are_written_as_they_come_and_an_error_is_the_last() {
        let lines = "{\"interaction_id\":\"a\"}\n{\"interaction_id\":\"b\"}\n";
        let (kind, text) = written("*/*", true).await;
        assert_eq!((kind.as_bytes(), &*text), (&b"application/x-ndjson"[..], lines));
        let (_, text) = written("application/json", false).await;
        assert_eq!(text, format!("{lines}{{\"error\":{{\"code\":14,\"message\":\"away\"}}}}\n"));
        let (kind, text) = written("text/event-stream, */*;q=0.1", false).await;
        assert_eq!(kind, "text/event-stream");
        let events: Vec<&str> = text.split_terminator("\n\n").collect();
        assert_eq!(events[1], r#"data: {"interaction_id":"b"}"#);
        assert_eq!(events[2], "event: error\ndata: {\"code\":14,\"message\":\"away\"}");
    }

    /// The code that a stream of requests is answered with which comes so, by way of the call.
    async fn refused(parts: Vec<Result<&'static [u8], Status>>) -> u16 {
        let of = POOL.get_message_by_name("threadline.v1.ImportCustomersRequest").expect("ours");
        let framed = |part| Frame::data(Bytes::from_static(part));
        let parts = parts.into_iter().map(move |part| part.map(framed));
        let come = Body::new(StreamBody::new(tokio_stream::iter(parts)));
        let told = requested(come, of).collect().await.map(drop).expect_err("refused");
        let answer = told.into_http::<()>();
        let told = Status::from_header_map(answer.headers()).expect("a status");
        Refused::from(told).answer().status().as_u16()
    }

    #[tokio::test]
    async fn why_requests_come_no_more_has_the_code_that_it_has_of_one_request() {
        static LONG: [u8; MAX_REQUEST_BYTES + 1] = [b' '; MAX_REQUEST_BYTES + 1];
        let [whole, open, end, odd] = [&b"{\"rows\":[]}\n"[..], b"{", b" \n", b"{\n"];
        assert_eq!(refused(vec![Ok(whole), Ok(&LONG[..])]).await, 413);
        assert_eq!(refused(vec![Ok(whole), Ok(&LONG[1..]), Ok(end), Ok(whole)]).await, 413);
        let stopped = || Status::deadline_exceeded("the request stopped coming");
        assert_eq!(refused(vec![Err(stopped())]).await, 408);
        assert_eq!(refused(vec![Ok(whole), Ok(open), Err(stopped())]).await, 408);
        assert_eq!(refused(vec![Ok(odd)]).await, 400);
    }
}
