//! The scorer's own knowledge, on cases small enough to think through.

use super::*;
use crate::cli::replay::answers::Answer;

fn new_customer(customer_ref: &str) -> Answer {
    Answer { new_customer: true, ..Answer::of(customer_ref) }
}

#[test]
fn the_first_answer_for_somebody_new_is_right() {
    let mut refs = Refs::default();
    let answer = new_customer("r1");
    refs.answered(&answer, "anna");
    assert_eq!(refs.feedback(Some(&answer), "anna"), Feedback::Confirmed("r1".to_owned()));
    // Told so or not, the same ref is hers when it is answered again.
    assert_eq!(
        refs.feedback(Some(&Answer::of("r1")), "anna"),
        Feedback::Confirmed("r1".to_owned())
    );
    assert!(refs.is("r1", "anna") && !refs.is("r1", "bert") && !refs.is("r2", "anna"));
}

#[test]
fn a_second_new_customer_for_the_same_person_is_rejected_with_the_first_ref() {
    let mut refs = Refs::default();
    refs.answered(&new_customer("r1"), "anna");
    let second = new_customer("r2");
    refs.answered(&second, "anna");
    assert_eq!(refs.feedback(Some(&second), "anna"), Feedback::Rejected(Some("r1".to_owned())));
    // Without feedback she owns both, and either is right.
    assert!(refs.is("r1", "anna") && refs.is("r2", "anna"));
    assert_eq!(
        refs.feedback(Some(&Answer::of("r2")), "anna"),
        Feedback::Confirmed("r2".to_owned())
    );
}

#[test]
fn somebody_taken_for_another_gets_a_ref_of_their_own() {
    let mut refs = Refs::default();
    refs.answered(&new_customer("r1"), "anna");
    let wrong = Answer::of("r1");
    refs.answered(&wrong, "bert");
    assert_eq!(refs.feedback(Some(&wrong), "bert"), Feedback::Rejected(None));
    refs.ended("r2", "bert", true);
    assert!(refs.is("r2", "bert") && refs.is("r1", "anna"));
    assert_eq!(refs.feedback(Some(&wrong), "bert"), Feedback::Rejected(Some("r2".to_owned())));
}

#[test]
fn a_ref_never_changes_its_owner() {
    let mut refs = Refs::default();
    refs.answered(&new_customer("r1"), "anna");
    // A server that answers Anna's ref for Bert's rejected interaction is wrong, and stays wrong.
    refs.ended("r1", "bert", true);
    assert!(refs.is("r1", "anna") && !refs.is("r1", "bert"));
    assert_eq!(refs.feedback(Some(&Answer::of("r1")), "bert"), Feedback::Rejected(None));
}

#[test]
fn no_answer_at_all_is_corrected_with_what_is_known() {
    let mut refs = Refs::default();
    assert_eq!(refs.feedback(None, "anna"), Feedback::Rejected(None));
    refs.ended("", "anna", true);
    assert_eq!(refs.feedback(None, "anna"), Feedback::Rejected(None));
    refs.ended("r1", "anna", true);
    assert_eq!(refs.feedback(None, "anna"), Feedback::Rejected(Some("r1".to_owned())));
}

#[test]
fn an_end_without_feedback_teaches_whose_a_new_ref_is_and_nothing_else() {
    let mut refs = Refs::default();
    refs.ended("r1", "anna", false);
    assert!(refs.is("r1", "anna"));
    assert_eq!(refs.feedback(None, "anna"), Feedback::Rejected(None));
    // Bert's unconfirmed end in Anna's history leaves it hers.
    refs.ended("r1", "bert", false);
    assert!(refs.is("r1", "anna") && !refs.is("r1", "bert"));
}

fn start(customer: &str, hints: &str) -> Start {
    let line = format!(
        r#"{{"ts":0,"id":"i","channel":"voice","hints":{hints},
            "truth":{{"customer":"{customer}","caller":"{customer}"}}}}"#
    );
    serde_json::from_str(&line).unwrap()
}

#[test]
fn resolvable_means_seen_in_an_ended_interaction_of_the_same_customer() {
    let mut links = Links::default();
    let first = start("anna", r#"{"ani":"+12125550123","external_ids":{"crm_id":"7"}}"#);
    assert!(!links.resolvable(&first));
    links.ended(&first);
    assert!(links.resolvable(&first));
    for (customer, hints, expected) in [
        ("anna", r#"{"whatsapp_id":"12125550123"}"#, true),
        ("anna", r#"{"ani":"(212) 555-0123"}"#, true),
        ("anna", r#"{"ani":"sip:+12125550123@gw.example.net;user=phone"}"#, true),
        ("anna", r#"{"ani":"tel:+12125550123;ext=181"}"#, true),
        ("anna", r#"{"external_ids":{"crm_id":"7"}}"#, true),
        ("anna", r#"{"external_ids":{"account_no":"7"}}"#, false),
        ("anna", r#"{"ani":"+12125550124","email":"a@example.com"}"#, false),
        ("anna", r#"{"jwt_sub":"7"}"#, false),
        ("anna", "{}", false),
        ("bert", r#"{"ani":"+12125550123"}"#, false),
    ] {
        assert_eq!(links.resolvable(&start(customer, hints)), expected, "{customer} {hints}");
    }
}

#[test]
fn withheld_numbers_and_placeholders_resolve_nobody() {
    for hints in [
        r#"{"ani":"anonymous"}"#,
        r#"{"ani":""}"#,
        r#"{"ani":"+266696687"}"#,
        r#"{"ani":"sip:anonymous@anonymous.invalid"}"#,
        r#"{"external_ids":{"crm_id":"N/A","account_no":"0000000"}}"#,
        r#"{"email":""}"#,
    ] {
        let mut links = Links::default();
        links.ended(&start("anna", hints));
        assert!(!links.resolvable(&start("anna", hints)), "{hints}");
    }
}

#[test]
fn one_number_in_every_notation() {
    for (written, digits) in [
        ("12185558143", "12185558143"),
        ("4695554791", "14695554791"),
        ("1-563-555-8703", "15635558703"),
        ("011447700900006", "447700900006"),
        ("00447700900090", "447700900090"),
        ("+447700900156", "447700900156"),
    ] {
        assert_eq!(phone(&Text(written.to_owned())).as_deref(), Some(digits), "{written}");
    }
}
