//! One customer's context for tests: every text in it contains a canary, so
//! that a test can see whether any of it came through.

use super::*;
use crate::clock::{DAY, HOUR, Time};
use crate::identity::{Assurance, Direction};
use crate::ids::{CustomerId, Token};

/// In every text of [`context`].
pub(super) const CANARY: &str = "canary";

/// Monday, 3 November 2025, 14:00 UTC.
pub(super) const MONDAY: Time = Time(1_762_178_400_000);

fn text(what: &str) -> String {
    format!("{CANARY}_{what}")
}

/// Three contacts of Monday, Tuesday and Wednesday, newest first; the
/// summary and the intent of the newest are sensitive.
pub(super) fn history() -> Vec<PastInteraction> {
    (0..3u8).rev().map(past).collect()
}

fn past(n: u8) -> PastInteraction {
    let end = MONDAY.plus(i64::from(n) * DAY);
    let sensitivity = if n == 2 { Sensitivity::Sensitive } else { Sensitivity::Normal };
    let intent = PastIntent {
        intent: text(&format!("intent{n}")),
        reference: text("reference"),
        status: IntentStatus::Open,
        sensitivity,
    };
    PastInteraction {
        interaction: Token([n; 16]),
        interaction_id: text(&format!("id{n}")),
        source: text("source"),
        channel: text("channel"),
        direction: Direction::Inbound,
        start: end.plus(-HOUR),
        end,
        summary: text(&format!("summary{n}")),
        summary_sensitivity: sensitivity,
        intents: vec![intent],
        disposition: text("disposition"),
        sentiment: Some(0.5),
        csat: Some(9),
        agent_ref: text(&format!("agent{n}")),
        confirmed: true,
        never_ended: false,
        redacted: Time(0),
        messages: Messages {
            conversation: Token([n; 16]),
            thread_ref: text("thread"),
            inbound: true,
            later: Vec::new(),
        },
    }
}

fn fact(n: u8, sensitivity: Sensitivity) -> IntentFact {
    IntentFact {
        interaction: Token([n; 16]),
        contact: Token([n; 16]),
        intent: text(&format!("intent{n}")),
        reference: text("reference"),
        status: IntentStatus::Open,
        sensitivity,
        time: MONDAY.plus(i64::from(n) * DAY),
        channel: text("channel"),
        counts: true,
    }
}

fn variable(name: &str, sensitivity: Sensitivity) -> VariableWrite {
    VariableWrite {
        name: text(name),
        value: Some(text("value")),
        ttl_seconds: DEFAULT_TTL_SECONDS,
        set: MONDAY,
        expire: MONDAY.plus(DEFAULT_TTL_SECONDS * 1_000),
        own_expire: MONDAY.plus(DEFAULT_TTL_SECONDS * 1_000),
        sensitivity,
        channel: text("channel"),
        interaction_id: text("id0"),
        agent_ref: text("agent0"),
        of: Token([2; 16]),
        order: (1, 0),
        kept: MONDAY.plus(DEFAULT_TTL_SECONDS * 1_000),
    }
}

fn attribute(name: &str, sensitivity: Sensitivity) -> AttributeWrite {
    AttributeWrite {
        name: text(name),
        value: Some(text("value")),
        sensitivity,
        assurance: Assurance::Carried,
        set: MONDAY,
        order: (1, 0),
        of: Token([2; 16]),
        resolves: None,
    }
}

/// What one customer said of these purposes, each with evidence.
pub(super) fn consents(said: &[(&str, ConsentState)]) -> Consents {
    let mut consents = Consents::default();
    for (purpose, state) in said {
        consents.add(ConsentWrite {
            customer: CustomerId([1; 16]),
            purpose: (*purpose).to_owned(),
            state: *state,
            time: MONDAY,
            channel: text("channel"),
            source: text("source"),
            interaction_id: text("id0"),
            evidence: text("evidence"),
        });
    }
    consents
}

/// A context in which one of each kind of value is sensitive and another is not.
pub(super) fn context() -> Context {
    use Sensitivity::{Normal, Sensitive};
    Context {
        running: Vec::new(),
        facts: vec![fact(0, Normal), fact(2, Sensitive)],
        variables: vec![variable("plan", Normal), variable("balance", Sensitive)],
        profile: vec![attribute("name", Normal), attribute("birthday", Sensitive)],
        history: history(),
        acknowledged: Vec::new(),
        consents: consents(&[("recording", ConsentState::Granted)]),
    }
}
