//! Reads what a network or a person calls a phone number into E.164.
//!
//! Parsing and formatting are libphonenumber's rules (rlibphonenumber); what is
//! ours is what comes before: SIP and tel addresses, withheld values, short
//! codes, and which of several readings of bare digits to prefer. Numbers need
//! only be possible and plausible, not assigned: new ranges open faster than
//! metadata follows, and a number that is not theirs matches nobody else.

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region,
};

/// What a value shown as a phone number turned out to be.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// A number, in E.164.
    Number(String),
    /// The network says that it will not tell.
    Withheld,
    /// An emergency or short code, or an extension: no person's number.
    ShortCode,
    /// No phone number of this world.
    Unusable,
}

/// How a number without a leading `+` is read first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// As people dial in the default region.
    National,
    /// As a country code and a number: platforms write their ids so.
    International,
}

/// What networks and desktops write for a withheld number: letters and digits only, lower case.
const WITHHELD_WORDS: [&str; 20] = [
    "anonymous",
    "anonymouscaller",
    "blocked",
    "blockedcaller",
    "calleridblocked",
    "idunavailable",
    "nocallerid",
    "notavailable",
    "numberwithheld",
    "outofarea",
    "private",
    "privatecaller",
    "privatenumber",
    "restricted",
    "restrictednumber",
    "unavailable",
    "unknown",
    "unknowncaller",
    "unknownnumber",
    "withheld",
];

/// ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN and BLOCKED typed on a telephone's keypad.
const WITHHELD_KEYPAD: [&str; 5] = ["266696687", "7378742833", "86282452253", "8656696", "2562533"];

/// What may stand between a number and its extension.
const EXTENSION_WORDS: [&str; 9] =
    ["x", "ext", "extn", "extension", "xt", "int", "anexo", "poste", "доб"];

/// The most digits of an emergency or short code.
const SHORT_CODE_DIGITS: usize = 6;

/// The fewest digits that can be a country code and a number without a sign that they are.
const BARE_INTERNATIONAL_DIGITS: usize = 10;

/// Loads the phone metadata, which takes some milliseconds: call before being ready to serve.
pub fn warm_up() {
    // Whatever it reads, the tables are in memory afterwards.
    let _ = read("+14155550100", Region::from_code("US").ok(), Bare::National);
}

/// The region of an ISO 3166-1 alpha-2 code; `None` when it has no phone numbers.
pub(super) fn region(code: &str) -> Option<Region> {
    let region = Region::from_code(code).ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
}

/// Whether `text` is a number exactly as [`read`] writes it.
pub(super) fn is_canonical(text: &str) -> bool {
    matches!(read(text, None, Bare::National), Reading::Number(number) if number == text)
}

/// Reads a value shown as a phone number. Reading the answer again changes nothing.
///
/// An extension is dropped: two people behind one switchboard number still share that number.
pub(super) fn read(text: &str, default_region: Option<Region>, bare: Bare) -> Reading {
    let text = plain(text);
    let Some(address) = address(&text) else { return Reading::Unusable };
    if is_withheld_word(&address) {
        return Reading::Withheld;
    }
    let Some(dialled) = without_extension(&address) else { return Reading::Unusable };
    let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return Reading::Unusable;
    }
    if digits.bytes().all(|digit| digit == b'0') {
        return Reading::Withheld;
    }
    if WITHHELD_KEYPAD.contains(&digits.as_str()) && dialled.starts_with('+') {
        return Reading::Withheld;
    }
    if digits.len() <= SHORT_CODE_DIGITS {
        return Reading::ShortCode;
    }
    if address.contains(PHONE_CONTEXT) {
        return parse(&address, default_region).map_or(Reading::Unusable, Reading::Number);
    }
    first_possible(dialled, &digits, default_region, bare)
}

const PHONE_CONTEXT: &str = ";phone-context=";

/// Tries the readings of a number in the order in which they are likely.
fn first_possible(
    dialled: &str,
    digits: &str,
    default_region: Option<Region>,
    bare: Bare,
) -> Reading {
    if dialled.starts_with('+') {
        return parse(dialled, None).map_or(Reading::Unusable, Reading::Number);
    }
    let national = || parse(dialled, default_region);
    let international = |digits: &str| {
        (digits.len() >= BARE_INTERNATIONAL_DIGITS)
            .then(|| parse(&format!("+{digits}"), None))
            .flatten()
    };
    // 00 is how most of the world dials abroad, and no national number begins so.
    let number = if let Some(rest) = digits.strip_prefix("00") {
        international(rest).or_else(national)
    } else if bare == Bare::International {
        international(digits).or_else(national)
    } else {
        national().or_else(|| {
            // Bare keypad letters can also be someone's national number, so this comes second.
            if WITHHELD_KEYPAD.contains(&digits) {
                return None;
            }
            let dialled_from_america = digits.strip_prefix("011").and_then(international);
            dialled_from_america.or_else(|| international(digits))
        })
    };
    match number {
        Some(number) => Reading::Number(number),
        None if WITHHELD_KEYPAD.contains(&digits) => Reading::Withheld,
        None => Reading::Unusable,
    }
}

/// Parses one reading and writes it as E.164, `None` unless it is possible and plausible.
fn parse(text: &str, region: Option<Region>) -> Option<String> {
    let mut written = parse_once(text, region)?;
    // Some countries' rules take off a prefix that only shows once another is gone. What is
    // stored must be what the next reading of it gives, so read until nothing changes.
    for _ in 0..3 {
        if written == text {
            return Some(written);
        }
        let again = parse_once(&written, None)?;
        if again == written {
            return Some(written);
        }
        written = again;
    }
    None
}

fn parse_once(text: &str, region: Option<Region>) -> Option<String> {
    let number = PhoneNumber::parse(text, region).ok()?;
    let possible = matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
    if !possible || !is_plausible(&number) {
        return None;
    }
    let written = number.format_as(PhoneNumberFormat::E164).into_owned();
    // What a national prefix was taken off must not read as something else the next time.
    let digits = written.trim_start_matches('+');
    let lasting = digits.len() > SHORT_CODE_DIGITS && !WITHHELD_KEYPAD.contains(&digits);
    lasting.then_some(written)
}

/// Whether a number of a possible length could be someone's.
fn is_plausible(number: &PhoneNumber) -> bool {
    let national = number.get_national_significant_number();
    let digits = national.as_bytes();
    if number.country_code == 1 {
        // In North America neither the area code nor the exchange begins with 0 or 1. The
        // fictitious 555 exchange is let through: test systems are built on it.
        let begins_well = |at: usize| digits.get(at).is_some_and(|digit| *digit >= b'2');
        if digits.len() != 10 || !begins_well(0) || !begins_well(3) {
            return false;
        }
    }
    let one_digit_repeated = digits.windows(2).all(|pair| pair[0] == pair[1]);
    !one_digit_repeated || number.is_valid()
}

/// Digits of all scripts as ASCII, signs and spaces as ASCII, invisible marks gone.
fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.trim().to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii() => plain.push(character),
            '\u{ff0b}' => plain.push('+'),
            // Marks of writing direction and of invisible width.
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {}
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            _ if character.is_whitespace() => plain.push(' '),
            _ => {
                let mut buffer = [0u8; 4];
                let digit =
                    PHONE_NUMBER_UTIL.normalize_digits_only(character.encode_utf8(&mut buffer));
                if digit.is_empty() { plain.push(character) } else { plain.push_str(&digit) }
            }
        }
    }
    plain.trim().to_owned()
}

/// Takes the dialled part out of a `sip:`, `sips:` or `tel:` address, with or without `<…>` and
/// a display name; anything else is returned as it is. `None` when a SIP address has no user.
fn address(text: &str) -> Option<String> {
    let inner = match (text.rfind('<'), text.ends_with('>')) {
        (Some(open), true) => &text[open + 1..text.len() - 1],
        _ => text,
    };
    let Some((scheme, rest)) = inner.split_once(':') else { return Some(inner.to_owned()) };
    let uri = match scheme.trim().to_ascii_lowercase().as_str() {
        "tel" => rest,
        "sip" | "sips" => match rest.split_once('@') {
            Some((user, _host)) => user,
            // Without a user it is a host, unless someone left the host away.
            None if rest.contains('.') => return None,
            None => rest,
        },
        _ => return Some(inner.to_owned()),
    };
    let uri = uri.trim().replace("%2B", "+").replace("%2b", "+");
    if uri.contains(PHONE_CONTEXT) {
        return Some(uri);
    }
    // Parameters (`;ext=18`, `;user=phone`) and a SIP password are no part of the number.
    Some(uri.split([';', ':', '?']).next().unwrap_or_default().to_owned())
}

fn is_withheld_word(text: &str) -> bool {
    let word: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    word.is_empty() || WITHHELD_WORDS.contains(&word.as_str())
}

/// The dialled number before its extension; `None` when letters stand there that begin none.
fn without_extension(address: &str) -> Option<&str> {
    let number = address.split([';', ',', '#']).next().unwrap_or_default().trim();
    if number.contains('*') {
        return None;
    }
    let Some(at) = number.find(char::is_alphabetic) else { return Some(after_brackets(number)) };
    let (number, extension) = number.split_at(at);
    let word: String =
        extension.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    let numbered = extension.chars().any(|c| c.is_ascii_digit());
    (numbered && EXTENSION_WORDS.contains(&word.as_str())).then(|| after_brackets(number))
}

/// `(+44) 20 …` is international as well: what stands before the `+` says nothing.
fn after_brackets(number: &str) -> &str {
    let start = number.find(|c: char| c == '+' || c.is_ascii_digit()).unwrap_or(0);
    if number[start..].starts_with('+') { &number[start..] } else { number }
}
