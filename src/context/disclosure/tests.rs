//! The table of what is shown to whom, and each way in which a sensitive
//! value stays hidden.

use proptest::prelude::*;

use super::*;
use crate::clock::DAY;
use crate::context::sample::{self, MONDAY};

/// A decision about which there is no doubt, seen by an agent alone with the customer.
fn open_view() -> Viewpoint {
    Viewpoint {
        now: MONDAY.plus(3 * DAY),
        recommendation: Recommendation::Reuse,
        level: Level::High,
        assurance: Some(Assurance::Authenticated),
        audience: Audience::Private,
        disclosure: Disclosure::Normal,
        confirmed: false,
        confirm_discloses_context: false,
        may_see_sensitive: true,
        history_limit: 10,
        new_customer: false,
        consented: true,
        may_see_evidence: false,
    }
}

/// What is shown beside what was said of consent.
fn beside_consents<'a>(context: &'a Context, view: &Viewpoint) -> Disclosed<'a> {
    Disclosed { consents: Vec::new(), ..disclose(context, view) }
}

#[test]
fn what_a_private_answer_shows() {
    use Disclosure::{AlwaysConfirm, Never, Normal};
    use Recommendation::{Confirm, Ignore, Reuse};
    use Shown::{Candidates, Context, Nothing, Unconsented};
    // Each row: unconfirmed, unconfirmed where confirm discloses the context, confirmed.
    let table = [
        (Ignore, Normal, [Nothing, Nothing, Nothing]),
        (Ignore, AlwaysConfirm, [Nothing, Nothing, Nothing]),
        (Ignore, Never, [Nothing, Nothing, Nothing]),
        (Confirm, Normal, [Candidates, Context, Context]),
        (Confirm, AlwaysConfirm, [Candidates, Candidates, Context]),
        (Confirm, Never, [Nothing, Nothing, Nothing]),
        (Reuse, Normal, [Context, Context, Context]),
        (Reuse, AlwaysConfirm, [Candidates, Candidates, Context]),
        (Reuse, Never, [Nothing, Nothing, Nothing]),
    ];
    let context = sample::context();
    for (recommendation, disclosure, expected) in table {
        let asked = Viewpoint { recommendation, disclosure, ..open_view() };
        let views = [
            asked,
            Viewpoint { confirm_discloses_context: true, ..asked },
            Viewpoint { confirmed: true, ..asked },
        ];
        for (view, expected) in views.iter().zip(expected) {
            assert_eq!(what_is_shown(view), expected, "{view:?}");
            let empty = disclose(&context, view) == Disclosed::default();
            assert_eq!(empty, expected != Context, "{view:?}");
            let unasked = Viewpoint { consented: false, ..*view };
            let without = if expected == Context { Unconsented } else { expected };
            assert_eq!(what_is_shown(&unasked), without, "{unasked:?}");
            for audience in [Audience::Group, Audience::Public] {
                let overheard = Viewpoint { audience, ..*view };
                assert_eq!(what_is_shown(&overheard), Shown::IdentityOnly, "{overheard:?}");
                assert!(disclose(&context, &overheard) == Disclosed::default());
            }
        }
    }
}

#[test]
fn a_customers_own_rule_caps_the_recommendation() {
    use Disclosure::{AlwaysConfirm, Never, Normal};
    use Recommendation::{Confirm, Ignore, Reuse};
    // Each row: NORMAL, ALWAYS_CONFIRM, ALWAYS_CONFIRM once confirmed, NEVER.
    for (recommendation, expected) in [
        (Ignore, [Ignore, Ignore, Ignore, Ignore]),
        (Confirm, [Confirm, Confirm, Confirm, Ignore]),
        (Reuse, [Reuse, Confirm, Reuse, Ignore]),
    ] {
        assert_eq!(capped(recommendation, Normal, false), expected[0]);
        assert_eq!(capped(recommendation, AlwaysConfirm, false), expected[1]);
        assert_eq!(capped(recommendation, AlwaysConfirm, true), expected[2]);
        assert_eq!(capped(recommendation, Never, true), expected[3]);
    }
}

#[test]
fn a_new_customer_has_nothing_to_show() {
    let view = Viewpoint { new_customer: true, ..open_view() };
    assert_eq!(what_is_shown(&view), Shown::Nothing);
    let context = sample::context();
    assert!(beside_consents(&context, &view) == Disclosed::default());
    // What they have said of consent a moment ago is worth knowing.
    assert_eq!(disclose(&context, &view).consents.len(), 1);
}

#[test]
fn without_consent_only_its_lack_is_told() {
    let context = sample::context();
    let view = Viewpoint { consented: false, ..open_view() };
    let shown = beside_consents(&context, &view);
    // Two variables, two attributes, three intents, three summaries.
    assert!(shown == Disclosed { withheld_count: 10, ..Disclosed::default() });
    let printed = format!("{:?}", disclose(&context, &view).consents);
    assert!(!printed.contains(sample::CANARY));
}

#[test]
fn evidence_is_for_administrators() {
    let context = sample::context();
    let shown = disclose(&context, &open_view());
    assert_eq!((shown.consents[0].purpose, shown.consents[0].evidence), ("recording", ""));
    let admin = Viewpoint { may_see_evidence: true, ..open_view() };
    assert_eq!(disclose(&context, &admin).consents[0].evidence, "canary_evidence");
}

#[test]
fn a_purpose_is_asked_for_only_where_the_tenant_says_so() {
    let mut context = sample::context();
    assert!(consented(&context, "") && consented(&context, "recording"));
    assert!(!consented(&context, "history"), "nothing was said of it");
    context.consents = sample::consents(&[("history", ConsentState::Refused)]);
    assert!(consented(&context, "") && !consented(&context, "history"));
}

#[test]
fn enough_certainty_and_proof_show_everything() {
    let context = sample::context();
    let shown = disclose(&context, &open_view());
    assert_eq!((shown.open_intents.len(), shown.variables.len(), shown.profile.len()), (2, 2, 2));
    assert!(shown.history.iter().all(|past| !past.summary.is_empty() && past.intents.len() == 1));
    assert_eq!((shown.withheld_count, shown.withheld_variables.len()), (0, 0));
    assert_eq!(shown.last_agent_ref, "canary_agent2");
}

#[test]
fn sensitive_values_are_hidden_in_each_way() {
    let context = sample::context();
    let lacking = [
        Viewpoint { level: Level::Medium, ..open_view() },
        Viewpoint { assurance: Some(Assurance::Carried), ..open_view() },
        Viewpoint { assurance: None, ..open_view() },
        Viewpoint { may_see_sensitive: false, ..open_view() },
    ];
    for view in lacking {
        let shown = disclose(&context, &view);
        let intents: Vec<_> = shown.open_intents.iter().map(|one| one.intent.as_str()).collect();
        assert_eq!(intents, ["canary_intent0"]);
        assert_eq!(shown.variables.iter().map(|one| one.0).collect::<Vec<_>>(), ["canary_plan"]);
        assert_eq!(shown.profile.iter().map(|one| one.0).collect::<Vec<_>>(), ["canary_name"]);
        assert_eq!((shown.history[0].summary, shown.history[0].intents.len()), ("", 0));
        assert_eq!(shown.history[0].disposition, "canary_disposition");
        assert_eq!(shown.history[1].summary, "canary_summary1");
        assert_eq!(shown.withheld_count, 4, "a variable, an attribute, one intent, a summary");
        assert_eq!(shown.withheld_variables, ["canary_balance", "canary_birthday"]);
    }
}

#[test]
fn names_are_not_told_before_it_is_sure_whose_they_are() {
    let context = sample::context();
    let asked = Viewpoint {
        recommendation: Recommendation::Confirm,
        level: Level::Low,
        confirm_discloses_context: true,
        ..open_view()
    };
    let shown = disclose(&context, &asked);
    assert_eq!((shown.withheld_count, shown.withheld_variables.len()), (4, 0));
    let confirmed = Viewpoint { confirmed: true, ..asked };
    assert_eq!(disclose(&context, &confirmed).withheld_variables.len(), 2);
}

#[test]
fn the_history_has_its_limit_and_hidden_contacts_are_not_counted_beyond_it() {
    let mut context = sample::context();
    context.facts.clear();
    context.variables.clear();
    context.profile.clear();
    let view = Viewpoint { history_limit: 1, may_see_sensitive: false, ..open_view() };
    let shown = disclose(&context, &view);
    assert_eq!((shown.history.len(), shown.withheld_count), (1, 2));
    let none = Viewpoint { history_limit: 0, ..view };
    let shown = disclose(&context, &none);
    assert_eq!((shown.history.len(), shown.withheld_count), (0, 0));
    assert_eq!(shown.last_agent_ref, "canary_agent2", "known beyond the limit");
}

#[test]
fn nothing_shown_is_printed() {
    let context = sample::context();
    let shown = disclose(&context, &open_view());
    let printed = format!("{shown:?} {:?}", shown.history);
    assert!(printed.contains("ShownInteraction") && !printed.contains(sample::CANARY));
}

prop_compose! {
    fn any_view()(
        recommendation in 1i64..=3, level in 1i64..=4, assurance in 0i64..=4, audience in 1i64..=3,
        disclosure in 1i64..=3, confirmed: bool, confirm_discloses_context: bool,
        may_see_sensitive: bool, new_customer: bool, consented: bool, may_see_evidence: bool,
        days in 0i64..60,
    ) -> Viewpoint {
        Viewpoint {
            now: MONDAY.plus(days * DAY),
            recommendation: Recommendation::from_code(recommendation).unwrap(),
            level: Level::from_code(level).unwrap(),
            assurance: Assurance::from_code(assurance),
            audience: Audience::from_code(audience).unwrap(),
            disclosure: Disclosure::from_code(disclosure).unwrap(),
            confirmed,
            confirm_discloses_context,
            may_see_sensitive,
            history_limit: 10,
            new_customer,
            consented,
            may_see_evidence,
        }
    }
}

proptest! {
    #[test]
    fn no_viewpoint_shows_what_it_may_not(view in any_view()) {
        let context = sample::context();
        let shown = disclose(&context, &view);
        let proven = view.may_see_sensitive
            && matches!(view.level, Level::High | Level::VeryHigh)
            && matches!(view.assurance, Some(Assurance::Authenticated | Assurance::Verified));
        prop_assert!(proven || shown.variables.iter().all(|one| one.1.sensitivity == Sensitivity::Normal));
        prop_assert!(proven || shown.open_intents.iter().all(|one| one.sensitivity == Sensitivity::Normal));
        prop_assert!(shown.variables.iter().all(|one| one.1.expire > view.now));
        let may_know = view.audience == Audience::Private
            && view.disclosure != Disclosure::Never
            && view.recommendation != Recommendation::Ignore
            && (view.confirmed || view.disclosure == Disclosure::Normal);
        let beside = Disclosed { consents: Vec::new(), ..shown.clone() };
        prop_assert!(may_know || beside == Disclosed::default());
        let counted = Disclosed { withheld_count: shown.withheld_count, ..Disclosed::default() };
        prop_assert!(view.consented || beside == counted);
        let own = view.audience == Audience::Private
            && view.disclosure != Disclosure::Never
            && (may_know || view.new_customer);
        prop_assert!(own || shown.consents.is_empty());
        let evidence = shown.consents.iter().any(|one| !one.evidence.is_empty());
        prop_assert!(view.may_see_evidence || !evidence);
        for settled in [false, true] {
            let may_tell = view.audience == Audience::Private
                && view.consented
                && view.disclosure != Disclosure::Never
                && (view.confirmed || view.disclosure == Disclosure::Normal)
                && (settled || may_know);
            prop_assert!(may_tell || !shows_outcome(&view, settled));
        }
    }
}
