//! What documents list and the code knows as well: error reasons, limits; and that what they point
//! to is there.

use std::collections::BTreeSet;
use std::path::Path;

use threadline::continuity::Role;
use threadline::crypto::api_key::PATTERN;
use threadline::grpc::proto::ErrorReason;

use crate::markdown::{code, table};

const README: &str = include_str!("../../README.md");
const LIMITS: &str = include_str!("../../docs/limits.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const SECURITY: &str = include_str!("../../docs/security.md");
const REASONS: &str = include_str!("../../proto/threadline/v1/error_reason.proto");

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The status that begins the comment of a reason in the protocol.
fn status_of(reason: &str) -> &'static str {
    let value = format!("ERROR_REASON_{reason} = ");
    let (before, _) = REASONS.split_once(&value).expect(reason);
    let (_, comment) = before.rsplit_once("// ").expect(reason);
    comment.split('.').next().unwrap_or_default()
}

#[test]
fn every_error_reason_has_its_status_and_a_remedy() {
    let rows = table(README, "reason");
    let named: Vec<&str> = rows.iter().filter_map(|row| code(&row[0])).collect();
    let names = (1..=i32::from(u8::MAX)).filter_map(|number| ErrorReason::try_from(number).ok());
    let names: Vec<&str> =
        names.filter_map(|it| it.as_str_name().strip_prefix("ERROR_REASON_")).collect();
    assert!(names.len() >= 20);
    let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<&str>>();
    assert_eq!(named.iter().copied().collect::<BTreeSet<&str>>(), set(&names));
    assert_eq!(named.len(), names.len(), "a reason is listed twice");
    for row in &rows {
        let reason = code(&row[0]).unwrap();
        if reason != "BUDGET_EXHAUSTED" {
            assert_eq!(row[1], status_of(reason), "{reason}");
        }
        assert!(row[2].len() > 10, "{reason} has no remedy");
    }
}

/// Who may call what: the same in both, and README's is tried out (`smallest.rs`).
#[test]
fn roles_are_on_the_security_page_as_in_the_readme() {
    let by_role = table(SECURITY, "RPC");
    let mut expected = Vec::new();
    for row in table(README, "RPC") {
        // An end without a start is allowed as an end is.
        if row[2] != "the same" {
            let named: Vec<&str> = row[2].split(", ").collect();
            let may = |role: &str| if named.contains(&role) { "yes" } else { "–" };
            let cells = Role::ALL.iter().map(|(_, role)| may(role).to_owned());
            expected.push([row[0].clone()].into_iter().chain(cells).collect::<Vec<String>>());
        }
    }
    assert_eq!(by_role, expected);
    let head: Vec<&str> = Role::ALL.iter().map(|(_, name)| *name).collect();
    assert!(SECURITY.contains(&format!("| RPC | {} |", head.join(" | "))));
    assert!(SECURITY.contains(&format!("\n```\n{PATTERN}\n```\n")), "the expression has changed");
}

/// The value of a constant, in bytes, entries or milliseconds.
fn value(expression: &str) -> u64 {
    let expression = expression.replace('_', "");
    for (unit, name) in [(1_000, "Duration::fromsecs("), (1, "Duration::frommillis(")] {
        if let Some(number) = expression.strip_prefix(name).and_then(|it| it.strip_suffix(')')) {
            return unit * number.parse::<u64>().expect("a number");
        }
    }
    if let Some((number, by)) = expression.split_once(" << ") {
        let number: u64 = number.parse().expect("a number");
        return number << by.parse::<u32>().expect("a number");
    }
    let factor = |word: &str| match word {
        "SECOND" => 1_000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => 86_400_000,
        number => number
            .trim_end_matches(".0")
            .parse()
            .unwrap_or_else(|_| panic!("cannot read {expression}")),
    };
    expression.split(" * ").map(factor).product()
}

/// The same of what the page says, such as `4,096 characters` or `7 days`.
fn said(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let unit = match unit.trim_end_matches('s') {
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => 1,
    };
    unit * number.replace(',', "").parse::<u64>().unwrap_or_else(|_| panic!("no number: {cell}"))
}

/// Name and expression of every constant of a file.
fn constants(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.split_once("const "));
    let named = lines.filter_map(|(_, rest)| rest.split_once(": "));
    named
        .filter_map(|(name, rest)| Some((name, rest.split_once(" = ")?.1.trim_end_matches(';'))))
        .collect()
}

#[test]
fn limits_are_as_the_page_says() {
    let sections = LIMITS.split("\n## ");
    let rows: Vec<Vec<String>> = sections.flat_map(|section| table(section, "limit")).collect();
    let mut named = BTreeSet::new();
    for row in &rows {
        let [path, name] = row[3].split(' ').map(|it| it.trim_matches('`')).collect::<Vec<_>>()[..]
        else {
            panic!("an odd row: {row:?}")
        };
        let text = file(path);
        let known = constants(&text).into_iter().find(|(known, _)| *known == name);
        let (_, expression) = known.unwrap_or_else(|| panic!("{path} has no constant {name}"));
        let unit = if name.ends_with("_SECONDS") { 1_000 } else { 1 };
        assert_eq!(said(&row[1]), unit * value(expression), "{path} {name}: {row:?}");
        named.insert((path.to_owned(), name.to_owned()));
    }
    for path in ["src/grpc/limits.rs", "src/identity/hints.rs"] {
        for (name, _) in constants(&file(path)) {
            let entry = (path.to_owned(), name.to_owned());
            assert!(named.contains(&entry), "docs/limits.md does not have {path} {name}");
        }
    }
    assert!(rows.len() >= 40, "the page has lost its limits");
}

/// Every invariant names the tests that guard it, as `path` `name`.
#[test]
fn every_invariant_has_a_test() {
    let (_, invariants) = ARCHITECTURE.split_once("## The invariants").expect("the invariants");
    let (invariants, _) = invariants.split_once("\n## ").expect("what comes after");
    let mut numbers = 0;
    for item in
        invariants.split("\n\n").filter(|item| item.starts_with(|it: char| it.is_ascii_digit()))
    {
        numbers += 1;
        assert!(item.starts_with(&format!("{numbers}. ")), "invariant {numbers}: {item}");
        let (_, guards) =
            item.split_once("*Guarded by*").unwrap_or_else(|| panic!("nobody guards {item}"));
        let mut words = guards.split('`').skip(1).step_by(2).peekable();
        assert!(words.peek().is_some(), "nobody guards {item}");
        let mut text = String::new();
        for word in words {
            if word.ends_with(".rs") {
                text = file(word);
            } else {
                assert!(text.contains(&format!("fn {word}(")), "there is no test {word}: {item}");
            }
        }
    }
    assert!(numbers >= 10, "ARCHITECTURE.md has lost its invariants");
}

/// Every page of the documents, from the project's root.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    for folder in ["", "docs", "docs/adr", "clients/python"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let inside = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let names = inside.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        pages.extend(
            names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")),
        );
    }
    pages.iter().map(|page| page.trim_start_matches('/').to_owned()).collect()
}

/// A word in capitals, alone on its line, is a place that somebody meant to fill.
#[test]
fn nothing_is_left_to_be_filled_in() {
    let pages = pages();
    assert!(pages.len() >= 10, "where are the documents?");
    for page in &pages {
        for (index, line) in file(page).lines().enumerate() {
            let empty = line.len() >= 3 && line.bytes().all(|it| it.is_ascii_uppercase());
            assert!(!empty, "{page}:{}: {line}", index + 1);
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in &pages() {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = file(page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            followed += 1;
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
            assert!(path.exists(), "{page}: {target} is not there");
        }
    }
    assert!(followed >= 5, "no links were found");
}
