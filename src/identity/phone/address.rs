//! What stands around a number: addresses (`tel:`, `sip:`, …), extensions, signs of other scripts
//! and marks that nobody sees.

use rlibphonenumber::PHONE_NUMBER_UTIL;

/// Schemes whose address is the number itself, with parameters behind it.
const NUMBER_SCHEMES: [&str; 6] = ["tel", "callto", "sms", "smsto", "mms", "whatsapp"];

/// What may stand between a number and its extension.
const EXTENSION_WORDS: [&str; 18] = [
    "x",
    "xt",
    "ext",
    "extn",
    "extension",
    "extensión",
    "extensão",
    "int",
    "interno",
    "anexo",
    "ramal",
    "poste",
    "dw",
    "durchwahl",
    "доб",
    "доп",
    "pause",
    "wait",
];

/// The most digits of an extension behind a sign that could also part two numbers.
const EXTENSION_DIGITS: usize = 9;

const PHONE_CONTEXT: &str = ";phone-context=";

/// A number as it was written, taken out of what surrounds it.
pub(super) struct Address<'a> {
    /// What is dialled, with its punctuation.
    pub dialled: &'a str,
    /// The digits of an extension stand behind it.
    pub extension: bool,
    /// The global number (`+1`) that a local one is to be read after (RFC 3966).
    pub context: Option<&'a str>,
}

/// Digits of all scripts as ASCII, signs and spaces as ASCII, invisible marks gone.
pub(super) fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.trim().to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii() => plain.push(character),
            // The plus signs of other widths.
            '\u{ff0b}' | '\u{fe62}' | '\u{207a}' => plain.push('+'),
            '\u{ff08}' => plain.push('('),
            '\u{ff09}' => plain.push(')'),
            '\u{ff0f}' => plain.push('/'),
            '\u{ff1a}' => plain.push(':'),
            '\u{ff1b}' => plain.push(';'),
            '\u{ff03}' => plain.push('#'),
            '\u{ff0e}' | '\u{b7}' => plain.push('.'),
            // Marks of writing direction and of invisible width.
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{fe0e}'..='\u{fe0f}'
            | '\u{feff}' => {}
            // Dashes, the Japanese long vowel among them, which stands between digits as one.
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}' | '\u{fe63}' => {
                plain.push('-');
            }
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

/// Takes what was dialled out of an address, with or without `<…>` and a display name, parameters
/// included; anything else is returned as it is. `None` when a SIP address has no user.
pub(super) fn user(text: &str) -> Option<String> {
    let inner = match text.rsplit_once('<') {
        // What stands behind `>` are parameters of a header (`;tag=7`).
        Some((_, rest)) => rest.split_once('>').map_or(text, |(inner, _)| inner),
        None => text,
    };
    let Some((scheme, rest)) = inner.split_once(':') else { return Some(inner.to_owned()) };
    let scheme = scheme.trim().to_ascii_lowercase();
    let uri = match scheme.as_str() {
        "sip" | "sips" => match rest.split_once('@') {
            Some((user, _host)) => user,
            // Without a user it is a host, unless someone left the host away.
            None if rest.contains('.') => return None,
            None => rest,
        },
        scheme if NUMBER_SCHEMES.contains(&scheme) => rest,
        _ => return Some(inner.to_owned()),
    };
    let uri = uri.trim().trim_start_matches('/').replace("%2B", "+").replace("%2b", "+");
    let uri = uri.replace("%20", " ");
    // A SIP password and headers are no part of the number.
    Some(uri.split([':', '?']).next().unwrap_or_default().to_owned())
}

/// What a [`user`] part says; `None` when letters stand in it that begin no extension, or when
/// more than one number does.
pub(super) fn parts(user: &str) -> Option<Address<'_>> {
    let (number, parameters) = user.split_at(user.find(';').unwrap_or(user.len()));
    let (number, behind) = number.split_at(number.find([',', '#', '~']).unwrap_or(number.len()));
    if number.contains('*') || count_digits(behind) > EXTENSION_DIGITS {
        return None;
    }
    let mut extension = count_digits(behind) > 0 || has_extension(parameters);
    let mut number = number.trim();
    if let Some(at) = number.find(char::is_alphabetic) {
        let (before, word) = number.split_at(at);
        let letters: String =
            word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        if count_digits(word) == 0 || !EXTENSION_WORDS.contains(&letters.as_str()) {
            return None;
        }
        (number, extension) = (before, true);
    }
    Some(Address { dialled: after_brackets(number), extension, context: context(parameters) })
}

fn count_digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// `;ext=45`, or digits alone, as desktops write them.
fn has_extension(parameters: &str) -> bool {
    parameters.split(';').skip(1).any(|parameter| match parameter.split_once('=') {
        Some((name, value)) => name.trim().eq_ignore_ascii_case("ext") && count_digits(value) > 0,
        None => {
            let digits = parameter.trim();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
    })
}

/// The context of a local number, if it is a number itself; a host says nothing.
fn context(parameters: &str) -> Option<&str> {
    let at = parameters.to_ascii_lowercase().find(PHONE_CONTEXT)?;
    let context = parameters[at + PHONE_CONTEXT.len()..].split(';').next()?.trim();
    context.starts_with('+').then_some(context)
}

/// `(+44) 20 …` is international as well: what stands before the `+` says nothing.
fn after_brackets(number: &str) -> &str {
    let start = number.find(|c: char| c == '+' || c.is_ascii_digit()).unwrap_or(0);
    if number[start..].starts_with('+') { &number[start..] } else { number }
}
