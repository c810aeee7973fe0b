//! A signed-in customer: the token decides alone, and a browser decides nothing beside it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{ask, customer, owner, shown};
use crate::identity::{
    Assurance, Decision, HintKind, MAX_OWNERS, Owner, Proof, Recommendation, Shown, evidence,
    to_join,
};
use crate::ids::CustomerId;

fn token(index: usize, owners: Vec<Owner>) -> Shown {
    Shown { assurance: Assurance::Verified, ..shown(index, HintKind::WebToken, owners) }
}

fn visitor(index: usize, owners: Vec<Owner>) -> Shown {
    Shown { visitor: true, ..shown(index, HintKind::AccountNumber, owners) }
}

fn weaker(number: u8) -> Owner {
    Owner { assurance: Assurance::Carried, ..owner(number, 5, 1.0) }
}

fn best(decision: &Decision) -> Option<CustomerId> {
    decision.candidates.first().map(|candidate| candidate.customer)
}

#[track_caller]
fn assert_proven(decision: &Decision, number: u8) {
    assert_eq!(best(decision), Some(customer(number)));
    assert_eq!(decision.recommendation, Recommendation::Reuse);
    assert_eq!(decision.assurance, Some(Assurance::Verified));
    assert!(decision.confidence >= 0.9, "{}", decision.confidence);
    let evidence = &decision.candidates[0].evidence;
    assert!(evidence.iter().all(|signal| signal.name != "recency"));
    let sum: f64 = evidence.iter().map(|signal| signal.log_odds).sum();
    assert!((sum - decision.candidates[0].log_odds).abs() < 1e-9);
}

#[test]
fn a_verified_token_decides_whatever_else_is_shown_and_however_long_ago() {
    let old = || token(0, vec![owner(1, 1, 700.0)]);
    assert_proven(&ask(&[old()]), 1);
    let others = |kind| shown(1, kind, vec![owner(2, 90, 0.1)]);
    let decision = ask(&[old(), others(HintKind::Telegram)]);
    assert_proven(&decision, 1);
    assert_eq!(decision.conflicts, [1], "listed");
    let many = [
        old(),
        others(HintKind::Mobile),
        shown(2, HintKind::Crm, vec![owner(2, 90, 0.1)]),
        shown(3, HintKind::Email, vec![owner(2, 90, 0.1)]),
    ];
    assert_proven(&ask(&many), 1);
}

#[test]
fn what_is_not_verified_on_both_sides_does_not_decide_alone() {
    let carried_link = token(0, vec![weaker(1)]);
    assert_eq!(Proof::of(std::slice::from_ref(&carried_link)), Proof::UnknownSubject);
    let capped = Shown { assurance: Assurance::Carried, ..token(0, vec![owner(1, 5, 1.0)]) };
    assert_eq!(Proof::of(&[capped]), Proof::NotSignedIn);
    let elsewhere = shown(1, HintKind::Telegram, vec![owner(2, 90, 0.1)]);
    assert_ne!(ask(&[carried_link, elsewhere]).recommendation, Recommendation::Reuse);
    // A weaker link of somebody else takes nothing away.
    assert_proven(&ask(&[token(0, vec![weaker(2), owner(1, 1, 1.0)])]), 1);
}

#[test]
fn one_subject_of_two_or_two_subjects_are_asked_about() {
    let strong = || shown(1, HintKind::Crm, vec![owner(1, 90, 0.1)]);
    let two_owners = token(0, vec![owner(1, 90, 0.1), owner(2, 1, 9.0)]);
    let two_subjects = [token(0, vec![owner(1, 90, 0.1)]), token(2, Vec::new()), strong()];
    for shown in [&[two_owners, strong()][..], &two_subjects[..]] {
        assert_eq!(Proof::of(shown), Proof::Disputed);
        assert_eq!(ask(shown).recommendation, Recommendation::Confirm);
    }
    let crowd: Vec<Owner> = (0..=MAX_OWNERS as u8).map(|number| owner(number, 1, 1.0)).collect();
    assert_eq!(Proof::of(&[token(0, crowd)]), Proof::UnknownSubject);
}

#[test]
fn a_browser_is_no_evidence_beside_a_token() {
    let shown = [token(0, Vec::new()), visitor(1, vec![owner(2, 9, 0.1)])];
    let beside = evidence(&shown, Proof::of(&shown));
    assert_eq!(best(&ask(&beside)), None);
    let alone = [visitor(1, vec![owner(2, 9, 0.1)])];
    assert_eq!(*evidence(&alone, Proof::of(&alone)), alone);
}

#[test]
fn only_the_anonymous_join_and_only_whoever_holds_the_token() {
    let anonymous = BTreeSet::from([customer(2), customer(3)]);
    let browser = || visitor(1, vec![owner(2, 1, 1.0), owner(4, 1, 1.0)]);
    let join = |token: Shown, holds| to_join(&[token, browser()], &anonymous, customer(1), holds);
    assert_eq!(join(token(0, vec![owner(1, 1, 1.0)]), true), [customer(2)]);
    assert_eq!(join(token(0, vec![owner(9, 1, 1.0)]), true), [], "it is somebody else's");
    // An unknown subject that was linked just now, and how.
    assert_eq!(join(token(0, vec![weaker(1)]), false), []);
    assert_eq!(join(token(0, Vec::new()), false), []);
    assert_eq!(join(token(0, Vec::new()), true), [customer(2)]);
    assert_eq!(join(token(0, vec![owner(1, 1, 1.0), owner(9, 1, 1.0)]), true), []);
    let unproven = Shown { assurance: Assurance::Carried, ..token(0, vec![owner(1, 1, 1.0)]) };
    assert_eq!(join(unproven, true), []);
    // Nobody joins themselves.
    let own = [token(0, vec![owner(2, 1, 1.0)]), browser()];
    assert_eq!(to_join(&own, &anonymous, customer(2), true), []);
}

proptest! {
    /// Whatever is shown beside it, in whatever order, a token decides for its own customer.
    #[test]
    fn nothing_shown_beside_a_token_changes_who_it_is(
        others in prop::collection::vec((1..12usize, 2..6u8, 0..50i64, 0.0..900.0f64), 0..6),
        at in any::<prop::sample::Index>(),
    ) {
        let kinds = [
            HintKind::Mobile, HintKind::Landline, HintKind::Voip, HintKind::UnknownLine,
            HintKind::Whatsapp, HintKind::Email, HintKind::AccountNumber, HintKind::Crm,
            HintKind::Telegram, HintKind::Discord, HintKind::Mobile, HintKind::Email,
        ];
        let mut all: Vec<Shown> = others
            .iter()
            .enumerate()
            .map(|(index, (kind, number, uses, days))| {
                shown(index + 1, kinds[*kind], vec![owner(*number, *uses, *days)])
            })
            .collect();
        all.insert(at.index(all.len() + 1), token(0, vec![owner(1, 1, 400.0)]));
        let decision = ask(&all);
        prop_assert_eq!(best(&decision), Some(customer(1)));
        prop_assert_eq!(decision.recommendation, Recommendation::Reuse);
        prop_assert!(decision.confidence >= 0.9);
        prop_assert_eq!(decision.conflicts.len(), others.len());
    }
}
