//! An RPC called from inside, as a gRPC client calls it: the same bytes through the same services,
//! so that whoever calls is authenticated, limited, redacted, audited and logged in one place only.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use prost::bytes::{Buf as _, BufMut as _, BytesMut};
use prost_reflect::MethodDescriptor;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, TE, USER_AGENT,
};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderValue, Method, Request, Response, Version};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

use super::statuses::Refused;
use crate::continuity::{ClientCertificate, Error};
use crate::grpc::{has_readable_deadline, status};
use crate::identity::Violation;

/// What is said before each message of a gRPC body: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What an RPC is told of the request it came in.
const PASSED_ON: [HeaderName; 5] = [
    AUTHORIZATION,
    USER_AGENT,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The gRPC services, however they are wrapped.
pub(super) trait Calls:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Calls for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// What headers and connection must show before anybody's body is read.
///
/// # Errors
/// When nothing says who calls, or something says it in a way that cannot be read here.
pub(super) fn admitted(parts: &Parts) -> Result<(), Refused> {
    let headers = &parts.headers;
    // A certificate that stands for nobody is refused by the call.
    let shown = parts.extensions.get::<ClientCertificate>().is_some();
    if !headers.contains_key(AUTHORIZATION) && !shown {
        return Err(status(&Error::MissingApiKey).into());
    }
    let encoded = |it: &HeaderValue| !it.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(encoded) {
        return Err(Refused::Encoded);
    }
    if !has_readable_deadline(&MetadataMap::from_headers(headers.clone())) {
        let description = "is no number of at most 8 digits and H, M, S, m, u or n: 250m is \
                           a quarter of a second";
        let (field, description) = ("grpc-timeout".to_owned(), description.to_owned());
        return Err(vec![Violation { field, description }].into());
    }
    Ok(())
}

/// Calls `rpc` with messages as [`framed`] makes them.
///
/// # Errors
/// The RPC's own, when it is refused before it has answered anything.
pub(super) async fn call(
    calls: impl Calls,
    rpc: &MethodDescriptor,
    from: &Parts,
    messages: Body,
) -> Result<Answers, Status> {
    let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
    let mut request = Request::new(messages);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = path.parse().map_err(|_| Status::internal("internal error"))?;
    // Which connection it is, and what its peer has shown.
    *request.extensions_mut() = from.extensions.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    for name in PASSED_ON {
        if let Some(value) = from.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let answer = match calls.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    match Status::from_header_map(answer.headers()) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(Answers::of(answer.into_body())),
    }
}

/// One message.
pub(super) fn single(message: &[u8]) -> Body {
    Body::new(Full::new(framed(message)))
}

/// A message as it stands in a gRPC body.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    // Nothing is sent that is as long as a u32 can count: requests have a limit.
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// What an RPC answers, message by message.
pub(super) struct Answers {
    body: Body,
    come: BytesMut,
}

impl Answers {
    /// What a gRPC body holds.
    pub fn of(body: Body) -> Self {
        Self { body, come: BytesMut::new() }
    }

    /// The next message, or none when all has been answered.
    ///
    /// # Errors
    /// How the RPC ended, if not well.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.whole() {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            match frame?.into_data() {
                Ok(bytes) => self.come.extend_from_slice(&bytes),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    match Status::from_header_map(&trailers) {
                        Some(status) if status.code() != Code::Ok => return Err(status),
                        _ => {}
                    }
                }
            }
        }
    }

    fn whole(&mut self) -> Option<Bytes> {
        let length = self.come.get(1..PREFIX)?.get_u32() as usize;
        if self.come.len() < PREFIX + length {
            return None;
        }
        self.come.advance(PREFIX);
        Some(self.come.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_wherever_they_are_cut() {
        let all = [framed(b"one"), framed(b""), framed(b"three")].concat();
        for cut in 0..all.len() {
            let parts = [Bytes::copy_from_slice(&all[..cut]), Bytes::copy_from_slice(&all[cut..])];
            let parts = parts.map(|part| Ok::<_, Infallible>(http_body::Frame::data(part)));
            let body = Body::new(http_body_util::StreamBody::new(tokio_stream::iter(parts)));
            let mut answers = Answers::of(body);
            for expected in [&b"one"[..], b"", b"three"] {
                assert_eq!(answers.next().await.unwrap().unwrap(), expected, "{cut}");
            }
            assert!(answers.next().await.unwrap().is_none());
        }
    }
}
