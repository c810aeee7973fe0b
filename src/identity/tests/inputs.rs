//! Phone numbers and e-mail addresses as the world writes them, each with what it is read as.

use crate::identity::email;
use crate::identity::external::{WhatsappId, whatsapp_id};
use crate::identity::junk::{is_junk, is_placeholder};
use crate::identity::phone::{self, Bare, Reading};

fn reading(text: &str, region: &str, bare: Bare) -> String {
    match phone::read(text, phone::region(region), bare) {
        Reading::Number(number) => {
            let mut words = vec![number.e164];
            words.extend(number.switchboard.then(|| "switchboard".into()));
            words.extend(number.companys.then(|| "company".into()));
            words.join(" ")
        }
        Reading::Withheld => "withheld".into(),
        Reading::ShortCode => "short code".into(),
        Reading::Unusable => "unusable".into(),
    }
}

/// The table, as (region, text, expected).
const PHONES: &str = include_str!("phones.txt");

/// Rows of a table of this folder: not its comments, with `\u{…}` as the character meant.
fn rows(table: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split('\t').map(unescaped).collect())
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape is closed");
        let code = u32::from_str_radix(code, 16).expect("an escape is hexadecimal");
        plain.push(char::from_u32(code).expect("an escape names a character"));
        plain.push_str(rest);
    }
    plain
}

#[test]
fn phones_are_read_as_the_table_says() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for row in rows(PHONES) {
        let [region, text, expected] = row.as_slice() else { panic!("{row:?} has not 3 fields") };
        let got = match region.as_str() {
            "whatsapp" => whatsapp(text),
            region => reading(text, region, Bare::National),
        };
        count += 1;
        if got != *expected {
            wrong.push(format!("{text:?} ({region}): {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 300, "{count}");
}

/// As the sender of a WhatsApp message.
fn whatsapp(text: &str) -> String {
    let WhatsappId::Phone(number) = whatsapp_id(text) else { return "no number".into() };
    reading(number, "US", Bare::International)
}

#[test]
fn canonical_is_what_reading_writes() {
    for (text, canonical) in [
        ("+14155550100", true),
        ("+390612345678", true),
        ("14155550100", false),
        ("+1 4155550100", false),
        ("+4407700900133", false),
        ("+1", false),
    ] {
        assert_eq!(phone::is_canonical(text), canonical, "{text}");
    }
}

/// The table, as (text, expected).
const EMAILS: &str = include_str!("emails.txt");

#[test]
fn emails_are_read_as_the_table_says() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for row in rows(EMAILS) {
        let [text, expected] = row.as_slice() else { panic!("{row:?} has not 2 fields") };
        let got = match email::read(text) {
            _ if is_junk(text) => "placeholder".into(),
            Some(address) if is_placeholder(&address) => "placeholder".into(),
            Some(address) => address,
            None => "no address".into(),
        };
        count += 1;
        if got != *expected {
            wrong.push(format!("{text:?}: {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count}");
    let long = format!("{}@example.com", "a".repeat(65));
    assert_eq!(email::read(&long), None, "a local part has at most 64 characters");
}
