//! Signatures over the ends of audit chains, by a key of the tenant: Ed25519 (RFC 8032).

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// Bytes of a public key.
pub const PUBLIC_KEY: usize = 32;

/// A private key that signs. Its `Debug` prints nothing of it.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The key of a secret seed.
    pub(super) fn of(seed: &[u8; 32]) -> Self {
        // Every 32 bytes are a seed of Ed25519.
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed"))
    }

    /// Signs a message: 64 bytes, the same for the same message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// What verifies its signatures.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY] {
        let mut key = [0; PUBLIC_KEY];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }
}

/// Whether that key made this signature over this message.
pub fn verifies(public_key: &[u8; PUBLIC_KEY], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_standard_says() {
        // RFC 8032, 7.1, test 1: an empty message.
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let signer = Signer::of(&seed.try_into().unwrap());
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(signer.public_key().to_vec(), public);
        let signature = signer.sign(b"");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&signature),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
        assert!(verifies(&signer.public_key(), b"", &signature));
        assert!(!verifies(&signer.public_key(), b"x", &signature));
        assert!(!verifies(&signer.public_key(), b"", &signature[1..]));
        assert_eq!(format!("{signer:?}"), "Signer(…)");
    }
}
