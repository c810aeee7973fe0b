//! Bad input in the hints, which three calls share: each says which field and none says the value.

use threadline::grpc::proto::{
    EndInteractionRequest, Identifier, IdentityHints, StartInteractionRequest,
    UpdateInteractionRequest,
};
use tonic::Code;

use crate::support::requests::{end, start, update};
use crate::support::{Engine, Refusal, World, each_engine};

each_engine!(
    bad_hints_are_refused_by_start_update_and_end,
    odd_but_honest_hints_are_accepted_with_a_warning,
);

/// What is wrong, how, and the fields that must be named.
pub(super) type Case<R> = (&'static str, fn(&mut R), &'static [&'static str]);

/// A refusal that names exactly these fields and repeats nothing of what was sent.
#[track_caller]
pub(super) fn assert_names(what: &str, refusal: &Refusal, fields: &[&str]) {
    assert_eq!(refusal.code, Code::InvalidArgument, "{what}: {refusal:?}");
    assert_eq!(refusal.reason, "INVALID_FIELD", "{what}: {refusal:?}");
    assert_eq!(refusal.names(), fields, "{what}: {refusal:?}");
    let told = |text: &str| text.to_lowercase().contains("canary");
    let leaks = refusal.fields.iter().any(|(field, why)| told(field) || told(why));
    assert!(!leaks && !told(&refusal.message), "{what} is repeated: {refusal:?}");
}

pub(super) fn identifier(kind: &str, namespace: &str, value: &str) -> Identifier {
    Identifier {
        kind: kind.into(),
        namespace: namespace.into(),
        value: value.into(),
        ..Default::default()
    }
}

const CASES: &[Case<IdentityHints>] = &[
    ("a number with NUL", |h| h.caller_number = "+1415\u{0}canary".into(), &["caller_number"]),
    ("a line break", |h| h.caller_number = "+14155550101\r\nX".into(), &["caller_number"]),
    ("too long a number", |h| h.caller_number = "1".repeat(257), &["caller_number"]),
    ("a dialled number with NUL", |h| h.dialed_number = "1\u{0}".into(), &["dialed_number"]),
    ("too long a dialled number", |h| h.dialed_number = "1".repeat(257), &["dialed_number"]),
    ("no e-mail", |h| h.email = "canary".into(), &["email"]),
    ("two at signs", |h| h.email = "a@b@canary.example".into(), &["email"]),
    ("no domain", |h| h.email = "canary@".into(), &["email"]),
    ("an e-mail with NUL", |h| h.email = "can\u{0}ary@example.com".into(), &["email"]),
    ("too long an e-mail", |h| h.email = format!("{}@a.example", "x".repeat(320)), &["email"]),
    ("a ref with ESC", |h| h.customer_ref = "cus_\u{1b}canary".into(), &["customer_ref"]),
    ("too long a ref", |h| h.customer_ref = "x".repeat(257), &["customer_ref"]),
    ("a WhatsApp id with NUL", |h| h.whatsapp_id = "US.\u{0}canary".into(), &["whatsapp_id"]),
    ("too long a WhatsApp id", |h| h.whatsapp_id = "x".repeat(257), &["whatsapp_id"]),
    ("a Telegram name", |h| h.telegram_user_id = "@canary".into(), &["telegram_user_id"]),
    ("a huge Telegram id", |h| h.telegram_user_id = "9".repeat(40), &["telegram_user_id"]),
    ("a negative Telegram id", |h| h.telegram_user_id = "-100".into(), &["telegram_user_id"]),
    ("a Discord name", |h| h.discord_user_id = "canary#1234".into(), &["discord_user_id"]),
    ("Discord with NUL", |h| h.discord_user_id = "12\u{0}".into(), &["discord_user_id"]),
    ("a visitor with NUL", |h| h.visitor_id = "can\u{0}ary".into(), &["visitor_id"]),
    ("too long a visitor", |h| h.visitor_id = "x".repeat(257), &["visitor_id"]),
    ("17 ids", |h| h.external_ids = external(17), &["external_ids"]),
    ("no namespace", |h| _ = h.external_ids.insert(" ".into(), "1".into()), &["external_ids"]),
    (
        "too long a namespace",
        |h| _ = h.external_ids.insert("n".repeat(65), "canary".into()),
        &["external_ids"],
    ),
    (
        "a namespace with NUL",
        |h| _ = h.external_ids.insert("can\u{0}ary".into(), "1".into()),
        &["external_ids"],
    ),
    (
        "too long an id",
        |h| _ = h.external_ids.insert("crm_id".into(), "x".repeat(257)),
        &["external_ids[crm_id]"],
    ),
    (
        "an id with NUL",
        |h| _ = h.external_ids.insert("crm_id".into(), "\u{0}canary".into()),
        &["external_ids[crm_id]"],
    ),
    ("17 identifiers", |h| h.identifiers = several(17), &["identifiers"]),
    ("no kind", |h| h.identifiers = vec![identifier("", "", "1")], &["identifiers[0].kind"]),
    (
        "an odd kind",
        |h| h.identifiers = vec![identifier("Can ary!", "", "1")],
        &["identifiers[0].kind"],
    ),
    (
        "too long a kind",
        |h| h.identifiers = vec![identifier(&"k".repeat(65), "", "1")],
        &["identifiers[0].kind"],
    ),
    (
        "no value",
        |h| h.identifiers = vec![identifier("messenger", "page", "")],
        &["identifiers[0].value"],
    ),
    (
        "a long scope",
        |h| h.identifiers = vec![identifier("messenger", &"n".repeat(65), "1")],
        &["identifiers[0].namespace"],
    ),
    (
        "a scope with NUL",
        |h| h.identifiers = vec![identifier("messenger", "\u{0}canary", "1")],
        &["identifiers[0].namespace"],
    ),
    (
        "an external id without namespace",
        |h| h.identifiers = vec![identifier("external", "", "1")],
        &["identifiers[0].namespace"],
    ),
    (
        "an unknown assurance",
        |h| {
            h.identifiers = vec![Identifier { assurance: 99, ..identifier("messenger", "", "1") }];
        },
        &["identifiers[0].assurance"],
    ),
    (
        "33 hints in all",
        |h| {
            (h.external_ids, h.identifiers) = (external(16), several(16));
            h.email = "jo@example.com".into();
        },
        &[""],
    ),
    (
        "much at once",
        |h| {
            h.email = "canary".into();
            h.telegram_user_id = "canary".into();
            h.identifiers = vec![identifier("email", "", "jo@example.com"), identifier("", "", "")];
        },
        &["email", "identifiers[1].kind", "telegram_user_id"],
    ),
];

fn external(count: usize) -> std::collections::BTreeMap<String, String> {
    (0..count).map(|n| (format!("namespace_{n}"), format!("id-{n}"))).collect()
}

fn several(count: usize) -> Vec<Identifier> {
    (0..count).map(|n| identifier("messenger", "page", &format!("id-{n}"))).collect()
}

async fn bad_hints_are_refused_by_start_update_and_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    client.start(start("known", "voice")).await.expect("a start");
    for (what, spoil, fields) in CASES {
        let mut hints = IdentityHints::default();
        spoil(&mut hints);
        let identity_hints = Some(hints);
        let fields: Vec<String> = fields
            .iter()
            .map(|field| format!("identity_hints.{field}").trim_end_matches('.').to_owned())
            .collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let starting = StartInteractionRequest {
            identity_hints: identity_hints.clone(),
            ..start("bad", "voice")
        };
        let updating = UpdateInteractionRequest {
            identity_hints: identity_hints.clone(),
            ..update("known", "bad")
        };
        let ending = EndInteractionRequest { identity_hints, ..end("known") };
        let results = [
            client.start(starting).await.err(),
            client.update(updating).await.err(),
            client.end(ending).await.err(),
        ];
        for refusal in results {
            let refusal = refusal.unwrap_or_else(|| panic!("{what} was accepted"));
            assert_names(what, &refusal, &fields);
        }
    }
    client.end(end("known")).await.expect("the server goes on, and nothing of it took effect");
    world.close().await;
}

async fn odd_but_honest_hints_are_accepted_with_a_warning(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    type Case = (&'static str, fn(&mut IdentityHints), &'static str);
    let cases: &[Case] = &[
        ("withheld", |h| h.caller_number = "anonymous".into(), "withheld_number"),
        ("restricted", |h| h.caller_number = "Restricted".into(), "withheld_number"),
        ("keypad", |h| h.caller_number = "+266696687".into(), "withheld_number"),
        ("zeros", |h| h.caller_number = "0000000000".into(), "withheld_number"),
        ("emergency", |h| h.caller_number = "911".into(), "short_code"),
        ("rubbish", |h| h.caller_number = "no number at all".into(), "unusable_number"),
        ("null", |h| _ = h.external_ids.insert("crm_id".into(), "null".into()), "junk_value"),
        (
            "campaign",
            |h| _ = h.external_ids.insert("campaign_id".into(), "7".into()),
            "ignored_namespace",
        ),
        ("an unknown ref", |h| h.customer_ref = "cus_nobody".into(), "unknown_customer_ref"),
    ];
    for (what, show, code) in cases {
        let mut hints = IdentityHints::default();
        show(&mut hints);
        for turn in ["one", "two"] {
            let request = StartInteractionRequest {
                identity_hints: Some(hints.clone()),
                ..start(&format!("{what} {turn}"), "voice")
            };
            let answer = client.start(request).await.expect("no error");
            assert!(answer.new_customer, "{what} identifies nobody, {turn}");
            let codes: Vec<&str> = answer.warnings.iter().map(|it| it.code.as_str()).collect();
            assert_eq!(codes, [*code], "{what}");
            assert!(answer.warnings[0].field.starts_with("identity_hints."), "{what}");
        }
    }
    world.close().await;
}
