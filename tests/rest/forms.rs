//! The forms in which a value could lie somewhere, and a search for all of them at once.

use std::collections::HashMap;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

use crate::plant::Planted;

/// Bytes by which a form is looked up: no form is shorter.
const WINDOW: usize = 6;

/// One value in one form.
struct Form {
    what: String,
    bytes: Vec<u8>,
}

pub(crate) struct Search {
    forms: Vec<Form>,
    beginnings: HashMap<[u8; WINDOW], Vec<usize>>,
}

impl Search {
    pub(crate) fn new(planted: &[Planted]) -> Self {
        let mut forms = Vec::new();
        for canary in planted {
            for (form, bytes) in all_forms(&canary.canary) {
                assert!(bytes.len() >= WINDOW, "{} is too short to look for", canary.field);
                forms.push(Form { what: format!("{} ({form})", canary.field), bytes });
            }
        }
        let mut beginnings: HashMap<[u8; WINDOW], Vec<usize>> = HashMap::new();
        for (index, form) in forms.iter().enumerate() {
            let beginning = form.bytes[..WINDOW].try_into().expect("long enough");
            beginnings.entry(beginning).or_default().push(index);
        }
        Self { forms, beginnings }
    }

    /// What is found, each form once.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, window) in bytes.windows(WINDOW).enumerate() {
            let Some(candidates) = self.beginnings.get(window) else { continue };
            for index in candidates {
                if bytes[at..].starts_with(&self.forms[*index].bytes) {
                    found.push(*index);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| self.forms[index].what.as_str()).collect()
    }
}

fn all_forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (upper, lower) = (value.to_uppercase(), value.to_lowercase());
    let mut forms = vec![("as it was", value.as_bytes().to_vec())];
    for (name, text) in [("upper case", &upper), ("lower case", &lower)] {
        if text != value {
            forms.push((name, text.as_bytes().to_vec()));
        }
    }
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 7 && digits != value {
        forms.push(("digits only", digits.into_bytes()));
    }
    let units: Vec<u16> = value.encode_utf16().collect();
    forms.push(("UTF-16LE", units.iter().flat_map(|unit| unit.to_le_bytes()).collect()));
    forms.push(("UTF-16BE", units.iter().flat_map(|unit| unit.to_be_bytes()).collect()));
    forms.extend(escaped(value));
    forms.push(("hex", HEXLOWER.encode(value.as_bytes()).into_bytes()));
    forms.push(("HEX", HEXUPPER.encode(value.as_bytes()).into_bytes()));
    for before in 0..3 {
        // Whatever stands around it, these characters are its own.
        let shifted = [&vec![0; before], value.as_bytes()].concat();
        let first = (before * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        let plain = BASE64.encode(&shifted).into_bytes();
        let url = BASE64URL.encode(&shifted).into_bytes();
        forms.push(("base64", plain[first..last].to_vec()));
        if url != plain {
            forms.push(("base64url", url[first..last].to_vec()));
        }
    }
    forms
}

/// As programs print what is not plain text.
fn escaped(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let numbers: Vec<String> = value.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![("a list of bytes", numbers.join(", ").into_bytes())];
    if value.is_ascii() {
        return forms;
    }
    let each = |escape: &dyn Fn(char) -> String| {
        let plain = |letter: char| if letter.is_ascii() { letter.into() } else { escape(letter) };
        value.chars().map(plain).collect::<String>().into_bytes()
    };
    let bytes = |letter: char, form: fn(u8) -> String| {
        letter.to_string().bytes().map(form).collect::<String>()
    };
    forms.push(("in JSON", each(&|letter| format!("\\u{:04x}", letter as u32))));
    forms.push(("in Rust", each(&|letter| format!("\\u{{{:x}}}", letter as u32))));
    forms.push(("in C", each(&|letter| bytes(letter, |byte| format!("\\x{byte:02x}")))));
    forms.push(("octal", each(&|letter| bytes(letter, |byte| format!("\\{byte:03o}")))));
    forms.push(("in an address", each(&|letter| bytes(letter, |byte| format!("%{byte:02X}")))));
    forms
}

#[test]
fn the_search_finds_what_is_planted() {
    let value = "Zy>>canary??0815 \u{e9}t\u{e9} 4155550123";
    let planted = Planted { field: "x.y".into(), canary: value.into() };
    let search = Search::new(&[planted]);
    let forms = all_forms(value);
    assert!(forms.len() >= 18);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("haystack");
    for (name, form) in forms {
        let hay = [&b"\0\x01before"[..], &form[..], &b"after\xff"[..]].concat();
        std::fs::write(&file, hay).expect("a file");
        let found = search.find(&std::fs::read(&file).expect("a file")).join("; ");
        assert!(found.contains(name), "{name} in {found}");
    }
    for around in ["", "a", "ab", "abc", "abcd"] {
        let hay = BASE64.encode(format!("{around}{value}{around}").as_bytes());
        assert!(!search.find(hay.as_bytes()).is_empty(), "inside other base64");
    }
    assert!(search.find(b"nothing of it").is_empty());
}
