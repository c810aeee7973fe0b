//! Names that one object says twice, be it in both spellings: which of the two is meant nobody can
//! know, and readers differ, so that what one of them has checked another would not have read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::places::Place;
use super::violation;
use crate::identity::Violation;

/// Every such name in a text; nothing where it is no JSON, which others say. Of a message its fields
/// are known by either name.
pub(in crate::http) fn said_twice(of: Option<&MessageDescriptor>, text: &[u8]) -> Vec<Violation> {
    let mut found = Vec::new();
    let of = of.cloned().map_or(Shape::Any, Shape::Message);
    let walk = Walk { place: Place::Whole, of, found: &mut found };
    // What comes after the first object is no business of this.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_slice(text));
    found
}

/// Names that the reader of JSON keeps for itself.
const RESERVED: &str = "$serde_json::private::";

/// Whether a text says a name that is kept, or so much twice that nobody looked on. No text may be read
/// before that is known: what such a name holds is read in its turn, at any depth.
pub(in crate::http) fn is_misused(text: &[u8]) -> bool {
    let found = said_twice(None, text);
    found.len() >= super::MOST_NAMED || found.iter().any(|it| it.description == MISUSED)
}

/// What is said of such a name.
const MISUSED: &str = "cannot be a name";

/// What is known of a value.
#[derive(Clone)]
enum Shape {
    Message(MessageDescriptor),
    /// The values of a map.
    Map(Kind),
    Any,
}

impl Shape {
    fn of_field(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(entry.map_entry_value_field().kind())
            }
            kind => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Message(message) if !super::is_well_known(&message) => Self::Message(message),
            _ => Self::Any,
        }
    }

    fn field(&self, name: &str) -> Option<FieldDescriptor> {
        let Self::Message(of) = self else { return None };
        of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name))
    }
}

/// One value on the way through all of them.
struct Walk<'w> {
    place: Place<'w>,
    of: Shape,
    found: &'w mut Vec<Violation>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut said = BTreeSet::new();
        while let Some(name) = object.next_key::<Cow<'de, str>>()? {
            let field = self.of.field(&name);
            let is_map = matches!(self.of, Shape::Map(_));
            let place = match is_map {
                true => Place::Value(&self.place, &name),
                false => Place::Field(&self.place, &name),
            };
            if name.starts_with(RESERVED) {
                // What reads JSON would take what it holds for a text to be read in its turn, as deep again.
                self.found.push(violation(place, MISUSED.into()));
                return object.next_value::<IgnoredAny>().map(drop);
            }
            let own = field.as_ref().map_or(&*name, |field| field.name()).to_owned();
            if !said.insert(own) {
                self.found.push(violation(place, "is said twice".into()));
                if self.found.len() >= super::MOST_NAMED {
                    return object.next_value::<IgnoredAny>().map(drop);
                }
            }
            let of = match (&self.of, field) {
                (Shape::Map(kind), _) => Shape::of_kind(kind.clone()),
                (_, Some(field)) => Shape::of_field(&field),
                _ => Shape::Any,
            };
            object.next_value_seed(Walk { place, of, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let place = Place::Item(&self.place, index);
            let walk = Walk { place, of: self.of.clone(), found: &mut *self.found };
            if list.next_element_seed(walk)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::rules::POOL;

    fn named(text: &str) -> Vec<String> {
        let of = POOL.get_message_by_name("threadline.v1.EndInteractionRequest").expect("ours");
        let found = said_twice(Some(&of), text.as_bytes());
        assert!(found.iter().all(|it| it.description == "is said twice"));
        found.into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn a_name_is_said_once_in_either_spelling() {
        assert_eq!(named(r#"{"summary":"a","summary":"b"}"#), ["summary"]);
        assert_eq!(named(r#"{"agent_ref":"a","agentRef":"a"}"#), ["agentRef"]);
        let within = r#"{"intents":[{"intent":"a"},{"intent":"a","status":1,"status":1}],
            "variables":{"a":{"ttlSeconds":1,"ttl_seconds":2},"b":{},"b":{}}}"#;
        assert_eq!(
            named(within),
            ["intents[1].status", "variables[a].ttl_seconds", "variables[b]"]
        );
        // Keys of a map are a caller's own words, and not spellings of each other.
        assert!(named(r#"{"variables":{"order_id":{},"orderId":{}},"summary":null}"#).is_empty());
        assert!(named(r#"[true,-1,1,1.5,"a",null,{"a":{"a":1}}]"#).is_empty());
        assert!(named("{").is_empty() && named("").is_empty());
    }

    #[test]
    fn what_stands_where_a_name_should_is_not_repeated() {
        let found = named(r#"{"4155550101":1,"4155550101":2}"#);
        assert_eq!(found, ["…"]);
        let many = format!("{{{}}}", vec![r#""a":1"#; 100].join(","));
        assert_eq!(named(&many).len(), super::super::MOST_NAMED);
    }
}
