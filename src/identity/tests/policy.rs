//! What the policy makes of the figures, and the readings of the model that the page leaves open.

use super::world::{NOW, ask, ask_with, customer, owner, shown};
use crate::identity::{
    Assurance, Candidate, Decision, Feature, HintKind, MAX_OWNERS, Owner, Policy,
    PrimaryIdentifier, Recommendation, Shown, Weights, effective_owners,
};

fn signal(candidate: &Candidate, name: &str) -> Option<f64> {
    candidate.evidence.iter().find(|signal| signal.name == name).map(|signal| signal.log_odds)
}

fn weight(feature: Feature) -> f64 {
    Weights::DEFAULT.get(feature)
}

fn best(decision: &Decision) -> &Candidate {
    &decision.candidates[0]
}

/// A number that is good for `reuse` by itself.
fn good_mobile() -> Shown {
    shown(0, HintKind::Mobile, vec![owner(1, 5, 1.0)])
}

#[test]
fn nothing_known_is_ignored() {
    let decision = ask(&[shown(0, HintKind::Mobile, vec![])]);
    assert_eq!(decision.recommendation, Recommendation::Ignore);
    assert_eq!((decision.confidence, decision.probability), (0.0, 0.0));
    assert_eq!(decision.assurance, None);
    assert!(decision.candidates.is_empty() && decision.conflicts.is_empty());
}

#[test]
fn a_known_number_is_reused_and_an_asserted_one_only_confirmed() {
    assert_eq!(ask(&[good_mobile()]).recommendation, Recommendation::Reuse);
    let asserted = Shown { assurance: Assurance::Asserted, ..good_mobile() };
    let decision = ask(&[asserted]);
    assert!(decision.confidence >= 0.5);
    assert_eq!(decision.recommendation, Recommendation::Confirm);
    assert_eq!(decision.assurance, Some(Assurance::Asserted));
}

#[test]
fn a_link_caps_what_a_hint_proves() {
    let link = Owner { assurance: Assurance::Asserted, ..owner(1, 5, 1.0) };
    let decision = ask(&[shown(0, HintKind::Email, vec![link])]);
    assert!(decision.confidence >= 0.5);
    assert_eq!(decision.recommendation, Recommendation::Confirm);
}

#[test]
fn one_identifier_of_two_people_is_never_reused() {
    let household = vec![owner(1, 50, 0.1), owner(2, 1, 700.0)];
    let alone = shown(0, HintKind::Mobile, household.clone());
    let decision = ask(std::slice::from_ref(&alone));
    assert!(decision.confidence >= 0.5, "{}", decision.confidence);
    assert_eq!(decision.recommendation, Recommendation::Confirm);

    let looked_up =
        Shown { derived: Some(true), ..shown(1, HintKind::Crm, vec![owner(1, 50, 0.1)]) };
    let decision = ask(&[alone.clone(), looked_up]);
    assert!(decision.confidence >= 0.5);
    assert_eq!(decision.recommendation, Recommendation::Confirm, "a looked-up id adds no witness");

    let as_whatsapp = Shown { number: true, ..shown(0, HintKind::Whatsapp, household) };
    let decision = ask(&[alone.clone(), as_whatsapp]);
    assert_eq!(decision.recommendation, Recommendation::Confirm, "the same phone twice is one");

    let own_account = shown(1, HintKind::AccountNumber, vec![owner(1, 50, 0.1)]);
    assert_eq!(ask(&[alone, own_account]).recommendation, Recommendation::Reuse);
}

#[test]
fn a_conflict_asks_unless_the_primary_identifier_decides() {
    let strong = Shown {
        primary: Some(PrimaryIdentifier::UserId),
        ..shown(1, HintKind::Crm, vec![owner(1, 9, 1.0)])
    };
    let hints = [good_mobile(), strong, shown(2, HintKind::AccountNumber, vec![owner(2, 1, 1.0)])];
    let decision = ask(&hints);
    assert_eq!(best(&decision).customer, customer(1));
    assert!(decision.confidence >= 0.5);
    assert_eq!(decision.conflicts, [2]);
    assert_eq!(decision.recommendation, Recommendation::Confirm);

    let user_id = Some(PrimaryIdentifier::UserId);
    let deciding = Policy { primary_identifier: user_id, ..Policy::default() };
    assert_eq!(ask_with(&hints, None, &deciding).recommendation, Recommendation::Reuse);
    let other = Some(PrimaryIdentifier::Email);
    let other = Policy { primary_identifier: other, ..Policy::default() };
    assert_eq!(ask_with(&hints, None, &other).recommendation, Recommendation::Confirm);
}

#[test]
fn the_primary_identifier_says_which_side_wins() {
    let strong = shown(0, HintKind::Email, vec![owner(1, 9, 1.0)]);
    let weak = Shown {
        primary: Some(PrimaryIdentifier::Phone),
        ..shown(1, HintKind::Mobile, vec![owner(2, 1, 9.0)])
    };
    let hints = [strong.clone(), weak.clone()];
    assert_eq!(best(&ask(&hints)).customer, customer(1));
    let phone = Some(PrimaryIdentifier::Phone);
    let deciding = Policy { primary_identifier: phone, ..Policy::default() };
    let decision = ask_with(&hints, None, &deciding);
    assert_eq!(best(&decision).customer, customer(2));
    assert_eq!(decision.conflicts, [0], "never silently resolved");
    assert_eq!(decision.probability, best(&decision).probability);
    assert_eq!(decision.recommendation, Recommendation::Confirm, "it is not sure enough for more");
    let typed = [strong, Shown { assurance: Assurance::Asserted, ..weak }];
    let decision = ask_with(&typed, None, &deciding);
    assert_eq!(best(&decision).customer, customer(1), "what was typed wins over nobody");
}

#[test]
fn a_conflict_asks_however_low_the_confidence() {
    let hints = [
        shown(0, HintKind::Voip, (1..=20).map(|n| owner(n, 1, 300.0)).collect()),
        shown(1, HintKind::Landline, (30..=50).map(|n| owner(n, 1, 300.0)).collect()),
    ];
    let decision = ask(&hints);
    assert!(decision.confidence < 0.3);
    assert_eq!(decision.recommendation, Recommendation::Confirm);
    assert_eq!(ask(&hints[..1]).recommendation, Recommendation::Ignore);
}

#[test]
fn thresholds_are_the_policys() {
    let with = |reuse_confidence, confirm_confidence| {
        let policy = Policy { reuse_confidence, confirm_confidence, ..Policy::default() };
        ask_with(&[good_mobile()], None, &policy).recommendation
    };
    assert_eq!(with(0.9, 0.3), Recommendation::Reuse);
    assert_eq!(with(0.95, 0.3), Recommendation::Confirm);
    assert_eq!(with(0.95, 0.95), Recommendation::Ignore);
}

#[test]
fn a_named_reference_is_only_asserted_and_no_second_kind() {
    let decision = ask_with(&[], Some(customer(7)), &Policy::default());
    assert_eq!(best(&decision).customer, customer(7));
    assert_eq!(decision.assurance, Some(Assurance::Asserted));
    assert_eq!(decision.recommendation, Recommendation::Confirm);

    let decision = ask_with(&[good_mobile()], Some(customer(1)), &Policy::default());
    assert_eq!(
        signal(best(&decision), "match:customer_ref"),
        Some(weight(Feature::MatchCustomerRef))
    );
    assert_eq!(signal(best(&decision), "two_kinds"), None);

    let decision = ask_with(&[good_mobile()], Some(customer(7)), &Policy::default());
    assert_eq!(best(&decision).customer, customer(1));
    assert!(decision.named_conflict);
    assert_eq!(
        signal(best(&decision), "conflict:customer_ref"),
        Some(weight(Feature::ConflictCustomerRef))
    );
    assert_eq!(decision.recommendation, Recommendation::Confirm);
}

#[test]
fn a_looked_up_crm_id_weighs_less() {
    let crm = |derived| Shown { derived, ..shown(1, HintKind::Crm, vec![owner(1, 1, 1.0)]) };
    let (alone, looked_up) = (Feature::MatchCrm, Feature::MatchCrmLookedUp);
    assert!(weight(looked_up) < weight(alone));
    for (with_number, derived, matching, second_kind) in [
        (false, None, alone, None),
        (false, Some(true), looked_up, None),
        (true, None, looked_up, Some("two_kinds:looked_up")),
        (true, Some(true), looked_up, None),
        (true, Some(false), alone, Some("two_kinds")),
    ] {
        let hints =
            if with_number { vec![good_mobile(), crm(derived)] } else { vec![crm(derived)] };
        let decision = ask(&hints);
        let name = format!("number {with_number}, derived {derived:?}");
        for feature in [alone, looked_up] {
            let expected = (feature == matching).then(|| weight(matching));
            assert_eq!(signal(best(&decision), feature.name()), expected, "{name}");
        }
        for kinds in ["two_kinds", "two_kinds:looked_up"] {
            let found = signal(best(&decision), kinds).is_some();
            assert_eq!(found, second_kind == Some(kinds), "{name}");
        }
    }
    let conflicting = |derived| Shown { owners: vec![owner(2, 1, 400.0)], ..crm(derived) };
    let other = shown(0, HintKind::Email, vec![owner(1, 9, 1.0)]);
    let decision = ask(&[other, conflicting(None)]);
    assert_eq!(signal(best(&decision), "conflict:crm"), Some(weight(Feature::ConflictCrm)));
    let decision = ask(&[good_mobile(), conflicting(None)]);
    assert_eq!(signal(best(&decision), "conflict:crm_looked_up").map(|it| it < 0.0), Some(true));
}

#[test]
fn a_phone_seen_twice_is_one_witness_of_two_kinds() {
    let owners = vec![owner(1, 3, 1.0), owner(2, 1, 90.0)];
    let call = shown(0, HintKind::Mobile, owners.clone());
    let message = Shown { number: true, ..shown(0, HintKind::Whatsapp, owners) };
    let once = ask(std::slice::from_ref(&call));
    let twice = ask(&[call, message]);
    for name in ["share:numbers", "owners:numbers", "uses", "candidates", "two_kinds"] {
        assert_eq!(signal(best(&once), name), signal(best(&twice), name), "{name}");
    }
    assert_eq!(signal(best(&twice), "share:others"), None);
    assert_eq!(signal(best(&twice), "match:whatsapp"), Some(weight(Feature::MatchWhatsapp)));
}

#[test]
fn a_first_contact_that_has_not_ended_speaks_against_nobody() {
    let unused = |number| Owner { weight: 0.0, ..owner(number, 0, 0.1) };
    let decision = ask(&[shown(0, HintKind::Mobile, vec![unused(1)])]);
    assert_eq!(signal(best(&decision), "share:numbers"), None, "ln 1 = 0");
    let decision = ask(&[shown(0, HintKind::Mobile, vec![unused(1), unused(2)])]);
    assert_eq!(
        signal(best(&decision), "share:numbers"),
        Some(weight(Feature::ShareNumbers) * 0.5_f64.ln())
    );
    let decision = ask(&[shown(0, HintKind::Mobile, vec![unused(1), owner(2, 1, 1.0)])]);
    let unused_one = decision.candidates.iter().find(|it| it.customer == customer(1));
    assert_eq!(
        unused_one.and_then(|it| signal(it, "share:numbers")),
        Some(weight(Feature::ShareNumbers) * 0.001_f64.ln())
    );
}

#[test]
fn asserted_links_are_no_owners_beside_stronger_ones() {
    let asserted = |number| Owner { assurance: Assurance::Asserted, ..owner(number, 1, 1.0) };
    let owners = [asserted(1), owner(2, 1, 1.0)];
    let ids: Vec<_> = effective_owners(&owners).map(|owner| owner.customer).collect();
    assert_eq!(ids, [customer(2)]);
    assert_eq!(effective_owners(&[asserted(1), asserted(2)]).count(), 2);
    let decision = ask(&[shown(0, HintKind::Email, owners.to_vec())]);
    assert_eq!(decision.candidates.len(), 1);
}

#[test]
fn beyond_so_many_owners_an_identifier_names_nobody() {
    let crowd = |size: usize| (0..size).map(|n| owner(n as u8, 1, 1.0)).collect::<Vec<_>>();
    let at_limit = ask(&[shown(0, HintKind::Voip, crowd(MAX_OWNERS))]);
    assert_eq!(at_limit.candidates.len(), MAX_OWNERS);
    let beyond = ask(&[shown(0, HintKind::Voip, crowd(MAX_OWNERS + 1))]);
    assert!(beyond.candidates.is_empty());
    let beside = ask(&[good_mobile(), shown(1, HintKind::Voip, crowd(MAX_OWNERS + 1))]);
    assert!(beside.conflicts.is_empty());
    assert_eq!(beside.recommendation, Recommendation::Reuse);
}

#[test]
fn what_a_number_proves_ages() {
    let on_whatsapp = |days| Shown {
        assurance: Assurance::Authenticated,
        number: true,
        ..shown(0, HintKind::Whatsapp, vec![owner(1, 3, days)])
    };
    assert_eq!(ask(&[on_whatsapp(179.0)]).assurance, Some(Assurance::Authenticated));
    assert_eq!(ask(&[on_whatsapp(181.0)]).assurance, Some(Assurance::Carried));
    let scoped = Shown { number: false, ..on_whatsapp(181.0) };
    assert_eq!(ask(&[scoped]).assurance, Some(Assurance::Authenticated));
}

#[test]
fn equals_are_ordered_by_customer() {
    for order in [[1, 2], [2, 1]] {
        let owners = order.map(|number| owner(number, 1, 1.0)).to_vec();
        let decision = ask(&[shown(0, HintKind::Landline, owners)]);
        assert_eq!(best(&decision).customer, customer(1));
    }
}

#[test]
fn a_contact_in_the_future_is_no_older_than_now() {
    let ahead = Owner { newest: NOW.plus(1_000_000), ..owner(1, 1, 0.0) };
    let decision = ask(&[shown(0, HintKind::Mobile, vec![ahead])]);
    assert_eq!(signal(best(&decision), "recency"), None);
}

fn carried(kind: HintKind, days: f64) -> Shown {
    shown(0, kind, vec![Owner { assurance: Assurance::Carried, ..owner(1, 3, days) }])
}

#[test]
fn a_number_is_proved_by_its_platform() {
    let proved = shown(0, HintKind::Mobile, vec![owner(1, 3, 1.0)]);
    let name = Feature::ProvedNumber.name();
    assert!(signal(best(&ask(&[proved])), name).is_some_and(|it| it > 0.0));
    assert_eq!(signal(best(&ask(&[carried(HintKind::Mobile, 1.0)])), name), None);
}

#[test]
fn what_nobody_ever_confirmed_is_told_apart() {
    let name = Feature::Unconfirmed.name();
    let mut mobile = carried(HintKind::Mobile, 1.0);
    assert_eq!(signal(best(&ask(&[mobile.clone()])), name), None);
    let sure = ask(&[mobile.clone()]).confidence;
    mobile.owners[0].confirmed = None;
    mobile.owners[0].uses = 40;
    assert!(signal(best(&ask(&[mobile.clone()])), name).is_some());
    mobile.owners[0].confirmed = Some(NOW);
    let confirmed = ask(&[mobile.clone()]).confidence;
    mobile.owners[0].confirmed = None;
    assert!(ask(&[mobile]).confidence < confirmed, "{sure}");
}

#[test]
fn a_number_that_fell_silent_while_its_owner_did_not_is_worth_less() {
    let mobile = carried(HintKind::Mobile, 400.0);
    let people = rustc_hash::FxHashMap::from_iter([(
        customer(1),
        crate::identity::Person { last_contact: Some(NOW.plus(-1_000)), created: NOW },
    )]);
    let question = |attestation| crate::identity::Question {
        now: NOW,
        shown: std::slice::from_ref(&mobile),
        people: &people,
        named: None,
        attestation,
    };
    let ask = |attestation| {
        crate::identity::decide(&question(attestation), &Policy::default(), &Weights::DEFAULT)
    };
    use crate::identity::Attestation;
    let plain = ask(Attestation::Unknown);
    assert!(signal(best(&plain), "number_idle").is_some_and(|it| it < -1.0));
    // A strengthens, C and a failed signature weaken.
    let figure = |attestation| best(&ask(attestation)).log_odds;
    assert!(figure(Attestation::A) > best(&plain).log_odds);
    assert_eq!(figure(Attestation::B), best(&plain).log_odds);
    assert!(figure(Attestation::C) < best(&plain).log_odds);
    assert!(figure(Attestation::Failed) < figure(Attestation::C) - 1.0);
}
