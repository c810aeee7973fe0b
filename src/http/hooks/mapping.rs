//! What of a delivery becomes which field of an end. The fields have the names that they have in
//! `EndInteractionRequest`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::condition::Condition;
use super::delivered::Delivered;
use super::hints::HintTake;
use super::moments;
use super::taking::{Take, Unfit};
use crate::context::Redaction;
use crate::grpc::{MAX_SUMMARY, MAX_VALUE};
use crate::identity::Violation;

/// What stands at the end of a text that was cut.
const CUT: char = '…';
/// The statuses that an intent may have.
pub const STATUSES: [&str; 4] = ["open", "resolved", "escalated", "abandoned"];

/// How one helpdesk's deliveries are read.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// All must hold, or the delivery is none of ours.
    pub closes: Vec<Condition>,
    /// The ticket's id.
    pub interaction_id: Take,
    /// Its version.
    pub revision: Revision,
    /// The channel.
    pub channel: Take,
    /// When it was opened.
    pub start_time: Option<Take>,
    /// When it was closed; without it, the time that the revision is, if it is one.
    pub end_time: Option<Take>,
    /// Fields that are one text each, by name.
    pub texts: BTreeMap<&'static str, Take>,
    /// What happened. Several values are lines.
    pub summary: Option<Take>,
    /// The customer's score.
    pub csat: Option<Take>,
    /// What it was about.
    pub intents: Vec<IntentTake>,
    /// Values to remember, by name.
    pub variables: BTreeMap<String, VariableTake>,
    /// What is shown of the customer.
    pub hints: Vec<HintTake>,
    /// Whether summary and intents are sensitive.
    pub sensitive: bool,
}

/// Where a ticket's version is.
#[derive(Clone, Debug)]
pub enum Revision {
    /// A number that grows, or the time of the last change.
    Taken(Take),
    /// The time of receipt: of what a system says that has neither. What overtakes counts as newer.
    Received,
}

/// One matter.
#[derive(Clone, Debug)]
pub struct IntentTake {
    /// Its name; where there is none, there is no matter.
    pub intent: Take,
    /// Which one.
    pub reference: Option<Take>,
    /// One of [`STATUSES`]; without it `resolved`.
    pub status: Option<Take>,
}

/// One value.
#[derive(Clone, Debug)]
pub struct VariableTake {
    /// The value. Several are separated by commas.
    pub value: Take,
    /// Seconds that it lives.
    pub ttl_seconds: Option<i32>,
    /// Whether it is sensitive.
    pub sensitive: bool,
}

impl Mapping {
    /// Whether a delivery counts.
    pub(super) fn counts(&self, delivered: &Delivered<'_>) -> bool {
        self.closes.iter().all(|condition| condition.holds(delivered))
    }

    /// Whether a delivery that comes again is a newer one.
    pub fn is_new_whenever_received(&self) -> bool {
        matches!(self.revision, Revision::Received)
    }

    /// A delivery as an `EndInteractionRequest`. It says all there is to say of the outcome, so that
    /// the order of deliveries decides nothing. Texts that are too long are cut, once nothing is in
    /// them that must not be kept.
    ///
    /// # Errors
    /// Every setting whose path selects what does not fit.
    pub(super) fn end(
        &self,
        delivered: &Delivered<'_>,
        received: i64,
        redaction: &Redaction,
    ) -> Result<Value, Vec<Violation>> {
        let mut reading = Reading { delivered, wrong: Vec::new() };
        let mut end = Map::new();
        let id = reading.required("interaction_id", &self.interaction_id);
        end.insert("interaction_id".into(), id.into());
        end.insert("channel".into(), reading.required("channel", &self.channel).into());
        let (revision, changed) = reading.revision(&self.revision, received);
        end.insert("revision".into(), revision.into());
        end.insert("complete".into(), true.into());
        let start = reading.time("start_time", self.start_time.as_ref());
        let ended = reading.time("end_time", self.end_time.as_ref()).or(changed);
        for (field, at) in [("start_time", start), ("end_time", ended)] {
            if let Some(at) = at.and_then(moments::write) {
                end.insert(field.into(), at.into());
            }
        }
        for (field, take) in &self.texts {
            end.insert((*field).into(), reading.line(field, take).unwrap_or_default().into());
        }
        if let Some(take) = &self.summary {
            let said = reading.all("summary", take).join("\n");
            end.insert("summary".into(), within(MAX_SUMMARY, "", said, redaction).into());
        }
        if let Some(csat) = reading.whole_number("csat", self.csat.as_ref()) {
            end.insert("csat".into(), csat.into());
        }
        if self.sensitive {
            end.insert("sensitivity".into(), "SENSITIVITY_SENSITIVE".into());
        }
        end.insert("intents".into(), reading.intents(&self.intents).into());
        let variables = reading.variables(&self.variables, redaction);
        end.insert("variables".into(), variables.into());
        let mut hints = Map::new();
        for hint in &self.hints {
            if let Some(value) = reading.text(&hint.place(), &hint.take) {
                hint.show(&value, &mut hints);
            }
        }
        end.insert("identity_hints".into(), hints.into());
        if reading.wrong.is_empty() { Ok(end.into()) } else { Err(reading.wrong) }
    }
}

/// A delivery, and what of it does not fit so far.
struct Reading<'d> {
    delivered: &'d Delivered<'d>,
    wrong: Vec<Violation>,
}

impl Reading<'_> {
    fn bad(&mut self, field: &str, why: Unfit) {
        let (field, description) = (format!("takes.{field}"), why.to_owned());
        self.wrong.push(Violation { field, description });
    }

    fn or_bad<T: Default>(&mut self, field: &str, taken: Result<T, Unfit>) -> T {
        taken.unwrap_or_else(|why| {
            self.bad(field, why);
            T::default()
        })
    }

    fn text(&mut self, field: &str, take: &Take) -> Option<String> {
        let taken = take.one(self.delivered);
        self.or_bad(field, taken)
    }

    /// A text that is one line.
    fn line(&mut self, field: &str, take: &Take) -> Option<String> {
        self.text(field, take).map(on_one_line).filter(|line| !line.is_empty())
    }

    fn all(&mut self, field: &str, take: &Take) -> Vec<String> {
        let taken = take.all(self.delivered);
        self.or_bad(field, taken)
    }

    fn required(&mut self, field: &str, take: &Take) -> String {
        let before = self.wrong.len();
        let taken = self.text(field, take);
        if taken.is_none() && self.wrong.len() == before {
            self.bad(field, "selects nothing");
        }
        taken.unwrap_or_default()
    }

    /// The revision, and the time that it is, if it is one.
    fn revision(&mut self, of: &Revision, received: i64) -> (i64, Option<i64>) {
        let take = match of {
            Revision::Received => return (received, Some(received)),
            Revision::Taken(take) => take,
        };
        let text = self.required("revision", take);
        if let Ok(number) = text.trim().parse::<i64>() {
            if number < 0 {
                self.bad("revision", "selects a number below zero");
            }
            return (number, None);
        }
        let at = moments::read(&text).filter(|at| *at >= 0);
        if at.is_none() && !text.is_empty() {
            self.bad("revision", "selects neither a whole number nor a time with its offset");
        }
        (at.unwrap_or_default(), at)
    }

    fn time(&mut self, field: &str, take: Option<&Take>) -> Option<i64> {
        let text = self.text(field, take?)?;
        let at = moments::read(&text);
        if at.is_none() {
            self.bad(field, "selects no time with its offset");
        }
        at
    }

    fn whole_number(&mut self, field: &str, take: Option<&Take>) -> Option<i32> {
        let number = self.text(field, take?)?.trim().parse::<i32>().ok();
        if number.is_none() {
            self.bad(field, "selects no whole number");
        }
        number
    }

    fn intents(&mut self, takes: &[IntentTake]) -> Vec<Value> {
        let mut intents = Vec::with_capacity(takes.len());
        for (index, take) in takes.iter().enumerate() {
            let place = |name: &str| format!("intents[{index}].{name}");
            let Some(intent) = self.line(&place("intent"), &take.intent) else { continue };
            let reference = take.reference.as_ref();
            let reference = reference.and_then(|take| self.line(&place("reference"), take));
            let status = take.status.as_ref().and_then(|it| self.line(&place("status"), it));
            let status = status.unwrap_or_else(|| "resolved".into()).to_lowercase();
            if !STATUSES.contains(&status.as_str()) {
                self.bad(&place("status"), "is none of open, resolved, escalated and abandoned");
            }
            intents.push(json!({
                "intent": intent,
                "reference": reference.unwrap_or_default(),
                "status": format!("INTENT_STATUS_{}", status.to_uppercase()),
            }));
        }
        // What is said twice of one matter is said once; the first counts.
        let mut once: Vec<Value> = Vec::with_capacity(intents.len());
        for one in intents {
            let same = |known: &Value| {
                (&known["intent"], &known["reference"]) == (&one["intent"], &one["reference"])
            };
            if !once.iter().any(same) {
                once.push(one);
            }
        }
        // An answer of "bad status" was given above; an unknown name would be no JSON of ours.
        if self.wrong.is_empty() { once } else { Vec::new() }
    }

    fn variables(
        &mut self,
        takes: &BTreeMap<String, VariableTake>,
        redaction: &Redaction,
    ) -> Map<String, Value> {
        let mut variables = Map::new();
        for (name, take) in takes {
            let said = self.all(&format!("variables.{name}"), &take.value);
            if said.is_empty() {
                continue;
            }
            let mut one = Map::new();
            let said = within(MAX_VALUE, name, said.join(", "), redaction);
            one.insert("value".into(), said.into());
            if let Some(seconds) = take.ttl_seconds {
                one.insert("ttl_seconds".into(), seconds.into());
            }
            if take.sensitive {
                one.insert("sensitivity".into(), "SENSITIVITY_SENSITIVE".into());
            }
            variables.insert(name.clone(), one.into());
        }
        variables
    }
}

/// A text without control characters, ends of lines among them: what stood on several lines is put on
/// one. A ticket is worth more than where the lines of its topic end.
fn on_one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let parts = text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<&str>>().join(" ")
}

/// A text of at most `most` characters. A longer one is redacted before it is cut: half a card number
/// would not be known for one.
fn within(most: usize, name: &str, text: String, redaction: &Redaction) -> String {
    // Other control characters than these no text of ours may have.
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let text: String = if text.contains(odd) { text.replace(odd, " ") } else { text };
    if text.chars().count() <= most {
        return text;
    }
    let (kept, _) = redaction.apply_named(name, &text);
    if kept.chars().count() <= most {
        return kept.into_owned();
    }
    kept.chars().take(most - 1).chain([CUT]).collect()
}

#[cfg(test)]
mod tests;
