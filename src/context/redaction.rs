//! Redaction: what must not be kept of what people say. Card numbers keep their first six and last
//! four digits, card security codes go, and so does what a tenant's own patterns match.
//!
//! What is found and what is not: docs/security.md. Why: ADR 0034.

mod cards;
mod codes;
mod digits;
mod issuers;
mod pattern;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use digits::{Digits, Part};
pub use pattern::{MAX_COMPILED, MAX_PATTERN_LENGTH, MAX_PATTERN_NAME, MAX_PATTERNS, Pattern};

/// What stands where a security code was.
const REMOVED: &str = "***";

/// What a tenant has redacted.
#[derive(Clone, Debug)]
pub struct Redaction {
    /// Card numbers and card security codes.
    pub cards: bool,
    /// And whatever matches these, in this order, after cards.
    pub patterns: Arc<[Pattern]>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { cards: true, patterns: Arc::default() }
    }
}

/// What was redacted of a text, as numbers: nothing of it is in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// Card numbers that were masked.
    pub cards: usize,
    /// Card security codes that were removed.
    pub codes: usize,
    /// What was written in the place of matches of the tenant's patterns, and how often.
    pub patterns: Vec<(String, usize)>,
}

impl Masked {
    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Such as `card numbers masked: 1, security codes removed: 1, [iban]: 2`.
impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [("card numbers masked", self.cards), ("security codes removed", self.codes)];
        let own = self.patterns.iter().map(|(name, count)| (name.as_str(), *count));
        let said = counts.into_iter().chain(own).filter(|(_, count)| *count > 0);
        for (index, (what, count)) in said.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{what}: {count}")?;
        }
        Ok(())
    }
}

impl Redaction {
    /// The same without cards.
    pub fn only_patterns(&self) -> Self {
        Self { cards: false, patterns: Arc::clone(&self.patterns) }
    }

    /// The text as it may be kept, and what was redacted. Never longer than the text.
    pub fn apply<'t>(&self, text: &'t str) -> (Cow<'t, str>, Masked) {
        let (mut kept, mut masked) = (Cow::Borrowed(text), Masked::default());
        if self.cards
            && let Some((text, found)) = without_cards(text)
        {
            (kept, masked) = (Cow::Owned(text), found);
        }
        for pattern in self.patterns.iter() {
            if let Some((text, count)) = pattern.apply(&kept) {
                kept = Cow::Owned(text);
                masked.patterns.push((pattern.written().to_owned(), count));
            }
        }
        (kept, masked)
    }

    /// The same for a value that has a name: three or four digits called `cvv` are a security code.
    pub fn apply_named<'t>(&self, name: &str, value: &'t str) -> (Cow<'t, str>, Masked) {
        let short = !name.is_empty() && value.len() <= codes::LONGEST_CODE;
        if self.cards && short && codes::is_code(value) && codes::names_a_code(name) {
            let masked = Masked { codes: 1, ..Masked::default() };
            return (Cow::Owned(REMOVED.to_owned()), masked);
        }
        self.apply(value)
    }
}

/// A text can be made in which each card that is found frees one more: whoever makes one has their
/// last ones kept, and holds nobody up.
const MOST_ROUNDS: usize = 16;

/// The text without card numbers and security codes; `None` when there are none.
fn without_cards(text: &str) -> Option<(String, Masked)> {
    let mut digits = Digits::of(text);
    if digits.values.len() < 3 {
        return None;
    }
    // What is marked parts what stands beside it, so that it may be found now: until nothing is.
    let mut rounds = 0;
    while rounds < MOST_ROUNDS && cards::mark(text, &mut digits) | codes::mark(text, &mut digits) {
        rounds += 1;
    }
    (rounds > 0).then(|| written(text, &digits))
}

/// Puts masks in the place of what is marked.
fn written(text: &str, digits: &Digits) -> (String, Masked) {
    let (mut kept, mut from, mut first) = (String::with_capacity(text.len()), 0, 0);
    let mut masked = Masked::default();
    for (last, group) in digits.groups.iter().enumerate() {
        let number = digits.number(first, last);
        let instead = match group.part {
            Part::Card | Part::Code => continue,
            Part::Nothing => None,
            // It came masked, and stays as it is.
            Part::CardEnd if number.len() < issuers::SHORTEST => None,
            Part::CardEnd => Some(cards::masked(number)),
            Part::CodeEnd => Some(REMOVED.to_owned()),
        };
        if let Some(instead) = instead {
            kept.push_str(&text[from..digits.groups[first].start]);
            kept.push_str(&instead);
            from = group.end;
            masked.cards += usize::from(group.part == Part::CardEnd);
            masked.codes += usize::from(group.part == Part::CodeEnd);
        }
        first = last + 1;
    }
    kept.push_str(&text[from..]);
    (kept, masked)
}
