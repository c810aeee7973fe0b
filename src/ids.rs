//! The names of things, and where randomness comes from.
//!
//! Ids are small copyable values that cannot be mistaken for one another. A
//! customer's is shown to callers as an opaque `customer_ref`.

use std::fmt;
use std::sync::{Arc, Mutex};

use data_encoding::{Encoding, Specification};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng, TryRngCore};

use crate::clock::Time;

/// A company that uses the service. Every row, key, cache entry and event belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub i64);

/// A person known to a tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub [u8; 16]);

/// A blind index: a keyed hash that stands for a value nobody can read from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub [u8; 16]);

/// A random 63-bit mark of one state of a customer or an identifier; new with every write that could change an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

/// The name of a data key. Sealed values carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub i64);

const REF_PREFIX: &str = "cus_";

impl CustomerId {
    /// A new id. Its first bytes grow with time, so that rows made together lie together.
    pub fn new(now: Time, entropy: &Entropy) -> Self {
        let millis = now.0.max(0) as u64;
        let mut random = [0u8; 10];
        entropy.fill(&mut random);
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_bytes())
    }

    /// The opaque `customer_ref` that callers see.
    pub fn to_ref(self) -> String {
        let encoding = ref_encoding();
        let length = REF_PREFIX.len() + encoding.encode_len(self.0.len());
        let mut text = String::with_capacity(length);
        text.push_str(REF_PREFIX);
        encoding.encode_append(&self.0, &mut text);
        text
    }

    /// Reads a `customer_ref`; `None` when it is not of our form.
    pub fn parse_ref(text: &str) -> Option<Self> {
        let body = text.strip_prefix(REF_PREFIX)?;
        let bytes = ref_encoding().decode(body.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// Crockford's base 32 in lower case: no letters that are easily confused.
fn ref_encoding() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
        // A constant of 32 distinct ASCII symbols is always a valid specification.
        specification.encoding().expect("a constant specification")
    });
    &ENCODING
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_ref())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Where randomness comes from.
#[derive(Clone)]
pub enum Entropy {
    /// The operating system.
    System,
    /// A seeded generator: for tests that must repeat exactly. Never for real keys.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Entropy {
    /// A source that gives the same bytes for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Fills `bytes` with random bytes.
    ///
    /// # Panics
    /// When the operating system has no randomness: nothing could be sealed safely then.
    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => {
                // The one place that asks for randomness.
                let mut source = rand::rngs::OsRng;
                // Without randomness no nonce or key would be safe: stopping is the only honest answer.
                source.try_fill_bytes(bytes).expect("the operating system gives randomness");
            }
            Self::Seeded(generator) => {
                // The lock is poisoned only if a test panicked; its bytes are still random.
                generator.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).fill_bytes(bytes);
            }
        }
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0u8; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number from 1 to 2^63 − 1.
    pub fn positive(&self) -> i64 {
        (i64::from_be_bytes(self.bytes()) & i64::MAX).max(1)
    }

    /// A new random stamp.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.positive())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "Entropy::System",
            Self::Seeded(_) => "Entropy::Seeded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_reads_back_and_odd_refs_do_not() {
        let id = CustomerId::new(Time(1_700_000_000_000), &Entropy::seeded(1));
        assert_eq!(CustomerId::parse_ref(&id.to_ref()), Some(id));
        for odd in ["", "cus_", "cus_x", "c_0000", "cus_zzzzzzzzzzzzzzzzzzzzzzzzzzz", "CUS_00"] {
            assert_eq!(CustomerId::parse_ref(odd), None, "{odd}");
        }
    }

    #[test]
    fn refs_made_later_sort_later() {
        let entropy = Entropy::seeded(2);
        assert!(CustomerId::new(Time(1_000), &entropy) < CustomerId::new(Time(2_000), &entropy));
    }
}
