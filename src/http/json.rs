//! Messages as JSON, by the protocol's own mapping with the field names of the protocol files; both
//! spellings are read. What cannot be read is told field by field, and no value is repeated. Masks are
//! read in a way of their own (`masks`).

mod masks;
mod places;
mod twice;

use std::borrow::Cow;

use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, SerializeOptions,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use self::places::Place;
pub(super) use self::twice::{is_misused, said_twice};
use crate::identity::Violation;

/// Bad fields that are named; who has more of them has something else to mend first.
pub(super) const MOST_NAMED: usize = 32;

/// Reads a message.
///
/// # Errors
/// Everything that does not fit, each with its path; a text that is no JSON at all has no path.
pub fn read(of: &MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, Vec<Violation>> {
    let twice = said_twice(Some(of), text);
    if !twice.is_empty() {
        return Err(twice);
    }
    let message = match masks::apart(of, text) {
        Some((rest, mask)) => plain(of, &rest).map(|message| mask.put_into(message)),
        None => plain(of, text),
    };
    message.ok_or_else(|| explain(of, text))
}

/// The message that a whole text is, as the protocol's own mapping reads it.
fn plain(of: &MessageDescriptor, text: &[u8]) -> Option<DynamicMessage> {
    let mut reading = serde_json::Deserializer::from_slice(text);
    let options = DeserializeOptions::new();
    let message = DynamicMessage::deserialize_with_options(of.clone(), &mut reading, &options);
    message.ok().filter(|_| reading.end().is_ok())
}

/// Reads a message from a value.
///
/// # Errors
/// As [`read`].
pub(super) fn from_value(
    of: &MessageDescriptor,
    value: &Value,
) -> Result<DynamicMessage, Vec<Violation>> {
    let options = DeserializeOptions::new();
    let plain =
        |value: &Value| DynamicMessage::deserialize_with_options(of.clone(), value, &options).ok();
    let message = match masks::apart_from_value(of, value) {
        Some((rest, mask)) => plain(&rest).map(|message| mask.put_into(message)),
        None => plain(value),
    };
    message.ok_or_else(|| explain_value(of, value))
}

/// A message as JSON on one line: its fields in the order of the protocol, maps sorted by key, what
/// is unset left out.
///
/// # Errors
/// When a value has no JSON form (a time outside the years 1 to 9999).
pub fn write(
    message: &DynamicMessage,
    pretty: bool,
    emit_defaults: bool,
) -> serde_json::Result<String> {
    let options =
        SerializeOptions::new().use_proto_field_name(true).skip_default_fields(!emit_defaults);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options)?;
    let ordered = InFieldOrder { value: &value, kind: Kind::Message(message.descriptor()) };
    match pretty {
        true => serde_json::to_string_pretty(&ordered),
        false => serde_json::to_string(&ordered),
    }
}

/// A JSON value whose objects are written in the order of the message's fields.
/// Maps keep the order of [`Value`], which is that of their keys.
struct InFieldOrder<'a> {
    value: &'a Value,
    kind: Kind,
}

impl Serialize for InFieldOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.value, &self.kind) {
            (Value::Array(values), kind) => serializer
                .collect_seq(values.iter().map(|value| InFieldOrder { value, kind: kind.clone() })),
            (Value::Object(entries), Kind::Message(map)) if map.is_map_entry() => {
                let kind = map.map_entry_value_field().kind();
                serializer.collect_map(
                    entries
                        .iter()
                        .map(|(key, value)| (key, InFieldOrder { value, kind: kind.clone() })),
                )
            }
            (Value::Object(entries), Kind::Message(message)) if !is_well_known(message) => {
                let mut object = serializer.serialize_map(Some(entries.len()))?;
                for field in message.fields() {
                    if let Some(value) = entries.get(field.name()) {
                        let value = InFieldOrder { value, kind: field.kind() };
                        object.serialize_entry(field.name(), &value)?;
                    }
                }
                object.end()
            }
            (plain, _) => plain.serialize(serializer),
        }
    }
}

/// Whether JSON has a form of its own for it.
pub(super) fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

fn explain(of: &MessageDescriptor, text: &[u8]) -> Vec<Violation> {
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => explain_value(of, &value),
        // Where, and not what: the text may hold anything.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let deep = error.to_string().starts_with("recursion limit exceeded");
            let said = if deep { "is nested too deeply" } else { "is not JSON" };
            vec![violation(Place::Whole, format!("{said}: see line {line}, column {column}"))]
        }
    }
}

fn explain_value(of: &MessageDescriptor, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    message(&mut found, Place::Whole, of, value);
    if found.is_empty() {
        // Each part fits by itself.
        found.push(violation(Place::Whole, format!("is no {}", of.name())));
    }
    found.truncate(MOST_NAMED);
    found
}

fn violation(place: Place<'_>, description: String) -> Violation {
    Violation { field: place.to_string(), description }
}

/// Whether as much was found as is named.
fn is_enough(found: &[Violation]) -> bool {
    found.len() >= MOST_NAMED
}

fn message(found: &mut Vec<Violation>, place: Place<'_>, of: &MessageDescriptor, value: &Value) {
    let Value::Object(entries) = value else {
        found.push(violation(place, "is not an object".into()));
        return;
    };
    for (name, value) in entries {
        let place = Place::Field(&place, name);
        let field = of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name));
        match field {
            None => found.push(violation(place, format!("is not a field of {}", of.name()))),
            Some(_) if value.is_null() => {}
            Some(field) => many(found, place, &field, value),
        }
        if is_enough(found) {
            return;
        }
    }
    for choice in of.oneofs().filter(|choice| !choice.is_synthetic()) {
        let mut chosen = choice.fields().filter(|field| {
            let names = [field.name(), field.json_name()];
            names.iter().any(|name| entries.get(*name).is_some_and(|it| !it.is_null()))
        });
        let first = chosen.next();
        for (first, other) in chosen.map(|other| (&first, other)) {
            let beside = first.as_ref().map_or("", |it| it.name());
            let place = Place::Field(&place, other.name());
            found.push(violation(place, format!("cannot stand beside {beside}")));
        }
    }
}

/// A field's value, of which it may have several: as many are looked at as it takes to find enough.
fn many(found: &mut Vec<Violation>, place: Place<'_>, field: &FieldDescriptor, value: &Value) {
    if field.is_list() {
        let Value::Array(items) = value else {
            found.push(violation(place, "is not a list".into()));
            return;
        };
        for (index, item) in items.iter().enumerate() {
            single(found, Place::Item(&place, index), field, item);
            if is_enough(found) {
                return;
            }
        }
    } else if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let Value::Object(entries) = value else {
            found.push(violation(place, "is not an object".into()));
            return;
        };
        let of = entry.map_entry_value_field();
        for (key, item) in entries {
            single(found, Place::Value(&place, key), &of, item);
            if is_enough(found) {
                return;
            }
        }
    } else {
        single(found, place, field, value);
    }
}

fn single(found: &mut Vec<Violation>, place: Place<'_>, field: &FieldDescriptor, value: &Value) {
    match field.kind() {
        Kind::Message(inner) if !is_well_known(&inner) => message(found, place, &inner, value),
        // What most values are, of which there may be many.
        Kind::String if value.is_string() => {}
        kind if masks::is_mask(&kind) && value.is_string() => {}
        kind => {
            // Alone, it is read as it would be in its place.
            let value =
                if field.is_list() { Value::from(vec![value.clone()]) } else { value.clone() };
            let alone = Map::from_iter([(field.name().to_owned(), value)]);
            let options = DeserializeOptions::new();
            let of = field.parent_message().clone();
            let alone = Value::Object(alone);
            if DynamicMessage::deserialize_with_options(of, &alone, &options).is_err() {
                found.push(violation(place, format!("is not {}", wanted(&kind))));
            }
        }
    }
}

fn wanted(kind: &Kind) -> Cow<'static, str> {
    let said = match kind {
        Kind::Enum(of) => {
            let values = of.values().map(|value| value.name().to_owned());
            return format!("one of {}", values.collect::<Vec<_>>().join(", ")).into();
        }
        Kind::String => "a text",
        Kind::Bool => "true or false",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a whole number of 64 bits",
        Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits without a sign",
        Kind::Uint64 | Kind::Fixed64 => "a whole number of 64 bits without a sign",
        Kind::Float | Kind::Double => "a number",
        Kind::Bytes => "bytes in base64",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "a time such as 2026-11-22T09:30:00Z",
            "google.protobuf.Duration" => "a duration such as 1.5s",
            "google.protobuf.FieldMask" => "a list of paths, in one text, separated by commas",
            _ => "of the form that the protocol asks for",
        },
    };
    said.into()
}

/// A name that a client chose, if it can be a name: anything may stand where a name should.
pub(super) fn printable(name: &str) -> &str {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let fine = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 64
        && name.chars().all(letters)
        && digits <= 6;
    if fine { name } else { "…" }
}

#[cfg(test)]
mod tests;
