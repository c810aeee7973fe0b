//! The worked starts of shared/identity/README.md: L, p and confidence as printed there.

use super::world::{ask, customer, owner, shown};
use crate::identity::{HintKind, Recommendation, Shown};

struct Start {
    name: &'static str,
    shown: Vec<Shown>,
    log_odds: f64,
    probability: f64,
    confidence: f64,
}

fn alone(name: &'static str, kind: HintKind, uses: i64, days: f64, figures: [f64; 3]) -> Start {
    let [log_odds, probability, confidence] = figures;
    let mut link = owner(1, uses, days);
    // "Ten times, 30 days ago" of the page: ten links, the last of them weighing one.
    link.weight = 1.0;
    Start { name, shown: vec![shown(0, kind, vec![link])], log_odds, probability, confidence }
}

fn shared(
    name: &'static str,
    kind: HintKind,
    people: std::ops::RangeInclusive<u8>,
    figures: [f64; 3],
) -> Start {
    let [log_odds, probability, confidence] = figures;
    let owners = people.map(|number| owner(number, 1, 30.0)).collect();
    Start { name, shown: vec![shown(0, kind, owners)], log_odds, probability, confidence }
}

fn starts() -> Vec<Start> {
    let mobile_and_account = Start {
        name: "mobile + account number, linked once, 1.5 days ago",
        shown: vec![
            shown(0, HintKind::Mobile, vec![owner(1, 1, 1.5)]),
            shown(1, HintKind::AccountNumber, vec![owner(1, 1, 1.5)]),
        ],
        log_odds: 5.56,
        probability: 0.996,
        confidence: 0.94,
    };
    vec![
        alone("mobile, once, 1.5 days ago", HintKind::Mobile, 1, 1.5, [3.29, 0.964, 0.57]),
        alone("mobile, once, 30 days ago", HintKind::Mobile, 1, 30.0, [2.48, 0.923, 0.47]),
        alone("mobile, ten times, 30 days ago", HintKind::Mobile, 10, 30.0, [4.42, 0.988, 0.85]),
        alone("unknown line, 1 day ago", HintKind::UnknownLine, 1, 1.0, [2.73, 0.939, 0.49]),
        alone("unknown line, 30 days ago", HintKind::UnknownLine, 1, 30.0, [1.84, 0.863, 0.43]),
        mobile_and_account,
        shared("landline of two, 30 days ago", HintKind::Landline, 1..=2, [-0.71, 0.329, 0.20]),
        shared("switchboard of twelve", HintKind::Voip, 1..=12, [-5.41, 0.004, 0.00]),
        alone("e-mail, once, 30 days ago", HintKind::Email, 1, 30.0, [3.86, 0.979, 0.69]),
        alone("WhatsApp, once, 30 days ago", HintKind::Whatsapp, 1, 30.0, [3.49, 0.970, 0.62]),
    ]
}

fn close(got: f64, printed: f64) -> bool {
    (got - printed).abs() <= 0.01
}

#[test]
fn the_worked_starts_come_out_as_printed() {
    for start in starts() {
        let decision = ask(&start.shown);
        let best = &decision.candidates[0];
        let got = (best.log_odds, decision.probability, decision.confidence);
        assert!(
            close(got.0, start.log_odds)
                && close(got.1, start.probability)
                && close(got.2, start.confidence),
            "{}: {got:?}, printed ({}, {}, {})",
            start.name,
            start.log_odds,
            start.probability,
            start.confidence
        );
        assert_eq!(best.customer, customer(1), "{}", start.name);
    }
}

#[test]
fn a_number_and_an_email_of_two_people_are_a_conflict() {
    let decision = ask(&[
        shown(0, HintKind::Mobile, vec![owner(1, 1, 1.0)]),
        shown(1, HintKind::Email, vec![owner(2, 1, 1.0)]),
    ]);
    let figures: Vec<_> = decision
        .candidates
        .iter()
        .map(|it| (it.customer, it.log_odds, it.probability, it.confidence))
        .collect();
    let expected = [(customer(2), 1.61, 0.833, 0.41), (customer(1), 0.63, 0.652, 0.34)];
    assert_eq!(figures.len(), expected.len());
    for (got, printed) in figures.iter().zip(expected) {
        assert_eq!(got.0, printed.0);
        assert!(close(got.1, printed.1) && close(got.2, printed.2) && close(got.3, printed.3));
    }
    assert_eq!(decision.recommendation, Recommendation::Confirm);
    assert_eq!(decision.conflicts, [0], "the number points elsewhere");
}
