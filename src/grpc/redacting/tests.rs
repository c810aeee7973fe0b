//! Every string of every request that writes is redacted, or listed here as what it names.

use std::collections::BTreeSet;

use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value as Field,
};

use super::*;
use crate::context::Pattern;

const CARD: &str = "4111111111111111";

/// Requests that change nothing.
const READS: &[&str] = &[
    "GetInteractionRequest",
    "ListInteractionsRequest",
    "GetCustomerRequest",
    "PreviewMergeRequest",
    "ListConflictsRequest",
    "ExportCustomerRequest",
    "WatchInteractionsRequest",
    "WatchCustomerRequest",
];

const HINTS: &[&str] = &[
    "identity_hints.caller_number",
    "identity_hints.customer_ref",
    "identity_hints.dialed_number",
    "identity_hints.discord_user_id",
    "identity_hints.email",
    "identity_hints.external_ids",
    "identity_hints.external_ids.value",
    "identity_hints.identifiers.kind",
    "identity_hints.identifiers.namespace",
    "identity_hints.identifiers.value",
    "identity_hints.telegram_user_id",
    "identity_hints.visitor_id",
    "identity_hints.web_token",
    "identity_hints.whatsapp_id",
];

/// What names something, by request.
fn names(message: &str) -> Vec<&'static str> {
    let (own, hints): (&[&str], bool) = match message {
        "StartInteractionRequest" => (
            &[
                "agent_ref",
                "channel",
                "continues_interaction_id",
                "continues_source",
                "interaction_id",
                "locale",
                "thread_ref",
                "time_zone",
            ],
            true,
        ),
        "UpdateInteractionRequest" => (
            &[
                "agent_ref",
                "identity_rejected.customer_ref",
                "interaction_id",
                "last_inbound.channel",
                "last_inbound.thread_ref",
                "source",
                "update_id",
            ],
            true,
        ),
        "EndInteractionRequest" => (
            &[
                "agent_ref",
                "channel",
                "continues_interaction_id",
                "continues_source",
                "conversion.currency",
                "customer_ref",
                "identity_rejected.customer_ref",
                "interaction_id",
                "source",
                "thread_ref",
            ],
            true,
        ),
        "UpsertCustomerRequest" => (
            &[
                "customer.identifiers.kind",
                "customer.identifiers.namespace",
                "customer.identifiers.value",
                "customer_ref",
                "request_id",
                "source",
            ],
            false,
        ),
        "ImportRow" => (&["identifiers.kind", "identifiers.namespace", "identifiers.value"], false),
        "MergeCustomersRequest" => {
            (&["customer_ref", "other_customer_ref", "request_id", "source"], false)
        }
        "UnmergeCustomersRequest" => {
            (&["customer_ref", "merge_id", "other_customer_ref", "request_id", "source"], false)
        }
        "EraseCustomerRequest" => {
            (&["customer_ref", "preview_token", "request_id", "source"], false)
        }
        "ReassignInteractionRequest" => {
            (&["customer_ref", "interaction_id", "request_id", "source"], false)
        }
        "RedactInteractionRequest" => (&["interaction_id", "request_id", "source"], false),
        "LinkIdentifierRequest" | "UnlinkIdentifierRequest" => (
            &[
                "customer_ref",
                "identifier.kind",
                "identifier.namespace",
                "identifier.value",
                "request_id",
                "source",
            ],
            false,
        ),
        "ResolveConflictRequest" => (&["conflict_id", "request_id", "source"], false),
        _ => (&[], false),
    };
    own.iter().chain(HINTS.iter().filter(|_| hints)).copied().collect()
}

fn planted(of: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let one = |kind: Kind| match kind {
        Kind::String => Some(Field::String(CARD.into())),
        Kind::Message(inner) if inner.full_name() != "google.protobuf.Timestamp" => {
            Some(Field::Message(planted(&inner)))
        }
        _ => None,
    };
    for field in of.fields() {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { continue };
            let value = one(entry.map_entry_value_field().kind());
            let key = MapKey::String(CARD.into());
            message.set_field(
                &field,
                Field::Map(value.map(|value| (key, value)).into_iter().collect()),
            );
        } else if let Some(value) = one(field.kind()) {
            let value = if field.is_list() { Field::List(vec![value]) } else { value };
            message.set_field(&field, value);
        }
    }
    message
}

/// Where the card still is.
fn found(message: &DynamicMessage, path: &str, places: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        let path = format!("{path}{}", field.name());
        look(value, &path, places);
    }
}

fn look(value: &Field, path: &str, places: &mut BTreeSet<String>) {
    match value {
        Field::String(text) if text.contains(CARD) => drop(places.insert(path.to_owned())),
        Field::Message(inner) => found(inner, &format!("{path}."), places),
        Field::List(all) => all.iter().for_each(|one| look(one, path, places)),
        Field::Map(all) => {
            for (key, value) in all {
                if matches!(key, MapKey::String(name) if name.contains(CARD)) {
                    places.insert(path.to_owned());
                }
                let plain = matches!(value, Field::String(_));
                let inner = if plain { format!("{path}.value") } else { path.to_owned() };
                look(value, &inner, places);
            }
        }
        _ => {}
    }
}

fn left<M: Texts + Message + Default>(of: &MessageDescriptor) -> BTreeSet<String> {
    let mut request = M::decode(&*planted(of).encode_to_vec()).unwrap();
    let warnings = redact(&mut request, &CARDS);
    assert!(warnings.iter().all(|it| !format!("{}{}", it.field, it.message).contains(CARD)));
    let bytes = request.encode_to_vec();
    let mut places = BTreeSet::new();
    found(&DynamicMessage::decode(of.clone(), &*bytes).unwrap(), "", &mut places);
    places
}

#[test]
fn every_string_of_every_write_is_redacted_or_names_something() {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let methods: Vec<_> = pool.services().flat_map(|it| it.methods().collect::<Vec<_>>()).collect();
    for method in methods {
        let mut of = method.input();
        if of.full_name().starts_with("grpc.") || READS.contains(&of.name()) {
            continue;
        }
        if of.name() == "ImportCustomersRequest" {
            of = pool.get_message_by_name("threadline.v1.ImportRow").unwrap();
        }
        let left = match of.name() {
            "StartInteractionRequest" => left::<proto::StartInteractionRequest>(&of),
            "UpdateInteractionRequest" => left::<proto::UpdateInteractionRequest>(&of),
            "EndInteractionRequest" => left::<proto::EndInteractionRequest>(&of),
            "UpsertCustomerRequest" => left::<proto::UpsertCustomerRequest>(&of),
            "ImportRow" => left::<proto::ImportRow>(&of),
            "MergeCustomersRequest" => left::<proto::MergeCustomersRequest>(&of),
            "UnmergeCustomersRequest" => left::<proto::UnmergeCustomersRequest>(&of),
            "ReassignInteractionRequest" => left::<proto::ReassignInteractionRequest>(&of),
            "LinkIdentifierRequest" => left::<proto::LinkIdentifierRequest>(&of),
            "UnlinkIdentifierRequest" => left::<proto::UnlinkIdentifierRequest>(&of),
            "ResolveConflictRequest" => left::<proto::ResolveConflictRequest>(&of),
            "EraseCustomerRequest" => left::<proto::EraseCustomerRequest>(&of),
            "RedactInteractionRequest" => left::<proto::RedactInteractionRequest>(&of),
            other => panic!("{other}: say which of its strings are context"),
        };
        let expected: BTreeSet<String> = names(of.name()).into_iter().map(str::to_owned).collect();
        assert_eq!(left, expected, "{}", of.name());
    }
}

fn end(summary: &str) -> proto::EndInteractionRequest {
    proto::EndInteractionRequest { summary: summary.into(), ..Default::default() }
}

#[test]
fn the_canonical_form_does_not_depend_on_the_tenants_settings() {
    let patterns = [Pattern::new("iban", "DE[0-9]{20}").unwrap()];
    let settings = [
        Redaction::default(),
        Redaction { cards: false, patterns: [].into() },
        Redaction { cards: true, patterns: patterns.clone().into() },
        Redaction { cards: false, patterns: patterns.into() },
    ];
    let text = "card 4111111111111111, DE89370400440532013000";
    let forms = settings.each_ref().map(|it| content(&mut end(text), it).0);
    assert!(forms.iter().all(|form| *form == forms[0]));
    let holds = |part: &str| forms[0].windows(part.len()).any(|it| it == part.as_bytes());
    assert!(!holds(CARD) && holds("411111******1111"));
    let kept = settings.each_ref().map(|it| {
        let mut request = end(text);
        content(&mut request, it);
        request.summary
    });
    assert_eq!(kept[0], "card 411111******1111, DE89370400440532013000");
    assert_eq!(kept[1], text);
    assert_eq!(kept[2], "card 411111******1111, [iban]");
    assert_eq!(kept[3], "card 4111111111111111, [iban]");
}

#[test]
fn a_path_stays_what_it_was() {
    let paths = ["profile", ".profile", "profile.", "profile.name", "a.b.c", "."];
    let mask = prost_types::FieldMask { paths: paths.map(str::to_owned).to_vec() };
    let mut request =
        proto::UpsertCustomerRequest { update_mask: Some(mask.clone()), ..Default::default() };
    assert!(redact(&mut request, &Redaction::default()).is_empty());
    assert_eq!(request.update_mask, Some(mask));
}

#[test]
fn a_value_is_warned_of_by_its_name_and_never_shown() {
    let value = |value: &str| proto::VariableInput { value: value.into(), ..Default::default() };
    let variables = [("cvv", "123"), ("card", CARD), (CARD, "x"), ("plain", "123")];
    let variables = variables.map(|(name, it)| (name.to_owned(), value(it)));
    let mut update =
        proto::UpdateInteractionRequest { variables: variables.into(), ..Default::default() };
    let mut warned: Vec<(String, String)> =
        redact(&mut update, &CARDS).into_iter().map(|it| (it.field, it.message)).collect();
    warned.sort();
    let expected = [
        ("variables", "card numbers masked: 1"),
        ("variables[card]", "card numbers masked: 1"),
        ("variables[cvv]", "security codes removed: 1"),
    ];
    assert_eq!(warned, expected.map(|(field, message)| (field.to_owned(), message.to_owned())));
    let kept: Vec<(&str, &str)> =
        update.variables.iter().map(|(name, it)| (&**name, &*it.value)).collect();
    let expected =
        [("411111******1111", "x"), ("card", "411111******1111"), ("cvv", "***"), ("plain", "123")];
    assert_eq!(kept, expected);
}

/// What is refused anyway is not worth the time.
#[test]
fn a_text_beyond_its_own_limit_is_left_to_the_check() {
    let card = format!("{CARD} ");
    let of_length = |length: usize| format!("{card}{}", "x".repeat(length - card.len()));
    let told = |more: usize| {
        let evidence = of_length(limits::REASON + more);
        let consent = proto::ConsentInput { evidence, ..Default::default() };
        let value = of_length(limits::VALUE + more);
        let variable = proto::VariableInput { value, ..Default::default() };
        proto::EndInteractionRequest {
            summary: of_length(limits::SUMMARY + more),
            disposition: of_length(limits::NAME + more),
            variables: [("a".to_owned(), variable)].into(),
            consents: [("b".to_owned(), consent)].into(),
            clear_profile: vec![of_length(limits::NAME + more)],
            intents: vec![proto::Intent {
                reference: of_length(limits::ID + more),
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    let mut longer = told(1);
    assert!(redact(&mut longer, &CARDS).is_empty());
    assert!(longer == told(1), "nothing of it is touched");
    assert_eq!(redact(&mut told(0), &CARDS).len(), 6);
}

#[test]
fn of_a_list_that_is_too_long_only_names_are_redacted() {
    let value = || proto::VariableInput { value: CARD.into(), ..Default::default() };
    let mut variables: BTreeMap<String, proto::VariableInput> =
        (0..limits::VALUES).map(|number| (format!("name{number}"), value())).collect();
    variables.insert(CARD.into(), value());
    let intent = proto::Intent { intent: CARD.into(), ..Default::default() };
    let intents = vec![intent; limits::INTENTS + 1];
    let mut update = proto::UpdateInteractionRequest { variables, intents, ..Default::default() };
    let warned = redact(&mut update, &CARDS);
    assert_eq!(warned.len(), 1 + limits::INTENTS);
    assert!(update.variables.values().all(|it| it.value == CARD));
    assert!(!update.variables.contains_key(CARD), "a bad field is told by its name");
    assert_eq!(update.intents[limits::INTENTS].intent, CARD);
}

#[test]
fn names_that_become_one_are_counted_as_one() {
    let value = || proto::VariableInput { value: CARD.into(), ..Default::default() };
    let names = (1..limits::VALUES).map(|number| format!("name{number}"));
    let cards = ["4111 1111 1111 1111", "4111111111111111"].map(str::to_owned);
    let variables = names.chain(cards).map(|name| (name, value())).collect();
    let mut update = proto::UpdateInteractionRequest { variables, ..Default::default() };
    assert_eq!(update.variables.len(), limits::VALUES + 1);
    redact(&mut update, &CARDS);
    assert_eq!(update.variables.len(), limits::VALUES, "as many as may be said");
    assert!(update.variables.values().all(|it| it.value != CARD));
}
