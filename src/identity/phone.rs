//! Reads what a network or a person calls a phone number into E.164.
//!
//! Parsing and formatting are libphonenumber's rules (rlibphonenumber); what is
//! ours is what comes before and after: SIP and tel addresses, withheld values,
//! short codes, which of several readings of bare digits to prefer, and one
//! form where a country has two for one line. Numbers need only be possible and
//! plausible, not assigned: new ranges open faster than metadata follows, and a
//! number that is not theirs matches nobody else. `tests/phones.txt` shows it.

mod address;
mod line;
mod seen;

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region,
};

/// What a value shown as a phone number turned out to be.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// A number.
    Number(Number),
    /// The network says that it will not tell.
    Withheld,
    /// An emergency or short code, or an extension alone: no person's number.
    ShortCode,
    /// No phone number of this world.
    Unusable,
}

/// A number that was read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// In E.164, in the one form that is this line's key.
    pub e164: String,
    /// An extension was shown: many people stand behind the number.
    pub switchboard: bool,
    /// The numbering plan gives such numbers to companies only.
    pub companys: bool,
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
/// P, O and U are the network's own words for private, out of area and unavailable.
const WITHHELD_WORDS: [&str; 50] = [
    "anonimo",
    "anonym",
    "anonyme",
    "anonymous",
    "anonymouscaller",
    "anónimo",
    "blocked",
    "blockedcaller",
    "blockednumber",
    "calleridblocked",
    "calleridunavailable",
    "coinlinepayphone",
    "desconhecido",
    "desconocido",
    "hidden",
    "hiddennumber",
    "idunavailable",
    "idwithheld",
    "inconnu",
    "masqué",
    "nocallerid",
    "noclid",
    "nonumber",
    "notavailable",
    "numberunavailable",
    "numberwithheld",
    "o",
    "oculto",
    "outofarea",
    "p",
    "payphone",
    "privado",
    "private",
    "privatecaller",
    "privatenumber",
    "privato",
    "restricted",
    "restrictednumber",
    "sconosciuto",
    "suppressed",
    "u",
    "unavailable",
    "unbekannt",
    "unknown",
    "unknowncaller",
    "unknownnumber",
    "unlisted",
    "unterdrückt",
    "withheld",
    "withheldnumber",
];

/// ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN and BLOCKED typed on a telephone's keypad.
const WITHHELD_KEYPAD: [&str; 5] = ["266696687", "7378742833", "86282452253", "8656696", "2562533"];

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
    matches!(read(text, None, Bare::National), Reading::Number(number) if number.e164 == text)
}

/// Reads a value shown as a phone number. Reading the answer again changes nothing.
///
/// An extension is dropped, and said: people behind one switchboard share its number.
pub(super) fn read(text: &str, default_region: Option<Region>, bare: Bare) -> Reading {
    if let Some(companys) = seen::look(text) {
        return Reading::Number(Number { e164: text.to_owned(), switchboard: false, companys });
    }
    let reading = read_anew(text, default_region, bare);
    if let Reading::Number(number) = &reading
        && number.e164 == text
    {
        seen::remember(text, number.companys);
    }
    reading
}

/// Reads a value without looking whether it was seen.
pub(super) fn read_anew(text: &str, default_region: Option<Region>, bare: Bare) -> Reading {
    let text = address::plain(text);
    let Some(user) = address::user(&text) else { return Reading::Unusable };
    if is_withheld_word(&user) {
        return Reading::Withheld;
    }
    let Some(parts) = address::parts(&user) else { return Reading::Unusable };
    let digits: String = parts.dialled.chars().filter(char::is_ascii_digit).collect();
    let global = parts.dialled.starts_with('+');
    if digits.is_empty() {
        return Reading::Unusable;
    }
    if digits.bytes().all(|digit| digit == b'0')
        || (global && WITHHELD_KEYPAD.contains(&digits.as_str()))
    {
        return Reading::Withheld;
    }
    if digits.len() <= SHORT_CODE_DIGITS && global {
        return Reading::ShortCode;
    }
    let keypad = WITHHELD_KEYPAD.contains(&digits.as_str());
    let number = match parts.context {
        // Small countries have people's numbers as short, and their plans say so.
        _ if digits.len() <= SHORT_CODE_DIGITS => {
            parse(parts.dialled, default_region).filter(|it| !line::is_companys(it))
        }
        Some(context) if !global => {
            parse(&format!("{};phone-context={context}", parts.dialled), default_region)
        }
        _ => first_possible(parts.dialled, &digits, default_region, bare),
    };
    match number {
        Some(number) if is_short(&number) => Reading::ShortCode,
        // Without a plus it can also be someone's number, in Austin (737 874 2833) for one.
        Some(number) if keypad && !number.is_valid() => Reading::Withheld,
        Some(number) => Reading::Number(Number {
            e164: e164(&number),
            switchboard: parts.extension,
            companys: line::is_companys(&number),
        }),
        None if digits.len() <= SHORT_CODE_DIGITS => Reading::ShortCode,
        None if keypad => Reading::Withheld,
        None => Reading::Unusable,
    }
}

/// Tries the readings of a number in the order in which they are likely.
fn first_possible(
    dialled: &str,
    digits: &str,
    default_region: Option<Region>,
    bare: Bare,
) -> Option<PhoneNumber> {
    if dialled.starts_with('+') {
        return parse(dialled, None);
    }
    let national = || parse(dialled, default_region);
    let international = |digits: &str| parse(&format!("+{digits}"), None);
    let bare_international =
        || (digits.len() >= BARE_INTERNATIONAL_DIGITS).then(|| international(digits)).flatten();
    // 00 is how most of the world dials abroad, and no national number begins so. Where another
    // way abroad begins with it (001 in Hong Kong, 0015 in Brazil), that one goes before.
    if let Some(rest) = digits.strip_prefix("00") {
        let here = default_region.and_then(|it| PHONE_NUMBER_UTIL.get_country_code_for_region(it));
        let as_dialled_here = national();
        let abroad = as_dialled_here.as_ref().is_some_and(|it| Some(it.country_code) != here);
        return match abroad {
            true => as_dialled_here,
            false => international(rest).or(as_dialled_here),
        };
    }
    if bare == Bare::International {
        return bare_international().or_else(national);
    }
    if let Some(number) = national() {
        return Some(number);
    }
    let dialled_from_america = digits.strip_prefix("011").and_then(international);
    dialled_from_america.or_else(bare_international)
}

/// Parses one reading, `None` unless it is possible and plausible.
fn parse(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let mut number = parse_once(text, region)?;
    // Some countries' rules take off a prefix that only shows once another is gone. What is
    // stored must be what the next reading of it gives, so read until nothing changes.
    for _ in 0..3 {
        let written = e164(&number);
        if written == text {
            return Some(number);
        }
        let again = parse_once(&written, None)?;
        if e164(&again) == written {
            return Some(number);
        }
        number = again;
    }
    None
}

fn parse_once(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let mut number = PhoneNumber::parse(text, region).ok()?;
    if let Some(today) = line::today(&number) {
        number = PhoneNumber::parse(format!("+{today}"), None).ok()?;
    }
    let possible = matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
    if !possible || !line::is_plausible(&number) {
        return None;
    }
    // What a national prefix was taken off must not read as something else the next time.
    let written = e164(&number);
    let digits = written.trim_start_matches('+');
    let lasting = digits.len() > SHORT_CODE_DIGITS && !WITHHELD_KEYPAD.contains(&digits);
    lasting.then_some(number)
}

fn e164(number: &PhoneNumber) -> String {
    number.format_as(PhoneNumberFormat::E164).into_owned()
}

/// Whether it is a short code, with a country code (`+49 116 117`) or without.
fn is_short(number: &PhoneNumber) -> bool {
    number.get_national_significant_number().len() <= SHORT_CODE_DIGITS && !number.is_valid()
}

fn is_withheld_word(user: &str) -> bool {
    // `anonymous@anonymous.invalid` comes without its scheme too.
    let user = user.split('@').next().unwrap_or_default();
    let word: String =
        user.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    word.is_empty() || WITHHELD_WORDS.contains(&word.as_str())
}
