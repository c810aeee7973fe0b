//! Requests of both dialects, field by field: everything that is wrong is named at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::numbers::{exact, whole};
use super::messages::MOST_NAMED;
use super::refusing::{Issue, Problem};

/// Characters of a `call_id`.
const MAX_CALL_ID: usize = 128;

/// A request, and what is wrong with it so far.
pub(super) struct Reading {
    request: Map<String, Value>,
    /// Variables that are numbers, as they were written.
    written: BTreeMap<String, String>,
    issues: Vec<Issue>,
}

/// The variables of a request, each with its text.
#[derive(Deserialize, Default)]
struct Texts<'t> {
    #[serde(borrow)]
    variables: BTreeMap<String, &'t RawValue>,
}

/// What is shown of the customer.
#[derive(Default)]
pub(super) struct Shown {
    pub ani: Option<String>,
    pub dnis: Option<String>,
    pub external_ids: Map<String, Value>,
    pub customer_ref: Option<String>,
}

impl Shown {
    /// Whether there is anything that can say who it is.
    pub fn identifies(&self) -> bool {
        self.ani.is_some() || self.customer_ref.is_some() || !self.external_ids.is_empty()
    }
}

impl Reading {
    /// A request, and the text that it was read from.
    pub fn new(request: Map<String, Value>, text: &[u8]) -> Self {
        // Variables that are no object are told so where they are read.
        let texts = serde_json::from_slice::<Texts>(text).unwrap_or_default();
        let is_number = |text: &str| text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let written = texts.variables.into_iter().map(|(name, text)| (name, text.get()));
        let written = written.filter(|(_, text)| is_number(text));
        let written = written.map(|(name, text)| (name, text.to_owned())).collect();
        Self { request, written, issues: Vec::new() }
    }

    /// Nothing was wrong.
    ///
    /// # Errors
    /// Everything that was.
    pub fn done(&mut self) -> Result<(), Problem> {
        let issues = std::mem::take(&mut self.issues);
        if issues.is_empty() { Ok(()) } else { Err(Problem::Issues(issues)) }
    }

    /// Something is wrong; what is told of it has an end.
    pub fn wrong(&mut self, path: &[&str], message: impl Into<String>) {
        if self.issues.len() < MOST_NAMED {
            self.issues.push(Issue::new(path, message));
        }
    }

    pub fn call_id(&mut self) -> String {
        let id = self.text(&["call_id"]).unwrap_or_default();
        if id.trim().is_empty() && self.issues.is_empty() {
            self.wrong(&["call_id"], "call_id is required");
        } else if id.chars().count() > MAX_CALL_ID {
            let said = format!("call_id must have at most {MAX_CALL_ID} characters");
            self.wrong(&["call_id"], said);
        }
        id
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = rest.iter().try_fold(self.request.get(*first)?, |value, name| value.get(name));
        value.filter(|value| !value.is_null())
    }

    /// A text; none when it is not there or empty.
    pub fn text(&mut self, path: &[&str]) -> Option<String> {
        match self.at(path) {
            None => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.wrong(path, format!("{} must be a string", path.last().unwrap_or(&"it")));
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.at(&[name]) {
            None => None,
            Some(Value::Bool(said)) => Some(*said),
            Some(_) => {
                self.wrong(&[name], format!("{name} must be true or false"));
                None
            }
        }
    }

    /// The variables: names with texts, numbers as they were written, or truth values.
    pub fn variables(&mut self) -> Map<String, Value> {
        let written = std::mem::take(&mut self.written);
        self.texts(&["variables"], |name, value| match value {
            Value::Number(number) => exact(number, written.get(name).map(String::as_str)),
            Value::Bool(said) => Some(said.to_string()),
            _ => None,
        })
    }

    /// Names with texts, or what else `plain` makes a text of.
    fn texts(
        &mut self,
        path: &[&str],
        plain: impl Fn(&str, &Value) -> Option<String>,
    ) -> Map<String, Value> {
        let said = path.last().copied().unwrap_or_default();
        let Some(all) = self.at(path).cloned() else { return Map::new() };
        let Value::Object(all) = all else {
            self.wrong(path, format!("{said} must be an object"));
            return Map::new();
        };
        let mut texts = Map::new();
        for (name, value) in all {
            let text = match value {
                Value::String(_) => Some(value),
                Value::Null => continue,
                other => plain(&name, &other).map(Value::from),
            };
            match text {
                Some(text) => drop(texts.insert(name, text)),
                None => {
                    let name = super::messages::printable(&name);
                    let place = [path, &[name]].concat();
                    self.wrong(&place, format!("{said} must be strings"));
                }
            }
        }
        texts
    }

    /// The hints, of this dialect or the older one, which says them at the top.
    pub fn hints(&mut self) -> Shown {
        if self.at(&["identity_hints"]).is_some_and(|hints| !hints.is_object()) {
            self.wrong(&["identity_hints"], "identity_hints must be an object");
            return Shown::default();
        }
        let mut either = |name: &str| {
            let inside = self.text(&["identity_hints", name]);
            inside.or_else(|| self.text(&[name]))
        };
        let (ani, dnis, customer_ref) = (either("ani"), either("dnis"), either("customer_ref"));
        let plain = |_: &str, value: &Value| value.as_number().and_then(whole);
        let mut external_ids = self.texts(&["external_ids"], plain);
        external_ids.extend(self.texts(&["identity_hints", "external_ids"], plain));
        Shown { ani, dnis, external_ids, customer_ref }
    }

    /// The line of the number that calls.
    pub fn line_type(&mut self) -> Option<&'static str> {
        match self.text(&["telco", "line_type"])?.to_ascii_lowercase().as_str() {
            "mobile" | "wireless" | "cell" => Some("LINE_TYPE_MOBILE"),
            "landline" | "fixed" | "fixed_line" => Some("LINE_TYPE_LANDLINE"),
            "voip" => Some("LINE_TYPE_VOIP"),
            // What the network does not know, or calls by another name, is not known.
            _ => None,
        }
    }
}
