//! What of a request is context and so is redacted, before anything else is done with it: here, and
//! nowhere else. Every write passes through [`content`] or [`redact`] before it is checked or read.
//!
//! Ids, refs, sources, channels and identifiers are no context: they name something, and masked they
//! would name something else. `tests` holds the list of what is left as it comes.
//!
//! What is longer than its field may be is left as it comes as well, and so is what stands in a list that
//! is too long: each limit here is that of the check that comes next, which refuses the request and
//! repeats nothing of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message;

use super::limits;
use super::proto;
use crate::context::{MAX_PURPOSE_LENGTH, Masked, Redaction};
use crate::continuity::Warning;

/// Cards, whatever the tenant chose.
static CARDS: LazyLock<Redaction> = LazyLock::new(Redaction::default);

/// A message that may hold context.
pub(super) trait Texts {
    /// Shows every text of it that is context. By default there is none.
    fn texts(&mut self, _redactor: &mut Redactor<'_>) {}
}

/// Redacts a request, and gives its canonical form, which makes a retry the same request, and what
/// the answer must warn of.
///
/// The form is that of the request without card numbers, whatever the tenant chose, and with whatever
/// else it holds: a tenant may change its settings between a request and its retry (ADR 0035).
pub(super) fn content<M: Texts + Message + Clone>(
    request: &mut M,
    redaction: &Redaction,
) -> (Vec<u8>, Vec<Warning>) {
    if !redaction.cards {
        let mut without = request.clone();
        redact(&mut without, &CARDS);
        return (without.encode_to_vec(), redact(request, redaction));
    }
    let mut warnings = redact(request, &CARDS);
    let content = request.encode_to_vec();
    if !redaction.patterns.is_empty() {
        warnings.extend(redact(request, &redaction.only_patterns()));
    }
    (content, warnings)
}

/// Redacts every text of a message, and gives what the answer must warn of.
pub(super) fn redact(message: &mut impl Texts, redaction: &Redaction) -> Vec<Warning> {
    let mut redactor = Redactor { redaction, warnings: Vec::new() };
    message.texts(&mut redactor);
    redactor.warnings
}

/// Redacts one text after the other.
pub(super) struct Redactor<'r> {
    redaction: &'r Redaction,
    warnings: Vec<Warning>,
}

/// Whether a text is no longer than so many characters.
fn fits(text: &str, most: usize) -> bool {
    text.len() <= most || text.chars().count() <= most
}

impl Redactor<'_> {
    /// A text of at most so many characters.
    fn text(&mut self, field: &str, text: &mut String, most: usize) {
        if !fits(text, most) {
            return;
        }
        let (kept, masked) = self.redaction.apply(text);
        if !masked.is_nothing() {
            *text = kept.into_owned();
            self.warn(field.to_owned(), &masked);
        }
    }

    fn names(&mut self, field: &str, names: &mut [String]) {
        for (index, name) in names.iter_mut().take(limits::VALUES).enumerate() {
            self.text(&format!("{field}[{index}]"), name, limits::NAME);
        }
    }

    /// Values by name: the names as well. Of two names that become one, one value stays.
    fn values<V: Value>(&mut self, field: &str, values: &mut BTreeMap<String, V>) {
        let telling =
            |name: &String| fits(name, V::NAME) && !self.redaction.apply(name).1.is_nothing();
        if values.keys().any(telling) {
            for (mut name, value) in std::mem::take(values) {
                self.text(field, &mut name, V::NAME);
                values.insert(name, value);
            }
        }
        // Of two names that became one, one is counted.
        if values.len() > V::ENTRIES {
            // What is wrong with a value is told by its name, and never with it.
            return;
        }
        for (name, value) in values {
            let value = value.text();
            if !fits(name, V::NAME) || !fits(value, V::TEXT) {
                continue;
            }
            // A name may say that its value is a security code.
            let (kept, masked) = self.redaction.apply_named(name, value);
            if !masked.is_nothing() {
                *value = kept.into_owned();
                self.warn(format!("{field}[{name}]"), &masked);
            }
        }
    }

    fn intents(&mut self, intents: &mut [proto::Intent]) {
        for (index, one) in intents.iter_mut().take(limits::INTENTS).enumerate() {
            self.text(&format!("intents[{index}].intent"), &mut one.intent, limits::NAME);
            self.text(&format!("intents[{index}].reference"), &mut one.reference, limits::ID);
        }
    }

    /// Paths such as `profile.NAME`.
    fn paths<'p>(&mut self, field: &str, paths: impl Iterator<Item = &'p mut String>) {
        for (index, path) in paths.enumerate() {
            let field = format!("{field}[{index}]");
            match path.split_once('.') {
                Some((place, name)) => {
                    let mut name = name.to_owned();
                    self.text(&field, &mut name, limits::NAME);
                    *path = format!("{place}.{name}");
                }
                None => self.text(&field, path, limits::NAME),
            }
        }
    }

    fn warn(&mut self, field: String, masked: &Masked) {
        self.warnings.push(Warning { code: "redacted", field, message: masked.to_string() });
    }
}

/// A value that has a name.
trait Value {
    /// Entries of one request at most.
    const ENTRIES: usize = limits::VALUES;
    /// Characters of a name at most.
    const NAME: usize = limits::NAME;
    /// Characters of the text at most.
    const TEXT: usize = limits::VALUE;

    fn text(&mut self) -> &mut String;
}

impl Value for proto::VariableInput {
    fn text(&mut self) -> &mut String {
        &mut self.value
    }
}

impl Value for proto::ConsentInput {
    const ENTRIES: usize = limits::CONSENTS;
    const NAME: usize = MAX_PURPOSE_LENGTH;
    const TEXT: usize = limits::REASON;

    fn text(&mut self) -> &mut String {
        &mut self.evidence
    }
}

impl Value for proto::ProfileAttributeInput {
    fn text(&mut self) -> &mut String {
        &mut self.value
    }
}

impl Texts for proto::StartInteractionRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.text("queue", &mut self.queue, limits::NAME);
        redactor.text("brand", &mut self.brand, limits::NAME);
    }
}

impl Texts for proto::UpdateInteractionRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.text("queue", &mut self.queue, limits::NAME);
        redactor.intents(&mut self.intents);
        redactor.values("variables", &mut self.variables);
        redactor.values("consents", &mut self.consents);
    }
}

impl Texts for proto::EndInteractionRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.text("queue", &mut self.queue, limits::NAME);
        redactor.intents(&mut self.intents);
        redactor.values("variables", &mut self.variables);
        redactor.names("clear_variables", &mut self.clear_variables);
        redactor.values("profile", &mut self.profile);
        redactor.names("clear_profile", &mut self.clear_profile);
        redactor.values("consents", &mut self.consents);
        redactor.text("summary", &mut self.summary, limits::SUMMARY);
        redactor.text("disposition", &mut self.disposition, limits::NAME);
        if let Some(conversion) = &mut self.conversion {
            redactor.text("conversion.name", &mut conversion.name, limits::NAME);
        }
    }
}

impl Texts for proto::UpsertCustomerRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        if let Some(customer) = &mut self.customer {
            redactor.values("customer.profile", &mut customer.profile);
            redactor.values("customer.variables", &mut customer.variables);
            redactor.values("customer.consents", &mut customer.consents);
        }
        // Paths name what was redacted: `profile.NAME`.
        let paths = self.update_mask.iter_mut().flat_map(|it| &mut it.paths).take(limits::PATHS);
        redactor.paths("update_mask.paths", paths);
    }
}

impl Texts for proto::RedactInteractionRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.paths("fields", self.fields.iter_mut().take(limits::FIELDS));
    }
}

impl Texts for proto::ImportRow {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.values("profile", &mut self.profile);
    }
}

impl Texts for proto::MergeCustomersRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.text("reason", &mut self.reason, limits::REASON);
        redactor.text("evidence", &mut self.evidence, limits::REASON);
    }
}

impl Texts for proto::UnmergeCustomersRequest {
    fn texts(&mut self, redactor: &mut Redactor<'_>) {
        redactor.text("reason", &mut self.reason, limits::REASON);
    }
}

// They say who and which, and nothing in words.
impl Texts for proto::ReassignInteractionRequest {}
impl Texts for proto::LinkIdentifierRequest {}
impl Texts for proto::UnlinkIdentifierRequest {}
impl Texts for proto::ResolveConflictRequest {}
impl Texts for proto::EraseCustomerRequest {}
