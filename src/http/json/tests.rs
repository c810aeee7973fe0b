//! What is read, what is written, and what is said of the rest.

use super::*;
use crate::http::rules::POOL;

fn of(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("threadline.v1.{name}")).expect("a message of ours")
}

fn refused(name: &str, text: &str) -> Vec<(String, String)> {
    let wrong = read(&of(name), text.as_bytes()).expect_err("refused");
    wrong.into_iter().map(|it| (it.field, it.description)).collect()
}

#[test]
fn both_spellings_are_read_and_the_protocols_is_written_in_its_order() {
    let text = r#"{"channel":"voice","identityHints":{"callerNumber":"1"},"interaction_id":"a"}"#;
    let read = read(&of("StartInteractionRequest"), text.as_bytes()).unwrap();
    assert_eq!(
        write(&read, false, false).unwrap(),
        r#"{"interaction_id":"a","channel":"voice","identity_hints":{"caller_number":"1"}}"#
    );
}

#[test]
fn everything_that_does_not_fit_is_named_and_no_value_repeated() {
    let text = r#"{
        "interaction_id": 17, "chanel": "canary", "direction": "canary",
        "identity_hints": {"email": ["canary"], "identifiers": [{}, {"kind": {}, "derived": "canary"}],
            "external_ids": {"crm_id": 4, "canary@example.com": true}},
        "telco": "canary", "start_time": "canary", "history_limit": 1.5
    }"#;
    let wrong = refused("StartInteractionRequest", text);
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    let expected = [
        "chanel",
        "direction",
        "history_limit",
        "identity_hints.email",
        "identity_hints.external_ids[…]",
        "identity_hints.external_ids[crm_id]",
        "identity_hints.identifiers[1].derived",
        "identity_hints.identifiers[1].kind",
        "interaction_id",
        "start_time",
        "telco",
    ];
    assert_eq!(fields, expected);
    assert!(wrong.iter().all(|(field, said)| !format!("{field}{said}").contains("canary")));
    assert_eq!(wrong[0].1, "is not a field of StartInteractionRequest");
    assert_eq!(wrong[9].1, "is not a time such as 2026-11-22T09:30:00Z");
}

#[test]
fn what_is_no_json_says_where() {
    for (text, said) in [
        ("", "is not JSON: see line 1, column 0"),
        ("{\n\"canary", "is not JSON: see line 2, column 7"),
        ("{} canary", "is not JSON: see line 1, column 4"),
        ("[]", "is not an object"),
        ("null", "is not an object"),
        (&"[".repeat(100_000), "is nested too deeply: see line 1, column 128"),
    ] {
        let wrong = refused("GetCustomerRequest", text);
        assert_eq!(wrong, [(String::new(), said.to_owned())], "{}", text.len());
    }
    let both = r#"{"identity_confirmed": {}, "identity_rejected": {}}"#;
    let wrong = refused("UpdateInteractionRequest", both);
    let said =
        ("identity_rejected".to_owned(), "cannot stand beside identity_confirmed".to_owned());
    assert_eq!(wrong, [said]);
}

#[test]
fn a_name_is_repeated_only_if_it_can_be_one() {
    assert_eq!(printable("chanel_2"), "chanel_2");
    for odd in ["", "4111111111111111", "a4155550101", "ada@example.com", "a b", &"a".repeat(65)] {
        assert_eq!(printable(odd), "…", "{odd}");
    }
}

/// Whoever sends many bad ones makes work for those that are named, and no more.
#[test]
fn no_more_is_looked_for_than_is_named() {
    let of = of("EndInteractionRequest");
    let many = 10 * MOST_NAMED;
    let items = vec!["7"; many].join(",");
    let named = (0..many).map(|number| format!("\"a{number}\":7")).collect::<Vec<_>>().join(",");
    for text in [
        format!("{{\"intents\":[{items}]}}"),
        format!("{{\"clear_variables\":[{items}]}}"),
        format!("{{\"variables\":{{{named}}}}}"),
        format!("{{\"variables\":{{\"a\":{{{named}}}}}}}"),
        format!("{{{named}}}"),
    ] {
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        message(&mut found, Place::Whole, &of, &value);
        assert_eq!(found.len(), MOST_NAMED, "{}", &text[..40]);
    }
}

/// What it holds would be read in its turn, as deep again.
#[test]
fn a_name_that_the_reader_keeps_is_refused() {
    let kept = r#"{"intents":[{"\u0024serde_json::private::RawValue":"[1]"}]}"#;
    let wrong = refused("EndInteractionRequest", kept);
    assert_eq!((wrong.len(), wrong[0].1.as_str()), (1, "cannot be a name"));
    assert!(is_misused(kept.as_bytes()) && !is_misused(br#"{"a":1,"a":2}"#));
    let many = format!("{{{}\"z\":{kept}}}", "\"a\":1,".repeat(2 * MOST_NAMED));
    assert!(is_misused(many.as_bytes()), "nobody has looked further");
}
