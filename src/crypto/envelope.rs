//! Sealed values: encrypted, and bound to the one place where they belong.
//!
//! ```text
//! sealed     = format 1 | key id (8 bytes, big-endian) | nonce (12) | ciphertext | tag (16)
//! bound to   = format 1 | key id | tenant (8) | table | parts of the key | column | revision (8)
//! ```
//! Texts and key parts are length-prefixed, so that no two places are written
//! the same way: a value copied to another row, column, tenant or back to an
//! older revision does not open. The cipher is AES-256-GCM (NIST SP 800-38D)
//! with a random nonce for each value.

use aes_gcm::aead::Buffer;
use aes_gcm::{AeadInOut, Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use crate::crypto::DataKey;
use crate::ids::{Entropy, KeyId, TenantId};

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 8;
const NONCE: usize = 12;
const TAG: usize = 16;

/// How many bytes sealing adds to a value.
pub const OVERHEAD: usize = HEADER + NONCE + TAG;

/// A value did not open. It never says why: another key, another place and a
/// flipped bit look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub struct OpenError;

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The tenant of the row.
    pub tenant: TenantId,
    /// The table of the row.
    pub table: &'a str,
    /// The whole primary key of the row, part by part; the tenant need not be repeated.
    pub key: &'a [&'a [u8]],
    /// The column.
    pub column: &'a str,
    /// The row's revision; 0 for rows that never change.
    pub revision: i64,
}

impl Place<'_> {
    fn associated(&self, header: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&self.tenant.0.to_be_bytes());
        push(&mut bytes, self.table.as_bytes());
        bytes.extend_from_slice(&(self.key.len() as u64).to_be_bytes());
        for part in self.key {
            push(&mut bytes, part);
        }
        push(&mut bytes, self.column.as_bytes());
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

/// Seals `plain` for `place`. The result is [`OVERHEAD`] bytes longer.
pub fn seal(key: &DataKey, place: &Place<'_>, plain: &[u8], entropy: &Entropy) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&key.id().0.to_be_bytes());
    let associated = place.associated(&sealed);
    encrypt_onto(&mut sealed, key.cipher(), &associated, plain, entropy);
    sealed
}

/// Opens what [`seal`] made for the same place with the same key. The result
/// is wiped from memory when dropped.
///
/// # Errors
/// [`OpenError`] for everything else.
pub fn open(
    key: &DataKey,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if key_id(sealed) != Some(key.id()) {
        return Err(OpenError);
    }
    let (header, body) = sealed.split_at_checked(HEADER).ok_or(OpenError)?;
    decrypt(key.cipher(), &place.associated(header), body)
}

/// Which data key a sealed value asks for; `None` when it is no sealed value.
/// Nothing vouches for the answer before the value has been opened.
pub fn key_id(sealed: &[u8]) -> Option<KeyId> {
    if sealed.len() < OVERHEAD {
        return None;
    }
    let (format, rest) = sealed.split_first()?;
    let id = rest.first_chunk::<8>()?;
    (*format == FORMAT).then_some(KeyId(i64::from_be_bytes(*id)))
}

/// Appends nonce, ciphertext and tag to `output`.
pub(super) fn encrypt_onto(
    output: &mut Vec<u8>,
    cipher: &Aes256Gcm,
    associated: &[u8],
    plain: &[u8],
    entropy: &Entropy,
) {
    let nonce = entropy.bytes::<NONCE>();
    output.extend_from_slice(&nonce);
    let start = output.len();
    output.extend_from_slice(plain);
    let tag = cipher
        .encrypt_inout_detached(&Nonce::from(nonce), associated, (&mut output[start..]).into())
        // AES-GCM refuses only above 64 GiB; every input is limited far below that.
        .expect("the value is shorter than 64 GiB");
    output.extend_from_slice(&tag);
}

/// Opens nonce, ciphertext and tag.
pub(super) fn decrypt(
    cipher: &Aes256Gcm,
    associated: &[u8],
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = body.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    let mut plain = Zeroizing::new(rest.to_vec());
    cipher
        .decrypt_in_place(&Nonce::from(*nonce), associated, &mut *plain as &mut dyn Buffer)
        .map_err(|_| OpenError)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place {
        tenant: TenantId(7),
        table: "customer",
        key: &[b"one", b"two"],
        column: "profile",
        revision: 3,
    };

    fn key(seed: u64) -> DataKey {
        DataKey::generate(&Entropy::seeded(seed))
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain: Vec<u8>, seed: u64) {
            let sealed = seal(&key(seed), &PLACE, &plain, &Entropy::seeded(seed ^ 1));
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(key_id(&sealed), Some(key(seed).id()));
            prop_assert_eq!(open(&key(seed), &PLACE, &sealed).map(|p| p.to_vec()), Ok(plain));
        }

        #[test]
        fn any_flipped_bit_is_refused(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mut sealed = seal(&key(1), &PLACE, &plain, &Entropy::seeded(2));
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(open(&key(1), &PLACE, &sealed), Err(OpenError));
        }

        #[test]
        fn any_other_length_is_refused(plain: Vec<u8>, at: prop::sample::Index, more: u8) {
            let sealed = seal(&key(1), &PLACE, &plain, &Entropy::seeded(2));
            let short = &sealed[..at.index(sealed.len())];
            prop_assert_eq!(open(&key(1), &PLACE, short), Err(OpenError));
            let long = [&sealed[..], &[more]].concat();
            prop_assert_eq!(open(&key(1), &PLACE, &long), Err(OpenError));
        }

        #[test]
        fn bytes_that_were_never_sealed_are_refused(bytes: Vec<u8>) {
            prop_assert_eq!(open(&key(1), &PLACE, &bytes), Err(OpenError));
        }

        #[test]
        fn two_ways_to_write_a_key_are_two_places(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
            others in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
        ) {
            let written = |parts: &[Vec<u8>]| {
                let key: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                Place { key: &key, ..PLACE }.associated(b"")
            };
            prop_assert_eq!(written(&parts) == written(&others), parts == others);
        }
    }

    #[test]
    fn no_other_place_opens_it() {
        let sealed = seal(&key(1), &PLACE, b"hers", &Entropy::seeded(2));
        let others = [
            Place { tenant: TenantId(8), ..PLACE },
            Place { table: "customers", ..PLACE },
            Place { key: &[b"one", b"twos"], ..PLACE },
            Place { key: &[b"onetwo"], ..PLACE },
            Place { key: &[b"two", b"one"], ..PLACE },
            Place { key: &[b"one"], ..PLACE },
            Place { column: "summary", ..PLACE },
            Place { revision: 2, ..PLACE },
        ];
        for other in others {
            assert_eq!(open(&key(1), &other, &sealed), Err(OpenError), "{other:?}");
        }
        assert!(open(&key(1), &PLACE, &sealed).is_ok());
    }

    #[test]
    fn no_other_key_opens_it_even_under_its_name() {
        let sealed = seal(&key(1), &PLACE, b"hers", &Entropy::seeded(2));
        assert_eq!(open(&key(2), &PLACE, &sealed), Err(OpenError));
        let impostor = DataKey::from_parts(key(1).id(), Zeroizing::new([9; 32]));
        assert_eq!(open(&impostor, &PLACE, &sealed), Err(OpenError));
    }

    #[test]
    fn sealing_twice_looks_different() {
        let entropy = Entropy::seeded(2);
        let first = seal(&key(1), &PLACE, b"same", &entropy);
        assert_ne!(first, seal(&key(1), &PLACE, b"same", &entropy));
    }
}
