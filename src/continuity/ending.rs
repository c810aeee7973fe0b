//! The rules of an end: which one counts, what an amendment changes, when it was.

use super::Error;
use super::absorb::too_many;
use super::answer::Warning;
use super::consenting;
use super::desk::{Desk, Known};
use super::end_interaction::{End, EndOperation};
use super::filing;
use super::record::{EndingRecord, IntentRecord, State};
use super::settling::customer_of;
use super::update_interaction::MOST_UPDATES;
use super::waiting;
use crate::clock::Time;
use crate::context::{IntentStatus, Sensitivity};
use crate::identity::Violation;
use crate::ids::Token;
use crate::store::rows::{JournalRow, Outcome as Decided, Verb};

/// What tells the ends of one interaction apart in the journal.
pub(super) fn part(revision: Option<i64>) -> Vec<u8> {
    revision.map_or_else(Vec::new, |revision| revision.to_be_bytes().to_vec())
}

/// Whether this end is to be written: a higher revision amends, an equal one is the first answer,
/// a lower one is acknowledged and ignored; without a revision the same content is a replay and
/// other content a conflict. A close for want of an end gives way to any real end. However often it
/// was updated, an interaction can be ended: of what is written only ends count against the limit.
pub(super) fn may_end(
    known: &Known,
    revision: Option<i64>,
    fingerprint: &[u8],
) -> Result<(), Error> {
    let mut ends = known.entry.guards.iter().filter(|guard| guard.verb == Verb::End);
    let has_room = ends.clone().count() < MOST_UPDATES;
    let room = if has_room { Ok(()) } else { Err(Error::TooManyUpdates) };
    let ending = known.state.ending.as_ref().filter(|ending| !ending.never_ended);
    let Some(ending) = ending else { return room };
    match (revision, ending.revision) {
        (Some(new), Some(known)) if new > known => room,
        (Some(_), None) => room,
        (Some(_), Some(_)) => Err(Error::AlreadyDone),
        (None, _) if ends.any(|end| end.part.is_empty() && end.fingerprint == fingerprint) => {
            Err(Error::AlreadyDone)
        }
        (None, _) => Err(Error::EndConflict),
    }
}

/// Says so of an end that is acknowledged and was never written: a higher revision came before it, and
/// whatever it tells of identity, values or consent is lost.
pub(super) fn overtaken(
    known: &Known,
    revision: Option<i64>,
    fingerprint: &[u8],
) -> Option<Warning> {
    let newest = known.state.ending.as_ref().and_then(|ending| ending.revision);
    let is_older = revision.zip(newest).is_some_and(|(own, newest)| own < newest);
    let part = part(revision);
    let mut ends = known.entry.guards.iter().filter(|guard| guard.verb == Verb::End);
    let was_written = ends.any(|end| end.part == part && end.fingerprint == fingerprint);
    (is_older && !was_written).then(|| Warning {
        code: "revision_ignored",
        field: "revision".into(),
        message: "a higher revision of this end is saved; nothing of this one was used".into(),
    })
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

impl EndOperation {
    /// Takes in what it says: of when it was, and of matters, values and consents; gives when it was.
    pub async fn take_in(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &mut State,
        warnings: &mut Vec<Warning>,
    ) -> Result<Time, Error> {
        let end = &self.end;
        let end_time = end_time(state, end, self.now, warnings)?;
        let said = said_at(state, end, end_time, self.now);
        let named = named(state, end, said);
        let reached = filing::was_reached(state, &end.disposition);
        let updates = std::mem::take(&mut state.intents);
        let outcome = Outcome { end_time, reached, updates, named };
        if end.complete {
            let withdrawn = withdraw(state, end, &outcome);
            filing::forget_facts(desk, state, self.interaction, &withdrawn);
        }
        let ending = merge(state.ending.take(), end, outcome);
        state.newest_event = state.newest_event.max(end_time.0);
        state.ending = Some(ending);
        waiting::wait(&mut state.values, waiting::expiring(&end.variables, said));
        waiting::wait(&mut state.attributes, waiting::dated(&end.profile, said));
        let consents = consenting::timed(&end.consents, said, self.now);
        if let Some(customer) = customer_of(&state.customer).filter(|_| state.settled) {
            consenting::may_be_said(desk, customer, &consents, "consents").await?;
        }
        consenting::wait(&mut state.consents, consents);
        within_limits(state)?;
        Ok(end_time)
    }
}

/// When it ended. An end before its start is refused if the caller gave both, else clamped.
fn end_time(
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

/// Of which time it is what the end says. An amendment that gives none says it now, whenever the
/// interaction ended: what it tells of consent must not lie behind what was said since, and a value is
/// neither dead on arrival nor hidden by one that it replaces. So, too, of a caller who may replay the
/// past: a helpdesk's web-hook may, and what it tells late is not of the past.
fn said_at(state: &State, end: &End, end_time: Time, now: Time) -> Time {
    let amends = state.ending.as_ref().is_some_and(|ending| !ending.never_ended);
    if amends && end.end_time.is_none() { now.max(end_time) } else { end_time }
}

/// The matters that the end names, said at that time. What an amendment says again, without a time and
/// with the status that stands, was said when that was: a late score that comes with the whole ticket
/// tells nothing new of it, and must not open what was settled elsewhere since. Another status is news:
/// a ticket that is opened again is open now.
fn named(state: &State, end: &End, said: Time) -> Vec<IntentRecord> {
    let before = state.ending.as_ref().filter(|ending| !ending.never_ended);
    let before = before.filter(|_| end.end_time.is_none());
    let time_of = |own: &IntentRecord| {
        // What an update said after the end stands in place of what the end said of the same matter.
        let mut known = state.intents.iter().chain(before.iter().flat_map(|it| &it.intents));
        let standing = known.find(|known| is_same_matter(known, own));
        match (before, standing) {
            (Some(before), Some(known)) if known.status == own.status => {
                known.time(Time(before.end_time))
            }
            _ => said,
        }
    };
    let named =
        |own: &IntentRecord| IntentRecord { by_end: true, said: time_of(own).0, ..own.clone() };
    end.intents.iter().map(named).collect()
}

/// Takes in the matters that an update names; as they are taken. What the end said of the same matter
/// keeps its status, and is for as few eyes from now on.
pub(super) fn named_in_between(
    state: &mut State,
    intents: &[IntentRecord],
    at: Time,
) -> Vec<IntentRecord> {
    let whole = state.ending.as_ref().map_or(0, |ending| ending.sensitivity);
    let ended = state.ending.as_mut().map(|ending| &mut ending.intents[..]).unwrap_or_default();
    let mut taken = Vec::with_capacity(intents.len());
    for said in intents {
        let said = IntentRecord { said: at.0, ..said.clone() };
        let said = no_less_private(said, whole, ended.iter().chain(&state.intents));
        for known in ended.iter_mut().filter(|known| is_same_matter(known, &said)) {
            known.sensitivity = said.sensitivity;
        }
        state.intents.retain(|known| !is_same_matter(known, &said));
        state.intents.push(said.clone());
        taken.push(said);
    }
    taken
}

/// Said again, or in an interaction that is sensitive as a whole, a matter is for no more eyes than
/// before: whoever says nothing of its sensitivity does not lower it.
fn no_less_private<'k>(
    said: IntentRecord,
    whole: i64,
    known: impl Iterator<Item = &'k IntentRecord>,
) -> IntentRecord {
    let of_it = known.filter(|known| is_same_matter(known, &said)).map(|known| known.sensitivity);
    let sensitivity = of_it.fold(said.sensitivity.max(whole), i64::max);
    IntentRecord { sensitivity, ..said }
}

/// What the end says beyond the request's own fields.
struct Outcome {
    end_time: Time,
    reached: bool,
    /// Matters that updates named.
    updates: Vec<IntentRecord>,
    /// Matters that the end names.
    named: Vec<IntentRecord>,
}

/// Takes from the ending what earlier revisions said of the outcome, since this one says all of it:
/// gives the matters that it does not name again. So the order of revisions decides nothing of it. Of
/// what updates named there is left what they said.
fn withdraw(state: &mut State, end: &End, outcome: &Outcome) -> Vec<IntentRecord> {
    let Some(before) = state.ending.take() else { return Vec::new() };
    if before.never_ended {
        state.ending = Some(before);
        return Vec::new();
    }
    let named_again = |known: &IntentRecord| {
        let mut said = outcome.updates.iter().chain(&end.intents);
        said.any(|said| is_same_matter(said, known))
    };
    let others = before.intents.iter().filter_map(IntentRecord::by_updates).collect();
    let own = before.intents.into_iter().filter(|it| it.by_updates().is_none());
    state.ending = Some(EndingRecord {
        end_time: before.end_time,
        end_given: before.end_given,
        revision: before.revision,
        intents: others,
        ..EndingRecord::default()
    });
    own.filter(|known| !named_again(known)).collect()
}

fn is_same_matter(one: &IntentRecord, other: &IntentRecord) -> bool {
    (&one.intent, &one.reference) == (&other.intent, &other.reference)
}

/// The ending as it now stands: what an amendment does not mention stays. Whether anybody was reached
/// does so, too, where the disposition that said it was taken out since.
fn merge(before: Option<EndingRecord>, end: &End, outcome: Outcome) -> EndingRecord {
    let before = before.filter(|ending| !ending.never_ended);
    let says_all = end.complete || before.is_none();
    let before = before.unwrap_or_default();
    let intents = matters(&before, end, outcome.updates.into_iter().chain(outcome.named));
    let or = |said: &str, known: String| if said.is_empty() { known } else { said.to_owned() };
    let reached =
        if end.disposition.is_empty() && !says_all { before.reached } else { outcome.reached };
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

/// What it was about, as it now stands: of each matter what was said last. An end that says that the
/// interaction is sensitive says so of the matters, too, that it does not name.
fn matters(
    before: &EndingRecord,
    end: &End,
    said: impl Iterator<Item = IntentRecord>,
) -> Vec<IntentRecord> {
    let mut intents = before.intents.clone();
    for known in &mut intents {
        // A record that does not know its time was written with that of the end.
        known.said = known.time(Time(before.end_time)).0;
    }
    for said in said {
        let said = no_less_private(said, before.sensitivity, intents.iter());
        let same = intents.iter().position(|known| is_same_matter(known, &said));
        let update = same.and_then(|index| intents.remove(index).by_updates());
        intents.push(standing(update, said, end));
    }
    for kept in &mut intents {
        if !end.intents.iter().any(|own| is_same_matter(own, kept)) {
            kept.sensitivity = kept.sensitivity.max(end.sensitivity.code());
        }
    }
    intents
}

/// What stands of a matter that an update has named. An end that says when it was opens nothing that
/// was settled after that; it settles whatever was opened: clocks differ, and who ends knows. Of two ends
/// the newer counts, whatever their times: one may correct the other.
fn standing(update: Option<IntentRecord>, said: IntentRecord, end: &End) -> IntentRecord {
    let opens = |one: &IntentRecord| {
        IntentStatus::from_code(one.status)
            .is_some_and(|status| matches!(status, IntentStatus::Open | IntentStatus::Escalated))
    };
    let reopens = |update: &IntentRecord| {
        end.end_time.is_some() && update.said > said.said && opens(&said) && !opens(update)
    };
    match update.filter(|_| said.by_end) {
        Some(update) if reopens(&update) => {
            IntentRecord { sensitivity: said.sensitivity, ..update }
        }
        Some(update) => said.instead_of(&update),
        None => said,
    }
}

#[cfg(test)]
mod tests;
