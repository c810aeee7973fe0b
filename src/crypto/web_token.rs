//! Signed web tokens: a JWT in its compact form, read strictly and verified against trusted keys.
//!
//! Pure: keys, time and what is expected are arguments. After RFC 7515 (signatures), RFC 7519
//! (claims) and RFC 8725 (what went wrong in the field). Whatever a token says of its own key
//! (`jwk`, `jku`, `x5u`, `x5c`) is refused: only the tenant says whom it trusts. A reader that is
//! lenient anywhere lets two readers see two tokens in one text, so none of it is lenient: one
//! spelling of base64, no member twice, no algorithm but the key's own.

mod claims;
mod key;
mod refused;
mod signing;
mod strict_json;

#[cfg(test)]
mod tests;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::clock::{MINUTE, SECOND, Time};
use claims::Claims;
pub use key::{Algorithm, KeyRefused, MAX_KEYS, TrustedKey, read_key_set};
pub use refused::Refused;
pub use signing::{SigningError, SigningKey};

/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 8_192;
/// The longest `kid`, in characters.
const MAX_KEY_ID: usize = 256;
/// How far the issuer's clock and ours may be apart, in milliseconds.
pub const SKEW: i64 = 60 * SECOND;
/// How long after its expiry a token still names whoever a repeated request was about.
pub const REPLAYED_WITHIN: i64 = 10 * MINUTE;

/// Header parameters that bring a key, change what is signed, or must be understood.
const FORBIDDEN: [&str; 8] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// Whose tokens, and made out to whom.
pub struct Expected<'a> {
    /// `iss`, to the letter.
    pub issuer: &'a str,
    /// One of `aud`, to the letter.
    pub audience: &'a str,
    /// The time now.
    pub now: Time,
}

/// Whether a token still counts for something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It does.
    Fresh,
    /// It has expired, though not long ago: it counts for a repeated request, and nothing else.
    Late,
}

/// A token that was read. Nothing of it is proven before [`Self::verify`].
pub struct WebToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    signed: &'a [u8],
    signature: Vec<u8>,
    claims: Claims,
}

impl<'a> WebToken<'a> {
    /// Reads the form of a token: three parts, a header that can be served, claims of the right
    /// types. Its length is looked at before anything else.
    ///
    /// # Errors
    /// The first reason why it is not such a token.
    pub fn read(text: &'a str) -> Result<Self, Refused> {
        if text.len() > MAX_TOKEN {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        if claims.contains('.') {
            return Err(Refused::Malformed);
        }
        let (algorithm, key_id) = read_header(&object(header)?)?;
        let signature = decoded(signature)?;
        let claims = Claims::read(&object(claims)?)?;
        Ok(Self { algorithm, key_id, signed: signed.as_bytes(), signature, claims })
    }

    /// The key's name, if the token gives one.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Who issued it, as it says.
    pub fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// Whom it is about, as it says.
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// Verifies the signature. A `kid` chooses among keys that have one; keys without are tried
    /// when none has that name. The algorithm must be the key's own.
    ///
    /// # Errors
    /// [`Refused::UnknownKey`], [`Refused::WrongAlgorithm`] or [`Refused::BadSignature`].
    pub fn verify(&self, keys: &[TrustedKey]) -> Result<(), Refused> {
        let mut candidates: Vec<&TrustedKey> = keys.iter().collect();
        if let Some(named) = &self.key_id {
            let has = |key: &&TrustedKey| key.key_id() == Some(named);
            let known = keys.iter().any(|key| has(&key));
            candidates.retain(|key| if known { has(key) } else { key.key_id().is_none() });
        }
        if candidates.is_empty() {
            return Err(Refused::UnknownKey);
        }
        candidates.retain(|key| key.algorithm() == self.algorithm);
        if candidates.is_empty() {
            return Err(Refused::WrongAlgorithm);
        }
        let signed = |key: &&TrustedKey| key.has_signed(self.signed, &self.signature);
        if candidates.iter().any(signed) { Ok(()) } else { Err(Refused::BadSignature) }
    }

    /// Checks issuer, audience and times, with [`SKEW`] either way.
    ///
    /// # Errors
    /// The first claim that does not hold.
    pub fn check(&self, expected: &Expected<'_>) -> Result<Freshness, Refused> {
        let claims = &self.claims;
        if claims.issuer != expected.issuer {
            return Err(Refused::WrongIssuer);
        }
        if !claims.audience.iter().any(|one| one == expected.audience) {
            return Err(Refused::WrongAudience);
        }
        let begins = [claims.not_before, claims.issued].into_iter().flatten().max();
        if begins.is_some_and(|begins| begins.since(expected.now) > SKEW) {
            return Err(Refused::NotYetValid);
        }
        match expected.now.since(claims.expires) {
            past if past <= SKEW => Ok(Freshness::Fresh),
            past if past <= REPLAYED_WITHIN => Ok(Freshness::Late),
            _ => Err(Refused::Expired),
        }
    }
}

impl std::fmt::Debug for WebToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebToken(…)")
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Refused> {
    // Refuses padding, whitespace and bits that are left over: one value has one spelling.
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| Refused::Malformed)
}

fn object(part: &str) -> Result<Map<String, Value>, Refused> {
    match strict_json::read(&decoded(part)?)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refused::Malformed),
    }
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Refused> {
    if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
        return Err(Refused::ForbiddenHeader);
    }
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => Algorithm::named(name),
        _ => None,
    };
    let algorithm = algorithm.ok_or(Refused::UnsupportedAlgorithm)?;
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if is_kind(kind) => {}
        Some(_) => return Err(Refused::WrongType),
    }
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) if is_name(id, MAX_KEY_ID) => Some(id.clone()),
        Some(_) => return Err(Refused::Malformed),
    };
    Ok((algorithm, key_id))
}

/// An identity or access token (RFC 9068); a logout or security event token says something else.
fn is_kind(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt")
}

/// 1 to `most` characters, none of them a control character.
fn is_name(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
