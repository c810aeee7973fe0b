//! A data key: what seals the values of one customer or one tenant.
//!
//! Destroying the one row that holds it wrapped makes everything it sealed
//! unreadable, which is how a person is erased.

use std::fmt;

use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use crate::ids::{Entropy, KeyId};

/// A 256-bit key with its name. It is wiped from memory when dropped, and is
/// not `Clone`: share it behind an `Arc` so that one copy exists.
///
/// Nonces are random 96-bit numbers, so one key may seal at most 2^32 values
/// (NIST SP 800-38D, 8.3). One customer stays far below that.
pub struct DataKey {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
    /// The expanded key, prepared once: expanding costs more than sealing a short value.
    cipher: Aes256Gcm,
}

impl DataKey {
    /// A new random key with a new random name.
    pub fn generate(entropy: &Entropy) -> Self {
        let id = KeyId(entropy.positive());
        let mut bytes = Zeroizing::new([0u8; 32]);
        entropy.fill(bytes.as_mut_slice());
        Self::from_parts(id, bytes)
    }

    /// A new random key under a name that another one had: it opens nothing of that one's.
    pub fn stand_in(id: KeyId, entropy: &Entropy) -> Self {
        Self { id, ..Self::generate(entropy) }
    }

    /// The name that sealed values carry.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn from_parts(id: KeyId, bytes: Zeroizing<[u8; 32]>) -> Self {
        let cipher = Aes256Gcm::new((&*bytes).into());
        Self { id, bytes, cipher }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(super) fn cipher(&self) -> &Aes256Gcm {
        &self.cipher
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, …)", self.id.0)
    }
}
