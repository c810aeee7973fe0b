//! Keys that a tenant trusts: from PEM in its settings, or from the key set that its issuer serves.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use super::{MAX_KEY_ID, is_name, strict_json};

/// Keys of one set at most.
pub const MAX_KEYS: usize = 100;
/// An RSA modulus has from so many bits …
const LEAST_RSA_BITS: usize = 2_048;
/// … to so many.
const MOST_RSA_BITS: usize = 8_192;

/// The signatures that are trusted (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm that `alg` names, to the letter.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// Why a key cannot be used, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyRefused(&'static str);

/// A public key with the one algorithm it is for.
pub struct TrustedKey {
    key_id: Option<String>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl TrustedKey {
    /// Reads a public key in PEM (`-----BEGIN PUBLIC KEY-----`): RSA of 2,048 to 8,192 bits,
    /// P-256 or Ed25519.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_pem(pem: &str, key_id: Option<&str>) -> Result<Self, KeyRefused> {
        if pem.contains("PRIVATE KEY") {
            return Err(KeyRefused("is a private key; trust its public key"));
        }
        if key_id.is_some_and(|id| !is_name(id, MAX_KEY_ID)) {
            return Err(KeyRefused("has a kid that is empty, unprintable or longer than 256"));
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| KeyRefused("is no public key in PEM (BEGIN PUBLIC KEY)"))?;
        let (algorithm, key) = from_der(&der)?;
        Ok(Self { key_id: key_id.map(str::to_owned), algorithm, key })
    }

    /// Reads a key of a set (RFC 7517).
    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyRefused> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let part = |name: &'static str| {
            let decoded = text(name).and_then(|it| BASE64URL_NOPAD.decode(it.as_bytes()).ok());
            decoded.ok_or(KeyRefused("lacks a part, or has one that is not base64url"))
        };
        if ["d", "k"].iter().any(|secret| jwk.contains_key(*secret)) {
            return Err(KeyRefused("is a secret"));
        }
        if !serves_signatures(jwk) {
            return Err(KeyRefused("is not for signatures"));
        }
        let (algorithm, key) = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => (Algorithm::Rs256, rsa(&part("n")?, &part("e")?)?),
            (Some("EC"), Some("P-256")) => (Algorithm::Es256, p256(&part("x")?, &part("y")?)?),
            (Some("OKP"), Some("Ed25519")) => {
                let x = part("x")?;
                let key = Some(x).filter(|x| x.len() == 32);
                let key = key.and_then(|x| ParsedPublicKey::new(&ED25519, x).ok());
                (Algorithm::EdDsa, key.ok_or(KeyRefused("is no Ed25519 key"))?)
            }
            _ => return Err(KeyRefused("is of a kind that is not served")),
        };
        if jwk.contains_key("alg") && text("alg").and_then(Algorithm::named) != Some(algorithm) {
            return Err(KeyRefused("is for another algorithm"));
        }
        let key_id = match jwk.get("kid") {
            None => None,
            Some(Value::String(id)) if is_name(id, MAX_KEY_ID) => Some(id.clone()),
            Some(_) => return Err(KeyRefused("has a kid that is no name")),
        };
        Ok(Self { key_id, algorithm, key })
    }

    /// The name by which tokens choose it.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the key's owner has signed this.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl std::fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrustedKey({:?})", self.algorithm)
    }
}

/// The keys of a set (`{"keys": […]}`) that can be used. Others are passed over, as RFC 7517 asks:
/// an issuer may serve keys for other purposes beside these.
///
/// # Errors
/// When it is no such set, has more than [`MAX_KEYS`] keys, or none that can be used.
pub fn read_key_set(bytes: &[u8]) -> Result<Vec<TrustedKey>, KeyRefused> {
    let set = strict_json::read(bytes).map_err(|_| KeyRefused("is no JSON"))?;
    let listed = set.get("keys").and_then(Value::as_array);
    let listed = listed.ok_or(KeyRefused("is no set of keys"))?;
    if listed.len() > MAX_KEYS {
        return Err(KeyRefused("has more than 100 keys"));
    }
    let keys = listed.iter().filter_map(|one| TrustedKey::from_jwk(one.as_object()?).ok());
    let keys: Vec<TrustedKey> = keys.collect();
    if keys.is_empty() { Err(KeyRefused("has no key that can be used")) } else { Ok(keys) }
}

fn serves_signatures(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|used| used == "sig");
    let verifies =
        |listed: &Value| listed.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
    used && jwk.get("key_ops").is_none_or(verifies)
}

/// The key's own identifier says which of the three it is.
fn from_der(der: &[u8]) -> Result<(Algorithm, ParsedPublicKey), KeyRefused> {
    if let Ok(key) = ParsedPublicKey::new(&ED25519, der) {
        return Ok((Algorithm::EdDsa, key));
    }
    if let Ok(key) = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der) {
        return Ok((Algorithm::Es256, key));
    }
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
    let key = key.map_err(|_| KeyRefused("is neither RSA, P-256 nor Ed25519"))?;
    let bits = PublicEncryptingKey::from_der(der).map_or(0, |key| key.key_size_bits());
    if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
        return Err(KeyRefused("is an RSA key that is not of 2,048 to 8,192 bits"));
    }
    Ok((Algorithm::Rs256, key))
}

fn rsa(n: &[u8], e: &[u8]) -> Result<ParsedPublicKey, KeyRefused> {
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
        return Err(KeyRefused("is an RSA key that is not of 2,048 to 8,192 bits"));
    }
    let parts = RsaPublicKeyComponents { n, e };
    let key = parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
    key.map_err(|_| KeyRefused("is no RSA key"))
}

/// A point as it is written uncompressed (SEC 1, section 2.3.3).
fn p256(x: &[u8], y: &[u8]) -> Result<ParsedPublicKey, KeyRefused> {
    let refused = KeyRefused("is no point on P-256");
    if (x.len(), y.len()) != (32, 32) {
        return Err(refused);
    }
    let point = [&[4], x, y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| refused)
}
