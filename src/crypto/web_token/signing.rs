//! Signing: for clients of our own that stand in for an issuer, such as `threadline replay`. The
//! service itself signs nothing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A private key of an issuer. Its `Debug` prints nothing of it.
pub struct SigningKey(Pair);

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The key cannot be used, or did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// It is of another kind.
    #[error("is no private key of P-256 or Ed25519 in PEM (PKCS #8, BEGIN PRIVATE KEY)")]
    NoKey,
    /// The library did not sign.
    #[error("the signature was not made")]
    NotSigned,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads a private key in PEM.
    ///
    /// # Errors
    /// [`SigningError::NoKey`] for anything but PKCS #8 of P-256 or Ed25519.
    pub fn from_pem(pem: &str) -> Result<Self, SigningError> {
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SigningError::NoKey)?;
        let der = der.secret_pkcs8_der();
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self(Pair::Ed25519(key)));
        }
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        key.map(|key| Self(Pair::P256(key))).map_err(|_| SigningError::NoKey)
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// [`SigningError::NotSigned`], which takes a broken source of randomness.
    pub fn token(&self, claims: &Value) -> Result<String, SigningError> {
        let algorithm = match &self.0 {
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        };
        let header = json!({"alg": algorithm, "typ": "JWT"});
        let parts =
            [&header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let signed = parts.join(".");
        let signature = match &self.0 {
            Pair::P256(key) => key
                .sign(&SystemRandom::new(), signed.as_bytes())
                .map_err(|_| SigningError::NotSigned)?
                .as_ref()
                .to_vec(),
            Pair::Ed25519(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}
