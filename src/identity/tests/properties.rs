//! What must hold whatever is asked.

use proptest::prelude::*;
use proptest::sample::select;

use super::world::{ask, customer, owner, shown};
use crate::identity::{
    Assurance, Circumstances, Direction, HintKind, Owner, Policy, RawHints, RawIdentifier, Shown,
    normalise,
};

fn any_owner() -> impl Strategy<Value = Owner> {
    (1..6u8, select(vec![Assurance::Asserted, Assurance::Carried, Assurance::Verified]), 0..9i64)
        .prop_flat_map(|(number, assurance, uses)| {
            (0.0..700.0f64).prop_map(move |days| Owner { assurance, ..owner(number, uses, days) })
        })
}

fn any_owners() -> impl Strategy<Value = Vec<Owner>> {
    prop::collection::vec(any_owner(), 0..5).prop_map(|mut owners| {
        owners.sort_by_key(|owner| owner.customer);
        owners.dedup_by_key(|owner| owner.customer);
        owners
    })
}

fn any_shown() -> impl Strategy<Value = Vec<Shown>> {
    let hint = (
        select(HintKind::ALL[..11].to_vec()),
        any_owners(),
        select(vec![None, Some(true), Some(false)]),
        select(vec![Assurance::Asserted, Assurance::Carried, Assurance::Authenticated]),
    );
    prop::collection::vec(hint, 0..6).prop_map(|hints| {
        let hints = hints.into_iter().enumerate();
        hints
            .map(|(index, (kind, owners, derived, assurance))| {
                let seen_before = !owners.is_empty();
                Shown { derived, assurance, seen_before, ..shown(index, kind, owners) }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn evidence_sums_to_the_log_odds(hints in any_shown()) {
        for candidate in ask(&hints).candidates {
            let sum: f64 = candidate.evidence.iter().map(|signal| signal.log_odds).sum();
            prop_assert!((sum - candidate.log_odds).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&candidate.confidence));
        }
    }

    #[test]
    fn the_order_of_hints_does_not_matter(
        (hints, shuffled) in any_shown()
            .prop_flat_map(|hints| (Just(hints.clone()), Just(hints).prop_shuffle())),
    ) {
        let (one, other) = (ask(&hints), ask(&shuffled));
        prop_assert_eq!(one.recommendation, other.recommendation);
        prop_assert_eq!(one.assurance, other.assurance);
        prop_assert_eq!(one.conflicts.len(), other.conflicts.len());
        prop_assert_eq!(one.candidates.len(), other.candidates.len());
        for (a, b) in one.candidates.iter().zip(&other.candidates) {
            prop_assert_eq!(a.customer, b.customer);
            prop_assert!((a.log_odds - b.log_odds).abs() < 1e-9);
        }
    }

    /// Where every owner counts already: beside asserted owners a stronger newcomer could, rightly,
    /// unseat one who spoke against a candidate. Nor may the newcomer be the first whose use was
    /// counted, for that ends the reading in which nobody's use speaks against anybody.
    #[test]
    fn one_more_owner_never_raises_confidence(
        mut hints in any_shown().prop_filter("owned", |hints| {
            hints.iter().any(|hint| !hint.owners.is_empty())
        }),
        newcomer in any_owner(),
        at in any::<prop::sample::Index>(),
    ) {
        for owner in hints.iter_mut().flat_map(|hint| &mut hint.owners) {
            owner.assurance = Assurance::Carried;
        }
        let before = ask(&hints).candidates;
        let mut owned: Vec<&mut Shown> =
            hints.iter_mut().filter(|hint| !hint.owners.is_empty()).collect();
        let at = at.index(owned.len());
        let owners = &mut owned[at].owners;
        let never_used = owners.iter().all(|owner| owner.uses == 0);
        let uses = if never_used { 0 } else { newcomer.uses };
        let assurance = Assurance::Verified;
        owners.push(Owner { customer: customer(99), assurance, uses, ..newcomer });
        let after = ask(&hints).candidates;
        prop_assert_eq!(after.len(), before.len() + 1);
        for old in before {
            let new = after.iter().find(|it| it.customer == old.customer);
            prop_assert!(new.is_some_and(|new| new.confidence <= old.confidence + 1e-12));
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        r"\+?[0-9 ()\-]{3,18}",
        r"(tel|sip):\+?[0-9]{5,14}(;ext=[0-9]{2})?",
        r"\+(1|39|44|49|52|54|55|61|7|81|86|91|225|229|370)[0-9]{6,11}",
        r"[A-Za-z0-9.+]{1,10}@[A-Za-zäßİΣ0-9]{1,8}\.(com|de|ÇA)",
        r"[a-zA-ZßİΣ]{1,6}@[a-z]{1,8}\.com",
        r"[A-Za-z0-9\-]{1,20}",
        "\\PC{0,12}",
    ]
}

proptest! {
    #[test]
    fn normalising_again_changes_nothing(
        caller_number in any_text(),
        email in any_text(),
        whatsapp_id in any_text(),
        telegram_user_id in any_text(),
        crm_id in any_text(),
        region in select(vec!["US", "GB", "DE", "IT", "BR", "MX", "AR", "JP", "RU"]),
    ) {
        let policy = Policy { default_region: region.into(), ..Policy::default() };
        let at = Circumstances {
            channel: "voice",
            direction: Direction::Inbound,
            line_type: Default::default(),
            attestation: Default::default(),
            max_assurance: None,
            continuation: false,
        };
        let raw = RawHints {
            caller_number,
            email,
            whatsapp_id,
            telegram_user_id,
            external_ids: [("CRM_id ".to_owned(), crm_id)].into(),
            ..RawHints::default()
        };
        for hint in normalise(&raw, &at, &policy).hints {
            let identifier = hint.identifier;
            let again = RawHints {
                identifiers: vec![RawIdentifier {
                    kind: identifier.scheme.clone(),
                    namespace: identifier.namespace.clone(),
                    value: identifier.value.clone(),
                    assurance: None,
                    derived: None,
                }],
                ..RawHints::default()
            };
            let again = normalise(&again, &at, &policy);
            prop_assert!(again.violations.is_empty() && again.notices.is_empty());
            prop_assert_eq!(&again.hints[0].identifier.value, &identifier.value);
            prop_assert_eq!(again.hints[0].identifier == identifier, true);
        }
    }
}
