//! The worked starts of shared/identity/README.md: refitted weights may move each by .06 of
//! confidence. Numbers are CARRIED, as a network leaves them.

use super::world::{ask, customer, shown};
use crate::identity::{Assurance, HintKind, Owner, Recommendation, Shown};

fn owner(number: u8, uses: i64, days: f64) -> Owner {
    Owner { assurance: Assurance::Carried, ..super::world::owner(number, uses, days) }
}

struct Start {
    name: &'static str,
    shown: Vec<Shown>,
    confidence: f64,
}

fn alone(name: &'static str, kind: HintKind, uses: i64, days: f64, confidence: f64) -> Start {
    let mut link = owner(1, uses, days);
    // "Ten times, 30 days ago" of the page: ten links, the last of them weighing one.
    link.weight = 1.0;
    Start { name, shown: vec![shown(0, kind, vec![link])], confidence }
}

fn shared(
    name: &'static str,
    kind: HintKind,
    people: std::ops::RangeInclusive<u8>,
    confidence: f64,
) -> Start {
    let owners = people.map(|number| owner(number, 1, 30.0)).collect();
    Start { name, shown: vec![shown(0, kind, owners)], confidence }
}

fn starts() -> Vec<Start> {
    let mobile_and_account = Start {
        name: "mobile + account number, linked once, 1.5 days ago",
        shown: vec![
            shown(0, HintKind::Mobile, vec![owner(1, 1, 1.5)]),
            shown(1, HintKind::AccountNumber, vec![owner(1, 1, 1.5)]),
        ],
        confidence: 0.94,
    };
    vec![
        alone("mobile, once, 1.5 days ago", HintKind::Mobile, 1, 1.5, 0.57),
        alone("mobile, once, 30 days ago", HintKind::Mobile, 1, 30.0, 0.47),
        alone("mobile, ten times, 30 days ago", HintKind::Mobile, 10, 30.0, 0.85),
        alone("unknown line, 1 day ago", HintKind::UnknownLine, 1, 1.0, 0.49),
        alone("unknown line, 30 days ago", HintKind::UnknownLine, 1, 30.0, 0.43),
        mobile_and_account,
        shared("landline of two, 30 days ago", HintKind::Landline, 1..=2, 0.20),
        shared("switchboard of twelve", HintKind::Voip, 1..=12, 0.00),
        alone("e-mail, once, 30 days ago", HintKind::Email, 1, 30.0, 0.69),
        alone("WhatsApp, once, 30 days ago", HintKind::Whatsapp, 1, 30.0, 0.62),
    ]
}

/// How far a refit may move a worked start, in confidence.
const MOVED_AT_MOST: f64 = 0.06;

fn close(got: f64, printed: f64) -> bool {
    (got - printed).abs() <= MOVED_AT_MOST
}

#[test]
fn the_worked_starts_come_out_as_printed() {
    for start in starts() {
        let decision = ask(&start.shown);
        assert!(
            close(decision.confidence, start.confidence),
            "{}: {}, printed {}",
            start.name,
            decision.confidence,
            start.confidence
        );
        assert_eq!(decision.candidates[0].customer, customer(1), "{}", start.name);
    }
}

#[test]
fn a_number_and_an_email_of_two_people_are_a_conflict() {
    let decision = ask(&[
        shown(0, HintKind::Mobile, vec![owner(1, 1, 1.0)]),
        shown(1, HintKind::Email, vec![owner(2, 1, 1.0)]),
    ]);
    let figures: Vec<_> =
        decision.candidates.iter().map(|it| (it.customer, it.confidence)).collect();
    let expected = [(customer(2), 0.41), (customer(1), 0.34)];
    assert_eq!(figures.len(), expected.len());
    for (got, printed) in figures.iter().zip(expected) {
        assert_eq!(got.0, printed.0);
        assert!(close(got.1, printed.1), "{got:?}, printed {printed:?}");
    }
    assert_eq!(decision.recommendation, Recommendation::Confirm);
    assert_eq!(decision.conflicts, [0], "the number points elsewhere");
}
