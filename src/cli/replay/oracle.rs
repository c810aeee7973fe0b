//! What the scorer knows and the service is never told: whose each ref is, and
//! which hints have been seen with whom.

use std::collections::{HashMap, HashSet};

use super::answers::Answer;
use super::events::{Hints, Start, Text};
use super::requests::Feedback;

/// The keypad digits of withheld numbers: ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN, BLOCKED.
const WITHHELD_DIGITS: [&str; 5] = ["266696687", "7378742833", "86282452253", "8656696", "2562533"];
/// Placeholders that some systems send for "no id".
const JUNK: [&str; 7] = ["null", "none", "n/a", "-1", "anonymous", "test", "unknown"];

/// Whose each `customer_ref` is. A ref belongs for ever to the true customer
/// of the interaction that created it, however the service uses it later.
#[derive(Default)]
pub(in crate::cli) struct Refs {
    owners: HashMap<String, String>,
    known: HashMap<String, String>,
}

impl Refs {
    /// Notes the answer to a start of the true customer `truth`.
    pub(in crate::cli) fn answered(&mut self, answer: &Answer, truth: &str) {
        if answer.new_customer && !answer.customer_ref.is_empty() {
            self.create(&answer.customer_ref, truth);
            self.known.entry(truth.to_owned()).or_insert_with(|| answer.customer_ref.clone());
        }
    }

    /// Notes in whose history an end went. A ref never seen before was made for this very
    /// contact; one that an end with feedback went to is the true customer's from now on.
    pub(in crate::cli) fn ended(&mut self, customer_ref: &str, truth: &str, feedback: bool) {
        if customer_ref.is_empty() {
            return;
        }
        self.create(customer_ref, truth);
        if feedback && self.is(customer_ref, truth) {
            self.known.insert(truth.to_owned(), customer_ref.to_owned());
        }
    }

    fn create(&mut self, customer_ref: &str, truth: &str) {
        self.owners.entry(customer_ref.to_owned()).or_insert_with(|| truth.to_owned());
    }

    /// Whether the ref is this true customer's.
    pub(in crate::cli) fn is(&self, customer_ref: &str, truth: &str) -> bool {
        self.owners.get(customer_ref).is_some_and(|owner| owner == truth)
    }

    /// What a client that knows says of an answer, or of none. A new customer is
    /// wrong for somebody whom the service has under another ref.
    pub(in crate::cli) fn feedback(&self, answer: Option<&Answer>, truth: &str) -> Feedback {
        let known = self.known.get(truth);
        let right = |answer: &&Answer| match answer.new_customer {
            true => known == Some(&answer.customer_ref),
            false => self.is(&answer.customer_ref, truth),
        };
        match answer.filter(right) {
            Some(answer) => Feedback::Confirmed(answer.customer_ref.clone()),
            None => Feedback::Rejected(known.cloned()),
        }
    }
}

/// Which hints have been seen with which true customer: a perfect linker, fed
/// by every interaction that has ended.
#[derive(Default)]
pub(in crate::cli) struct Links {
    seen: HashMap<String, HashSet<Hint>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Hint {
    kind: String,
    value: String,
}

impl Links {
    /// Whether the true customer is linked to a hint that this start shows.
    pub(in crate::cli) fn resolvable(&self, start: &Start) -> bool {
        let seen = self.seen.get(&start.truth.customer);
        seen.is_some_and(|seen| shown(&start.hints).iter().any(|hint| seen.contains(hint)))
    }

    /// Links what this start showed: its interaction has ended.
    pub(in crate::cli) fn ended(&mut self, start: &Start) {
        self.seen.entry(start.truth.customer.clone()).or_default().extend(shown(&start.hints));
    }
}

/// The hints in a form that can be compared. This is not the service's own
/// normalisation on purpose: a defect there must show as a miss.
fn shown(hints: &Hints) -> Vec<Hint> {
    let mut shown = Vec::new();
    let mut show = |kind: &str, value: Option<String>| {
        shown.extend(value.map(|value| Hint { kind: kind.to_owned(), value }));
    };
    show("phone", hints.ani.as_ref().and_then(phone));
    show("phone", hints.whatsapp_id.as_ref().and_then(phone));
    show("email", hints.email.as_ref().and_then(plain));
    show("telegram", hints.telegram_id.as_ref().and_then(plain));
    show("discord", hints.discord_id.as_ref().and_then(plain));
    show("user_id", hints.jwt_sub.as_ref().and_then(plain));
    for (namespace, value) in hints.external_ids.iter().flatten() {
        show(namespace, plain(value));
    }
    shown
}

fn plain(value: &Text) -> Option<String> {
    let value = value.0.trim().to_lowercase();
    let junk = JUNK.contains(&value.as_str()) || value.chars().all(|c| c == '0');
    (!junk).then_some(value)
}

/// The digits with a country code; ten digits alone are taken for North American ones.
fn phone(value: &Text) -> Option<String> {
    let value = value.0.trim().to_lowercase();
    let value = value.trim_start_matches("sip:").trim_start_matches("tel:");
    let number = value.split(['@', ';']).next().unwrap_or_default();
    let mut digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if !number.starts_with('+') {
        for prefix in ["011", "00"] {
            if let Some(rest) = digits.strip_prefix(prefix) {
                digits = rest.to_owned();
                break;
            }
        }
        if digits.len() == 10 {
            digits.insert(0, '1');
        }
    }
    let usable = (8..=15).contains(&digits.len()) && !WITHHELD_DIGITS.contains(&digits.as_str());
    usable.then_some(digits)
}

#[cfg(test)]
mod tests;
