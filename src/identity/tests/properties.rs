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
        r"(tel|sip|whatsapp):\+?[0-9]{5,14}(;ext=[0-9]{2}|@gw\.example\.net|;phone-context=\+1)?",
        r"(00|011|0011|001|044|01)?[0-9]{7,14}",
        r"\+(1|39|44|49|52|521|54|549|55|5531|61|7|81|86|91|225|229|370|800|870|979)[0-9]{6,11}",
        r"[A-Za-z0-9.+]{1,10}@[A-Za-zäßİΣ0-9]{1,8}\.(com|de|ÇA|invalid)",
        r"[a-zA-ZßİΣ]{1,6}@[a-z]{1,8}\.com",
        r"(US|br|gb)\.(ENT\.)?[A-Za-z0-9]{1,20}",
        r"[0-9]{5,15}(:[0-9]{1,2})?@(lid|c\.us|s\.whatsapp\.net)",
        r"[A-Za-z0-9\-]{1,20}",
        "\\PC{0,12}",
        any::<String>(),
    ]
}

const REGIONS: [&str; 15] =
    ["US", "GB", "DE", "IT", "BR", "MX", "AR", "JP", "RU", "HK", "KR", "AU", "IN", "AD", "NU"];

fn by_voice(channel: &str) -> Circumstances<'_> {
    Circumstances {
        channel,
        direction: Direction::Inbound,
        line_type: Default::default(),
        attestation: Default::default(),
        max_assurance: None,
        continuation: false,
    }
}

/// Every kind of hint, each with one of these texts.
fn every_hint(texts: &[String; 8]) -> RawHints {
    let [caller_number, email, whatsapp_id, telegram, discord, crm_id, account, other] =
        texts.clone();
    let listed = |kind: &str, value: &str| RawIdentifier {
        kind: kind.into(),
        namespace: "Page 7".into(),
        value: value.into(),
        assurance: None,
        derived: None,
    };
    let kinds = ["phone", "email", "external", "whatsapp", "telegram", "discord", "messenger"];
    RawHints {
        identifiers: kinds.iter().map(|kind| listed(kind, &other)).collect(),
        caller_number,
        email,
        whatsapp_id,
        telegram_user_id: telegram,
        discord_user_id: discord,
        external_ids: [("CRM_id ".to_owned(), crm_id), ("account_no".to_owned(), account)].into(),
        ..RawHints::default()
    }
}

fn any_texts() -> impl Strategy<Value = [String; 8]> {
    prop::array::uniform8(any_text())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn normalising_again_changes_nothing(texts in any_texts(), region in select(&REGIONS[..])) {
        let policy = Policy { default_region: region.into(), ..Policy::default() };
        let at = by_voice("voice");
        for hint in normalise(&every_hint(&texts), &at, &policy).hints {
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
            prop_assert!(again.violations.is_empty() && again.notices.is_empty(), "{:?}", again);
            prop_assert_eq!(&again.hints[0].identifier.value, &identifier.value);
            prop_assert_eq!(again.hints[0].identifier == identifier, true);
        }
    }

    /// The tenant's region reads what people write, and has no say in what is stored.
    #[test]
    fn a_stored_number_is_the_same_in_every_region(
        text in any_text(),
        regions in (select(&REGIONS[..]), select(&REGIONS[..])),
    ) {
        let read = |text: &str, region: &str| {
            let policy = Policy { default_region: region.into(), ..Policy::default() };
            let raw = RawHints { caller_number: text.into(), ..RawHints::default() };
            normalise(&raw, &by_voice("voice"), &policy).hints.pop().map(|it| it.identifier.value)
        };
        if let Some(stored) = read(&text, regions.0) {
            prop_assert_eq!(read(&stored, regions.1), Some(stored));
        }
    }

    #[test]
    fn no_value_is_repeated_in_what_is_said_of_it(
        texts in prop::array::uniform8((any_text(), any_text())),
        channel in select(vec!["voice", "email", "whatsapp", "telegram", "web_chat"]),
    ) {
        let texts = texts.map(|(before, after)| format!("{before}canary{after}"));
        let found = normalise(&every_hint(&texts), &by_voice(channel), &Policy::default());
        prop_assert!(!format!("{found:?}").contains("canary"), "{:?}", found);
    }
}
