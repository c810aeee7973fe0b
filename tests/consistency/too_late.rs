//! What the model makes of histories with erasures and revoked keys, as short as they can be told.

use super::calls::{Asked, Counts, Output, Whom};
use super::histories::{A, B, end, known, new, of, start, verdict, verdict_by_key};
use super::wgl::Verdict;

fn preview(whom: u32) -> Asked {
    Asked::Preview { number: 0, whom: Whom::Named(whom) }
}

fn shows(set: &[u32]) -> Output {
    Output::Previewed { set: set.to_vec() }
}

fn erase(whom: u32) -> Asked {
    Asked::Erase { number: 1, of: 0, whom: Whom::Named(whom) }
}

fn gone(customers: i32, interactions: i32, identifiers: i32) -> Output {
    Output::Gone(Counts { customers, interactions, identifiers })
}

fn merge(number: u16, one: u32, other: u32) -> Asked {
    Asked::Merge { number, one: Whom::Named(one), other: Whom::Named(other) }
}

fn look(whom: u32) -> Asked {
    Asked::Look { whom: Whom::Named(whom) }
}

#[test]
fn whoever_is_erased_does_not_come_back() {
    let history = |asked: Asked, output| {
        [
            (end(0, A, 7, 3_600), 0, of(0)),
            (preview(0), 1, shows(&[0])),
            (erase(0), 2, gone(1, 1, 1)),
            (asked, 3, output),
        ]
    };
    for late in [start(0, A), end(0, A, 7, 3_600), Asked::Get { id: 0 }, look(0), preview(0)] {
        assert_eq!(verdict(history(late.clone(), Output::Erased)), Verdict::Linearizable);
        assert_ne!(verdict(history(late, Output::NotFound)), Verdict::Linearizable, "told so");
    }
    assert_ne!(verdict(history(end(0, A, 7, 3_600), of(1))), Verdict::Linearizable, "revived");
    assert_eq!(verdict(history(start(1, A), new(1))), Verdict::Linearizable);
    assert_ne!(verdict(history(start(1, A), known(0, Some(7)))), Verdict::Linearizable);
    // The same request again has the same receipt.
    assert_eq!(verdict(history(erase(0), gone(1, 1, 1))), Verdict::Linearizable);
    assert_ne!(verdict(history(erase(0), Output::Erased)), Verdict::Linearizable);
}

#[test]
fn only_what_was_previewed_goes() {
    let history = |between: (Asked, Output), output| {
        [
            (end(0, A, 7, 3_600), 0, of(0)),
            (start(3, B), 1, new(1)),
            (preview(0), 2, shows(&[0])),
            (between.0, 3, between.1),
            (erase(0), 4, output),
        ]
    };
    let one_more = || (start(1, A), known(0, Some(7)));
    assert_eq!(verdict(history(one_more(), Output::Outdated)), Verdict::Linearizable);
    assert_ne!(verdict(history(one_more(), gone(1, 2, 1))), Verdict::Linearizable);
    let of_another = || (end(4, B, 8, 3_600), of(1));
    assert_eq!(verdict(history(of_another(), gone(1, 1, 1))), Verdict::Linearizable);
    assert_ne!(verdict(history(of_another(), Output::Outdated)), Verdict::Linearizable);
    assert_ne!(verdict(history(of_another(), gone(1, 2, 1))), Verdict::Linearizable, "miscounted");
}

#[test]
fn who_is_one_person_goes_together() {
    let joined = Output::Joined { set: vec![0, 1], in_force: true };
    let history = |asked: Asked, output| {
        [
            (start(0, A), 0, new(0)),
            (start(1, B), 1, new(1)),
            (merge(0, 0, 1), 2, joined.clone()),
            (preview(1), 3, shows(&[0, 1])),
            (erase(1), 4, gone(2, 2, 2)),
            (asked, 5, output),
        ]
    };
    assert_eq!(verdict(history(look(0), Output::Erased)), Verdict::Linearizable);
    assert_eq!(verdict(history(Asked::Get { id: 0 }, Output::Erased)), Verdict::Linearizable);
    assert_eq!(verdict(history(start(2, A), new(2))), Verdict::Linearizable);
    assert_ne!(verdict(history(start(2, A), known(0, None))), Verdict::Linearizable);
    // The merge was the first one's request, and went with them.
    assert_eq!(verdict(history(merge(0, 0, 1), Output::Erased)), Verdict::Linearizable);
    let unmerge = Asked::Unmerge { number: 0, which: super::calls::Which::Merge(0) };
    assert_eq!(verdict(history(unmerge, Output::NotFound)), Verdict::Linearizable);
}

/// What had become somebody else's before stays theirs.
#[test]
fn what_was_reassigned_before_stays() {
    let moved = Output::Moved { customer: Some(1), new: false };
    let reassign = Asked::Reassign { id: 2, number: 1, to: Some(Whom::Named(1)) };
    let history = |output| {
        [
            (end(0, A, 7, 3_600), 0, of(0)),
            (end(1, B, 8, 3_600), 1, of(1)),
            (end(2, A, 9, 3_600), 2, of(0)),
            (reassign.clone(), 3, moved.clone()),
            (preview(0), 4, shows(&[0])),
            (erase(0), 5, gone(1, 1, 1)),
            (end(2, A, 9, 3_600), 6, output),
        ]
    };
    assert_eq!(verdict(history(of(1))), Verdict::Linearizable);
    assert_ne!(verdict(history(Output::Erased)), Verdict::Linearizable);
}

#[test]
fn a_revoked_key_ends_within_a_second() {
    let history = |at, output| {
        [
            (start(0, A), 0, 1, new(0)),
            (Asked::Revoke { key: 1 }, 10, 0, Output::Done),
            (start(1, A), at, 1, output),
        ]
    };
    // It was acknowledged at 11.
    for at in [11, 500, 1_011] {
        assert_eq!(verdict_by_key(history(at, known(0, None))), Verdict::Linearizable, "{at}");
        assert_eq!(verdict_by_key(history(at, Output::NotLetIn)), Verdict::Linearizable, "{at}");
    }
    assert_ne!(verdict_by_key(history(1_012, known(0, None))), Verdict::Linearizable);
    assert_eq!(verdict_by_key(history(1_012, Output::NotLetIn)), Verdict::Linearizable);
    // Another key, and one that was not revoked yet.
    let other = [(Asked::Revoke { key: 1 }, 0, 0, Output::Done), (start(0, A), 1, 2, new(0))];
    assert_eq!(verdict_by_key(other), Verdict::Linearizable);
    assert_ne!(verdict_by_key([(start(0, A), 0, 1, Output::NotLetIn)]), Verdict::Linearizable);
    // What was refused has no effect.
    let refused = [
        (start(0, A), 0, 0, new(0)),
        (Asked::Revoke { key: 1 }, 1, 0, Output::Done),
        (end(1, A, 7, 3_600), 2, 1, Output::NotLetIn),
        (Asked::Get { id: 1 }, 3, 0, Output::NotFound),
    ];
    assert_eq!(verdict_by_key(refused), Verdict::Linearizable);
}
