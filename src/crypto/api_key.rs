//! API keys: what a caller shows to be let in.
//!
//! Text form `tl_{live|test}_{tenant}_{id}_{secret}`. The id finds the row,
//! the secret proves the right; only its SHA-256 is stored. A secret of 256
//! random bits cannot be guessed, so there is nothing for a slow hash to
//! protect.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::ids::{Entropy, TenantId};

/// How many characters an id has.
pub const ID_LENGTH: usize = 12;
/// How many characters a secret has: 32 bytes in base 32.
pub const SECRET_LENGTH: usize = 52;
/// How long a text may be: the longest tenant number and all the rest.
pub const MAXIMUM_TEXT: usize = 3 + 4 + 1 + 19 + 1 + ID_LENGTH + 1 + SECRET_LENGTH;

/// An API key with its secret. The secret is wiped when dropped and never shown by `Debug`.
#[derive(Clone)]
pub struct ApiKey {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What finds the key's row: 12 characters, unique among all keys for every practical purpose.
    pub id: String,
    /// Whether the key belongs to a test tenant.
    pub test: bool,
    secret: Zeroizing<[u8; 32]>,
}

impl ApiKey {
    /// A new random key.
    pub fn generate(tenant: TenantId, test: bool, entropy: &Entropy) -> Self {
        let mut id = base32().encode(&entropy.bytes::<8>());
        id.truncate(ID_LENGTH);
        let mut secret = Zeroizing::new([0u8; 32]);
        entropy.fill(secret.as_mut_slice());
        Self { tenant, id, test, secret }
    }

    /// The text that a caller sends. It is the secret itself: shown once, never stored.
    pub fn text(&self) -> String {
        let kind = if self.test { "test" } else { "live" };
        let secret = Zeroizing::new(base32().encode(self.secret.as_slice()));
        format!("tl_{kind}_{}_{}_{}", self.tenant.0, self.id, *secret)
    }

    /// Reads a key; `None` when it is not exactly of our form. Whether it lets anybody in is
    /// for [`matches`](Self::matches) to say.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAXIMUM_TEXT {
            return None;
        }
        let mut parts = text.strip_prefix("tl_")?.split('_');
        let test = match parts.next()? {
            "live" => false,
            "test" => true,
            _ => return None,
        };
        let digits = parts.next()?;
        let tenant: i64 = digits.parse().ok()?;
        // One key has one text: no sign, no leading zero.
        if tenant < 1 || tenant.to_string() != digits {
            return None;
        }
        let id = parts.next()?;
        if id.len() != ID_LENGTH || !id.chars().all(|letter| SYMBOLS.contains(letter)) {
            return None;
        }
        let bytes = Zeroizing::new(base32().decode(parts.next()?.as_bytes()).ok()?);
        let mut secret = Zeroizing::new([0u8; 32]);
        if parts.next().is_some() || bytes.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(&bytes);
        Some(Self { tenant: TenantId(tenant), id: id.to_owned(), test, secret })
    }

    /// What is stored of the secret: its SHA-256.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_slice()).into()
    }

    /// Whether this key has the stored hash. Takes the same time whatever differs.
    pub fn matches(&self, hash: &[u8]) -> bool {
        self.hash().as_slice().ct_eq(hash).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, {}, …)", self.tenant.0, self.id)
    }
}

const SYMBOLS: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// Crockford's base 32 in lower case, as in a `customer_ref`; bits that encode nothing must be zero.
fn base32() -> &'static Encoding {
    static ENCODING: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str(SYMBOLS);
        // A constant of 32 distinct ASCII symbols is always a valid specification.
        specification.encoding().expect("a constant specification")
    });
    &ENCODING
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u64) -> ApiKey {
        ApiKey::generate(TenantId(42), false, &Entropy::seeded(seed))
    }

    proptest! {
        #[test]
        fn a_key_reads_back(tenant in 1..=i64::MAX, test: bool, seed: u64) {
            let key = ApiKey::generate(TenantId(tenant), test, &Entropy::seeded(seed));
            let text = key.text();
            prop_assert!(text.len() <= MAXIMUM_TEXT);
            let read = ApiKey::parse(&text).unwrap();
            prop_assert_eq!((read.tenant, &read.id, read.test), (key.tenant, &key.id, test));
            prop_assert!(read.matches(&key.hash()));
            prop_assert_eq!(read.text(), text);
        }

        #[test]
        fn any_other_letter_makes_another_key_or_none(at: prop::sample::Index, letter in "[ -~]") {
            let text = key(1).text();
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &letter);
            if let Some(read) = ApiKey::parse(&changed) {
                prop_assert_eq!(read.text(), changed, "one key, one text");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            prop_assert!(ApiKey::parse(&text).is_none());
            let nearly = format!("tl_live_{text}");
            prop_assert!(ApiKey::parse(&nearly).is_none());
        }
    }

    #[test]
    fn only_its_own_hash_matches() {
        let mut near = key(1).hash();
        assert!(key(1).matches(&near));
        near[31] ^= 1;
        assert!(!key(1).matches(&near));
        assert!(!key(1).matches(&key(2).hash()));
        assert!(!key(1).matches(&[]));
        assert!(!key(1).matches(&key(1).hash()[..31]));
    }

    #[test]
    fn odd_texts_are_refused() {
        let good = key(1).text();
        assert!(ApiKey::parse(&good).is_some());
        for odd in [
            good.replace("tl_", "TL_"),
            good.replace("_live_", "_prod_"),
            good.replace("_42_", "_042_"),
            good.replace("_42_", "_+42_"),
            good.replace("_42_", "_0_"),
            good.replace("_42_", "_-1_"),
            format!("{good}_"),
            format!("{good}0"),
            format!(" {good}"),
            good[..good.len() - 1].to_owned(),
            good.to_uppercase(),
        ] {
            assert!(ApiKey::parse(&odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = key(1);
        let secret = key.text().rsplit('_').next().map(str::to_owned).unwrap();
        assert!(!format!("{key:?}").contains(&secret));
    }
}
