//! The limits of every field, in one table, and what checks them. `docs/limits.md` says the same.

use crate::crypto::web_token::Refused;
use crate::identity::Violation;

/// A request as a whole.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// `interaction_id`, `update_id`, `thread_ref`, `agent_ref`, intent references and the like.
pub(super) const ID: usize = 256;
/// Names: queue, brand, intent, variable, disposition, conversion.
pub(super) const NAME: usize = 128;
/// Channel, source, namespace.
pub const SHORT: usize = 64;
/// Values of variables and attributes.
pub const VALUE: usize = 4_096;
/// Summaries.
pub const SUMMARY: usize = 8_192;
/// Reasons of a merge, evidence for it, and evidence of a consent.
pub(super) const REASON: usize = 1_000;
/// Page tokens.
pub(super) const PAGE_TOKEN: usize = 256;
/// Resume tokens.
pub(super) const RESUME_TOKEN: usize = 64;
/// Intents of one request.
pub(super) const INTENTS: usize = 32;
/// Variables, attributes and names to clear, each, of one request.
pub(super) const VALUES: usize = 64;
/// Purposes of consent of one request.
pub(super) const CONSENTS: usize = 16;
/// Paths of an `update_mask`.
pub(super) const PATHS: usize = 128;
/// Fields of one redaction.
pub(super) const FIELDS: usize = 64;
/// Identifiers of one customer in a request.
pub(super) const IDENTIFIERS: usize = 16;
/// Rows of one message of an import.
pub(super) const IMPORT_ROWS: usize = 500;
/// Earlier contacts of one answer.
pub(super) const HISTORY: i32 = 50;
/// Earlier contacts of one answer when nothing is said.
pub(super) const DEFAULT_HISTORY: usize = 10;
/// Rows of a page.
pub(super) const PAGE: i32 = 200;
/// Rows of a page when nothing is said.
pub(super) const DEFAULT_PAGE: i32 = 50;

/// Collects every bad field of a request, so that all are named at once.
#[derive(Default)]
pub(super) struct Check {
    pub violations: Vec<Violation>,
    /// Why the web token is not to be trusted.
    pub token: Option<Refused>,
}

impl Check {
    /// Names a bad field. `description` never holds the value.
    pub fn bad(&mut self, field: impl Into<String>, description: impl Into<String>) {
        let (field, description) = (field.into(), description.into());
        self.violations.push(Violation { field, description });
    }

    /// One line of printable text of at most `most` characters; empty is fine.
    pub fn line(&mut self, field: impl Into<String>, text: &str, most: usize) {
        if text.chars().count() > most {
            self.bad(field, format!("is longer than {most} characters"));
        } else if text.chars().any(char::is_control) {
            self.bad(field, "holds a control character");
        }
    }

    /// The same, and not empty.
    pub fn required(&mut self, field: &str, text: &str, most: usize) {
        if text.trim().is_empty() {
            self.bad(field, "is required");
        } else {
            self.line(field, text, most);
        }
    }

    /// Text of several lines: of the control characters only tab, line feed and carriage return.
    pub fn text(&mut self, field: impl Into<String>, text: &str, most: usize) {
        let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        if text.chars().count() > most {
            self.bad(field, format!("is longer than {most} characters"));
        } else if text.chars().any(odd) {
            self.bad(field, "holds a control character");
        }
    }

    /// A name of an open set: lower-case letters, digits and `_`.
    pub fn word(&mut self, field: &str, text: &str) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.len() > SHORT || !text.chars().all(allowed) {
            self.bad(field, format!("must be at most {SHORT} of a-z, 0-9 and _"));
        }
    }

    /// At most so many entries.
    pub fn at_most(&mut self, field: &str, entries: usize, most: usize) {
        if entries > most {
            self.bad(field, format!("has more than {most} entries"));
        }
    }

    /// An enum value that this version knows.
    pub fn known<T>(
        &mut self,
        field: impl Into<String>,
        value: Result<T, prost::UnknownEnumValue>,
    ) -> Option<T> {
        if value.is_err() {
            self.bad(field, "is not a value of this enum");
        }
        value.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_and_no_value_is_repeated() {
        let mut check = Check::default();
        check.required("interaction_id", "  ", ID);
        check.line("queue", &"x".repeat(NAME + 1), NAME);
        check.line("agent_ref", "canary\u{0}", ID);
        check.word("channel", "Voice!canary");
        check.text("summary", "two\nlines", SUMMARY);
        let fields: Vec<&str> = check.violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["interaction_id", "queue", "agent_ref", "channel"]);
        assert!(check.violations.iter().all(|it| !it.description.contains("canary")));
    }
}
