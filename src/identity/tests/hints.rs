//! Hints in their circumstances: kind, assurance, what is dropped and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{
    Assurance, Attestation, Circumstances, Direction, HintKind, LineType, NamespacePolicy,
    NamespaceUse, Normalised, Policy, RawHints, RawIdentifier, normalise,
};

use Assurance::{Asserted, Authenticated, Carried, Verified};

pub(super) fn on(channel: &str) -> Circumstances<'_> {
    Circumstances {
        channel,
        direction: Direction::Inbound,
        line_type: LineType::Mobile,
        attestation: Attestation::Unknown,
        max_assurance: None,
        continuation: false,
    }
}

pub(super) fn read(raw: &RawHints, at: &Circumstances<'_>) -> Normalised {
    let own_numbers = BTreeSet::from(["+18005550199".to_owned()]);
    normalise(raw, at, &Policy { own_numbers, ..Policy::default() })
}

pub(super) fn raw(field: &str, value: &str) -> RawHints {
    let mut raw = RawHints::default();
    let value = value.to_owned();
    match field {
        "caller_number" => raw.caller_number = value,
        "dialed_number" => raw.dialed_number = value,
        "email" => raw.email = value,
        "customer_ref" => raw.customer_ref = value,
        "whatsapp_id" => raw.whatsapp_id = value,
        "telegram_user_id" => raw.telegram_user_id = value,
        "discord_user_id" => raw.discord_user_id = value,
        namespace => raw.external_ids = BTreeMap::from([(namespace.to_owned(), value)]),
    }
    raw
}

pub(super) fn listed(
    kind: &str,
    namespace: &str,
    value: &str,
    assurance: Option<Assurance>,
) -> RawHints {
    let (kind, namespace, value) = (kind.into(), namespace.into(), value.into());
    let entry = RawIdentifier { kind, namespace, value, assurance, derived: None };
    RawHints { identifiers: vec![entry], ..RawHints::default() }
}

#[test]
fn each_hint_has_the_kind_and_assurance_of_its_channel() {
    for (field, value, channel, kind, assurance, source) in [
        (
            "caller_number",
            "+12015550123",
            "voice",
            HintKind::Mobile,
            Carried,
            "caller_number:mobile",
        ),
        ("caller_number", "+12015550123", "sms", HintKind::Mobile, Carried, "caller_number:mobile"),
        (
            "caller_number",
            "+12015550123",
            "web_chat",
            HintKind::Mobile,
            Asserted,
            "caller_number:mobile",
        ),
        ("email", "a@example.com", "email", HintKind::Email, Carried, "email"),
        ("email", "a@example.com", "web_chat", HintKind::Email, Asserted, "email"),
        ("crm_id", "C1", "voice", HintKind::Crm, Carried, "external_id:crm_id"),
        (
            "account_no",
            "137104",
            "voice",
            HintKind::AccountNumber,
            Asserted,
            "external_id:account_no",
        ),
        ("email", "a@example.com", "voice", HintKind::Email, Asserted, "email"),
        ("phone", "+12015550123", "voice", HintKind::UnknownLine, Asserted, "phone"),
        ("whatsapp_id", "12015550123", "whatsapp", HintKind::Whatsapp, Authenticated, "whatsapp"),
        ("whatsapp_id", "12015550123", "voice", HintKind::Whatsapp, Asserted, "whatsapp"),
        (
            "whatsapp_id",
            "US.1349120865530",
            "whatsapp",
            HintKind::Whatsapp,
            Authenticated,
            "whatsapp",
        ),
        (
            "telegram_user_id",
            "4427958297",
            "telegram",
            HintKind::Telegram,
            Authenticated,
            "telegram",
        ),
        (
            "discord_user_id",
            "594247243873304768",
            "discord",
            HintKind::Discord,
            Authenticated,
            "discord",
        ),
        ("discord_user_id", "594247243873304768", "voice", HintKind::Discord, Asserted, "discord"),
    ] {
        let found = read(&raw(field, value), &on(channel));
        assert_eq!((found.notices.len(), found.violations.len()), (0, 0), "{field} on {channel}");
        let hint = &found.hints[0];
        assert_eq!((hint.kind, hint.assurance), (kind, assurance), "{field} on {channel}");
        assert_eq!(hint.source(), source);
    }
}

#[test]
fn listed_identifiers_count_as_their_shorthand_or_as_account_numbers() {
    for (kind, namespace, channel, scheme, as_kind, assurance) in [
        ("telegram", "", "telegram", "telegram", HintKind::Telegram, Authenticated),
        ("external", "crm_id", "voice", "external", HintKind::Crm, Carried),
        ("messenger", "page-7", "messenger", "messenger", HintKind::AccountNumber, Authenticated),
        ("Instagram", "page-7", "voice", "instagram", HintKind::AccountNumber, Asserted),
        ("web_chat", "", "web_chat", "web_chat", HintKind::AccountNumber, Asserted),
        ("in_app", "", "in_app", "in_app", HintKind::AccountNumber, Asserted),
    ] {
        let found = read(&listed(kind, namespace, "12345678", None), &on(channel));
        let hint = &found.hints[0];
        assert_eq!(hint.identifier.scheme, scheme);
        assert_eq!(hint.identifier.namespace, namespace);
        assert_eq!((hint.kind, hint.assurance), (as_kind, assurance), "{kind} on {channel}");
        assert_eq!(hint.field, "identity_hints.identifiers[0]");
    }
}

#[test]
fn a_stated_assurance_counts_as_far_as_the_key_is_trusted() {
    for (kind, channel, stated, most, expected) in [
        ("email", "web_chat", Some(Carried), None, Carried),
        ("email", "web_chat", Some(Verified), None, Carried),
        ("email", "web_chat", Some(Verified), Some(Verified), Verified),
        ("email", "web_chat", Some(Verified), Some(Authenticated), Authenticated),
        ("email", "email", Some(Asserted), None, Asserted),
        ("email", "email", None, Some(Asserted), Asserted),
        ("messenger", "messenger", Some(Verified), None, Authenticated),
        ("messenger", "messenger", Some(Asserted), None, Asserted),
        ("messenger", "messenger", None, Some(Carried), Carried),
    ] {
        let at = Circumstances { max_assurance: most, ..on(channel) };
        let found = read(&listed(kind, "", "a@example.com", stated), &at);
        let name = format!("{kind} on {channel}, stated {stated:?}, at most {most:?}");
        assert_eq!(found.hints[0].assurance, expected, "{name}");
    }
}

#[test]
fn the_customers_number_is_the_other_end_of_the_call() {
    let both = RawHints {
        caller_number: "+12015550123".into(),
        dialed_number: "+447700900133".into(),
        ..RawHints::default()
    };
    let number = |at: &Circumstances<'_>| {
        let found = read(&both, at);
        assert!(found.notices.is_empty() && found.violations.is_empty());
        found.hints.into_iter().map(|hint| hint.identifier.value).collect::<Vec<_>>()
    };
    assert_eq!(number(&on("voice")), ["+12015550123"]);
    let outbound = Circumstances { direction: Direction::Outbound, ..on("voice") };
    assert_eq!(number(&outbound), ["+447700900133"]);
    let transferred = Circumstances { continuation: true, ..on("voice") };
    assert!(number(&transferred).is_empty());
    let both_ways = Circumstances { continuation: true, ..outbound };
    assert_eq!(number(&both_ways), ["+447700900133"]);
    assert_eq!(read(&both, &outbound).hints[0].source(), "dialed_number:mobile");
}

#[test]
fn a_failed_attestation_makes_a_number_hearsay() {
    for (attestation, expected) in
        [(Attestation::A, Carried), (Attestation::C, Carried), (Attestation::Failed, Asserted)]
    {
        let at = Circumstances { attestation, ..on("voice") };
        assert_eq!(read(&raw("caller_number", "+12015550123"), &at).hints[0].assurance, expected);
    }
}

#[test]
fn a_number_of_many_counts_for_less() {
    for (value, line_type, kind, assurance) in [
        ("+12015550123", LineType::Unknown, HintKind::UnknownLine, Carried),
        // Many stand behind a switchboard; what the network says of the line goes before.
        ("+12015550123;ext=45", LineType::Unknown, HintKind::Voip, Carried),
        ("+12015550123;ext=45", LineType::Mobile, HintKind::Mobile, Carried),
        // No person has a company's number: it leads to `confirm` alone.
        ("+18005550123", LineType::Unknown, HintKind::Voip, Asserted),
        ("+19005550123", LineType::Landline, HintKind::Landline, Asserted),
    ] {
        let at = Circumstances { line_type, ..on("voice") };
        let found = read(&raw("caller_number", value), &at);
        assert!(found.notices.is_empty(), "{value}");
        let hint = &found.hints[0];
        assert_eq!((hint.kind, hint.assurance), (kind, assurance), "{value} {line_type:?}");
    }
}

#[test]
fn a_namespace_that_is_looked_up_says_so_unless_the_request_does() {
    let derived =
        NamespacePolicy { policy: NamespaceUse::Derived, ..Policy::default().namespace("crm_id") };
    let namespaces = BTreeMap::from([("crm_id".to_owned(), derived)]);
    let policy = Policy { namespaces, ..Policy::default() };
    let found = |raw: &RawHints| normalise(raw, &on("voice"), &policy).hints[0].derived;
    assert_eq!(found(&raw("CRM_id", "C1")), Some(true));
    assert_eq!(found(&raw("account_no", "A1")), None);
    let mut entry = listed("external", "crm_id", "C1", None);
    assert_eq!(found(&entry), Some(true));
    entry.identifiers[0].derived = Some(false);
    assert_eq!(found(&entry), Some(false));
}

#[test]
fn a_business_scoped_id_is_a_kind_of_its_own_within_its_scope() {
    let scoped = |namespace: &str, value: &str| {
        let found = read(&listed("whatsapp", namespace, value, None), &on("whatsapp"));
        (found.hints[0].kind, found.hints[0].identifier.clone())
    };
    let (kind, one) = scoped("brand-a", "US.13491208655302741918");
    assert_eq!((kind, one.scheme.as_str()), (HintKind::Whatsapp, "whatsapp"));
    assert!(one == scoped("Brand-A ", " us.13491208655302741918").1, "the scope's case is ours");
    assert!(one != scoped("brand-b", "US.13491208655302741918").1, "another business, another id");
    // A number is the same everywhere, and the phone's.
    assert!(scoped("brand-a", "12015550123").1 == scoped("brand-b", "+12015550123").1);
}

#[test]
fn what_identifies_nobody_is_dropped_with_a_notice() {
    for (field, value, code) in [
        ("caller_number", "anonymous", "withheld_number"),
        ("caller_number", "+266696687", "withheld_number"),
        ("caller_number", "911", "short_code"),
        ("caller_number", "garbage", "unusable_number"),
        ("caller_number", "(800) 555-0199", "own_number"),
        ("whatsapp_id", "18005550199", "own_number"),
        ("whatsapp_id", "123", "short_code"),
        ("phone", "anonymous", "withheld_number"),
        ("campaign_id", "C-1", "ignored_namespace"),
        ("crm_id", "null", "junk_value"),
        ("CRM_ID", "000", "junk_value"),
        ("email", "n/a", "junk_value"),
        ("telegram_user_id", "-1", "junk_value"),
        ("telegram_user_id", "777000", "junk_value"),
        ("email", "No-Reply@example.com", "junk_value"),
        ("crm_id", "{{contact.id}}", "junk_value"),
        ("account_no", "111", "junk_value"),
        ("CampaignID", "C-1", "ignored_namespace"),
        ("ticket_number", "T-1", "ignored_namespace"),
    ] {
        let found = read(&raw(field, value), &on("voice"));
        let codes: Vec<_> = found.notices.iter().map(|notice| notice.code).collect();
        assert_eq!(codes, [code], "{field} {value}");
        assert!(found.hints.is_empty() && found.violations.is_empty(), "{field} {value}");
        assert!(found.notices[0].field.contains(field), "{}", found.notices[0].field);
    }
}

#[test]
fn what_nobody_can_have_meant_is_refused_without_repeating_it() {
    let long = "canary".repeat(60);
    for (field, value) in [
        ("caller_number", "+1201\u{0}5550123"),
        ("caller_number", &long),
        ("dialed_number", "canary\n"),
        ("email", "canary.at.example.com"),
        ("email", "canary\u{7}@example.com"),
        ("crm_id", &long),
        ("customer_ref", &long),
        ("telegram_user_id", "@canary"),
        ("discord_user_id", "canary#1234"),
        ("whatsapp_id", "canary.lee"),
        ("whatsapp_id", "canary@g.us"),
        ("telegram_user_id", "99999999999999999999999"),
        ("whatsapp_id", "canary\r"),
    ] {
        let found = read(&raw(field, value), &on("voice"));
        assert_eq!(found.violations.len(), 1, "{field} {value:?}");
        assert!(found.violations[0].field.contains(field));
        assert!(found.hints.is_empty(), "{field}");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    }
}

#[test]
fn every_violation_is_named_at_once() {
    let bad = |kind: &str, namespace: &str, value: &str| RawIdentifier {
        kind: kind.into(),
        namespace: namespace.into(),
        value: value.into(),
        assurance: None,
        derived: None,
    };
    let raw = RawHints {
        email: "nobody".into(),
        telegram_user_id: "@nobody".into(),
        external_ids: BTreeMap::from([(" ".to_owned(), "x".to_owned())]),
        identifiers: vec![
            bad("", "", "x"),
            bad("customer_ref", "", "x"),
            bad("web_token", "", "x"),
            bad("external", "", "x"),
            bad("messenger", &"n".repeat(65), "x"),
            bad("messenger", "", ""),
            bad("a b", "", "x"),
        ],
        ..RawHints::default()
    };
    let found = read(&raw, &on("voice"));
    let fields: Vec<_> = found.violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "identity_hints.email",
            "identity_hints.external_ids",
            "identity_hints.telegram_user_id",
            "identity_hints.identifiers[0].kind",
            "identity_hints.identifiers[1].kind",
            "identity_hints.identifiers[2].kind",
            "identity_hints.identifiers[3].namespace",
            "identity_hints.identifiers[4].namespace",
            "identity_hints.identifiers[5].value",
            "identity_hints.identifiers[6].kind",
        ]
    );
}

#[test]
fn too_many_hints_are_refused() {
    let ids = |count: usize| (0..count).map(|n| (format!("ns{n}"), "x1".to_owned())).collect();
    let entry = &listed("messenger", "", "12345", None).identifiers[0];
    let found = |external: usize, listed: usize, email: &str| {
        let raw = RawHints {
            external_ids: ids(external),
            identifiers: vec![entry.clone(); listed],
            email: email.into(),
            ..RawHints::default()
        };
        let fields = read(&raw, &on("voice")).violations.into_iter().map(|it| it.field);
        fields.collect::<Vec<_>>()
    };
    assert!(found(16, 16, "").is_empty());
    assert_eq!(found(17, 0, ""), ["identity_hints.external_ids"]);
    assert_eq!(found(0, 17, ""), ["identity_hints.identifiers"]);
    assert_eq!(found(16, 16, "a@example.com"), ["identity_hints"]);
}

#[test]
fn equal_hints_are_one_and_the_strongest_counts() {
    let mut raw = raw("caller_number", "+12015550123");
    raw.whatsapp_id = "12015550123".into();
    raw.external_ids.insert("phone".into(), "(201) 555-0123".into());
    raw.external_ids.insert("crm_id".into(), "C1".into());
    raw.external_ids.insert("CRM_ID ".into(), " C1".into());
    let mut entry = listed("phone", "", "2015550123", Some(Carried)).identifiers;
    entry[0].derived = Some(true);
    raw.identifiers = entry;
    raw.customer_ref = " cus_x ".into();
    let found = read(&raw, &on("voice"));
    let kinds: Vec<_> = found.hints.iter().map(|hint| (hint.kind, hint.assurance)).collect();
    assert_eq!(
        kinds,
        [
            (HintKind::Crm, Carried),
            (HintKind::Mobile, Carried),
            (HintKind::UnknownLine, Carried),
            (HintKind::Whatsapp, Asserted),
        ]
    );
    assert_eq!(found.hints[1].identifier, found.hints[3].identifier, "one phone, one token");
    assert_eq!(found.hints[2].derived, Some(true));
    assert_eq!(found.customer_ref.as_deref(), Some("cus_x"));
}
