//! The root key: the one secret that is not in the database.
//!
//! It wraps data keys and nothing else, so rotating it re-wraps keys and
//! leaves every sealed value as it is. Several versions may be known at once:
//! the first is the current one, the others still unwrap.
//!
//! ```text
//! wrapped    = format 1 | nonce (12) | ciphertext (32) | tag (16)
//! bound to   = purpose | version (8) | tenant (8) | key id (8)
//! ```
//! Random nonces limit one version to 2^32 wraps (NIST SP 800-38D, 8.3): one
//! per customer, so rotate before four billion customers.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

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
    /// The key file cannot be read or written.
    #[error("the root key file: {0}")]
    File(#[from] io::Error),
}

/// Something that only the root key opens, with the version that closed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Which version of the root key.
    pub version: i64,
    /// Format, nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// The versions of the root key, current first. Wiped when dropped.
pub struct RootKeys {
    versions: Vec<Version>,
}

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

    fn parse(entry: &str) -> Result<Self, RootKeyError> {
        let (number, key) = match entry.trim().split_once(':') {
            None => (1, entry.trim()),
            Some((version, key)) => {
                let number = version.strip_prefix('v').and_then(|digits| digits.parse().ok());
                (number.filter(|number| *number >= 1).ok_or(RootKeyError::Version)?, key)
            }
        };
        let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| RootKeyError::Malformed)?);
        let mut fixed = Zeroizing::new([0u8; 32]);
        if bytes.len() != fixed.len() {
            return Err(RootKeyError::Malformed);
        }
        fixed.copy_from_slice(&bytes);
        Ok(Self::new(number, fixed))
    }
}

impl RootKeys {
    /// Reads `BASE64`, which is version 1, or a list `v2:BASE64,v1:BASE64`
    /// whose first is the current one.
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

    /// Reads a key file: the text that [`from_base64`](Self::from_base64) takes.
    ///
    /// # Errors
    /// [`RootKeyError`] when the file cannot be read, or its text not used.
    pub fn from_file(path: &Path) -> Result<Self, RootKeyError> {
        let mut text = Zeroizing::new(String::with_capacity(MAXIMUM_TEXT + 1));
        File::open(path)?.take(MAXIMUM_TEXT as u64 + 1).read_to_string(&mut text)?;
        Self::from_base64(&text)
    }

    /// A new random root key, version 1.
    pub fn generate(entropy: &Entropy) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        entropy.fill(bytes.as_mut_slice());
        Self { versions: vec![Version::new(1, bytes)] }
    }

    /// Makes a new root key and a file of it that only its owner can read
    /// (mode 0600), on disk before this returns.
    ///
    /// # Errors
    /// [`RootKeyError::File`] when the file exists already or cannot be written.
    pub fn create_file(path: &Path, entropy: &Entropy) -> Result<Self, RootKeyError> {
        let keys = Self::generate(entropy);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let text = Zeroizing::new(keys.to_text());
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // The directory entry must outlive a power cut as well: everything sealed hangs on it.
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(keys)
    }

    /// The text of a key file. It is the secret itself.
    pub fn to_text(&self) -> String {
        let entry = |version: &Version| {
            format!("v{}:{}", version.number, STANDARD.encode(version.bytes.as_slice()))
        };
        self.versions.iter().map(entry).collect::<Vec<_>>().join(",")
    }

    /// The version that wraps.
    pub fn current_version(&self) -> i64 {
        self.current().number
    }

    /// Wraps a data key of `tenant` under the current version.
    pub fn wrap(&self, tenant: TenantId, key: &DataKey, entropy: &Entropy) -> Wrapped {
        self.close(b"data key", tenant, key.id(), key.bytes(), entropy)
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

    /// The key-check value: a constant that only this root key opens. It is
    /// stored when the database is made and opened before the service is
    /// ready, so that a wrong root key refuses to start.
    pub fn check_value(&self, entropy: &Entropy) -> Wrapped {
        self.close(b"check value", TenantId(0), KeyId(0), CHECK_TEXT, entropy)
    }

    /// Opens the key-check value.
    ///
    /// # Errors
    /// [`OpenError`] when this is not the root key that made it.
    pub fn opens_check(&self, check: &Wrapped) -> Result<(), OpenError> {
        let plain = self.reopen(b"check value", TenantId(0), KeyId(0), check)?;
        if plain.as_slice() == CHECK_TEXT { Ok(()) } else { Err(OpenError) }
    }

    fn current(&self) -> &Version {
        // Every constructor puts at least one version in.
        self.versions.first().expect("a root key has a version")
    }

    fn close(
        &self,
        purpose: &[u8],
        tenant: TenantId,
        id: KeyId,
        plain: &[u8],
        entropy: &Entropy,
    ) -> Wrapped {
        let Version { number, cipher, .. } = self.current();
        let mut bytes = vec![FORMAT];
        encrypt_onto(&mut bytes, cipher, &bound(purpose, *number, tenant, id), plain, entropy);
        Wrapped { version: *number, bytes }
    }

    fn reopen(
        &self,
        purpose: &[u8],
        tenant: TenantId,
        id: KeyId,
        wrapped: &Wrapped,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let version = self.versions.iter().find(|known| known.number == wrapped.version);
        let version = version.ok_or(OpenError)?;
        let body = wrapped.bytes.strip_prefix(&[FORMAT]).ok_or(OpenError)?;
        decrypt(&version.cipher, &bound(purpose, version.number, tenant, id), body)
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.versions.iter().map(|version| version.number).collect();
        write!(f, "RootKeys(versions {numbers:?}, …)")
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
