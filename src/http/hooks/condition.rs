//! Which deliveries count as a close.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::delivered::Delivered;
use super::taking::path;

/// Something that must be so.
#[derive(Clone, Debug)]
pub struct Condition {
    path: JsonPath,
    /// Lower-case; empty: whatever is selected.
    is: Vec<String>,
}

impl Condition {
    /// What this path selects must be one of these words, whose letters' case does not matter; without
    /// words it must select something.
    ///
    /// # Errors
    /// Why the path is none.
    pub fn new(text: &str, is: &[String]) -> Result<Self, String> {
        let is = is.iter().map(|word| word.trim().to_lowercase()).collect();
        Ok(Self { path: path(text)?, is })
    }

    /// Whether it is so.
    pub(super) fn holds(&self, delivered: &Delivered<'_>) -> bool {
        let is_one = |text: &str| self.is.contains(&text.trim().to_lowercase());
        let one = |node: &Value| match node {
            Value::Null => false,
            _ if self.is.is_empty() => true,
            Value::String(text) => is_one(text),
            Value::Number(_) => delivered.exact(node).is_some_and(|text| is_one(&text)),
            Value::Bool(said) => is_one(&said.to_string()),
            Value::Array(_) | Value::Object(_) => false,
        };
        self.path.query(delivered.value()).into_iter().any(one)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_holds_when_a_word_or_anything_is_selected() {
        let delivered = Delivered::from(json!({"status": "Solved", "code": 5, "open": false,
            "none": null, "event": {"current": "OPEN", "previous": "SOLVED"}}));
        for (path, is, holds) in [
            ("$.status", &["closed", "SOLVED"][..], true),
            ("$.status", &["closed"], false),
            ("$.code", &["4", "5"], true),
            ("$.open", &["false"], true),
            ("$.none", &[], false),
            ("$.missing", &[], false),
            ("$.event", &[], true),
            ("$.event", &["OPEN"], false),
            ("$.event.*", &["solved"], true),
            ("$.event[?@ == 'SOLVED']", &[], true),
            ("$[?@.previous == 'SOLVED' && @.current != 'CLOSED']", &[], true),
            ("$[?@.previous == 'SOLVED' && @.current == 'CLOSED']", &[], false),
        ] {
            let is: Vec<String> = is.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(
                Condition::new(path, &is).unwrap().holds(&delivered),
                holds,
                "{path} {is:?}"
            );
        }
    }
}
