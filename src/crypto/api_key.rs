//! API keys: what a caller shows to be let in.
//!
//! Text form `tl_{live|test}_{tenant}_{id}_{secret}{checksum}`. The id finds the row, the secret
//! proves the right; only a SHA-256 is stored. A secret of 256 random bits cannot be guessed, so
//! there is nothing for a slow hash to protect. The checksum is the CRC-32 of all before it: who
//! scans files for secrets knows a key for certain, and a key that was mistyped or cut is refused
//! without a look at the store (ADR 0036).
//!
//! Keys of before have no checksum, and their hash is of the secret alone. They go on as they are.

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
/// How many characters a checksum has: 4 bytes in base 32.
pub const CHECKSUM_LENGTH: usize = 7;
/// How long a text may be: the longest tenant number and all the rest.
pub const MAXIMUM_TEXT: usize =
    3 + 4 + 1 + 19 + 1 + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
/// The regular expression that a scanner for secrets needs: every key that is made now, and nothing
/// else whose checksum is right. In any dialect that knows `\b`.
pub const PATTERN: &str =
    r"\btl_(live|test)_[1-9][0-9]{0,18}_[0-9a-hjkmnp-tv-z]{12}_[0-9a-hjkmnp-tv-z]{59}\b";

/// An API key with its secret. The secret is wiped when dropped and never shown by `Debug`.
#[derive(Clone)]
pub struct ApiKey {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What finds the key's row: 12 characters, unique among all keys for every practical purpose.
    pub id: String,
    /// Whether the key belongs to a test tenant.
    pub test: bool,
    /// Whether it has a checksum: not if it was made before there were any.
    checked: bool,
    secret: Zeroizing<[u8; 32]>,
}

impl ApiKey {
    /// A new random key.
    pub fn generate(tenant: TenantId, test: bool, entropy: &Entropy) -> Self {
        let mut id = base32().encode(&entropy.bytes::<8>());
        id.truncate(ID_LENGTH);
        let mut secret = Zeroizing::new([0u8; 32]);
        entropy.fill(secret.as_mut_slice());
        Self { tenant, id, test, checked: true, secret }
    }

    /// The text that a caller sends. It is the secret itself: shown once, never stored.
    pub fn text(&self) -> String {
        let kind = if self.test { "test" } else { "live" };
        let secret = Zeroizing::new(base32().encode(self.secret.as_slice()));
        // Room for all of it at once: growing would leave copies behind.
        let mut text = String::with_capacity(MAXIMUM_TEXT);
        text.push_str(&format!("tl_{kind}_{}_{}_", self.tenant.0, self.id));
        text.push_str(&secret);
        if self.checked {
            text.extend(checksum(&text).map(char::from));
        }
        text
    }

    /// Reads a key; `None` when it is not exactly of our form, or its checksum is not that of its
    /// text. Whether it lets anybody in is for [`matches`](Self::matches) to say.
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
        // One key has one text: no sign, no leading zero.
        if !digits.starts_with(|first| matches!(first, '1'..='9')) {
            return None;
        }
        let tenant: i64 = digits.parse().ok()?;
        let id = parts.next()?;
        if id.len() != ID_LENGTH || !id.chars().all(|letter| SYMBOLS.contains(letter)) {
            return None;
        }
        let last = parts.next()?;
        let checked = last.len() == SECRET_LENGTH + CHECKSUM_LENGTH;
        if parts.next().is_some() || !(checked || last.len() == SECRET_LENGTH) {
            return None;
        }
        if checked {
            let (before, shown) = text.split_at_checked(text.len() - CHECKSUM_LENGTH)?;
            if checksum(before) != shown.as_bytes() {
                return None;
            }
        }
        let mut secret = Zeroizing::new([0u8; 32]);
        let length =
            base32().decode_mut(last.as_bytes().get(..SECRET_LENGTH)?, &mut *secret).ok()?;
        let id = id.to_owned();
        (length == 32).then_some(Self { tenant: TenantId(tenant), id, test, checked, secret })
    }

    /// What is stored of the key: the SHA-256 of its secret, and of whose and which it is, so that
    /// one key has one text. Of a key without checksum: of its secret alone.
    pub fn hash(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(self.secret.as_slice());
        if !self.checked {
            return hash.finalize().into();
        }
        // 53 bytes in all: no more than the one block that the secret alone would take.
        let hash = hash.chain_update(self.tenant.0.to_be_bytes()).chain_update(&self.id);
        hash.chain_update([u8::from(self.test)]).finalize().into()
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

/// The CRC-32 (of gzip and PNG, as GitHub's keys have it) of a text, as a key ends in it.
fn checksum(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut letters = [0; CHECKSUM_LENGTH];
    base32().encode_mut(&crc32fast::hash(text.as_bytes()).to_be_bytes(), &mut letters);
    letters
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
        fn any_text_that_is_read_is_the_keys_own(at: prop::sample::Index, letter in "[ -~]") {
            let text = of_before().text();
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &letter);
            if let Some(read) = ApiKey::parse(&changed) {
                prop_assert_eq!(read.text(), changed, "one key, one text");
            }
        }

        #[test]
        fn what_lies_side_by_side_and_was_changed_is_found(
            seed: u64, at: prop::sample::Index, letters in "[0-9a-z_]{1,4}",
        ) {
            let text = key(seed).text();
            let at = at.index(text.len() - letters.len() + 1);
            let mut changed = text.clone();
            changed.replace_range(at..at + letters.len(), &letters);
            prop_assert_eq!(ApiKey::parse(&changed).is_some(), changed == text);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            prop_assert!(ApiKey::parse(&text).is_none());
            let nearly = format!("tl_live_{text}");
            prop_assert!(ApiKey::parse(&nearly).is_none());
        }
    }

    /// A key as it was made before there were checksums, and the hash that was stored of it.
    const OF_BEFORE: &str =
        "tl_live_42_f8j0tht2837e_ecr0gwfm9gb8wz4mkqhcem761gp9qe7zac01fhd2cwhmx75mve70";
    const HASH_OF_BEFORE: &str = "704d8c8d4124f4ac6295476a47d5af9a20ab3e7ef4fd5504104c1dcf0dacb1cc";

    fn of_before() -> ApiKey {
        ApiKey::parse(OF_BEFORE).unwrap()
    }

    #[test]
    fn keys_of_before_go_on() {
        let hash = data_encoding::HEXLOWER.decode(HASH_OF_BEFORE.as_bytes()).unwrap();
        assert!(of_before().matches(&hash));
        assert_eq!(of_before().text(), OF_BEFORE);
        // A checksum makes another key of it, and no checksum another one of a new key.
        let checksum = checksum(OF_BEFORE).map(char::from);
        let checked: String = OF_BEFORE.chars().chain(checksum).collect();
        assert!(!ApiKey::parse(&checked).unwrap().matches(&hash));
        let text = key(1).text();
        let cut = ApiKey::parse(&text[..text.len() - CHECKSUM_LENGTH]).unwrap();
        assert!(!cut.matches(&key(1).hash()));
    }

    #[test]
    fn a_scanner_finds_every_key_and_nothing_else() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for (seed, tenant) in [(1, 1), (2, 42), (3, i64::MAX)] {
            let text = ApiKey::generate(TenantId(tenant), seed == 2, &Entropy::seeded(seed)).text();
            let leaked = format!("THREADLINE_API_KEY=\"{text}\" # {OF_BEFORE}\nx{text} {text}0\n");
            let found: Vec<&str> = pattern.find_iter(&leaked).map(|it| it.as_str()).collect();
            assert_eq!(found, [text.as_str()]);
        }
    }

    #[test]
    fn every_other_letter_is_found() {
        for (kind, seed) in [(false, 1), (true, 2), (false, 3)] {
            let key = ApiKey::generate(TenantId(42), kind, &Entropy::seeded(seed));
            let text = key.text();
            for at in 0..text.len() {
                for letter in (' '..='~').filter(|letter| !text[at..].starts_with(*letter)) {
                    let mut changed = text.clone();
                    changed.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
                    assert!(ApiKey::parse(&changed).is_none(), "{at} {letter}");
                }
            }
        }
    }

    #[test]
    fn the_hash_is_of_the_whole_key() {
        let key = key(1);
        let mut others = [key.clone(), key.clone(), key.clone()];
        others[0].test = true;
        others[1].tenant = TenantId(43);
        others[2].id.replace_range(..1, if key.id.starts_with('0') { "1" } else { "0" });
        assert!(others.iter().all(|other| !other.matches(&key.hash())));
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
            format!("tl_live_42_{}é{}", "0".repeat(ID_LENGTH), "0".repeat(SECRET_LENGTH)),
            format!("{}é{}", &good[..good.len() - 8], &good[good.len() - 6..]),
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
