//! The dialect of Sticky Calls: `/v1/calls/start` and `/v1/calls/end`, so that a client that was
//! written for it needs another address and key, and nothing else. Each request becomes calls of the
//! same gRPC services as every other.

mod end;
mod reading;
mod refusing;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Method, Request, Response};
use tonic::metadata::MetadataMap;

use self::reading::{Reading, Shown};
use self::refusing::{Problem, refuse};
use super::calling::{Calls, admitted, call, single};
use super::rest::{Media, whole};
use super::rules::POOL;
use super::statuses::{Refused, in_json};
use super::{json as messages, streams};
use crate::continuity::{Caller, Error, Service};
use crate::grpc::{self, Known};
use crate::ids::CustomerId;

/// Below this, nothing of REST is.
pub(super) const PREFIX: &str = "/v1/calls/";
/// The namespace under which a caller's own references are kept, before the source that they are of.
const OWN_REFERENCE: &str = "customer_ref.";
/// Characters of a namespace.
const MAX_NAMESPACE: usize = 64;

/// What this dialect can be asked.
#[derive(Clone, Copy)]
enum Question {
    Start,
    End,
}

impl Question {
    /// All of them, by what stands behind the prefix.
    const ALL: [(Self, &'static str); 2] = [(Self::Start, "start"), (Self::End, "end")];
}

/// Every path that is answered here.
pub(super) fn paths() -> impl Iterator<Item = String> {
    Question::ALL.into_iter().map(|(_, name)| format!("{PREFIX}{name}"))
}

/// Answers one request.
pub(super) async fn answer(
    calls: impl Calls,
    service: &Arc<Service>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match answered(calls, service, parts, body).await {
        Ok(answer) => in_json(answer.to_string().into()),
        Err(problem) => refuse(problem),
    }
}

async fn answered(
    calls: impl Calls,
    service: &Arc<Service>,
    mut parts: Parts,
    body: Body,
) -> Result<Value, Problem> {
    let asked = parts.uri.path().strip_prefix(PREFIX);
    let question = Question::ALL.into_iter().find(|(_, name)| Some(*name) == asked);
    let (question, _) = question.ok_or(Refused::NoRoute)?;
    if parts.method != Method::POST {
        return Err(Refused::Verb(vec![Method::POST]).into());
    }
    admitted(&parts)?;
    let Media::Json = Media::of(&parts.headers)? else {
        return Err(Refused::MediaType("send content-type: application/json").into());
    };
    let text = whole(body).await?;
    let since = Instant::now();
    let metadata = MetadataMap::from_headers(parts.headers.clone());
    let caller = grpc::caller_of(service, &metadata, parts.extensions.get()).await;
    let caller = caller.map_err(|error| grpc::status(&error))?;
    parts.extensions.insert(Known { caller: caller.clone(), since });
    let desk = &Desk { calls, service, caller, parts };
    let twice = messages::said_twice(None, &text);
    if !twice.is_empty() {
        return Err(Refused::Fields(twice).into());
    }
    let Ok(Value::Object(request)) = serde_json::from_slice(&text) else {
        return Err(Problem::issue(&[], "the body must be a JSON object"));
    };
    // Whoever may not call learns nothing of whose a reference is: nothing is looked up for them.
    let may = match question {
        Question::Start => desk.caller.may_start(),
        Question::End => desk.caller.may_end(),
    };
    may.map_err(|error| grpc::status(&error))?;
    let reading = Reading::new(request, &text);
    match question {
        Question::Start => start::start(desk, reading).await,
        Question::End => end::end(desk, reading).await,
    }
}

/// What a request is answered with.
struct Desk<'s, C> {
    calls: C,
    service: &'s Arc<Service>,
    caller: Caller,
    parts: Parts,
}

impl<C: Calls> Desk<'_, C> {
    /// Calls one RPC of `InteractionService`; its answer as JSON.
    async fn call(&self, rpc: &str, request: Value) -> Result<Value, Problem> {
        let rpc = method(rpc)?;
        let message = messages::from_value(&rpc.input(), &request)
            .map_err(|wrong| grpc::status(&Error::Invalid(wrong)))?;
        let message = single(&message.encode_to_vec());
        let mut answers = call(self.calls.clone(), &rpc, &self.parts, message).await?;
        let answer = answers.next().await?.unwrap_or_default();
        answers.next().await?;
        let text = streams::line(&rpc.output(), &answer)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Whether a reference is one of ours: known, or of somebody who was erased, which is refused.
    /// Whatever else has our form is a reference of the caller's own, like all others.
    async fn is_ours(&self, named: &str, within: Duration) -> Result<bool, Problem> {
        if CustomerId::parse_ref(named).is_none() {
            return Ok(false);
        }
        match timeout(within, self.service.is_ours(&self.caller, named)).await {
            Ok(found) => Ok(found.map_err(|error| grpc::status(&error))?),
            Err(_) => Err(Problem::Degraded),
        }
    }

    /// A reference of the caller's own as an identifier.
    fn own_reference(&self, named: &str, hints: &mut Map<String, Value>) -> Result<(), Problem> {
        // Another helpdesk's customer 17 is somebody else: whose it is, the key says.
        let namespace = format!("{OWN_REFERENCE}{}", self.caller.source);
        if namespace.chars().count() > MAX_NAMESPACE {
            let said = "the key's source is too long a name for references of your own";
            return Err(Problem::issue(&["customer_ref"], said));
        }
        add_identifier(hints, "external", &namespace, named, "ASSURANCE_CARRIED");
        Ok(())
    }

    /// What is shown as hints of ours, and the caller's own reference, which is echoed. Whose a
    /// reference is must be known `within` that time.
    async fn hints(
        &self,
        shown: Shown,
        within: Duration,
    ) -> Result<(Map<String, Value>, Option<String>), Problem> {
        let mut hints = Map::new();
        for (name, said) in [("caller_number", shown.ani), ("dialed_number", shown.dnis)] {
            if let Some(said) = said {
                hints.insert(name.into(), said.into());
            }
        }
        if !shown.external_ids.is_empty() {
            hints.insert("external_ids".into(), shown.external_ids.into());
        }
        let Some(named) = shown.customer_ref else { return Ok((hints, None)) };
        if self.is_ours(&named, within).await? {
            hints.insert("customer_ref".into(), named.into());
            return Ok((hints, None));
        }
        self.own_reference(&named, &mut hints)?;
        Ok((hints, Some(named)))
    }
}

fn method(name: &str) -> Result<MethodDescriptor, Status> {
    let service = POOL.get_service_by_name("threadline.v1.InteractionService");
    let found = service.and_then(|service| service.methods().find(|it| it.name() == name));
    found.ok_or_else(|| Status::internal("internal error"))
}

fn add_identifier(
    hints: &mut Map<String, Value>,
    kind: &str,
    namespace: &str,
    value: &str,
    assurance: &str,
) {
    let one = json!({"kind": kind, "namespace": namespace, "value": value, "assurance": assurance});
    if let Value::Array(all) =
        hints.entry("identifiers").or_insert_with(|| Value::Array(Vec::new()))
    {
        all.push(one);
    }
}

/// A time as this dialect writes it: RFC 3339 with milliseconds.
fn time(at: &Value) -> Value {
    let read = at.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    read.map_or(Value::Null, |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
}

/// A count, which is left out of JSON when it is zero.
fn count(value: &Value) -> Value {
    value.as_i64().unwrap_or_default().into()
}
