//! Names that say something: no banned words, no stutter.

use crate::source::{self, File};

/// Words that say nothing about the thing they name.
const BANNED: &[&str] = &["manager", "helper", "util", "data", "info", "process"];

/// Phrases in which a banned word does say something, and why.
const ALLOWED: &[(&str, &str)] = &[("data key", "the vocabulary's word for what seals values")];

const KINDS: &[&str] = &["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];
/// Words that may stand between `pub` and the kind.
const BEFORE: &[&str] = &["async", "unsafe", "extern", "const"];

/// Findings for public items and files with a banned word, and types that repeat their module.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let inner = file.path.strip_prefix("src/").unwrap_or(&file.path).trim_end_matches(".rs");
        if let Some(word) = inner.split('/').find_map(banned) {
            findings.push(format!("{}: the file's name says `{word}`", file.path));
        }
        let module = inner.split('/').next().unwrap_or_default();
        let code = source::without_tests(&source::code(&file.text));
        for (at, name) in public_items(&code) {
            let place = format!("{}:{}", file.path, source::line(&code, at));
            if let Some(word) = banned(name) {
                findings.push(format!("{place}: `{name}` says `{word}`"));
            }
            if stutters(module, name) {
                findings.push(format!("{place}: `{module}::{name}` stutters"));
            }
        }
    }
    findings
}

/// Public items with their offsets.
fn public_items(code: &str) -> Vec<(usize, &str)> {
    let mut items = Vec::new();
    for (at, _) in code.match_indices("pub") {
        if at > 0 && source::is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let mut rest = code[at + 3..].trim_start();
        if rest.starts_with('(') {
            rest = rest.split_once(')').map_or("", |(_, after)| after);
        }
        let mut words = rest.split_whitespace().peekable();
        let mut kind = words.next().unwrap_or_default();
        while BEFORE.contains(&kind) && words.peek().is_some_and(|next| starts_item(next)) {
            kind = words.next().unwrap_or_default();
        }
        let name = words.next().unwrap_or_default();
        let end = name.bytes().take_while(|byte| source::is_word(*byte)).count();
        if KINDS.contains(&kind) && end > 0 {
            items.push((at, &name[..end]));
        }
    }
    items
}

fn starts_item(word: &str) -> bool {
    KINDS.contains(&word) || BEFORE.contains(&word)
}

/// The banned word in a name of either case, if there is one.
fn banned(name: &str) -> Option<String> {
    let mut phrase = words(name).join(" ");
    for (allowed, _) in ALLOWED {
        phrase = phrase.replace(allowed, "");
    }
    let is_banned =
        |word: &&str| BANNED.contains(word) || BANNED.contains(&word.trim_end_matches('s'));
    phrase.split(' ').find(is_banned).map(str::to_owned)
}

/// Whether a type begins with its module's name and goes on: `store::StoreError`.
fn stutters(module: &str, name: &str) -> bool {
    let words = words(name);
    let is_type = name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.contains(|letter: char| letter.is_ascii_lowercase());
    is_type && words.len() > 1 && words[0] == module
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for letter in name.chars() {
        if letter == '_' || letter == '-' || (letter.is_ascii_uppercase() && lower_before) {
            words.push(String::new());
        }
        lower_before = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        if let Some(last) = words.last_mut()
            && letter != '_'
            && letter != '-'
        {
            last.push(letter.to_ascii_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[File { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn a_banned_word_is_found_in_a_public_name() {
        for text in [
            "pub struct CacheManager;",
            "pub fn process_start() {}",
            "pub(crate) async fn load_data() {}",
            "pub const INFO: u8 = 1;",
            "pub mod utils;",
            "pub const fn helper() {}",
        ] {
            assert_eq!(findings("src/store/a.rs", text), 1, "{text}");
        }
        for text in
            ["pub struct DataKey;", "pub fn processor() {}", "// pub fn data()", "fn data() {}"]
        {
            assert_eq!(findings("src/store/a.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn a_banned_word_is_found_in_a_file_name() {
        assert_eq!(findings("src/store/helpers.rs", ""), 1);
        assert_eq!(findings("src/util/a.rs", ""), 1);
        assert_eq!(findings("src/store/data_key.rs", ""), 0);
    }

    #[test]
    fn stutter_is_found() {
        assert_eq!(findings("src/store/a.rs", "pub enum StoreError {}"), 1);
        assert_eq!(findings("src/store/a.rs", "pub struct Store;"), 0);
        assert_eq!(findings("src/store/a.rs", "pub enum Error {}"), 0);
    }
}
