//! Secrets that web-hooks are signed with, and the signature: Standard Webhooks, symmetric.
//!
//! signature = `v1,` base64(HMAC-SHA-256(secret, id `.` timestamp `.` body)), where the timestamp is
//! in whole seconds since 1970. A secret is written `whsec_` and base64.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ids::Entropy;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret that we make: the specification asks for 24 to 64.
const BYTES: usize = 32;

/// A secret that two sides share. Wiped when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A new random one.
    pub fn generate(entropy: &Entropy) -> Self {
        Self(Zeroizing::new(entropy.bytes::<BYTES>().to_vec()))
    }

    /// The one of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Its bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As both sides write it down.
    pub fn text(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(STANDARD.encode(self.0.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", *encoded))
    }

    /// What is sent as `webhook-signature`, for one secret; several are joined by a space.
    pub fn signature(&self, id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
        // A key of any length is one for HMAC.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("keys of any length are taken");
        mac.update(format!("{id}.{timestamp_seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> WebhookSecret {
        let encoded = text.strip_prefix(PREFIX).expect("a prefix");
        WebhookSecret::from_bytes(&STANDARD.decode(encoded).expect("base64"))
    }

    /// The example of the specification's own libraries.
    #[test]
    fn the_published_example_is_signed_as_printed() {
        let secret = given("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signature = secret.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_text_says_the_bytes_and_debug_says_nothing() {
        let secret = WebhookSecret::generate(&Entropy::seeded(7));
        assert_eq!(given(&secret.text()), secret);
        assert_eq!(secret.bytes().len(), BYTES);
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }

    #[test]
    fn whatever_is_signed_counts() {
        let secret = WebhookSecret::generate(&Entropy::seeded(7));
        let other = WebhookSecret::generate(&Entropy::seeded(8));
        let whole = secret.signature("msg_1", 1, b"{}");
        for changed in [
            secret.signature("msg_2", 1, b"{}"),
            secret.signature("msg_1", 2, b"{}"),
            secret.signature("msg_1", 1, b"{ }"),
            other.signature("msg_1", 1, b"{}"),
        ] {
            assert_ne!(whole, changed);
        }
    }
}
