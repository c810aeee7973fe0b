//! A parsed value as `serde` reads it, with mistakes that say where they are and what is allowed
//! there, and never what was given: it may be a secret in the wrong place.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

/// What is wrong at one place.
#[derive(Debug)]
pub(super) struct Mistake {
    /// From the outermost table inwards, backwards.
    path: Vec<Step>,
    pub kind: Kind,
}

/// One step into a table or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// So manieth of a list, from 0.
    Entry(usize),
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A setting that there is not; those that there are.
    Unknown(&'static [&'static str]),
    /// A value of another kind than this.
    Expected(String),
    /// A setting without which its table is of no use.
    Missing(&'static str),
    /// What cannot be used for any other reason.
    Unusable,
}

impl Mistake {
    fn of(kind: Kind) -> Self {
        Self { path: Vec::new(), kind }
    }

    fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The way to it, outermost first.
    pub fn path(&self) -> impl Iterator<Item = &Step> {
        self.path.iter().rev()
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unknown(_) => f.write_str("there is no such setting"),
            Kind::Expected(what) => write!(f, "must be {what}"),
            Kind::Missing(name) => write!(f, "needs {name}"),
            Kind::Unusable => f.write_str("cannot be used"),
        }
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    /// The words are left out: they may repeat the value.
    fn custom<T: Display>(_: T) -> Self {
        Self::of(Kind::Unusable)
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Expected(in_words(&expected.to_string())))
    }

    fn invalid_value(given: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(given, expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Expected(in_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::of(Kind::Expected(either(known)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::of(Kind::Unknown(known)).inside(Step::Key(field.to_owned()))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::of(Kind::Missing(name))
    }
}

/// One of these words.
fn either(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
}

/// What a type is called by somebody who writes settings.
fn in_words(expected: &str) -> String {
    match expected {
        "u64" | "usize" | "u32" => "a whole number, not below 0".into(),
        "i64" => "a whole number".into(),
        "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "path string" => "text in quotes".into(),
        "a sequence" => "a list".into(),
        other if other == "a map" || other.starts_with("struct ") => "a table".into(),
        other => other.into(),
    }
}

/// A value to read settings from.
pub(super) struct Given<'a>(pub &'a DeValue<'a>);

/// A table to read settings from.
pub(super) struct GivenTable<'a>(pub &'a DeTable<'a>);

impl<'de> Deserializer<'de> for Given<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0 {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => integer(number, visitor),
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(Mistake::of(Kind::Unusable)),
            },
            DeValue::Boolean(answer) => visitor.visit_bool(*answer),
            // No setting is one: whatever is asked for, this is not it.
            DeValue::Datetime(_) => {
                Err(Mistake::invalid_type(de::Unexpected::Other("a date"), &visitor))
            }
            DeValue::Array(entries) => visitor.visit_seq(Entries(entries, 0)),
            DeValue::Table(table) => GivenTable(table).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0 {
            DeValue::String(text) => visitor.visit_enum(text.as_ref().into_deserializer()),
            _ => Err(Mistake::of(Kind::Expected(either(words)))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for GivenTable<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_map(Settings { left: self.0.iter(), next: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        option unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

fn integer<'de, V: Visitor<'de>>(number: &DeInteger<'_>, visitor: V) -> Result<V::Value, Mistake> {
    let (digits, radix) = (number.as_str(), number.radix());
    match (i64::from_str_radix(digits, radix), u64::from_str_radix(digits, radix)) {
        (Ok(number), _) => visitor.visit_i64(number),
        (_, Ok(number)) => visitor.visit_u64(number),
        _ => Err(Mistake::invalid_type(de::Unexpected::Other("a long number"), &visitor)),
    }
}

/// The entries of a list that are left.
struct Entries<'a>(&'a DeArray<'a>, usize);

impl<'de> de::SeqAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mistake> {
        let Some(entry) = self.0.get(self.1) else { return Ok(None) };
        let index = self.1;
        self.1 += 1;
        let read = seed.deserialize(Given(entry.get_ref()));
        read.map(Some).map_err(|mistake| mistake.inside(Step::Entry(index)))
    }
}

/// The settings of a table that are left.
struct Settings<'a, I> {
    left: I,
    next: Option<(&'a str, &'a DeValue<'a>)>,
}

impl<'a, 'de, I> de::MapAccess<'de> for Settings<'a, I>
where
    I: Iterator<Item = (&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>)>,
{
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.next = Some((key.get_ref(), value.get_ref()));
        seed.deserialize(key.get_ref().as_ref().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        // `serde` asks for a value after its key.
        let (key, value) = self.next.take().expect("a key before its value");
        let read = seed.deserialize(Given(value));
        read.map_err(|mistake| mistake.inside(Step::Key(key.to_owned())))
    }
}
