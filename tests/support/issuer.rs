//! An issuer of web tokens with real keys: what a customer's login would sign.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

/// One signing key.
pub struct Issuer {
    /// Its `alg`.
    pub algorithm: &'static str,
    /// Its `kid`.
    pub key_id: String,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Issuer {
    /// A new key for this algorithm.
    pub fn new(algorithm: &'static str, key_id: &str) -> Self {
        let key = match algorithm {
            "RS256" => Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
            "ES256" => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                Key::P256(key.expect("a key"))
            }
            "EdDSA" => Key::Ed25519(Ed25519KeyPair::generate().expect("a key")),
            other => panic!("no algorithm {other}"),
        };
        Self { algorithm, key_id: key_id.to_owned(), key }
    }

    /// Signs anything.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signed");
                signature
            }
            Key::P256(key) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with these claims and the usual header.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm, "typ": "JWT", "kid": self.key_id});
        self.texts(&header.to_string(), &claims.to_string())
    }

    /// A token of these very texts, signed.
    pub fn texts(&self, header: &str, claims: &str) -> String {
        let parts = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
        let signed = parts.join(".");
        let signature = BASE64URL_NOPAD.encode(&self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The public key in DER.
    pub fn der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.key {
            Key::Rsa(key) => key.public_key().as_der().expect("DER"),
            Key::P256(key) => key.public_key().as_der().expect("DER"),
            Key::Ed25519(key) => key.public_key().as_der().expect("DER"),
        };
        der.as_ref().to_vec()
    }

    /// The public key in PEM, in one line of base64.
    pub fn pem(&self) -> String {
        let text = BASE64.encode(&self.der());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// The public key as a member of a set.
    pub fn jwk(&self) -> Value {
        let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (kid, alg) = (&self.key_id, self.algorithm);
        match &self.key {
            Key::Rsa(key) => {
                // SEQUENCE of two INTEGERs, of 257 and of 3 bytes.
                let der = key.public_key().as_ref();
                let (n, e) = (part(&der[9..265]), part(&der[267..]));
                json!({"kty": "RSA", "use": "sig", "alg": alg, "kid": kid, "n": n, "e": e})
            }
            Key::P256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (part(&point[1..33]), part(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "alg": alg, "kid": kid, "x": x, "y": y})
            }
            Key::Ed25519(key) => {
                let x = part(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "alg": alg, "kid": kid, "x": x})
            }
        }
    }
}

/// The set that an issuer of these keys serves.
pub fn key_set(issuers: &[&Issuer]) -> String {
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
