//! Reads e-mail addresses into one canonical form.
//!
//! Trimmed, lower-cased, the domain in IDNA's ASCII form. Plus tags and dots
//! are kept: which of them a mailbox ignores is its provider's secret, and two
//! people must never become one because we guessed.

use email_address::{EmailAddress, Options};
use icu::normalizer::ComposingNormalizerBorrowed;
use idna::AsciiDenyList;

/// The longest address, in characters (RFC 3696 erratum 1690: 64 + 1 + 255).
pub(super) const MAX_EMAIL: usize = 320;

/// Whether a text is an e-mail address, in any of the forms in which people write one.
pub fn is_email(text: &str) -> bool {
    text.chars().count() <= MAX_EMAIL && read(text).is_some()
}

/// The canonical form of an address; `None` when it is none. Reading the answer again changes
/// nothing. A leading `mailto:` and a display name with `<…>` are taken off.
pub(super) fn read(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let text = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(open), Some(closed)) => &closed[open + 1..],
        _ => text,
    };
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => without_headers(&text[7..]),
        _ => text,
    };
    let (local, domain) = text.trim().rsplit_once('@')?;
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let domain = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3).ok()?;
    let address = format!("{}@{domain}", lower(local));
    let options =
        Options::default().with_required_tld().without_domain_literal().without_display_text();
    let valid = address.chars().count() <= MAX_EMAIL
        && EmailAddress::parse_with_options(&address, options).is_ok();
    valid.then_some(address)
}

/// `?subject=…` behind the domain of a `mailto:` address; before it a `?` belongs to the mailbox.
fn without_headers(address: &str) -> &str {
    let domain = address.rfind('@').unwrap_or(0);
    let end = address[domain..].find('?').map_or(address.len(), |at| domain + at);
    &address[..end]
}

/// Lower case in composed form (NFC), so that one spelling has one sequence of characters.
fn lower(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let composed = ComposingNormalizerBorrowed::new_nfc();
    composed.normalize(&composed.normalize(local).to_lowercase()).into_owned()
}

/// Marks that copying from a web page or a right-to-left text leaves behind.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}
