//! Further patterns of a tenant: what of its texts is not to be kept.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Patterns of one tenant.
pub const MAX_PATTERNS: usize = 16;
/// Characters of one pattern.
pub const MAX_PATTERN_LENGTH: usize = 512;
/// Characters of a pattern's name.
pub const MAX_PATTERN_NAME: usize = 32;
/// Bytes of one pattern once it is compiled, and of what is remembered while it runs.
pub const MAX_COMPILED: usize = 1 << 20;

/// A regular expression whose matches are replaced by its name. It runs in time linear in the text.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    expression: Regex,
}

/// Prints the name only: an expression may hold what it looks for.
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.written).finish()
    }
}

impl Pattern {
    /// Reads a pattern: the syntax of the `regex` crate, without look-around and back references.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the setting's name.
    pub fn new(name: &str, expression: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > MAX_PATTERN_NAME || !name.chars().all(allowed) {
            return Err(format!("name: must be 1 to {MAX_PATTERN_NAME} of a-z, 0-9 and _"));
        }
        if expression.chars().count() > MAX_PATTERN_LENGTH {
            return Err(format!("pattern: is longer than {MAX_PATTERN_LENGTH} characters"));
        }
        let built = RegexBuilder::new(expression)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build();
        let expression = match built {
            Ok(expression) => expression,
            Err(regex::Error::CompiledTooBig(most)) => {
                return Err(format!("pattern: takes more than {most} bytes once compiled"));
            }
            Err(error) => {
                // Its last line says what is wrong; those before repeat the expression.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return Err(format!("pattern: is no regular expression: {why}"));
            }
        };
        if expression.is_match("") {
            return Err("pattern: matches where nothing is".into());
        }
        Ok(Self { written: format!("[{name}]"), expression })
    }

    /// How it stands in the place of a match, such as `[iban]`.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The text without its matches, and how many there were. `None` when there are none. A match
    /// that is shorter than the name becomes as many `*`: no text grows.
    pub(super) fn apply(&self, text: &str) -> Option<(String, usize)> {
        let mut matches = self.expression.find_iter(text).filter(|it| !it.is_empty()).peekable();
        matches.peek()?;
        let (mut redacted, mut from, mut count) = (String::with_capacity(text.len()), 0, 0);
        for found in matches {
            redacted.push_str(&text[from..found.start()]);
            let length = found.as_str().chars().count();
            if length < self.written.len() {
                redacted.extend(std::iter::repeat_n('*', length));
            } else {
                redacted.push_str(&self.written);
            }
            (from, count) = (found.end(), count + 1);
        }
        redacted.push_str(&text[from..]);
        Some((redacted, count))
    }
}
