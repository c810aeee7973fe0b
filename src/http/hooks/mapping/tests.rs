//! What becomes of deliveries, and what is said of those that do not fit.

use super::super::hints::Shown;
use super::super::zendesk;
use super::*;

fn path(text: &str) -> Take {
    Take::path(text).unwrap()
}

fn mapping() -> Mapping {
    Mapping {
        closes: Vec::new(),
        interaction_id: path("$.id"),
        revision: Revision::Taken(path("$.changed")),
        channel: Take::always("email"),
        start_time: Some(path("$.opened")),
        end_time: None,
        texts: BTreeMap::from([("agent_ref", path("$.agent"))]),
        summary: Some(path("$.notes")),
        csat: Some(path("$.score")),
        intents: vec![
            IntentTake {
                intent: path("$.kind"),
                reference: Some(path("$.id")),
                status: Some(path("$.status")),
            },
            IntentTake { intent: path("$.second"), reference: Some(path("$.id")), status: None },
        ],
        variables: BTreeMap::from([(
            "tags".to_owned(),
            VariableTake { value: path("$.tags"), ttl_seconds: Some(60), sensitive: true },
        )]),
        hints: vec![HintTake { shown: Shown::Email, take: path("$.mail"), assurance: None }],
        sensitive: false,
    }
}

fn end(delivered: &Value) -> Result<Value, Vec<String>> {
    let wrong = |wrong: Vec<Violation>| {
        wrong.into_iter().map(|it| format!("{} {}", it.field, it.description)).collect()
    };
    let delivered = delivered.clone().into();
    mapping().end(&delivered, 1_793_628_000_000, &Redaction::default()).map_err(wrong)
}

#[test]
fn a_delivery_becomes_an_end() {
    let delivered = json!({"id": 17, "changed": "2026-11-02T14:00:00Z", "opened": 1_793_624_400,
        "agent": "lee", "notes": ["one", "two"], "score": 9, "kind": "refund", "status": "OPEN",
        "second": "refund", "tags": ["a", "b"], "mail": "ada@example.com", "other": {"x": 1}});
    let expected = json!({"interaction_id": "17", "channel": "email", "revision": 1_793_628_000_000_i64,
        "complete": true, "start_time": "2026-11-02T13:00:00Z", "end_time": "2026-11-02T14:00:00Z",
        "agent_ref": "lee", "summary": "one\ntwo", "csat": 9,
        "intents": [{"intent": "refund", "reference": "17", "status": "INTENT_STATUS_OPEN"}],
        "variables": {"tags": {"value": "a, b", "ttl_seconds": 60,
            "sensitivity": "SENSITIVITY_SENSITIVE"}},
        "identity_hints": {"email": "ada@example.com"}});
    assert_eq!(end(&delivered), Ok(expected));
    let least = end(&json!({"id": "a", "changed": 5})).unwrap();
    assert_eq!((&least["revision"], &least["intents"]), (&json!(5), &json!([])));
    assert_eq!(least.get("end_time"), None, "a number is no time");
}

#[test]
fn everything_that_does_not_fit_is_named_and_no_value_repeated() {
    let delivered = json!({"changed": "canary", "opened": "canary", "notes": {"canary": 1},
        "score": "canary", "kind": "a", "status": "canary", "tags": [["canary"]], "mail": ["a", "b"]});
    assert_eq!(
        end(&delivered).unwrap_err(),
        [
            "takes.interaction_id selects nothing",
            "takes.revision selects neither a whole number nor a time with its offset",
            "takes.start_time selects no time with its offset",
            "takes.summary selects an object",
            "takes.csat selects no whole number",
            "takes.intents[0].status is none of open, resolved, escalated and abandoned",
            "takes.variables.tags selects a list within a list",
            "takes.hints.email selects several values",
        ]
    );
    let below = end(&json!({"id": "a", "changed": -1})).unwrap_err();
    assert_eq!(below, ["takes.revision selects a number below zero"]);
}

#[test]
fn what_has_to_be_one_line_is_put_on_one() {
    let delivered = json!({"id": "a", "changed": 5, "kind": " two\r\n\tlines\u{0}", "agent": "li\nlee ",
        "status": "open\n", "second": "\n", "notes": "two\nlines", "tags": ["x\u{1b}y"]});
    let end = end(&delivered).unwrap();
    let expected =
        json!([{"intent": "two lines", "reference": "a", "status": "INTENT_STATUS_OPEN"}]);
    assert_eq!(end["intents"], expected, "what holds nothing else is nothing");
    assert_eq!((&end["summary"], &end["agent_ref"]), (&json!("two\nlines"), &json!("li lee")));
    assert_eq!(end["variables"]["tags"]["value"], "x y");
    assert_eq!(on_one_line(" as it is ".into()), " as it is ");
}

#[test]
fn a_long_text_is_cut_where_no_card_is_split() {
    let card = "4111 1111 1111 1111";
    // What fits is left as it is here, and redacted with everything else.
    for before in (MAX_SUMMARY - 27)..=MAX_SUMMARY {
        let text = format!("{} {card} and more", "x".repeat(before));
        let cut = within(MAX_SUMMARY, "", text, &Redaction::default());
        assert!(cut.chars().count() <= MAX_SUMMARY, "{before}");
        assert!(!cut.contains("1111 1111"), "{before}");
    }
    let many = within(MAX_SUMMARY, "", "ü".repeat(MAX_SUMMARY + 1), &Redaction::default());
    assert!(many.ends_with("ü…") && many.chars().count() == MAX_SUMMARY);
    let fits = "x".repeat(MAX_SUMMARY);
    assert_eq!(within(MAX_SUMMARY, "", fits.clone(), &Redaction::default()), fits);
    assert_eq!(within(10, "", "a\u{0}b\n".into(), &Redaction::default()), "a b\n");
}

#[test]
fn zendesks_own_events_are_read() {
    let mapping = zendesk::mapping().unwrap();
    let event = |status: &str, previous: &str, current: &str| {
        json!({"type": "zen:event-type:ticket.status_changed", "id": "e", "time": "2026-11-02T14:00:01Z",
            "subject": "zen:ticket:17", "zendesk_event_version": "2022-11-06",
            "detail": {"id": "17", "status": status, "type": "QUESTION", "subject": "Refund",
                "created_at": "2026-10-02T14:00:00Z", "updated_at": "2026-11-02T14:00:00Z",
                "assignee_id": "5", "requester_id": "8", "group_id": null, "via": {"channel": "web_service"}},
            "event": {"current": current, "previous": previous}})
    };
    for (status, previous, current, counts) in [
        ("SOLVED", "OPEN", "SOLVED", true),
        ("OPEN", "SOLVED", "OPEN", true),
        ("CLOSED", "OPEN", "CLOSED", true),
        ("CLOSED", "SOLVED", "CLOSED", false),
        ("OPEN", "NEW", "OPEN", false),
        ("SOLVED", "LOW", "HIGH", true),
    ] {
        let counted = mapping.counts(&event(status, previous, current).into());
        assert_eq!(counted, counts, "{status} {previous} {current}");
    }
    let mut other = event("SOLVED", "OPEN", "SOLVED");
    other["type"] = "zen:event-type:user.created".into();
    assert!(!mapping.counts(&other.into()));
    let solved = event("SOLVED", "OPEN", "SOLVED").into();
    let end = mapping.end(&solved, 0, &Redaction::default()).map_err(|_| ()).unwrap();
    assert_eq!(end["interaction_id"], "17");
    assert_eq!(end["revision"], 1_793_628_000_000_i64);
    assert_eq!(end["channel"], "ticket");
    assert_eq!(
        end["intents"],
        json!([{"intent": "question", "reference": "17", "status": "INTENT_STATUS_RESOLVED"}])
    );
}
