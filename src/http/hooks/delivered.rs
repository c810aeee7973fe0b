//! A delivery: what it says, and how its numbers were written. A float says no more whether somebody
//! wrote 10 or 10.00, and an amount is to be read as it stood on the ticket.

use std::borrow::Cow;
use std::collections::HashMap;
use std::{fmt, ptr};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tonic::{Code, Status};

use super::MOST_DEPTH;
use crate::grpc::{self, ErrorReason};
use crate::http::json::is_misused;
use crate::http::numbers::exact;

/// What of each float was written, by where its value is: inside a list or an object, so that it stays
/// where it is as long as the delivery is not changed.
type Written<'t> = HashMap<*const Value, &'t str>;

/// A delivery, which is never changed.
pub(super) struct Delivered<'t> {
    value: Value,
    written: Written<'t>,
}

impl<'t> Delivered<'t> {
    /// A delivery: an object, and not too deep.
    ///
    /// # Errors
    /// `HOOK_UNREADABLE`, with where it is no JSON, or why it is none of ours.
    pub fn read(body: &'t [u8]) -> Result<Self, Status> {
        let unreadable =
            |said: &str| grpc::refusal(Code::InvalidArgument, ErrorReason::HookUnreadable, said);
        if is_misused(body) {
            return Err(unreadable("a name that nobody may use, or many names said twice"));
        }
        let read = serde_json::from_slice::<Value>(body);
        // Where, and not what.
        let value = read.map_err(|error| {
            unreadable(&format!("no JSON: see line {}, column {}", error.line(), error.column()))
        })?;
        if !value.is_object() {
            return Err(unreadable("no JSON object"));
        }
        if is_deeper_than(&value, MOST_DEPTH) {
            return Err(unreadable("nested too deep"));
        }
        let mut written = Written::new();
        let walk = Walk { value: &value, written: &mut written };
        // That it is JSON was seen above.
        let _ = walk.deserialize(&mut serde_json::Deserializer::from_slice(body));
        Ok(Self { value, written })
    }

    /// All that it says.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// A number of it as a text, as it was written; `None` for one that has more digits than can be
    /// kept, and for what is no number.
    pub fn exact(&self, number: &Value) -> Option<String> {
        let written = self.written.get(&ptr::from_ref(number)).copied();
        exact(number.as_number()?, written)
    }
}

/// What no text says: its numbers are written as they are read.
#[cfg(test)]
impl From<Value> for Delivered<'_> {
    fn from(value: Value) -> Self {
        Self { value, written: Written::new() }
    }
}

fn is_deeper_than(value: &Value, most: usize) -> bool {
    let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return false,
    };
    most == 0 || inner.any(|it| is_deeper_than(it, most - 1))
}

/// A value on the way through all of them, beside its text. Of a name that is said twice the last one
/// counts, and is walked through last: what was noted of the first is noted anew.
struct Walk<'w, 't> {
    value: &'w Value,
    written: &'w mut Written<'t>,
}

impl<'t> DeserializeSeed<'t> for Walk<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, text: D) -> Result<(), D::Error> {
        match self.value {
            Value::Number(number) if number.is_f64() => {
                let raw = <&'t RawValue>::deserialize(text)?;
                self.written.insert(ptr::from_ref(self.value), raw.get());
                Ok(())
            }
            Value::Array(_) | Value::Object(_) => text.deserialize_any(self),
            // Nothing of it was lost.
            _ => IgnoredAny::deserialize(text).map(drop),
        }
    }
}

impl<'t> Visitor<'t> for Walk<'_, 't> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("anything")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<Cow<'t, str>>()? {
            match self.value.get(&*name) {
                Some(value) => {
                    object.next_value_seed(Walk { value, written: &mut *self.written })?;
                }
                None => {
                    let IgnoredAny = object.next_value()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let come = match self.value.get(index) {
                Some(value) => {
                    let walk = Walk { value, written: &mut *self.written };
                    list.next_element_seed(walk)?.is_some()
                }
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !come {
                break;
            }
        }
        Ok(())
    }

    // What stands where the last of that name has a list or an object.

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

    #[test]
    fn only_an_object_is_read_and_none_that_is_too_deep() {
        let nested =
            |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Delivered::read(nested(MOST_DEPTH - 1).as_bytes()).is_ok());
        for odd in [
            nested(MOST_DEPTH),
            nested(100_000),
            "canary".into(),
            "[]".into(),
            "{} {}".into(),
            String::new(),
            "{\"a\": \"\u{0}\"}".into(),
            r#"{"a": {"$serde_json::private::RawValue": "[[1]]"}}"#.into(),
        ] {
            let refused = Delivered::read(odd.as_bytes()).err().expect("refused");
            assert!(!refused.message().contains("canary"));
        }
    }

    /// The number at that place of a text.
    fn number(text: &str, place: &str) -> Option<String> {
        let delivered = Delivered::read(text.as_bytes()).expect("a delivery");
        let node = delivered.value().pointer(place).expect("there is something");
        delivered.exact(node)
    }

    #[test]
    fn a_number_is_as_it_was_written_wherever_it_stands() {
        let text = r#"{"a": 10.00, "b\u0031": {"c": [1, 1.50, {"d":-2.0 }], "e": "x"}, "f": [[0.10]],
            "id": 12345678901234567890123, "long": 0.1000000000000000}"#;
        for (place, written) in [
            ("/a", Some("10.00")),
            ("/b1/c/0", Some("1")),
            ("/b1/c/1", Some("1.50")),
            ("/b1/c/2/d", Some("-2.0")),
            ("/b1/e", None),
            ("/f/0/0", Some("0.10")),
            ("/id", None),
            ("/long", None),
        ] {
            assert_eq!(number(text, place).as_deref(), written, "{place}");
        }
    }

    #[test]
    fn of_what_is_said_twice_the_last_counts() {
        for (text, place) in [
            (r#"{"a": [2.00, 3.00], "a": 1.10, "b": 1.10}"#, "/a"),
            (r#"{"a": 2.00, "a": [1.10], "b": 1.10}"#, "/a/0"),
            (r#"{"a": {"c": 2.00, "d": 3.00}, "a": {"c": 1.10}, "b": 1.10}"#, "/a/c"),
            (r#"{"a": "x", "a": {"c": 1.10}, "a": [null, 1.10], "b": 1.10}"#, "/a/1"),
        ] {
            assert_eq!(number(text, place).as_deref(), Some("1.10"), "{text}");
            assert_eq!(number(text, "/b").as_deref(), Some("1.10"), "{text}: what comes after it");
        }
    }
}
