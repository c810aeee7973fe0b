//! The ways to call an RPC: gRPC, and each route of REST that its `google.api.http` annotation names.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions, Value};
use serde_json::Value as Json;
use threadline::grpc::proto::DESCRIPTORS;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::wire::{Answer, Wire};

/// What need not be encoded in a path or a query (RFC 3986, 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a call is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// gRPC over HTTP/2.
    Grpc,
    /// HTTP and JSON.
    Rest(Route),
}

/// A method and a path of REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    verb: &'static str,
    template: String,
    has_body: bool,
}

/// A request as one route would send it.
struct Asked {
    path: String,
    kind: &'static str,
    body: String,
}

/// Every way to call an RPC.
pub fn of(method: &MethodDescriptor) -> Vec<Way> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
    let annotation = pool.get_extension_by_name("google.api.http").expect("it is imported");
    let of = pool.get_service_by_name(method.parent_service().full_name()).expect("ours");
    let same = of.methods().find(|it| it.name() == method.name()).expect("ours");
    let mut rules = vec![same.options().get_extension(&annotation).into_owned()];
    let more = |rule: &Value| match rule {
        Value::Message(rule) => {
            rule.get_field_by_name("additional_bindings").map(|it| it.into_owned())
        }
        _ => None,
    };
    if let Some(Value::List(more)) = more(&rules[0]) {
        rules.extend(more);
    }
    let mut ways = vec![Way::Grpc];
    ways.extend(rules.iter().map(|rule| Way::Rest(route(rule))));
    ways
}

fn route(rule: &Value) -> Route {
    let Value::Message(rule) = rule else { panic!("a rule is a message") };
    let text = |name: &str| match rule.get_field_by_name(name).map(|it| it.into_owned()) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let verbs = ["get", "put", "post", "delete", "patch"];
    let verb =
        verbs.into_iter().find(|verb| !text(verb).is_empty()).expect("every RPC has a route");
    Route { verb, template: text(verb), has_body: text("body") == "*" }
}

impl Way {
    /// What it is called in a report.
    pub fn text(&self) -> String {
        match self {
            Self::Grpc => "gRPC".to_owned(),
            Self::Rest(route) => format!("{} {}", route.verb, route.template),
        }
    }

    /// Sends these messages; none where this way has no place for them: a path names something that
    /// the request does not say.
    pub async fn send(
        &self,
        wire: &Wire,
        method: &MethodDescriptor,
        messages: Vec<Vec<u8>>,
    ) -> Option<Answer> {
        match self {
            Self::Grpc => Some(wire.call(method, messages).await),
            Self::Rest(route) => {
                let read = |bytes: &Vec<u8>| {
                    DynamicMessage::decode(method.input(), &**bytes).expect("a request")
                };
                let asked = route.asked(messages.iter().map(read).collect())?;
                Some(route.send(wire, asked, goes_on(method)).await)
            }
        }
    }
}

impl Route {
    fn asked(&self, mut messages: Vec<DynamicMessage>) -> Option<Asked> {
        let first = messages.first_mut()?;
        let mut path = String::new();
        for part in self.template.trim_start_matches('/').split('/') {
            path.push('/');
            let Some(name) = part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else {
                path.push_str(part);
                continue;
            };
            let said = first.get_field_by_name(name)?.into_owned();
            let text = said.as_str().filter(|text| !text.is_empty())?;
            path.extend(utf8_percent_encode(text, PLAIN));
            first.clear_field_by_name(name);
        }
        let options = SerializeOptions::new().use_proto_field_name(true);
        let json = |message: &DynamicMessage| {
            message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON")
        };
        if self.has_body {
            let lines = messages.iter().map(|message| json(message).to_string());
            let body = lines.collect::<Vec<_>>().join("\n");
            let many = messages.len() > 1;
            let kind = if many { "application/x-ndjson" } else { "application/json" };
            return Some(Asked { path, kind, body });
        }
        let mut query = Vec::new();
        parameters(&mut query, "", &json(first));
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        Some(Asked { path, kind: "application/json", body: String::new() })
    }

    async fn send(&self, wire: &Wire, asked: Asked, goes_on: bool) -> Answer {
        let request = Request::builder()
            .method(&*self.verb.to_ascii_uppercase())
            .uri(format!("http://localhost{}", asked.path))
            .header("authorization", wire.authorization())
            .header("content-type", asked.kind)
            .body(Body::new(asked.body))
            .expect("a request");
        let Exchanged { status, metadata, bytes, took } = exchange(wire, request, goes_on).await;
        let line = |line: &[u8]| serde_json::from_slice::<Json>(line).expect("JSON");
        if status.is_success() {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let shown = Some(lines.map(line).collect());
            let (code, message, details) = (Code::Ok, String::new(), Vec::new());
            return Answer {
                code,
                message,
                details,
                metadata,
                bodies: vec![bytes.clone()],
                shown,
                took,
            };
        }
        let said = line(&bytes);
        let code = said["code"].as_i64().and_then(|code| i32::try_from(code).ok()).expect("a code");
        let message = said["message"].as_str().unwrap_or_default().to_owned();
        let details = said["details"].to_string().into_bytes();
        let (bodies, shown) = (Vec::new(), Some(Vec::new()));
        Answer { code: Code::from(code), message, details, metadata, bodies, shown, took }
    }
}

/// What came of one request.
pub struct Exchanged {
    pub status: StatusCode,
    /// The status and the headers, as `name: value`.
    pub metadata: Vec<u8>,
    pub bytes: Vec<u8>,
    pub took: Duration,
}

/// Whether an answer goes on until somebody ends it: what it begins with is all that is asked for.
pub fn goes_on(method: &MethodDescriptor) -> bool {
    method.name().starts_with("Watch")
}

/// Sends one request; of an answer that goes on, only the first line comes back.
pub async fn exchange(wire: &Wire, request: Request<Body>, goes_on: bool) -> Exchanged {
    let channel = wire.channel().ready_oneshot().await.expect("the connection holds");
    let begun = Instant::now();
    let answer = channel.oneshot(request).await.expect("an answer");
    let (parts, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend(frame.expect("a body").into_data().unwrap_or_default());
        let line = bytes.iter().position(|byte| *byte == b'\n');
        if let (true, true, Some(end)) = (goes_on, parts.status.is_success(), line) {
            bytes.truncate(end);
            break;
        }
    }
    let took = begun.elapsed();
    let mut metadata = format!("{}\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        // The hour moves, and the length says no more than the body.
        if name != "date" && name != "content-length" {
            metadata.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
        }
    }
    Exchanged { status: parts.status, metadata, bytes, took }
}

/// What a query says of an object.
fn parameters(into: &mut Vec<String>, before: &str, value: &Json) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                let dot = if before.is_empty() { "" } else { "." };
                parameters(into, &format!("{before}{dot}{name}"), value);
            }
        }
        Json::Array(all) => all.iter().for_each(|value| parameters(into, before, value)),
        Json::Null => {}
        value => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            into.push(format!("{before}={}", utf8_percent_encode(&text, PLAIN)));
        }
    }
}

#[test]
fn every_rpc_has_a_route_and_what_is_asked_stands_where_the_route_says() {
    let methods = super::request::methods();
    let routes: usize = methods.iter().map(|method| of(method).len() - 1).sum();
    assert!(routes > methods.len(), "{routes} routes of {} RPCs", methods.len());
    let list = super::request::method("ListInteractions");
    let said = serde_json::json!({"customer_ref": "a/b ü", "page_size": 5});
    let message = super::request::message(&list.input(), &said);
    let asked: Vec<String> = of(&list)
        .into_iter()
        .filter_map(|way| match way {
            Way::Rest(route) => route.asked(vec![message.clone()]).map(|asked| asked.path),
            Way::Grpc => None,
        })
        .collect();
    assert_eq!(
        asked,
        [
            "/api/v1/interactions?customer_ref=a%2Fb%20%C3%BC&page_size=5",
            "/api/v1/customers/a%2Fb%20%C3%BC/interactions?page_size=5"
        ]
    );
}
