//! The root key: the one secret that is not in the database.
//!
//! It wraps data keys and nothing else, so rotating it re-wraps keys and
//! leaves every sealed value as it is. Several versions may be known at once:
//! each unwraps what it wrapped; which of them wraps is the store's to say
//! (`continuity::keyring`), not the list's.
//!
//! ```text
//! wrapped    = format 1 | nonce (12) | ciphertext (32) | tag (16)
//! bound to   = purpose | version (8) | tenant (8) | key id (8)
//! ```
//! Random nonces limit one version to 2^32 wraps (NIST SP 800-38D, 8.3): one
//! per customer, so rotate before four billion customers.

use std::fmt;

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::envelope::{OpenError, decrypt, encrypt_onto};
use crate::crypto::keys::DataKey;
use crate::ids::{Entropy, KeyId, TenantId};

const FORMAT: u8 = 1;
const CHECK_TEXT: &[u8] = b"threadline opens";

/// How many versions a root key may list.
pub const MAXIMUM_VERSIONS: usize = 16;
/// How long the text of a root key may be, in bytes.
pub const MAXIMUM_TEXT: usize = 4096;

/// Why a root key cannot be used. Never shows any of it.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// No key in the text.
    #[error("the root key is empty: expected 32 bytes in base64")]
    Empty,
    /// More text than [`MAXIMUM_TEXT`] or more keys than [`MAXIMUM_VERSIONS`].
    #[error("the root key is too long: at most 16 versions in 4096 bytes")]
    TooLong,
    /// Not base64, or not 32 bytes.
    #[error("the root key is malformed: expected 32 bytes in base64, or a list v2:…,v1:…")]
    Malformed,
    /// A version that is no number from 1, or stands twice in the list.
    #[error("the versions of the root key must be different numbers from 1: v2:…,v1:…")]
    Version,
}

/// Where root keys come from: the environment, a file, a command that prints them. It is asked at
/// start, and again when the store names a version that was not there before.
pub trait RootKeySource: Send + Sync {
    /// All versions as they are now. May wait for a disk or another program.
    ///
    /// # Errors
    /// What a person can act on; never any of the key.
    fn read(&self) -> Result<RootKeys, SourceError>;
}

/// Why a source gave no root keys: a sentence that names the source and shows nothing of the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Something that only the root key opens, with the version that closed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Which version of the root key.
    pub version: i64,
    /// Format, nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// The versions of the root key, in the order of their list. Wiped when dropped.
#[derive(Clone)]
pub struct RootKeys {
    versions: Vec<Version>,
}

#[derive(Clone)]
struct Version {
    number: i64,
    bytes: Zeroizing<[u8; 32]>,
    cipher: Aes256Gcm,
}

impl Version {
    fn new(number: i64, bytes: Zeroizing<[u8; 32]>) -> Self {
        let cipher = Aes256Gcm::new((&*bytes).into());
        Self { number, bytes, cipher }
    }

    fn generate(number: i64, entropy: &Entropy) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        entropy.fill(bytes.as_mut_slice());
        Self::new(number, bytes)
    }

    fn parse(entry: &str) -> Result<Self, RootKeyError> {
        let (number, key) = match entry.trim().split_once(':') {
            None => (1, entry.trim()),
            Some((version, key)) => {
                let number = version.strip_prefix('v').and_then(|digits| digits.parse().ok());
                (number.filter(|number| *number >= 1).ok_or(RootKeyError::Version)?, key)
            }
        };
        // Room for more than a key, so that a longer one is told from one that fits.
        let mut bytes = Zeroizing::new([0u8; 48]);
        let length = STANDARD.decode_slice(key, bytes.as_mut_slice());
        let mut fixed = Zeroizing::new([0u8; 32]);
        if length.map_err(|_| RootKeyError::Malformed)? != fixed.len() {
            return Err(RootKeyError::Malformed);
        }
        fixed.copy_from_slice(&bytes[..32]);
        Ok(Self::new(number, fixed))
    }
}

impl RootKeys {
    /// Reads `BASE64`, which is version 1, or a list `v2:BASE64,v1:BASE64`.
    ///
    /// # Errors
    /// [`RootKeyError`] when the text is empty, too long or malformed, or a version repeats.
    pub fn from_base64(text: &str) -> Result<Self, RootKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RootKeyError::Empty);
        }
        if text.len() > MAXIMUM_TEXT || text.split(',').count() > MAXIMUM_VERSIONS {
            return Err(RootKeyError::TooLong);
        }
        let mut versions: Vec<Version> = Vec::new();
        for entry in text.split(',') {
            let version = Version::parse(entry)?;
            if versions.iter().any(|known| known.number == version.number) {
                return Err(RootKeyError::Version);
            }
            versions.push(version);
        }
        Ok(Self { versions })
    }

    /// A new random root key, version 1.
    pub fn generate(entropy: &Entropy) -> Self {
        Self { versions: vec![Version::generate(1, entropy)] }
    }

    /// The same and one more: a new random key of this number, at the end.
    ///
    /// # Errors
    /// [`RootKeyError`] when the number is there already or there are too many.
    pub fn with_new(&self, number: i64, entropy: &Entropy) -> Result<Self, RootKeyError> {
        if self.has(number) {
            return Err(RootKeyError::Version);
        }
        if self.versions.len() >= MAXIMUM_VERSIONS {
            return Err(RootKeyError::TooLong);
        }
        let mut more = self.clone();
        more.versions.push(Version::generate(number, entropy));
        Ok(more)
    }

    /// The same without some; `None` when nothing would be left.
    pub fn without(&self, gone: impl Fn(i64) -> bool) -> Option<Self> {
        let left = self.versions.iter().filter(|version| !gone(version.number)).cloned();
        let versions: Vec<Version> = left.collect();
        (!versions.is_empty()).then_some(Self { versions })
    }

    /// These and whatever else `others` have.
    pub fn and(mut self, others: &Self) -> Self {
        let more: Vec<Version> =
            others.versions.iter().filter(|version| !self.has(version.number)).cloned().collect();
        self.versions.extend(more);
        self
    }

    /// The same, the newest first.
    pub fn newest_first(&self) -> Self {
        let mut versions = self.versions.clone();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Self { versions }
    }

    /// The numbers, in the order of the list.
    pub fn versions(&self) -> Vec<i64> {
        self.versions.iter().map(|version| version.number).collect()
    }

    /// Whether this version is there.
    pub fn has(&self, number: i64) -> bool {
        self.version(number).is_some()
    }

    /// The text of a key file. It is the secret itself, and wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(MAXIMUM_TEXT));
        for version in &self.versions {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&format!("v{}:", version.number));
            STANDARD.encode_string(version.bytes.as_slice(), &mut text);
        }
        text
    }

    /// The first of the list: what a new store begins with.
    pub fn first(&self) -> i64 {
        // Every constructor puts at least one version in.
        self.versions.first().expect("a root key has a version").number
    }

    /// Wraps a data key of `tenant` under this version.
    ///
    /// # Errors
    /// [`OpenError`] when the version is not there.
    pub fn wrap(
        &self,
        version: i64,
        tenant: TenantId,
        key: &DataKey,
        entropy: &Entropy,
    ) -> Result<Wrapped, OpenError> {
        self.close(version, (b"data key", tenant, key.id()), key.bytes(), entropy)
    }

    /// Unwraps the data key `id` of `tenant`.
    ///
    /// # Errors
    /// [`OpenError`] when it was wrapped under another root key, for another
    /// tenant or id, or was changed since.
    pub fn unwrap(
        &self,
        tenant: TenantId,
        id: KeyId,
        wrapped: &Wrapped,
    ) -> Result<DataKey, OpenError> {
        let plain = self.reopen(b"data key", tenant, id, wrapped)?;
        let mut bytes = Zeroizing::new([0u8; 32]);
        if plain.len() != bytes.len() {
            return Err(OpenError);
        }
        bytes.copy_from_slice(&plain);
        Ok(DataKey::from_parts(id, bytes))
    }

    /// The key-check value of a version: a constant that only this root key opens. It is stored when
    /// the version is first used and opened before the service is ready, so that a wrong root key
    /// refuses to start.
    ///
    /// # Errors
    /// [`OpenError`] when the version is not there.
    pub fn check_value(&self, version: i64, entropy: &Entropy) -> Result<Wrapped, OpenError> {
        self.close(version, (b"check value", TenantId(0), KeyId(0)), CHECK_TEXT, entropy)
    }

    /// Opens the key-check value.
    ///
    /// # Errors
    /// [`OpenError`] when this is not the root key that made it.
    pub fn opens_check(&self, check: &Wrapped) -> Result<(), OpenError> {
        let plain = self.reopen(b"check value", TenantId(0), KeyId(0), check)?;
        if plain.as_slice() == CHECK_TEXT { Ok(()) } else { Err(OpenError) }
    }

    fn version(&self, number: i64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    fn close(
        &self,
        version: i64,
        (purpose, tenant, id): (&[u8], TenantId, KeyId),
        plain: &[u8],
        entropy: &Entropy,
    ) -> Result<Wrapped, OpenError> {
        let cipher = &self.version(version).ok_or(OpenError)?.cipher;
        let mut bytes = vec![FORMAT];
        encrypt_onto(&mut bytes, cipher, &bound(purpose, version, tenant, id), plain, entropy);
        Ok(Wrapped { version, bytes })
    }

    fn reopen(
        &self,
        purpose: &[u8],
        tenant: TenantId,
        id: KeyId,
        wrapped: &Wrapped,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let version = self.version(wrapped.version).ok_or(OpenError)?;
        let body = wrapped.bytes.strip_prefix(&[FORMAT]).ok_or(OpenError)?;
        decrypt(&version.cipher, &bound(purpose, version.number, tenant, id), body)
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKeys(versions {:?}, …)", self.versions())
    }
}

/// The associated data: purpose, version, tenant and key id, unambiguous because only the first
/// has no fixed length, and the others end the text.
fn bound(purpose: &[u8], version: i64, tenant: TenantId, id: KeyId) -> Vec<u8> {
    let numbers = [version, tenant.0, id.0].map(i64::to_be_bytes).concat();
    [b"threadline ".as_slice(), &[FORMAT], purpose, &numbers].concat()
}

#[cfg(test)]
mod tests;
