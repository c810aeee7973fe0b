//! Requests, made from their descriptors: every string that they have, and how one is put there.

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind as Type, MapKey, MessageDescriptor,
    MethodDescriptor, Value as Field,
};
use serde_json::Value;
use threadline::grpc::proto::DESCRIPTORS;

/// The way to one string of a request: fields, each within the message that the one before holds.
#[derive(Clone)]
pub struct Path(Vec<FieldDescriptor>);

impl Path {
    /// The last field's name.
    pub fn last(&self) -> &str {
        self.0.last().map_or("", |field| field.name())
    }

    /// Whether the last field belongs to this message.
    pub fn within(&self, message: &str) -> bool {
        self.0.last().is_some_and(|field| field.parent_message().name() == message)
    }

    /// The names of all fields.
    pub fn text(&self) -> String {
        self.0.iter().map(|field| field.name()).collect::<Vec<_>>().join(".")
    }
}

/// Every RPC of ours.
pub fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
    let ours = pool.services().filter(|it| it.full_name().starts_with("threadline."));
    ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The RPC of that name.
pub fn method(name: &str) -> MethodDescriptor {
    methods().into_iter().find(|it| it.name() == name).expect("an RPC of ours")
}

/// Every string of a request, also those of the messages within it, and the keys of its maps.
pub fn paths(of: &MessageDescriptor) -> Vec<Path> {
    let mut found = Vec::new();
    for field in of.fields() {
        let kind = match field.kind() {
            Type::Message(entry) if field.is_map() => {
                found.push(Path(vec![field.clone()]));
                entry.map_entry_value_field().kind()
            }
            kind => kind,
        };
        match kind {
            Type::String if !field.is_map() => found.push(Path(vec![field])),
            Type::Message(inner) if inner.package_name() != "google.protobuf" => {
                let inner = paths(&inner).into_iter();
                found.extend(inner.map(|path| Path([vec![field.clone()], path.0].concat())));
            }
            _ => {}
        }
    }
    found
}

/// A message as JSON says it.
pub fn message(of: &MessageDescriptor, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(of.clone(), json).unwrap_or_else(|error| {
        panic!("{} is not {json}: {error}", of.name());
    })
}

/// What is put into a request.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The kind and namespace that an identifier has beside it; both empty for anything else.
    pub kind: &'static str,
    pub namespace: &'static str,
    pub value: String,
}

/// The requests of a stream with the probe put where the path leads, in the first message that has
/// the path's first field, else in the last one.
pub fn with(messages: &[DynamicMessage], path: &Path, probe: &Probe) -> Vec<Vec<u8>> {
    let mut messages = messages.to_vec();
    let place = messages.iter().position(|it| it.has_field(&path.0[0]));
    let place = place.unwrap_or(messages.len() - 1);
    put(&mut messages[place], &path.0, probe);
    messages.iter().map(|message| message.encode_to_vec()).collect()
}

fn put(into: &mut DynamicMessage, path: &[FieldDescriptor], probe: &Probe) {
    let (field, rest) = (&path[0], &path[1..]);
    let text = || Field::String(probe.value.clone());
    if field.is_map() {
        put_in_map(into, field, rest, probe);
    } else if let Type::Message(inner) = field.kind() {
        let fresh = || DynamicMessage::new(inner.clone());
        let value = into.get_field_mut(field);
        match value {
            Field::List(all) => {
                if all.is_empty() {
                    all.push(Field::Message(fresh()));
                }
                if let Some(Field::Message(first)) = all.first_mut() {
                    put(first, rest, probe);
                }
            }
            Field::Message(one) => put(one, rest, probe),
            _ => {}
        }
    } else {
        let value = if field.is_list() { Field::List(vec![text()]) } else { text() };
        into.set_field(field, value);
        beside(into, field, probe);
    }
}

fn put_in_map(
    into: &mut DynamicMessage,
    field: &FieldDescriptor,
    rest: &[FieldDescriptor],
    probe: &Probe,
) {
    let Type::Message(entry) = field.kind() else { return };
    let value = match entry.map_entry_value_field().kind() {
        // A map of ids: the probe is a value.
        Type::String => Field::String(probe.value.clone()),
        Type::Message(inner) => {
            let mut message = DynamicMessage::new(inner.clone());
            match rest.is_empty() {
                true => message.set_field_by_name("value", Field::String("a value".into())),
                false => put(&mut message, rest, probe),
            }
            Field::Message(message)
        }
        _ => return,
    };
    let key = match (&value, rest.is_empty()) {
        (Field::String(_), _) => probe.namespace.to_owned(),
        (_, true) => probe.value.clone(),
        (_, false) => "name".to_owned(),
    };
    into.set_field(field, Field::Map([(MapKey::String(key), value)].into()));
}

/// What a string needs beside it to be looked at.
fn beside(into: &mut DynamicMessage, field: &FieldDescriptor, probe: &Probe) {
    let mut text = |name: &str, value: &str| {
        into.set_field_by_name(name, Field::String(value.to_owned()));
    };
    match (field.parent_message().name(), field.name()) {
        ("Identifier", "value") if !probe.kind.is_empty() => {
            text("kind", probe.kind);
            text("namespace", probe.namespace);
        }
        ("Intent", "intent") => into.set_field_by_name("status", Field::EnumNumber(1)),
        ("Intent", "reference") => {
            text("intent", "billing");
            into.set_field_by_name("status", Field::EnumNumber(1));
        }
        (_, "continues_source") => text("continues_interaction_id", "acme0-call"),
        ("LastInbound", "thread_ref") => text("channel", "whatsapp"),
        _ => {}
    }
}
