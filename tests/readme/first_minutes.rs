//! README's walk: every marked block is run in order, every shown answer is compared.

use serde_json::Value;

use crate::installation::{Installation, not_run};
use crate::markdown::marked_blocks;

const README: &str = include_str!("../../README.md");
const REST: &str = include_str!("../../docs/rest.md");

/// Where `actual` differs from `shown`. What is shown may leave out fields and entries' fields;
/// in a text, `…` stands for anything.
fn difference(place: &str, shown: &Value, actual: &Value) -> Option<String> {
    match (shown, actual) {
        (Value::Object(shown), Value::Object(actual)) => shown.iter().find_map(|(name, shown)| {
            let place = format!("{place}.{name}");
            match actual.get(name) {
                Some(actual) => difference(&place, shown, actual),
                None => Some(format!("{place} is not there")),
            }
        }),
        (Value::Array(shown), Value::Array(actual)) if shown.len() == actual.len() => {
            let mut pairs = shown.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (shown, actual))| {
                difference(&format!("{place}[{index}]"), shown, actual)
            })
        }
        (Value::String(shown), Value::String(actual)) if shown.contains('…') => {
            let (before, after) = shown.split_once('…').unwrap_or_default();
            let fits = actual.starts_with(before) && actual.ends_with(after);
            (!fits).then(|| format!("{place} is {actual:?}, not {shown:?}"))
        }
        _ => (shown != actual).then(|| format!("{place} is {actual}, not {shown}")),
    }
}

#[test]
fn readme_works_as_it_stands() {
    let (clients, answers) = walked(README);
    assert!(clients >= 6 && answers >= 5, "README has lost its first ten minutes");
}

#[test]
fn the_page_of_rest_works_as_it_stands() {
    let (clients, answers) = walked(REST);
    assert!(clients >= 6 && answers >= 5, "docs/rest.md has lost its examples");
}

/// Runs a page; how many of its blocks were run by a client, and how many answers compared.
fn walked(page: &str) -> (usize, usize) {
    let mut machine = Installation::new();
    // A loaded machine must not turn a lesson into a degraded answer.
    let settings = "[server]\nstart_budget_ms = 10000\n";
    std::fs::write(machine.path().join("threadline.toml"), settings).expect("a file");
    let python = std::env::var("THREADLINE_TEST_PYTHON").ok();
    let (mut server, mut answer) = (None, String::new());
    let (mut answers, mut clients) = (0, 0);
    for block in marked_blocks(page) {
        match block.mark.as_str() {
            "run: server" => server = Some(machine.serve(&block.text)),
            "run: client" => {
                answer = machine.run(&block.text);
                clients += 1;
            }
            "run: python" => match &python {
                Some(python) => {
                    machine.with_python(python);
                    answer = machine.run(&block.text);
                    for part in
                        ["new customer True", "same customer True", "billing_dispute", "now: phone"]
                    {
                        assert!(answer.contains(part), "{part:?} is not in:\n{answer}");
                    }
                }
                None => not_run("README's Python", "THREADLINE_TEST_PYTHON"),
            },
            "answer" => {
                let shown = serde_json::from_str(&block.text).expect(&block.text);
                let actual = serde_json::from_str(&answer).expect(&answer);
                let differs = difference("answer", &shown, &actual);
                assert_eq!(differs, None, "the page shows\n{shown:#}\nbut it is\n{actual:#}");
                answers += 1;
            }
            other => panic!("the page has a mark that nobody reads: {other}"),
        }
    }
    assert!(server.is_some(), "nothing is served");
    (clients, answers)
}

#[test]
fn a_difference_is_found_and_an_omission_is_none() {
    let actual = serde_json::json!({"a": "cus_123", "b": [{"c": 1, "d": 2}], "e": "x"});
    let same = |shown: Value| difference("", &shown, &actual);
    assert_eq!(same(serde_json::json!({"a": "cus_…", "b": [{"c": 1}]})), None);
    assert!(same(serde_json::json!({"a": "cus-…"})).is_some());
    assert!(same(serde_json::json!({"b": []})).is_some());
    assert!(same(serde_json::json!({"b": [{"c": 2}]})).is_some());
    assert!(same(serde_json::json!({"f": 1})).is_some());
}
