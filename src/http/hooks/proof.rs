//! How a delivery shows whose it is: a signature over its body, or an API key.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::{AUTHORIZATION, HeaderName};
use zeroize::Zeroizing;

use super::moments;
use crate::clock::Time;
use crate::crypto::{Algorithm, DeliverySecrets};

/// Signatures that one delivery may carry: who changes secrets sends several.
const MOST_SIGNATURES: usize = 8;
/// The header of a Standard Webhook's id.
pub(super) const WEBHOOK_ID: &str = "webhook-id";

/// What a hook asks of a delivery.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A signature.
    Signed(Signed),
    /// An API key of its tenant, in this header.
    ApiKey(HeaderName),
}

impl Proof {
    /// Whether what it let in once, it lets in for ever, whoever sends it.
    pub fn can_be_said_again(&self) -> bool {
        matches!(self, Self::Signed(signed) if signed.timestamp.is_none())
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The body as it came.
    Body,
    /// What the header of the timestamp says.
    Timestamp,
    /// What the header of a Standard Webhook's id says.
    Id,
    /// This text.
    Text(String),
}

/// How deliveries are signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// With what.
    pub secrets: DeliverySecrets,
    /// Where the signature is.
    pub header: HeaderName,
    /// With which hash.
    pub algorithm: Algorithm,
    /// How it is written.
    pub encoding: Encoding,
    /// What is written before it.
    pub prefix: String,
    /// What is signed.
    pub parts: Vec<Part>,
    /// Where the time of signing is.
    pub timestamp: Option<HeaderName>,
    /// How many milliseconds that may be away from our clock.
    pub fresh_for: i64,
}

/// Why a delivery is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    /// Nobody learns which of these it was; the log says it.
    Refused(&'static str),
    /// It was signed by who may, and not now.
    Stale,
}

impl Signed {
    /// Whether a body was signed by who knows the secret, and now.
    ///
    /// # Errors
    /// Why not. That it is too old is said only of what was signed well.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Time,
    ) -> Result<(), NotLetIn> {
        let missing = NotLetIn::Refused("a header of its signature is missing");
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let timestamp = match &self.timestamp {
            None => "",
            Some(name) => text(name.as_str()).ok_or(missing)?.trim(),
        };
        let id = if self.parts.contains(&Part::Id) { text(WEBHOOK_ID).ok_or(missing)? } else { "" };
        let signatures = self.signatures(text(self.header.as_str()).ok_or(missing)?);
        let message = self.parts.iter().map(|part| match part {
            Part::Body => body,
            Part::Timestamp => timestamp.as_bytes(),
            Part::Id => id.as_bytes(),
            Part::Text(text) => text.as_bytes(),
        });
        let message: Vec<&[u8]> = message.collect();
        if !self.secrets.have_signed(self.algorithm, &message, &signatures) {
            return Err(NotLetIn::Refused("the signature is another"));
        }
        if self.timestamp.is_none() {
            return Ok(());
        }
        let signed_at = moments::read(timestamp).ok_or(NotLetIn::Stale)?;
        let away = now.0.saturating_sub(signed_at).saturating_abs();
        if away <= self.fresh_for { Ok(()) } else { Err(NotLetIn::Stale) }
    }

    /// Those of a header that can be signatures: several are separated by spaces or commas.
    fn signatures(&self, header: &str) -> Vec<Vec<u8>> {
        let several = if self.prefix.contains(',') { &[' '][..] } else { &[' ', ','][..] };
        let written = header.split(several).filter_map(|one| one.strip_prefix(&self.prefix));
        let read = written.filter_map(|one| match self.encoding {
            Encoding::Hex => HEXLOWER_PERMISSIVE.decode(one.as_bytes()).ok(),
            Encoding::Base64 => BASE64.decode(one.as_bytes()).ok(),
        });
        read.take(MOST_SIGNATURES).collect()
    }
}

/// The API key that a delivery carries: as a bearer token or as user or password of Basic
/// authentication in `authorization`, as it is in every other header. Wiped when it is let go of.
pub(super) fn api_key(headers: &HeaderMap, header: &HeaderName) -> Option<Zeroizing<String>> {
    let kept = |text: &str| Some(Zeroizing::new(text.to_owned()));
    let text = headers.get(header)?.to_str().ok()?.trim();
    if *header != AUTHORIZATION {
        return kept(text);
    }
    let (scheme, rest) = text.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return kept(rest.trim());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let both = Zeroizing::new(BASE64.decode(rest.trim().as_bytes()).ok()?);
    let (user, password) = std::str::from_utf8(&both).ok()?.split_once(':')?;
    kept(if user.starts_with("tl_") { user } else { password })
}

#[cfg(test)]
mod tests;
