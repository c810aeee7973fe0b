//! The rules of an end: which one counts, what an amendment changes, when it was.

use super::Error;
use super::absorb::too_many;
use super::answer::Warning;
use super::consenting;
use super::desk::Known;
use super::end_interaction::End;
use super::record::{EndingRecord, IntentRecord, State, ValueRecord};
use super::update_interaction::MOST_UPDATES;
use crate::clock::Time;
use crate::context::Sensitivity;
use crate::identity::Violation;
use crate::ids::Token;
use crate::store::rows::{JournalRow, Outcome as Decided, Verb};

/// What tells the ends of one interaction apart in the journal.
pub(super) fn part(revision: Option<i64>) -> Vec<u8> {
    revision.map_or_else(Vec::new, |revision| revision.to_be_bytes().to_vec())
}

/// Whether this end is to be written: a higher revision amends, an equal one is the first answer,
/// a lower one is acknowledged and ignored; without a revision the same content is a replay and
/// other content a conflict. A close for want of an end gives way to any real end.
pub(super) fn may_end(
    known: &Known,
    revision: Option<i64>,
    fingerprint: &[u8],
) -> Result<(), Error> {
    if known.entry.guards.len() > MOST_UPDATES {
        return Err(Error::TooManyUpdates);
    }
    let ending = known.state.ending.as_ref().filter(|ending| !ending.never_ended);
    let Some(ending) = ending else { return Ok(()) };
    let mut ends = known.entry.guards.iter().filter(|guard| guard.verb == Verb::End);
    match (revision, ending.revision) {
        (Some(new), Some(known)) if new > known => Ok(()),
        (Some(_), None) => Ok(()),
        (Some(_), Some(_)) => Err(Error::AlreadyDone),
        (None, _) if ends.any(|end| end.part.is_empty() && end.fingerprint == fingerprint) => {
            Err(Error::AlreadyDone)
        }
        (None, _) => Err(Error::EndConflict),
    }
}

/// What one interaction holds at most, with all its updates and revisions.
pub(super) const MOST_INTENTS: usize = 128;
const MOST_VALUES: usize = 256;

/// Refuses what would make one interaction grow without bound.
pub(super) fn within_limits(state: &State) -> Result<(), Error> {
    let said = state.ending.as_ref().map_or(0, |ending| ending.intents.len());
    if said.max(state.intents.len()) > MOST_INTENTS {
        return Err(too_many("intents", MOST_INTENTS));
    }
    if state.values.len() > MOST_VALUES {
        return Err(too_many("variables", MOST_VALUES));
    }
    if state.attributes.len() > MOST_VALUES {
        return Err(too_many("profile", MOST_VALUES));
    }
    consenting::within_limits(state)
}

/// The place that an end without a start keeps for the start that may still come.
pub(super) fn start_place(interaction: Token, state: &State, caller: &str) -> JournalRow {
    JournalRow {
        interaction,
        verb: Verb::Start,
        part: Vec::new(),
        position: 0,
        fingerprint: Vec::new(),
        received: Time(0),
        time: Time(state.start_time),
        channel: state.channel.clone(),
        customer: None,
        caller: caller.to_owned(),
        outcome: Decided::Unsettled,
        state: Vec::new(),
        digest: Vec::new(),
        strips: Vec::new(),
    }
}

/// When it ended. An end before its start is refused if the caller gave both, else clamped.
pub(super) fn end_time(
    state: &mut State,
    end: &End,
    now: Time,
    warnings: &mut Vec<Warning>,
) -> Result<Time, Error> {
    if let Some(start) = end.start_time.filter(|_| !state.start_given) {
        state.start_time = start.0;
        state.start_given = true;
    }
    let start = Time(state.start_time);
    let earlier = state.ending.as_ref().filter(|ending| !ending.never_ended);
    let (at, given) = match (end.end_time, earlier) {
        (Some(at), _) => (at, true),
        // An amendment that says nothing of the time changes nothing of it.
        (None, Some(ending)) => (Time(ending.end_time), ending.end_given),
        (None, None) => (now, false),
    };
    if at >= start {
        return Ok(at);
    }
    if given && state.start_given {
        return Err(Error::Invalid(vec![Violation {
            field: "end_time".into(),
            description: "lies before the start".into(),
        }]));
    }
    warnings.push(Warning {
        code: "end_before_start",
        field: "end_time".into(),
        message: "the end lay before the start and was set to it".into(),
    });
    Ok(start)
}

/// What the end says beyond the request's own fields.
pub(super) struct Outcome {
    pub end_time: Time,
    pub reached: bool,
    /// Matters that updates named.
    pub updates: Vec<IntentRecord>,
}

/// Takes from the ending what earlier revisions said of the outcome, since this one says all of it:
/// gives the matters that it does not name again. So the order of revisions decides nothing.
pub(super) fn withdraw(state: &mut State, end: &End, outcome: &Outcome) -> Vec<IntentRecord> {
    let Some(before) = state.ending.take() else { return Vec::new() };
    if before.never_ended {
        state.ending = Some(before);
        return Vec::new();
    }
    let named_again = |known: &IntentRecord| {
        let mut said = outcome.updates.iter().chain(&end.intents);
        said.any(|said| is_same_matter(said, known))
    };
    let (own, others): (Vec<_>, Vec<_>) = before.intents.into_iter().partition(|it| it.by_end);
    state.ending = Some(EndingRecord {
        end_time: before.end_time,
        end_given: before.end_given,
        revision: before.revision,
        intents: others,
        ..EndingRecord::default()
    });
    own.into_iter().filter(|known| !named_again(known)).collect()
}

fn is_same_matter(one: &IntentRecord, other: &IntentRecord) -> bool {
    (&one.intent, &one.reference) == (&other.intent, &other.reference)
}

/// The ending as it now stands: what an amendment does not mention stays.
pub(super) fn merge(before: Option<EndingRecord>, end: &End, outcome: Outcome) -> EndingRecord {
    let before = before.filter(|ending| !ending.never_ended).unwrap_or_default();
    let mut intents = before.intents;
    let own = end.intents.iter().map(|said| IntentRecord { by_end: true, ..said.clone() });
    for said in outcome.updates.into_iter().chain(own) {
        intents.retain(|known| !is_same_matter(known, &said));
        intents.push(said);
    }
    let or = |said: &str, known: String| if said.is_empty() { known } else { said.to_owned() };
    let reached = if end.disposition.is_empty() && !before.disposition.is_empty() {
        before.reached
    } else {
        outcome.reached
    };
    let sensitivity = if end.sensitivity == Sensitivity::Normal && before.sensitivity != 0 {
        before.sensitivity
    } else {
        end.sensitivity.code()
    };
    EndingRecord {
        end_time: outcome.end_time.0,
        revision: end.revision.or(before.revision),
        summary: or(&end.summary, before.summary),
        sensitivity,
        intents,
        disposition: or(&end.disposition, before.disposition),
        csat: end.csat.or(before.csat),
        sentiment: end.sentiment.or(before.sentiment),
        escalated: end.escalated || before.escalated,
        conversion: end.conversion.clone().or(before.conversion),
        reached,
        never_ended: false,
        intents_updated: end.intents.len() as i32,
        variables_updated: end.variables.len() as i32,
        end_given: end.end_time.is_some() || before.end_given,
    }
}

/// The variables to write: those that waited, then the end's own, which expire from its time on.
pub(super) fn expiring(
    waiting: Vec<ValueRecord>,
    said: &[ValueRecord],
    end_time: Time,
) -> Vec<ValueRecord> {
    let own = said.iter().map(|value| ValueRecord {
        expire: end_time.plus(value.ttl_seconds.saturating_mul(1_000)).0,
        ..value.clone()
    });
    let mut values: Vec<ValueRecord> = own.collect();
    let named = |name: &str| said.iter().any(|value| value.name == name);
    values.extend(waiting.into_iter().filter(|value| !named(&value.name)));
    values
}
