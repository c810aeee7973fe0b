//! Histories that the model once misjudged, as short as they can be told.

use std::collections::BTreeMap;

use super::calls::{
    Asked, Input, Output, Recommended, Said, ServiceCall, Setting, Shown, Shows, Whom,
};
use super::model::Contract;
use super::wgl::{Verdict, check};

pub(super) const A: Shows = Shows { first: true, second: false };
pub(super) const B: Shows = Shows { first: false, second: true };

/// One call after the other: what was asked, at which second, and what was answered.
pub(super) fn verdict(history: impl IntoIterator<Item = (Asked, i64, Output)>) -> Verdict {
    verdict_by_key(
        history.into_iter().map(|(asked, second, output)| (asked, second * 1_000, 0, output)),
    )
}

/// The same at which millisecond, and with which key.
pub(super) fn verdict_by_key(
    history: impl IntoIterator<Item = (Asked, i64, u8, Output)>,
) -> Verdict {
    let call = |(index, (asked, now, key, output)): (usize, (Asked, i64, u8, Output))| {
        let (answered, elapsed) = (now + 1, (now, now + 1));
        let (clocks_apart, client, instance) = (0, 0, 0);
        let input = Input { asked, now, answered, elapsed, key, clocks_apart, client, instance };
        let invoked = 2 * index as u64;
        ServiceCall { input, invoked, returned: Some((invoked + 1, output)), after: None }
    };
    let calls: Vec<ServiceCall> = history.into_iter().enumerate().map(call).collect();
    check(&Contract { purges: false }, &calls)
}

/// An end without a start, that sets `v0`.
pub(super) fn end(id: u16, shows: Shows, value: u32, ttl_seconds: i64) -> Asked {
    let settings = vec![Setting { name: 0, value, ttl_seconds }];
    let said = Said { content: value, settings, intents: Vec::new() };
    Asked::End { id, shows, revision: None, said, time: None }
}

fn reassign(id: u16, to: u32) -> Asked {
    Asked::Reassign { id, number: 1, to: Some(Whom::Named(to)) }
}

pub(super) fn of(customer: u32) -> Output {
    Output::Ended { customer: Some(customer) }
}

fn moved(customer: u32) -> Output {
    Output::Moved { customer: Some(customer), new: false }
}

/// Moved to somebody new.
fn parted(customer: u32) -> Output {
    Output::Moved { customer: Some(customer), new: true }
}

/// Whoever it is most likely: to be confirmed.
fn asked(customer: u32) -> Output {
    let (customer, recommended) = (Some(customer), Recommended::Confirm);
    Output::Answered { customer, new: false, recommended, shown: Shown::default() }
}

/// A returning customer whose `v0` is this.
pub(super) fn known(customer: u32, v0: Option<u32>) -> Output {
    let variables: BTreeMap<u16, u32> = v0.into_iter().map(|value| (0, value)).collect();
    let shown = Shown { variables, ..Shown::default() };
    let (customer, recommended) = (Some(customer), Recommended::Reuse);
    Output::Answered { customer, new: false, recommended, shown }
}

pub(super) fn new(customer: u32) -> Output {
    let (customer, recommended) = (Some(customer), Recommended::Ignore);
    Output::Answered { customer, new: true, recommended, shown: Shown::default() }
}

pub(super) fn start(id: u16, shows: Shows) -> Asked {
    Asked::Start { id, shows, channel: 0, time: None }
}

/// Found at the 500,000th call of two served instances.
#[test]
fn a_value_that_has_expired_before_it_moves_may_hide_nothing() {
    let history = |shown, second| {
        [
            (end(0, A, 7, 3_600), 0, of(0)),
            (end(1, B, 8, 1), 1, of(1)),
            (reassign(1, 0), second, moved(0)),
            (start(2, A), second + 10, known(0, shown)),
        ]
    };
    for may_be in [Some(7), None] {
        assert_eq!(verdict(history(may_be, 9)), Verdict::Linearizable, "expired, then moved");
    }
    assert_ne!(verdict(history(Some(8), 9)), Verdict::Linearizable, "shown past its expiry");
}

/// While it lives it hides what is older, for good.
#[test]
fn a_value_that_moves_while_it_lives_hides_what_is_older() {
    let history = |shown| {
        [
            (end(0, A, 7, 3_600), 0, of(0)),
            (end(1, B, 8, 60), 1, of(1)),
            (reassign(1, 0), 2, moved(0)),
            (start(2, A), 30, known(0, shown)),
        ]
    };
    assert_eq!(verdict(history(Some(8))), Verdict::Linearizable);
    assert_ne!(verdict(history(Some(7))), Verdict::Linearizable);
}

/// A value that comes late ends with what hides it; taken to another customer it has its own time
/// again.
#[test]
fn a_value_that_moves_away_from_what_hid_it_has_its_own_time() {
    let late = match end(1, A, 7, 3_600) {
        Asked::End { id, shows, revision, said, .. } => {
            Asked::End { id, shows, revision, said, time: Some(0) }
        }
        other => other,
    };
    let history = |shown| {
        [
            (end(0, A, 8, 5), 2, of(0)),
            (late.clone(), 3, of(0)),
            (start(2, B), 4, new(1)),
            (reassign(1, 1), 9, moved(1)),
            (start(3, B), 10, known(1, shown)),
        ]
    };
    assert_eq!(verdict(history(Some(7))), Verdict::Linearizable);
    assert_ne!(verdict(history(None)), Verdict::Linearizable);
    assert_ne!(verdict(history(Some(8))), Verdict::Linearizable, "that stayed where it was");
}

/// Found at the first calls of two served instances, once an end links again what its contact is a
/// reason for (ADR 0048).
#[test]
fn a_contact_under_way_is_a_reason_again_once_it_has_ended() {
    let both = Shows { first: true, second: true };
    let history = |output| {
        [
            (start(0, both), 0, new(0)),
            (end(2, B, 7, 3_600), 1, of(0)),
            (start(1, both), 2, known(0, Some(7))),
            // With it the only reason for A that is on file goes.
            (Asked::Reassign { id: 0, number: 1, to: None }, 3, parted(1)),
            (end(1, both, 8, 3_600), 4, of(0)),
            (start(3, A), 5, output),
        ]
    };
    assert_eq!(verdict(history(asked(0))), Verdict::Linearizable, "two have it");
    assert_ne!(verdict(history(known(1, None))), Verdict::Linearizable, "not one alone");
}
