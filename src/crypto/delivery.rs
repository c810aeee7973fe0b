//! Signatures of what other systems deliver: an HMAC under a secret that both sides know.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// The hash of the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1: what some systems sign with. As an HMAC it is still sound.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// Secrets that one sender may sign with: the old and the new one while they are changed. Wiped when
/// dropped, and never shown.
#[derive(Clone)]
pub struct DeliverySecrets(Vec<Zeroizing<Vec<u8>>>);

impl DeliverySecrets {
    /// These secrets, as the sender uses them for a key.
    pub fn new(secrets: Vec<Zeroizing<Vec<u8>>>) -> Self {
        Self(secrets)
    }

    /// Whether one of the `signatures` is that of `message`, whose parts follow each other, under one of
    /// the secrets. Takes as long whichever of them fits.
    pub fn have_signed(
        &self,
        algorithm: Algorithm,
        message: &[&[u8]],
        signatures: &[Vec<u8>],
    ) -> bool {
        let one = |secret: &Zeroizing<Vec<u8>>| match algorithm {
            Algorithm::Sha1 => signed::<Hmac<Sha1>>(secret, message, signatures),
            Algorithm::Sha256 => signed::<Hmac<Sha256>>(secret, message, signatures),
            Algorithm::Sha512 => signed::<Hmac<Sha512>>(secret, message, signatures),
        };
        self.0.iter().fold(false, |fits, secret| one(secret) | fits)
    }
}

impl fmt::Debug for DeliverySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliverySecrets({})", self.0.len())
    }
}

fn signed<M: Mac + KeyInit + Clone>(
    secret: &[u8],
    message: &[&[u8]],
    signatures: &[Vec<u8>],
) -> bool {
    // An HMAC takes keys of every length.
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("any length will do");
    for part in message {
        mac.update(part);
    }
    signatures.iter().fold(false, |fits, it| mac.clone().verify_slice(it).is_ok() | fits)
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    fn secrets(texts: &[&str]) -> DeliverySecrets {
        DeliverySecrets::new(
            texts.iter().map(|it| Zeroizing::new(it.as_bytes().to_vec())).collect(),
        )
    }

    /// RFC 2202 and RFC 4231, case 2 of each.
    #[test]
    fn published_examples_verify() {
        let message: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        for (algorithm, signature) in [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let signature = HEXLOWER.decode(signature.replace([' ', '\n'], "").as_bytes()).unwrap();
            assert!(secrets(&["Jefe"]).have_signed(
                algorithm,
                message,
                std::slice::from_ref(&signature)
            ));
            let both = [vec![7; 32], signature.clone()];
            assert!(secrets(&["old", "Jefe"]).have_signed(algorithm, message, &both));
            assert!(!secrets(&["other"]).have_signed(
                algorithm,
                message,
                std::slice::from_ref(&signature)
            ));
            assert!(!secrets(&[]).have_signed(
                algorithm,
                message,
                std::slice::from_ref(&signature)
            ));
            assert!(!secrets(&["Jefe"]).have_signed(
                algorithm,
                &[b"other"],
                std::slice::from_ref(&signature)
            ));
            let cut = signature[..signature.len() - 1].to_vec();
            for odd in [vec![], vec![Vec::new()], vec![cut]] {
                assert!(!secrets(&["Jefe"]).have_signed(algorithm, message, &odd));
            }
        }
    }

    /// The example of the Standard Webhooks libraries.
    #[test]
    fn a_standard_webhook_verifies() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secrets = DeliverySecrets::new(vec![Zeroizing::new(secret)]);
        let signature = BASE64.decode(b"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=").unwrap();
        let message: &[&[u8]] = &[
            b"msg_p5jXN8AQM9LWM0D4loKWxJek",
            b".",
            b"1614265330",
            b".",
            b"{\"test\": 2432232314}",
        ];
        assert!(secrets.have_signed(Algorithm::Sha256, message, &[signature]));
        assert_eq!(format!("{secrets:?}"), "DeliverySecrets(1)");
    }
}
