//! REST: a request of HTTP and JSON becomes the call that its path names, and the answer JSON again.
//! Nothing is decided here: the call goes through the same services as every other. Only whether
//! somebody may call at all is asked before their body is read.

use std::sync::Arc;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use prost::Message as _;
use prost::bytes::BytesMut;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, Method, Request, Response};
use tonic::metadata::MetadataMap;

use super::calling::{Calls, admitted, call, single};
use super::lending::MOST_PASSED_OVER;
use super::rules::{Found, Named, RULES, Rule};
use super::statuses::{Refused, in_json};
use super::{json, openapi, parameters, streams};
use crate::continuity::Service;
use crate::grpc::{self, MAX_REQUEST_BYTES};

/// Where the description of all this is.
const OPENAPI: &str = "/openapi.json";
/// The call that is answered in time whatever the store does.
const START: &str = "StartInteraction";
/// Bytes of JSON that are read on the thread that serves; more would keep its other calls waiting.
const READ_AT_ONCE: usize = 65_536;

/// Answers one request.
pub(super) async fn answer(
    calls: impl Calls,
    service: &Arc<Service>,
    request: Request<Body>,
) -> Response<Body> {
    answered(calls, service, request).await.unwrap_or_else(Refused::answer)
}

async fn answered(
    calls: impl Calls,
    service: &Arc<Service>,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    // What HEAD asks for is what GET would say; its body is taken off where it leaves (`doors`).
    let verb = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    if path == OPENAPI {
        return match *verb {
            Method::GET => Ok(description()),
            _ => Err(refused_verb([&Method::GET])),
        };
    }
    match RULES.find(verb, path) {
        Found::Rule(rule, named) => {
            admitted(&parts)?;
            called(calls, service, rule, named, parts, body).await
        }
        Found::Verbs(verbs) => Err(refused_verb(verbs)),
        Found::Nothing if RULES.is_of_grpc(path) => Err(Refused::MediaType(
            "this path is gRPC's: send application/grpc over HTTP/2 or application/grpc-web+proto; \
             JSON is spoken below /api/v1/",
        )),
        Found::Nothing => Err(Refused::NoRoute),
    }
}

fn refused_verb<'v>(verbs: impl IntoIterator<Item = &'v Method>) -> Refused {
    let mut verbs: Vec<Method> = verbs.into_iter().cloned().collect();
    if verbs.contains(&Method::GET) {
        verbs.push(Method::HEAD);
    }
    Refused::Verb(verbs)
}

/// The description: it is the same for everybody, and says nothing of anybody.
fn description() -> Response<Body> {
    let mut answer = in_json(openapi::TEXT.clone());
    answer.headers_mut().remove(CACHE_CONTROL);
    answer
}

async fn called(
    calls: impl Calls,
    service: &Arc<Service>,
    rule: &Rule,
    named: Named,
    mut parts: Parts,
    body: Body,
) -> Result<Response<Body>, Refused> {
    let (rpc, query) = (&rule.rpc, parts.uri.query().unwrap_or_default());
    let messages = if rule.has_body {
        parameters::none(query)?;
        match Media::of(&parts.headers)? {
            Media::Lines if rpc.is_client_streaming() => streams::requested(body, rpc.input()),
            Media::Lines => return Err(Refused::MediaType("send one object, application/json")),
            Media::Json => {
                may_send(service, rpc, &mut parts).await?;
                let mut message = read(rpc.input(), whole(body).await?).await?;
                parameters::add_path(&mut message, named)?;
                single(&message.encode_to_vec())
            }
        }
    } else {
        let mut message = parameters::from_query(&rpc.input(), query)?;
        parameters::add_path(&mut message, named)?;
        single(&message.encode_to_vec())
    };
    let mut answers = call(calls, rpc, &parts, messages).await?;
    if rpc.is_server_streaming() {
        return Ok(streams::answered(answers, rpc.output(), &parts.headers));
    }
    let answer = answers.next().await?.unwrap_or_default();
    // What comes after the message says how the call ended.
    answers.next().await?;
    Ok(in_json(text(rpc, &answer)?))
}

/// Lets whoever may call send a body: what nobody vouches for is neither waited for nor read. A stream
/// of lines needs no such look, since its call reads nothing before it knows who calls.
async fn may_send(
    service: &Arc<Service>,
    rpc: &MethodDescriptor,
    parts: &mut Parts,
) -> Result<(), Status> {
    let metadata = MetadataMap::from_headers(parts.headers.clone());
    let certificate = parts.extensions.get();
    if rpc.name() == START {
        let looked = grpc::admits_a_start(service, &metadata, certificate).await;
        parts.extensions.insert(looked.map_err(|error| grpc::status(&error))?);
        return Ok(());
    }
    let admitted = grpc::admits(service, &metadata, certificate).await;
    admitted.map_err(|error| grpc::status(&error))
}

/// The message that a body holds.
async fn read(of: MessageDescriptor, body: Bytes) -> Result<DynamicMessage, Refused> {
    // Where the path says all there is to say, nothing need be sent.
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    if body.len() <= READ_AT_ONCE {
        return Ok(json::read(&of, &body)?);
    }
    let reading = tokio::task::spawn_blocking(move || json::read(&of, &body));
    let read = reading.await.map_err(|_| Status::internal("internal error"))?;
    Ok(read?)
}

fn text(rpc: &MethodDescriptor, answer: &[u8]) -> Result<Bytes, Refused> {
    Ok(streams::line(&rpc.output(), answer)?.into())
}

/// A body as a whole.
///
/// # Errors
/// One that is too large is told so once it has come, if it is not larger by far: a client that is
/// still sending may never read an answer.
pub(super) async fn whole(mut body: Body) -> Result<Bytes, Refused> {
    if body.size_hint().lower() > MOST_PASSED_OVER {
        return Err(Refused::TooLarge);
    }
    let (mut come, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(Refused::of_body)?.into_data() else { continue };
        length += bytes.len();
        if length as u64 > MOST_PASSED_OVER {
            return Err(Refused::TooLarge);
        }
        match length <= MAX_REQUEST_BYTES {
            true => come.extend_from_slice(&bytes),
            false => come = BytesMut::new(),
        }
    }
    if length > MAX_REQUEST_BYTES { Err(Refused::TooLarge) } else { Ok(come.freeze()) }
}

/// The form of a request's body.
pub(super) enum Media {
    /// One message.
    Json,
    /// A message a line.
    Lines,
}

impl Media {
    /// Of what the headers say; who says nothing means JSON.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let Some(named) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let named = named.to_str().unwrap_or_default().to_ascii_lowercase();
        let mut parts = named.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        if parts.any(|it| it.starts_with("charset=") && it.trim_matches('"') != "charset=utf-8") {
            return Err(Refused::MediaType("JSON is UTF-8"));
        }
        match kind {
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/jsonl" | "application/json-seq" => {
                Ok(Self::Lines)
            }
            _ => Err(Refused::MediaType("send content-type: application/json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_stops_coming_is_told_so() {
        let stopped = Status::deadline_exceeded("the request stopped coming");
        let parts = [Ok(http_body::Frame::data(Bytes::from_static(b"{"))), Err(stopped)];
        let body = Body::new(http_body_util::StreamBody::new(tokio_stream::iter(parts)));
        let refused = whole(body).await.expect_err("refused").answer();
        assert_eq!(refused.status(), 408);
    }
}
