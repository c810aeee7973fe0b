//! A file's text as settings: what cannot be used is named and left out, and the rest is read on, so
//! that no mistake hides another.
//!
//! A mistake is a line: the setting's name, what is wrong, what is allowed, and where it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::name_of;
use super::values::{GivenTable, Kind, Mistake, Step};

/// Mistakes that are named at most: whoever has more reads no further.
const MOST_MISTAKES: usize = 100;
/// Characters of a name that are repeated: somebody may have pasted anything there.
const MOST_NAME: usize = 64;

/// A file's text, parsed as far as it can be.
pub(crate) struct Document<'t> {
    text: &'t str,
    whole: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses it; what is no TOML goes to `wrong`, and the rest is kept.
    pub fn parse(text: &'t str, wrong: &mut Vec<String>) -> Self {
        let (whole, errors) = DeTable::parse_recoverable(text);
        let document = Self { text, whole };
        wrong.extend(errors.iter().take(MOST_MISTAKES).map(|error| match error.span() {
            Some(span) => format!("{} ({})", error.message(), document.place(span.start)),
            None => error.message().to_owned(),
        }));
        document
    }

    /// Reads settings; what of it cannot be used goes to `wrong` and is as if it were not there.
    /// `homes` are tables with the names in them: a setting may stand in the wrong one.
    pub fn settings<T: DeserializeOwned + Default>(
        &self,
        homes: &[(&str, &[&str])],
        wrong: &mut Vec<String>,
    ) -> T {
        let mut left = self.whole.get_ref().clone();
        for _ in 0..MOST_MISTAKES {
            match T::deserialize(GivenTable(&left)) {
                Ok(settings) => return settings,
                Err(mistake) => {
                    wrong.push(told(&mistake, homes));
                    if !leave_out(&mut left, &mistake) {
                        return T::default();
                    }
                }
            }
        }
        wrong.push(format!("there may be more: the first {MOST_MISTAKES} are named"));
        T::default()
    }

    /// The settings of a table as they stand there, without where and in which order.
    pub fn table(&self, name: &str) -> BTreeMap<String, String> {
        let table = self.whole.get_ref().get(name).and_then(|found| found.get_ref().as_table());
        let settings = table.into_iter().flat_map(|table| table.iter());
        let plain = |(name, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            (name.get_ref().to_string(), plain(value.get_ref()))
        };
        settings.map(plain).collect()
    }

    /// Adds to each mistake where its setting stands, if it is in this text, and sorts them by that.
    pub fn locate(&self, wrong: &mut [String]) {
        let mut placed: Vec<(usize, String)> = Vec::with_capacity(wrong.len());
        for mistake in wrong.iter_mut() {
            match find(self.whole.get_ref(), name_of(mistake)) {
                Some(at) => {
                    mistake.push_str(&format!(" ({})", self.place(at)));
                    placed.push((at, std::mem::take(mistake)));
                }
                None => placed.push((usize::MAX, std::mem::take(mistake))),
            }
        }
        placed.sort_by_key(|(at, _)| *at);
        wrong.iter_mut().zip(placed).for_each(|(place, (_, mistake))| *place = mistake);
    }

    fn place(&self, at: usize) -> String {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        format!("line {}", before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }
}

/// A value without where it stands.
fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let inner = table
                .iter()
                .map(|(name, value)| format!("{:?}={}", name.get_ref(), plain(value.get_ref())));
            format!("{{{}}}", inner.collect::<Vec<_>>().join(","))
        }
        DeValue::Array(entries) => {
            let inner = entries.iter().map(|entry| plain(entry.get_ref()));
            format!("[{}]", inner.collect::<Vec<_>>().join(","))
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => format!("{number}"),
        DeValue::Float(number) => format!("{number}"),
        DeValue::Boolean(answer) => format!("{answer}"),
        DeValue::Datetime(date) => format!("{date}"),
    }
}

/// A mistake as a line.
fn told(mistake: &Mistake, homes: &[(&str, &[&str])]) -> String {
    let steps: Vec<&Step> = mistake.path().collect();
    let name = steps.iter().enumerate().fold(String::new(), |name, (index, step)| match step {
        Step::Key(key) if index == 0 => shown(key),
        Step::Key(key) => format!("{name}.{}", shown(key)),
        // What is asked of one entry is asked of all, and all are left out.
        Step::Entry(_) if index + 1 == steps.len() => name,
        Step::Entry(entry) => format!("{name}[{entry}]"),
    });
    if let Some(Step::Entry(_)) = steps.last() {
        return format!("{name}: each of it {mistake}");
    }
    let (Kind::Unknown(known), Some(Step::Key(key))) = (&mistake.kind, steps.last()) else {
        return format!("{name}: {mistake}");
    };
    let (table, _) = name.rsplit_once('.').unwrap_or(("", &name));
    let home = homes.iter().find(|(home, names)| *home != table && names.contains(&key.as_str()));
    let near = |one: &&str| (strsim::jaro_winkler(key, one) * 1e6) as u64;
    let nearest = known.iter().max_by_key(|one| near(one)).filter(|one| near(one) >= ALIKE);
    match (home, nearest) {
        (Some((home, _)), _) => format!("{name}: {mistake}; it belongs into [{home}]"),
        (None, Some(nearest)) => format!("{name}: {mistake}; did you mean {nearest}?"),
        (None, None) => format!("{name}: {mistake}"),
    }
}

/// How alike two names must be for one to be meant by the other, in millionths of Jaro-Winkler's measure.
const ALIKE: u64 = 800_000;

/// A name as far as it is repeated.
fn shown(key: &str) -> String {
    let shown: String = key.chars().take(MOST_NAME).flat_map(char::escape_debug).collect();
    if key.chars().nth(MOST_NAME).is_some() { shown + "…" } else { shown }
}

/// Takes out what a mistake is about; whether there was anything. Of a list all of it, where an entry
/// itself is the mistake: the others would be counted wrongly without it.
fn leave_out(table: &mut DeTable<'_>, mistake: &Mistake) -> bool {
    let mut steps: Vec<&Step> = mistake.path().collect();
    while let Some(Step::Entry(_)) = steps.last() {
        steps.pop();
    }
    let Some((Step::Key(last), outer)) = steps.split_last() else { return false };
    let Some((Step::Key(first), outer)) = outer.split_first() else {
        return table.remove(last.as_str()).is_some();
    };
    let mut value = table.get_mut(first.as_str()).map(Spanned::get_mut);
    for step in outer {
        value = match (step, value) {
            (Step::Key(key), Some(DeValue::Table(table))) => {
                table.get_mut(key.as_str()).map(Spanned::get_mut)
            }
            (Step::Entry(index), Some(DeValue::Array(entries))) => {
                entries.get_mut(*index).map(Spanned::get_mut)
            }
            _ => None,
        };
    }
    match value {
        Some(DeValue::Table(table)) => table.remove(last.as_str()).is_some(),
        _ => false,
    }
}

/// Where the setting of that name stands (`tenants.acme.certificates[1].roles`), or else the table
/// that lacks it.
fn find(table: &DeTable<'_>, name: &str) -> Option<usize> {
    let found = table.iter().filter_map(|(key, value)| {
        let rest = name.strip_prefix(key.get_ref().as_ref())?;
        let whole = rest.is_empty() || rest.starts_with(['.', '[']);
        whole.then_some((rest, value, key.span().start))
    });
    // Names may hold dots: the longest that fits is meant.
    let (rest, value, at) = found.min_by_key(|(rest, ..)| rest.len())?;
    Some(inside(value, rest).unwrap_or(at))
}

fn inside(value: &Spanned<DeValue<'_>>, rest: &str) -> Option<usize> {
    if let Some(name) = rest.strip_prefix('.') {
        return find(value.get_ref().as_table()?, name);
    }
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let entry = value.get_ref().as_array()?.get(index.parse::<usize>().ok()?)?;
    Some(inside(entry, rest).unwrap_or(entry.span().start))
}

/// The names of a table's settings.
pub(super) fn names_in<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Asked) {
        Ok(_) => &[],
        Err(Names(names)) => names,
    }
}

/// Answers whoever wants to read a table with the names that it would have.
struct Asked;

#[derive(Debug, thiserror::Error)]
#[error("names, and no values")]
struct Names(&'static [&'static str]);

impl serde::de::Error for Names {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(names))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        option unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests;
