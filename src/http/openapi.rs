//! The description of REST in OpenAPI 3.1, from the same descriptors and comments: what is not in the
//! protocol is not in here. `docs/openapi.json` is a copy that a test compares.

mod schemas;

use std::sync::LazyLock;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use tonic::codegen::Bytes;

use self::schemas::{field_schema, reference, schemas};
use super::comments::{Commented as _, first_sentence};
use super::json::is_well_known;
use super::rules::{POOL, RULES, Rule, Segment};
use crate::grpc::DOMAIN;

/// As it is served.
pub(super) static TEXT: LazyLock<Bytes> = LazyLock::new(|| openapi().into());

/// Errors that every call may give: HTTP code, and when.
const ERRORS: [(&str, &str); 10] = [
    ("400", "Fields that do not fit, each named, or a state that does not allow it."),
    ("401", "No API key, or one that is unknown, revoked or has expired."),
    ("403", "The API key may not do this."),
    ("404", "What is named does not exist."),
    ("405", "The path is there, under other methods."),
    ("409", "The same id was used with other content."),
    ("413", "The body is larger than one mebibyte."),
    ("415", "The body is not JSON in UTF-8."),
    ("429", "Too many calls, or too much waits to be written: come back later."),
    ("503", "The store does not answer: send the same request later, it has one effect."),
];

/// The whole document, as JSON.
pub fn openapi() -> String {
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Threadline",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Who is this, and what were we talking about?",
            "description": "Every call of `threadline.v1` as HTTP and JSON. Names are those of the \
                protocol; lowerCamelCase is read as well. What is unset is left out of answers. \
                64-bit numbers are texts. An unknown field is refused. An error is a \
                `google.rpc.Status` whose `details` have a documented reason \
                (google.rpc.ErrorInfo), every bad field (google.rpc.BadRequest), and when to come \
                back (google.rpc.RetryInfo).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The port that serves gRPC, too."}],
        "security": [{"api_key": []}],
        "tags": tags(),
        "paths": paths(),
        "components": {
            "securitySchemes": {"api_key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, as `threadline keys create` printed it.",
            }},
            "headers": {"retry_after": {
                "description": "Seconds until it is worth a retry.",
                "schema": {"type": "integer", "minimum": 1},
            }},
            "responses": errors(),
            "schemas": schemas(),
        },
    });
    // A `Value` is always JSON.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn tags() -> Value {
    let ours = POOL.services().filter(|service| service.package_name() == DOMAIN);
    ours.map(|it| json!({"name": it.name(), "description": it.comment()})).collect()
}

fn errors() -> Value {
    let body = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}});
    let one = |(code, said): (&str, &str)| {
        let mut response = json!({"description": said, "content": body});
        if ["429", "503"].contains(&code) {
            response["headers"] =
                json!({"retry-after": {"$ref": "#/components/headers/retry_after"}});
        }
        (format!("error_{code}"), response)
    };
    let other = ("default", "Any other error, such as 500: a defect of ours.");
    ERRORS.into_iter().chain([other]).map(one).collect::<Map<_, _>>().into()
}

fn paths() -> Value {
    let mut paths = Map::new();
    for rule in RULES.all() {
        let place = paths.entry(rule.template.clone()).or_insert_with(|| json!({}));
        place[rule.verb.as_str().to_ascii_lowercase()] = operation(rule);
    }
    paths.into()
}

/// What the first rule of an RPC is called is the RPC's name; others say what their path names.
fn id(rule: &Rule) -> String {
    let name = rule.rpc.name();
    let mut same = RULES.all().iter().filter(|it| it.rpc == rule.rpc);
    let fewest = same.clone().map(|it| it.fields().count()).min();
    let first = same.find(|it| Some(it.fields().count()) == fewest);
    if first.is_some_and(|first| first.template == rule.template) {
        return name.to_owned();
    }
    let fields = rule.fields().map(|field| field.name().to_owned());
    format!("{name}_by_{}", fields.collect::<Vec<_>>().join("_and_"))
}

impl Rule {
    fn fields(&self) -> impl Iterator<Item = &FieldDescriptor> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(field) => Some(field),
            Segment::Word(_) => None,
        })
    }
}

fn operation(rule: &Rule) -> Value {
    let comment = rule.rpc.comment();
    let mut parameters: Vec<Value> = rule.fields().map(path_parameter).collect();
    if !rule.has_body {
        query_parameters(&mut parameters, &rule.rpc.input(), "", rule);
    }
    let mut operation = json!({
        "operationId": id(rule),
        "tags": [rule.rpc.parent_service().name()],
        "summary": first_sentence(&comment),
        "description": comment,
        "parameters": parameters,
        "responses": responses(rule),
    });
    if rule.has_body {
        let schema = json!({"schema": reference(&rule.rpc.input())});
        let mut content = json!({"application/json": schema});
        if rule.rpc.is_client_streaming() {
            content["application/x-ndjson"] = schema;
        }
        operation["requestBody"] = json!({"required": false, "content": content});
        if rule.rpc.is_client_streaming() {
            operation["requestBody"]["description"] = json!("One message, or one a line.");
        }
    }
    operation
}

fn responses(rule: &Rule) -> Value {
    let schema = json!({"schema": reference(&rule.rpc.output())});
    let content = match rule.rpc.is_server_streaming() {
        true => json!({"application/x-ndjson": schema, "text/event-stream": schema}),
        false => json!({"application/json": schema}),
    };
    let mut responses = Map::new();
    let said = rule.rpc.output().comment();
    responses.insert("200".into(), json!({"description": said, "content": content}));
    for code in ERRORS.map(|(code, _)| code).into_iter().chain(["default"]) {
        let place = format!("#/components/responses/error_{code}");
        responses.insert(code.into(), json!({"$ref": place}));
    }
    responses.into()
}

fn path_parameter(field: &FieldDescriptor) -> Value {
    json!({
        "name": field.name(), "in": "path", "required": true,
        "description": field.comment(),
        "schema": {"type": "string", "minLength": 1},
    })
}

/// Everything that a request without a body may say, and its path does not.
fn query_parameters(into: &mut Vec<Value>, of: &MessageDescriptor, before: &str, rule: &Rule) {
    for field in of.fields() {
        if before.is_empty() && rule.fields().any(|named| *named == field) {
            continue;
        }
        let name = format!("{before}{}", field.name());
        match field.kind() {
            Kind::Message(inner) if !is_well_known(&inner) => {
                if !field.is_list() && !field.is_map() {
                    query_parameters(into, &inner, &format!("{name}."), rule);
                }
            }
            _ => into.push(json!({
                "name": name, "in": "query",
                "description": field.comment(),
                "schema": field_schema(&field),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_described_and_every_reference_leads_somewhere() {
        let text = openapi();
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut ids = Vec::new();
        for rule in RULES.all() {
            let operation =
                &document["paths"][&rule.template][rule.verb.as_str().to_ascii_lowercase()];
            let said = operation["description"].as_str().unwrap_or_default();
            assert!(said.len() > 10, "{} says nothing", rule.template);
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
        }
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "an operation's name is used twice");
        for place in text.split("\"#/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(&format!("/{place}")).is_some(), "{place} is nowhere");
        }
    }
}
