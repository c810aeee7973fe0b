//! What Google's own library makes of numbers of every region (google.txt, written by google.py
//! with the Python package `phonenumbers`), against what is read here: equal in every line, but for
//! the rules below, which are ours on purpose. A line that no rule names must be as Google has it.

use std::collections::BTreeMap;

use rlibphonenumber::PHONE_NUMBER_UTIL;

use crate::identity::phone::{self, Bare, Reading};

const GOOGLE: &str = include_str!("google.txt");

/// Google's reading of a text.
#[derive(Clone)]
struct Parsed<'a> {
    country: &'a str,
    national: &'a str,
    /// Reading it again took another prefix off.
    again: Option<(&'a str, &'a str)>,
    possible: bool,
    valid: bool,
    companys: bool,
}

impl<'a> Parsed<'a> {
    fn of(number: &'a str, verdict: &str) -> Option<Self> {
        let (first, again) = match number.split_once('>') {
            Some((first, again)) => (first, again.split_once(' ')),
            None => (number, None),
        };
        let (country, national) = first.split_once(' ')?;
        Some(Self {
            country,
            national,
            again,
            possible: verdict.starts_with('P'),
            valid: verdict.ends_with(['V', 'K']),
            companys: verdict.ends_with('K'),
        })
    }
}

struct Row<'a> {
    region: &'a str,
    text: &'a str,
    here: Option<Parsed<'a>>,
    abroad: Option<Parsed<'a>>,
}

fn rows() -> Vec<Row<'static>> {
    let mut region = "";
    let mut rows = Vec::new();
    for line in GOOGLE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('@') {
            region = name;
            continue;
        }
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (text, here, verdict) = (next(), next(), next());
        let (abroad, abroad_verdict) = (next(), next());
        let here = Parsed::of(here, verdict);
        rows.push(Row { region, text, here, abroad: Parsed::of(abroad, abroad_verdict) });
    }
    rows
}

const AS_GOOGLE: &str = "as Google reads it";
const NONE: &str = "no possible number for Google either";
const ABROAD: &str = "digits with 00 or 011, or too many for the region, begin with a country code";
const AGAIN: &str = "read until reading changes nothing: what is stored must read as itself";
const BRAZIL: &str = "Brazil's ninth digit, which WhatsApp leaves out";
const MEXICO: &str = "Mexico's 1, 01, 044 and 045, which are gone since 2019";
const AMERICA: &str = "no area code or exchange of North America begins with 0 or 1";
const REPEATED: &str = "one digit over and over, and not valid";
const SHORT: &str = "at most six digits, and no person's valid number";

/// What is read here, by Google's reading and our rules, and the rule that made a difference.
fn expected(row: &Row<'_>) -> (Option<String>, &'static str) {
    let digits: String = row.text.chars().filter(char::is_ascii_digit).collect();
    let global = row.text.starts_with(['+', 't']);
    let (chosen, rule) = choose(row, &digits, global);
    let Some(parsed) = chosen else { return (None, rule) };
    let (country, national, rule) = match parsed.again {
        Some((country, national)) => (country, national, AGAIN),
        None => (parsed.country, parsed.national, rule),
    };
    let whole = |national: &str| Some(format!("{country}{national}"));
    if digits.len() <= 6 && (global || !parsed.valid || parsed.companys) {
        return (None, SHORT);
    }
    if national.len() <= 6 && !parsed.valid {
        return (None, SHORT);
    }
    match country {
        "+55" if national.len() == 10 && national[2..].starts_with(['6', '7', '8', '9']) => {
            (whole(&format!("{}9{}", &national[..2], &national[2..])), BRAZIL)
        }
        "+52" if national.len() > 10 => match mexican(national) {
            Some(line) => (whole(line), MEXICO),
            None => (None, AS_GOOGLE),
        },
        _ => (whole(national), rule),
    }
}

/// The rule by which a number of a possible length is nobody's.
fn no_ones(parsed: &Parsed<'_>) -> Option<&'static str> {
    let (country, national) = parsed.again.unwrap_or((parsed.country, parsed.national));
    let low = |at: usize| matches!(national.as_bytes().get(at), Some(b'0' | b'1'));
    let first = national.chars().next();
    if country == "+1" && (low(0) || low(3)) {
        return Some(AMERICA);
    }
    (!parsed.valid && national.chars().all(|digit| Some(digit) == first)).then_some(REPEATED)
}

fn mexican(national: &str) -> Option<&str> {
    let lines = ["1", "01", "044", "045"].iter().filter_map(|it| national.strip_prefix(it));
    lines.into_iter().find(|line| line.len() == 10 && line.starts_with(|it| it >= '2'))
}

/// The reading that counts of several.
fn choose<'a>(row: &Row<'a>, digits: &str, global: bool) -> (Option<Parsed<'a>>, &'static str) {
    let usable =
        |it: &Parsed<'_>| it.possible || (it.country == "+52" && mexican(it.national).is_some());
    let here = row.here.clone().filter(usable);
    let no_ones = here.as_ref().and_then(no_ones);
    let here = here.filter(|_| no_ones.is_none());
    if global {
        return (here, no_ones.unwrap_or(AS_GOOGLE));
    }
    let prefixed = digits.starts_with("00") || digits.starts_with("011");
    let abroad = row.abroad.clone().filter(usable).filter(|it| self::no_ones(it).is_none());
    let abroad = abroad.filter(|_| prefixed || digits.len() >= 10);
    let code = phone::region(row.region)
        .and_then(|it| PHONE_NUMBER_UTIL.get_country_code_for_region(it))
        .map(|it| format!("+{it}"));
    let home = here.as_ref().is_some_and(|it| Some(it.country) == code.as_deref());
    let away_first = digits.starts_with("00") && (home || here.is_none());
    match (here, abroad) {
        (Some(here), None) => (Some(here), AS_GOOGLE),
        (Some(here), Some(_)) if !away_first => (Some(here), AS_GOOGLE),
        (_, abroad) => {
            let rule = if abroad.is_some() { ABROAD } else { no_ones.unwrap_or(AS_GOOGLE) };
            (abroad, rule)
        }
    }
}

#[test]
fn every_number_is_as_google_reads_it_or_as_a_rule_of_ours_says() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows() {
        let got = match phone::read(row.text, phone::region(row.region), Bare::National) {
            Reading::Number(number) => Some(number.e164),
            Reading::Withheld | Reading::ShortCode | Reading::Unusable => None,
        };
        let (expected, rule) = match expected(&row) {
            (None, AS_GOOGLE) => (None, NONE),
            other => other,
        };
        *counts.entry(rule).or_default() += 1;
        if got != expected {
            wrong
                .push(format!("{} {:?}: {got:?}, not {expected:?} ({rule})", row.region, row.text));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
    let counted: Vec<(&str, usize)> = counts.into_iter().collect();
    assert_eq!(counted, COUNTED);
}

/// How many lines each rule decides. A new line here is a new difference from Google.
const COUNTED: &[(&str, usize)] = &[
    (BRAZIL, 17),
    (MEXICO, 16),
    (AS_GOOGLE, 8_643),
    (SHORT, 68),
    (ABROAD, 901),
    (AMERICA, 34),
    (NONE, 1_665),
    (REPEATED, 248),
    (AGAIN, 106),
];

#[test]
fn a_number_that_was_seen_reads_as_it_did() {
    for row in rows() {
        let region = phone::region(row.region);
        let first = phone::read(row.text, region, Bare::National);
        assert!(first == phone::read_anew(row.text, region, Bare::National), "{}", row.text);
        let Reading::Number(number) = first else { continue };
        for bare in [Bare::National, Bare::International] {
            for region in [region, phone::region("US"), phone::region("BR"), None] {
                let seen = phone::read(&number.e164, region, bare);
                let again = phone::read(&number.e164, region, bare);
                let anew = phone::read_anew(&number.e164, region, bare);
                assert!(seen == anew && again == anew, "{}", number.e164);
            }
        }
    }
}

#[test]
fn a_companys_number_is_one_by_googles_types() {
    let wrong: Vec<&str> = rows()
        .iter()
        .filter_map(|row| {
            let parsed = row.here.as_ref().filter(|it| it.possible && it.again.is_none())?;
            let reading = phone::read(row.text, phone::region(row.region), Bare::National);
            let Reading::Number(number) = reading else { return None };
            let same = number.e164 == format!("{}{}", parsed.country, parsed.national);
            (same && number.companys != parsed.companys).then_some(row.text)
        })
        .collect();
    assert_eq!(wrong, Vec::<&str>::new());
}
