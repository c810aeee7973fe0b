//! One value, as it is taken out of what a helpdesk delivers: what a JSON path selects, or always the
//! same.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::delivered::Delivered;

/// The longest path in the settings, in characters.
pub const MOST_PATH: usize = 512;
/// Words that one value may have.
pub const MOST_WORDS: usize = 200;
/// Values that a path may select where several are put together.
const MOST_SELECTED: usize = 256;

/// How a value is taken.
#[derive(Clone, Debug)]
pub struct Take {
    from: From,
    /// What is said instead of a word of the helpdesk's, whose letters' case does not matter.
    words: BTreeMap<String, String>,
    /// What is said instead of every other word, or where there is none.
    otherwise: Option<String>,
}

#[derive(Clone, Debug)]
enum From {
    Path(JsonPath),
    Always(String),
}

/// Why what was selected cannot be taken. Nothing of it is repeated.
pub(super) type Unfit = &'static str;

impl Take {
    /// What a JSON path (RFC 9535) selects.
    ///
    /// # Errors
    /// Why it is none.
    pub fn path(text: &str) -> Result<Self, String> {
        Ok(Self::new(From::Path(path(text)?)))
    }

    /// Always the same.
    pub fn always(text: &str) -> Self {
        Self::new(From::Always(text.to_owned()))
    }

    fn new(from: From) -> Self {
        Self { from, words: BTreeMap::new(), otherwise: None }
    }

    /// With other words than the helpdesk's.
    #[must_use]
    pub fn said(self, words: &BTreeMap<String, String>, otherwise: Option<&str>) -> Self {
        let lower = |(word, instead): (&String, &String)| (word.to_lowercase(), instead.clone());
        Self {
            words: words.iter().map(lower).collect(),
            otherwise: otherwise.map(str::to_owned),
            ..self
        }
    }

    /// Everything that it can become, where that is known beforehand.
    pub fn outcomes(&self) -> Option<Vec<&str>> {
        match (&self.from, self.words.is_empty()) {
            (From::Always(text), _) => Some(vec![text]),
            (From::Path(_), true) => None,
            (From::Path(_), false) => {
                Some(self.words.values().chain(&self.otherwise).map(String::as_str).collect())
            }
        }
    }

    /// The one value; none when nothing is selected, or only what is null or empty.
    ///
    /// # Errors
    /// When several are, or what is no value.
    pub(super) fn one(&self, delivered: &Delivered<'_>) -> Result<Option<String>, Unfit> {
        let mut all = self.all(delivered)?.into_iter();
        match (all.next(), all.next()) {
            (_, Some(_)) => Err("selects several values"),
            (one, None) => Ok(one),
        }
    }

    /// All values.
    ///
    /// # Errors
    /// When there is what is no value, or too many.
    pub(super) fn all(&self, delivered: &Delivered<'_>) -> Result<Vec<String>, Unfit> {
        let path = match &self.from {
            From::Always(text) => return Ok(vec![text.clone()]),
            From::Path(path) => path,
        };
        let mut texts = Vec::new();
        for node in path.query(delivered.value()) {
            match node {
                Value::Array(items) => {
                    for item in items {
                        texts.extend(plain(delivered, item)?);
                    }
                }
                one => texts.extend(plain(delivered, one)?),
            }
            if texts.len() > MOST_SELECTED {
                return Err("selects too many values");
            }
        }
        if texts.is_empty() {
            return Ok(self.otherwise.iter().cloned().collect());
        }
        if self.words.is_empty() {
            return Ok(texts);
        }
        texts.iter().map(|text| self.word(text)).collect()
    }

    fn word(&self, text: &str) -> Result<String, Unfit> {
        let known = self.words.get(&text.trim().to_lowercase()).or(self.otherwise.as_ref());
        known.cloned().ok_or("selects a word that `words` does not have")
    }
}

/// A path.
///
/// # Errors
/// Why it is none.
pub(super) fn path(text: &str) -> Result<JsonPath, String> {
    if text.chars().count() > MOST_PATH {
        return Err(format!("is longer than {MOST_PATH} characters"));
    }
    let path = JsonPath::parse(text).map_err(|error| {
        let at = error.position();
        format!("is no JSON path (RFC 9535): see character {}", at + 1)
    })?;
    match too_much(text) {
        Some(why) => Err(format!("would cost too much: {why}")),
        None => Ok(path),
    }
}

/// Why a path could look at the same values over and over; whoever delivers chooses how many there are.
/// What is left looks at each a number of times that does not grow with them.
fn too_much(text: &str) -> Option<&'static str> {
    let (mut quote, mut parentheses, mut deep) = (None, 0_usize, 0);
    // Of each open bracket: whether this choice of it takes many values, and whether one before did.
    let mut brackets: Vec<(bool, bool)> = Vec::new();
    let mut before = ' ';
    for (index, c) in text.char_indices() {
        let escaped = before == '\\' && quote.is_some();
        before = if escaped { ' ' } else { c };
        match (quote, c) {
            (Some(open), _) if escaped || c != open => continue,
            (Some(_), _) => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '$') if index > 0 => return Some("`$` within itself"),
            (None, '.') if text[index..].starts_with("..") => deep += 1,
            (None, '(') => parentheses += 1,
            (None, ')') => parentheses = parentheses.saturating_sub(1),
            (None, '[') => brackets.push((false, false)),
            (None, ']') => drop(brackets.pop()),
            (None, ',') if parentheses == 0 => {
                if let Some((many, had)) = brackets.last_mut() {
                    (*had, *many) = (*had || *many, false);
                }
            }
            (None, '*' | '?' | ':') if parentheses == 0 => {
                if let Some((many, had)) = brackets.last_mut() {
                    if *had {
                        return Some("two choices of many values in one bracket");
                    }
                    *many = true;
                }
            }
            _ => {}
        }
        if deep > 1 {
            return Some("`..` more than once");
        }
    }
    None
}

/// A value of a delivery as a text; none when it is null or empty.
fn plain(delivered: &Delivered<'_>, value: &Value) -> Result<Option<String>, Unfit> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(_) => {
            let exact = delivered.exact(value);
            exact.ok_or("selects a number with more digits than JSON's readers keep")?
        }
        Value::Bool(said) => said.to_string(),
        Value::Array(_) => return Err("selects a list within a list"),
        Value::Object(_) => return Err("selects an object"),
    };
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_takes_what_can_be_written_on_one_line() {
        let text = r#"{"id": 17, "subject": "Refund", "open": false, "none": null, "empty": " ",
            "tags": ["a", null, "b"], "user": {"email": "a@b.example"}, "prices": [10.00, 1.10]}"#;
        let delivered = Delivered::read(text.as_bytes()).unwrap();
        for (path, taken) in [
            ("$.id", Ok(vec!["17"])),
            ("$.subject", Ok(vec!["Refund"])),
            ("$.open", Ok(vec!["false"])),
            ("$.none", Ok(vec![])),
            ("$.empty", Ok(vec![])),
            ("$.missing.deeper", Ok(vec![])),
            ("$.tags", Ok(vec!["a", "b"])),
            ("$.tags[0]", Ok(vec!["a"])),
            ("$.prices", Ok(vec!["10.00", "1.10"])),
            ("$.prices[?@ > 5]", Ok(vec!["10.00"])),
            ("$..email", Ok(vec!["a@b.example"])),
            ("$.user", Err("selects an object")),
        ] {
            let all = Take::path(path).unwrap().all(&delivered);
            let taken = taken.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(all, taken, "{path}");
        }
        let one = |path| Take::path(path).unwrap().one(&delivered);
        assert_eq!(one("$.tags"), Err("selects several values"));
        assert_eq!(one("$.id"), Ok(Some("17".to_owned())));
    }

    #[test]
    fn words_stand_for_others_in_whatever_case() {
        let words = BTreeMap::from([("Solved".to_owned(), "resolved".to_owned())]);
        let status = Take::path("$.s").unwrap().said(&words, None);
        assert_eq!(status.one(&json!({"s": "SOLVED"}).into()), Ok(Some("resolved".to_owned())));
        assert_eq!(status.one(&json!({}).into()), Ok(None));
        assert!(status.one(&json!({"s": "canary"}).into()).unwrap_err().contains("`words`"));
        let lenient = Take::path("$.s").unwrap().said(&words, Some("open"));
        assert_eq!(lenient.one(&json!({"s": "canary"}).into()), Ok(Some("open".to_owned())));
        assert_eq!(lenient.one(&json!({}).into()), Ok(Some("open".to_owned())));
        assert_eq!(lenient.outcomes(), Some(vec!["resolved", "open"]));
    }

    #[test]
    fn what_looks_at_everything_over_and_over_is_no_path_here() {
        for costly in [
            "$..*..*",
            "$..[?count($..*) == @.k]",
            "$[?@.a == $.b]",
            "$[*,*]",
            "$.a[?@.b, 1:3]",
            "$[?@.a..b]..c",
        ] {
            assert!(Take::path(costly).unwrap_err().contains("cost"), "{costly}");
        }
        for fine in [
            "$..email",
            "$['$..*..*']",
            "$.a[1:5:2]",
            "$[?@.a == 'b' && @.c]",
            "$.a[?search(@.t, 'x, [a-z]*')].u",
            "$['it\\'s $']..b",
            "$.a[0, 1]",
        ] {
            assert!(Take::path(fine).is_ok(), "{fine}: {:?}", Take::path(fine).err());
        }
    }

    #[test]
    fn what_is_no_path_is_told_where() {
        for odd in ["id", "$.", "$.a[?", "", "$.a b", &format!("$.{}", "a".repeat(512))] {
            let mistake = Take::path(odd).unwrap_err();
            assert!(mistake.starts_with("is "), "{odd}: {mistake}");
        }
    }
}
