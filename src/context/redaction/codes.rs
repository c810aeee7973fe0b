//! Card security codes: three or four digits that are named as one, or that follow a card number.

use std::sync::LazyLock;

use icu::normalizer::DecomposingNormalizerBorrowed;
use icu::properties::props::GeneralCategory;

use super::digits::{Digits, Gap, Part, category};
use super::words::{EXPIRY, NAMES, ONLY_BESIDE_A_CARD, WORDS};

/// Bytes around a code in which its name may stand.
const NEAR: usize = 96;
/// Bytes of a value that is a code by its name at most: four digits of any script, and spaces.
pub(super) const LONGEST_CODE: usize = 32;
/// Small words between the name and the code at most.
const MOST_WORDS: usize = 6;

/// A name as it is compared, and whether it needs a card beside it.
static FOLDED: LazyLock<Vec<(String, bool)>> = LazyLock::new(|| {
    let names = NAMES.iter().map(|name| (fold(name), false));
    names.chain(ONLY_BESIDE_A_CARD.iter().map(|name| (fold(name), true))).collect()
});

/// Marks the groups of every code that is not marked yet; whether there was one.
pub(super) fn mark(text: &str, digits: &mut Digits) -> bool {
    let card = digits.groups.iter().any(|group| group.part == Part::CardEnd);
    let mut found = false;
    for at in 0..digits.groups.len() {
        let after_card = digits.groups[at].part == Part::CardEnd;
        let code = match after_card {
            true => behind_a_card(text, digits, at),
            false => named(text, digits, at, card),
        };
        let Some((first, last)) = code else { continue };
        digits.mark_code(first, last);
        found = true;
    }
    found
}

/// Whether a value with this name is a security code by its name: `cvv`, `cardSecurityCode`.
pub(super) fn names_a_code(name: &str) -> bool {
    let mut words = String::with_capacity(name.len() + 8);
    let mut lower = false;
    for character in name.chars() {
        if lower && character.is_uppercase() {
            words.push(' ');
        }
        lower = character.is_lowercase();
        words.push(if matches!(character, '_' | '-' | '.') { ' ' } else { character });
    }
    ends_with_a_name(&fold(&words), false)
}

/// Whether a value is nothing but three or four digits.
pub(super) fn is_code(value: &str) -> bool {
    (3..=4).contains(&Digits::of(value).values.len()) && !value.chars().any(char::is_alphabetic)
}

/// The groups at `at` that are three or four digits: one group, or as many single digits.
fn three_or_four(text: &str, digits: &Digits, at: usize) -> Option<usize> {
    let groups = &digits.groups;
    if groups[at].part != Part::Nothing {
        return None;
    }
    let single = |index: &usize| {
        let group = &groups[*index];
        let joins = *index == at || group.gap == Gap::Blank || group.gap == Gap::Mark;
        group.length == 1 && group.part == Part::Nothing && joins
    };
    let last = match groups[at].length {
        3 | 4 => at,
        1 => {
            let singles = (at..groups.len()).take_while(single).take(5).count();
            (3..=4).contains(&singles).then_some(at + singles - 1)?
        }
        _ => return None,
    };
    // Part of a longer number, a date, an amount, a time.
    let glued = |rest: &str| {
        let mut characters = rest.chars();
        let mark = characters.next().is_some_and(|it| ".,:/-".contains(it));
        mark && characters.next().is_some_and(|it| it.is_ascii_digit())
    };
    let percent = text[groups[last].end..].starts_with('%');
    (!percent && !glued(&text[groups[last].end..])).then_some(last)
}

/// A code beside its name.
fn named(text: &str, digits: &Digits, at: usize, card: bool) -> Option<(usize, usize)> {
    let last = three_or_four(text, digits, at)?;
    let (start, end) = (digits.groups[at].start, digits.groups[last].end);
    let before = fold(&text[text.ceil_char_boundary(start.saturating_sub(NEAR))..start]);
    let is_named = ends_with_a_name(&before, card) || {
        let after = &text[end..text.floor_char_boundary((end + NEAR).min(text.len()))];
        begins_with_a_name(after, card)
    };
    is_named.then_some((at, last))
}

/// Whether a text ends with a name and small words: `CVV is: `.
fn ends_with_a_name(folded: &str, card: bool) -> bool {
    let mut rest = folded;
    for _ in 0..=MOST_WORDS {
        rest = rest.trim_end_matches(|it: char| !it.is_alphanumeric() && it != '*');
        // `**CVV:** 123` is bold; three stars are what a code was.
        rest = match rest.trim_end_matches('*') {
            bare if rest.len() - bare.len() <= 2 => bare,
            _ => return false,
        };
        rest = rest.trim_end_matches(|it: char| !it.is_alphanumeric() && it != '*');
        let is_name = |(name, needs): &(String, bool)| {
            let before = if *needs && !card { None } else { rest.strip_suffix(name.as_str()) };
            before.is_some_and(|it| is_edge(it.chars().next_back(), name))
        };
        if FOLDED.iter().any(is_name) {
            return true;
        }
        let begins = rest.rfind(|it: char| !it.is_alphabetic() && it != '\'');
        let word = begins.map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        if !WORDS.contains(&&rest[word..]) {
            return false;
        }
        rest = &rest[..word];
    }
    false
}

/// Whether a text says that what stands before it is a code: ` is my CVV`, ` (CVC)`.
fn begins_with_a_name(after: &str, card: bool) -> bool {
    let after = after.trim_start();
    let said = after.starts_with(['(', '[']) || {
        let verbs = ["is ", "as ", "was ", "ist ", "es ", "est ", "é ", "è ", "als ", "como "];
        verbs
            .iter()
            .any(|verb| after.get(..verb.len()).is_some_and(|it| it.eq_ignore_ascii_case(verb)))
    };
    if !said {
        return false;
    }
    let folded = fold(after);
    let mut rest = folded.as_str();
    for _ in 0..=MOST_WORDS {
        rest = rest.trim_start_matches([' ', '(', '[', '"', '\'', ':']);
        let is_name = |(name, needs): &(String, bool)| {
            let behind = if *needs && !card { None } else { rest.strip_prefix(name.as_str()) };
            behind.is_some_and(|it| is_edge(it.chars().next(), name))
        };
        if FOLDED.iter().any(is_name) {
            return true;
        }
        let end = rest.find(|it: char| !it.is_alphabetic()).unwrap_or(rest.len());
        if end == 0 || !WORDS.contains(&&rest[..end]) {
            return false;
        }
        rest = &rest[end..];
    }
    false
}

/// Whether a name ends here: not in the middle of a word, in scripts that part words.
fn is_edge(next: Option<char>, name: &str) -> bool {
    let parts_words =
        name.chars().all(|it| it < '\u{2000}' && !('\u{1100}'..'\u{1200}').contains(&it));
    next.is_none_or(|it| !it.is_alphabetic() || !parts_words)
}

/// A code behind a card number: after an expiry date, or at the end of a line.
fn behind_a_card(text: &str, digits: &Digits, card: usize) -> Option<(usize, usize)> {
    let groups = &digits.groups;
    let between = |index: usize| {
        let free = groups.get(index).is_some_and(|group| group.part == Part::Nothing);
        let gap = free.then(|| &text[groups[index - 1].end..groups[index].start]);
        // Stars are what a code was, or bold.
        gap.filter(|gap| !gap.contains('*'))
    };
    let separators = |gap: &str| gap.chars().count() <= 4 && !gap.contains(char::is_alphanumeric);
    if separators(between(card + 1)?) {
        let length = groups[card + 1].length;
        let expected = if is_amex(digits, card) { 4 } else { 3 };
        let rest = text[groups[card + 1].end..].trim_start_matches([' ', '\t', '.', ',', ';', ')']);
        if length == expected && (rest.is_empty() || rest.starts_with(['\n', '\r'])) {
            return Some((card + 1, card + 1));
        }
    }
    let gap = between(card + 1)?;
    if gap.len() > NEAR || !only_of(&fold(gap), EXPIRY) {
        return None;
    }
    let code = match groups[card + 1].length {
        4 => card + 2,
        1 | 2 if separators(between(card + 2)?) => card + 3,
        _ => return None,
    };
    let month = digits.number(card + 1, card + 1).iter().take(2).fold(0, |sum, it| sum * 10 + it);
    let years = code == card + 2 || matches!(groups[card + 2].length, 2 | 4);
    let named = |gap: &str| separators(gap) || only_of(&fold(gap), &["and", "und", "y", "et", "e"]);
    if !(1..=12).contains(&month) || !years || !named(between(code)?) {
        return None;
    }
    let last = three_or_four(text, digits, code)?;
    Some((code, last))
}

/// Whether a card number is one with a code of four digits.
fn is_amex(digits: &Digits, end: usize) -> bool {
    let mut first = end;
    while first > 0 && digits.groups[first - 1].part == Part::Card {
        first -= 1;
    }
    matches!(digits.number(first, end), [3, 4 | 7, ..])
}

fn only_of(folded: &str, words: &[&str]) -> bool {
    let said = folded.split(|it: char| !it.is_alphabetic()).filter(|word| !word.is_empty());
    said.into_iter().all(|word| words.contains(&word))
}

/// Lower case, without accents, full width and the like: `Código` is `codigo`.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    let seen = plain.filter(|it| {
        it.is_ascii()
            || !matches!(category(*it), GeneralCategory::NonspacingMark | GeneralCategory::Format)
    });
    // The two forms of a small sigma are one letter.
    seen.flat_map(char::to_lowercase).map(|it| if it == 'ς' { 'σ' } else { it }).collect()
}
