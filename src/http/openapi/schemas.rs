//! Messages and enums of the protocol as JSON Schema.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::super::comments::Commented as _;
use super::super::json::is_well_known;
use super::super::rules::RULES;

/// Every message and enum that a call sends or answers, and the status of an error.
pub(super) fn schemas() -> Value {
    let mut sent = Reached::default();
    let mut answered = Reached::default();
    for rule in RULES.all() {
        if rule.has_body {
            sent.message(&rule.rpc.input());
        } else {
            // Its fields are parameters, and only what their kinds name is referred to.
            let mut asked = Reached::default();
            asked.message(&rule.rpc.input());
            sent.enums.append(&mut asked.enums);
        }
        answered.message(&rule.rpc.output());
    }
    let mut schemas = Map::new();
    for message in sent.messages.values().chain(answered.messages.values()) {
        // What is answered may have more fields in a later version.
        let closed = !answered.messages.contains_key(message.full_name());
        schemas.insert(name(message.full_name()), message_schema(message, closed));
    }
    for values in sent.enums.values().chain(answered.enums.values()) {
        schemas.insert(name(values.full_name()), enum_schema(values));
    }
    schemas.insert("Status".into(), status());
    schemas.into()
}

/// A message where it is used.
pub(super) fn reference(of: &MessageDescriptor) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", name(of.full_name()))})
}

/// A field's value.
pub(super) fn field_schema(field: &FieldDescriptor) -> Value {
    let mut schema = if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        json!({"type": "object", "additionalProperties": kind(&entry.map_entry_value_field())})
    } else if field.is_list() {
        json!({"type": "array", "items": kind(field)})
    } else {
        kind(field)
    };
    schema["description"] = field.comment().into();
    schema
}

fn kind(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::String => json!({"type": "string"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,18}$"})
        }
        Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "pattern": "^[0-9]{1,19}$"}),
        Kind::Float | Kind::Double => json!({"type": "number", "format": "double"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Enum(values) => {
            json!({"$ref": format!("#/components/schemas/{}", name(values.full_name()))})
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
            "google.protobuf.Duration" => json!({"type": "string", "pattern": "^-?[0-9.]+s$"}),
            "google.protobuf.FieldMask" => json!({"type": "string"}),
            _ => reference(&message),
        },
    }
}

fn message_schema(message: &MessageDescriptor, closed: bool) -> Value {
    let fields = message.fields();
    let properties = fields.map(|field| (field.name().to_owned(), field_schema(&field)));
    let mut schema = json!({
        "type": "object",
        "description": message.comment(),
        "properties": properties.collect::<Map<_, _>>(),
    });
    let choices = message.oneofs().filter(|choice| !choice.is_synthetic());
    let pairs = choices.flat_map(|choice| {
        let names: Vec<_> = choice.fields().map(|field| field.name().to_owned()).collect();
        let after = |at: usize| names[at + 1..].to_vec();
        let pairs = names.iter().enumerate().map(|(at, one)| (one.clone(), after(at)));
        let pairs = pairs.flat_map(|(one, others)| {
            others.into_iter().map(move |other| json!({"not": {"required": [one, other]}}))
        });
        pairs.collect::<Vec<_>>()
    });
    let pairs: Vec<Value> = pairs.collect();
    if !pairs.is_empty() {
        schema["allOf"] = pairs.into();
    }
    if closed {
        schema["additionalProperties"] = false.into();
    }
    schema
}

fn enum_schema(values: &EnumDescriptor) -> Value {
    let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
    let each = values.values().map(|value| format!("\n- `{}`: {}", value.name(), value.comment()));
    let description = format!("{}\n{}", values.comment(), each.collect::<String>());
    json!({"type": "string", "description": description, "enum": names})
}

fn status() -> Value {
    json!({
        "type": "object",
        "description": "google.rpc.Status: why a call was refused.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "A google.rpc.Code."},
            "message": {"type": "string", "description": "For whoever develops the client."},
            "details": {
                "type": "array",
                "description": "google.rpc.ErrorInfo, google.rpc.BadRequest, google.rpc.RetryInfo.",
                "items": {
                    "type": "object",
                    "properties": {"@type": {"type": "string"}},
                    "required": ["@type"],
                },
            },
        },
        "required": ["code"],
    })
}

/// Without the package: all of them are ours.
fn name(full: &str) -> String {
    full.strip_prefix("threadline.v1.").unwrap_or(full).to_owned()
}

/// Everything that a message is made of.
#[derive(Default)]
struct Reached {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Reached {
    fn message(&mut self, message: &MessageDescriptor) {
        let known = |it: &Self| it.messages.contains_key(message.full_name());
        if is_well_known(message) || known(self) {
            return;
        }
        if !message.is_map_entry() {
            self.messages.insert(message.full_name().to_owned(), message.clone());
        }
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => self.message(&inner),
                Kind::Enum(values) => {
                    self.enums.insert(values.full_name().to_owned(), values);
                }
                _ => {}
            }
        }
    }
}
