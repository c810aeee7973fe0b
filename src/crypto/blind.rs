//! The blind index: tokens that are equal when the values are, and say
//! nothing else.
//!
//! token = the first 16 bytes of HMAC-SHA-256(key, parts), where each part is
//! preceded by its length in 8 bytes, big-endian, and the first part names
//! what the token is for. The keys are random for each tenant, so the same
//! e-mail of two tenants has two tokens. 128 bits: among 2^40 tokens of a
//! tenant two collide with a chance of about 2^−49.
//!
//! Three keys, because they are shown to different eyes: `index` finds rows,
//! `fingerprint` tells a replay from a conflict, `pseudonym` stands for a
//! customer in the audit.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::signer::Signer;
use crate::ids::{CustomerId, Entropy, Token};

/// A tenant's three keys, each with its prepared state. Wiped when dropped.
#[derive(Clone)]
pub struct TenantSecrets {
    bytes: Zeroizing<[u8; 96]>,
    index: Hmac<Sha256>,
    fingerprint: Hmac<Sha256>,
    pseudonym: Hmac<Sha256>,
}

impl TenantSecrets {
    /// New random keys.
    pub fn generate(entropy: &Entropy) -> Self {
        let mut bytes = Zeroizing::new([0u8; 96]);
        entropy.fill(bytes.as_mut_slice());
        Self::from_bytes(&bytes)
    }

    /// The keys that [`to_bytes`](Self::to_bytes) gave.
    pub fn from_bytes(bytes: &[u8; 96]) -> Self {
        Self {
            bytes: Zeroizing::new(*bytes),
            index: prepared(&bytes[..32]),
            fingerprint: prepared(&bytes[32..64]),
            pseudonym: prepared(&bytes[64..]),
        }
    }

    /// The three keys one after the other, to be sealed and stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 96]> {
        self.bytes.clone()
    }

    /// The token of a normalised identifier. `scheme` is how its value was normalised
    /// (a phone number is one, whichever channel showed it); `namespace` is empty where
    /// a scheme has none.
    pub fn identifier(&self, scheme: &str, namespace: &str, value: &str) -> Token {
        self.token(&["identifier", scheme, namespace, value])
    }

    /// The token of a caller's own interaction id, which is unique per source.
    pub fn interaction(&self, source: &str, interaction_id: &str) -> Token {
        self.token(&["interaction", source, interaction_id])
    }

    /// The token of a request that changes a customer, by the caller's own id, which is unique per
    /// source and verb.
    pub fn request(&self, verb: &str, source: &str, request_id: &str) -> Token {
        self.token(&["request", verb, source, request_id])
    }

    /// What is left of a thing that was erased, by its own token or ref: whoever has that can ask
    /// for it, and it is in no other row.
    pub fn tombstone(&self, kind: &str, named: &[u8]) -> Token {
        Token(digest(&self.index, &[b"tombstone", kind.as_bytes(), named]))
    }

    /// The token of a label, of whatever class: agent, queue, intent, …
    pub fn label(&self, class: &str, text: &str) -> Token {
        self.token(&["label", class, text])
    }

    /// The token of any other text that must be found again, of whatever class.
    pub fn text(&self, class: &str, text: &str) -> Token {
        self.token(&["text", class, text])
    }

    /// What stands for the content of a request: equal content, equal fingerprint.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 16] {
        digest(&self.fingerprint, parts)
    }

    /// What stands for a customer where the customer must not be named.
    pub fn pseudonym(&self, customer: CustomerId) -> Token {
        Token(digest(&self.pseudonym, &[b"customer", &customer.0]))
    }

    /// A place in the journal as it is handed out: it says nothing, opens only for the same
    /// `scope`, and nobody else can make one. The mask is made from the seal, so that no random
    /// number is used up by tokens that are made for every event of every watcher.
    pub fn seal_position(&self, scope: &[&[u8]], position: i64) -> [u8; 24] {
        let plain = position.to_be_bytes();
        let seal = self.position_seal(scope, &plain);
        let mut token = [0; 24];
        token[..16].copy_from_slice(&seal);
        for (place, (own, mask)) in token[16..].iter_mut().zip(plain.iter().zip(self.mask(&seal))) {
            *place = own ^ mask;
        }
        token
    }

    /// The place that [`seal_position`](Self::seal_position) sealed for this `scope`; `None` for
    /// anything else.
    pub fn open_position(&self, scope: &[&[u8]], token: &[u8]) -> Option<i64> {
        let token: &[u8; 24] = token.try_into().ok()?;
        let (seal, masked) = token.split_at(16);
        let mut plain = [0; 8];
        for (place, (masked, mask)) in plain.iter_mut().zip(masked.iter().zip(self.mask(seal))) {
            *place = masked ^ mask;
        }
        let same = bool::from(self.position_seal(scope, &plain).ct_eq(seal));
        same.then(|| i64::from_be_bytes(plain))
    }

    fn position_seal(&self, scope: &[&[u8]], plain: &[u8; 8]) -> [u8; 16] {
        let parts = [&[b"position".as_slice(), plain], scope].concat();
        digest(&self.fingerprint, &parts)
    }

    fn mask(&self, seal: &[u8]) -> [u8; 16] {
        digest(&self.pseudonym, &[b"position mask", seal])
    }

    /// What signs the tenant's audit checkpoints: a key derived from all three, so that whatever
    /// becomes of the root key, it lives as long as they do.
    pub fn signer(&self) -> Signer {
        let mut mac = prepared(&self.bytes[..]);
        mac.update(b"threadline audit checkpoints, Ed25519 1");
        let seed = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        Signer::of(&seed)
    }

    fn token<const N: usize>(&self, parts: &[&str; N]) -> Token {
        Token(digest(&self.index, &parts.map(str::as_bytes)))
    }
}

impl fmt::Debug for TenantSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSecrets(…)")
    }
}

fn prepared(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length.
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn digest(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 16] {
    // Cloning the prepared state saves the two hash blocks that the key costs.
    let mut mac = key.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let full = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    let mut short = [0u8; 16];
    short.copy_from_slice(&full[..16]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> TenantSecrets {
        TenantSecrets::generate(&Entropy::seeded(1))
    }

    #[test]
    fn a_token_is_the_truncated_hmac_of_its_prefixed_parts() {
        let mut written = Vec::new();
        for part in ["label", "agent", "ada"] {
            written.extend_from_slice(&(part.len() as u64).to_be_bytes());
            written.extend_from_slice(part.as_bytes());
        }
        let secrets = secrets();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secrets.to_bytes()[..32]).unwrap();
        mac.update(&written);
        assert_eq!(secrets.label("agent", "ada").0, mac.finalize().into_bytes()[..16]);
    }

    proptest! {
        #[test]
        fn a_place_opens_for_its_own_scope_only(position: i64, scope: Vec<u8>, other: Vec<u8>) {
            let secrets = secrets();
            let token = secrets.seal_position(&[b"a", &scope], position);
            prop_assert_eq!(secrets.open_position(&[b"a", &scope], &token), Some(position));
            prop_assert_eq!(secrets.open_position(&[b"b", &scope], &token), None);
            prop_assert_eq!(secrets.open_position(&[&scope], &token), None);
            if other != scope {
                prop_assert_eq!(secrets.open_position(&[b"a", &other], &token), None);
            }
            let others = TenantSecrets::generate(&Entropy::seeded(2));
            prop_assert_eq!(others.open_position(&[b"a", &scope], &token), None);
        }

        #[test]
        fn a_changed_token_of_a_place_does_not_open(position: i64, bit in 0..192_usize) {
            let secrets = secrets();
            let mut token = secrets.seal_position(&[b"a"], position);
            token[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(secrets.open_position(&[b"a"], &token), None);
        }
    }

    #[test]
    fn a_token_of_a_place_does_not_show_it() {
        let secrets = secrets();
        let (one, next) = (secrets.seal_position(&[], 1), secrets.seal_position(&[], 2));
        let alike = one.iter().zip(next).filter(|(a, b)| **a == *b).count();
        assert!(alike < 8, "neighbours have nothing in common: {alike} bytes");
        assert_eq!(secrets.open_position(&[], &one[1..]), None);
    }

    #[test]
    fn what_a_token_is_for_changes_it() {
        let secrets = secrets();
        let tokens = std::collections::BTreeSet::from([
            secrets.identifier("a", "b", "c"),
            secrets.identifier("a", "", "bc"),
            secrets.identifier("b", "a", "c"),
            secrets.interaction("a", "b"),
            secrets.request("a", "b", ""),
            secrets.label("a", "b"),
            secrets.text("a", "b"),
            secrets.tombstone("a", b"b"),
            secrets.label("b", "a"),
            secrets.label("", "ab"),
            TenantSecrets::generate(&Entropy::seeded(2)).label("a", "b"),
            Token(secrets.fingerprint(&[b"label", b"a", b"b"])),
        ]);
        assert_eq!(tokens.len(), 12);
    }

    #[test]
    fn two_customers_have_two_pseudonyms_and_keys_read_back() {
        let (one, two) = (CustomerId([1; 16]), CustomerId([2; 16]));
        let secrets = secrets();
        assert_ne!(secrets.pseudonym(one), secrets.pseudonym(two));
        let again = TenantSecrets::from_bytes(&secrets.to_bytes());
        assert_eq!(again.pseudonym(one), secrets.pseudonym(one));
        assert_eq!(again.label("a", "b"), secrets.label("a", "b"));
        assert_eq!(again.fingerprint(&[b"a"]), secrets.fingerprint(&[b"a"]));
        assert_eq!(again.signer().public_key(), secrets.signer().public_key());
        let another = TenantSecrets::generate(&Entropy::seeded(2));
        assert_ne!(another.signer().public_key(), secrets.signer().public_key());
        assert_eq!(format!("{secrets:?}"), "TenantSecrets(…)");
    }

    proptest! {
        #[test]
        fn equal_tokens_mean_equal_parts(a in ".{0,3}", b in ".{0,3}", c in ".{0,3}", d in ".{0,3}") {
            let secrets = secrets();
            prop_assert_eq!(secrets.label(&a, &b) == secrets.label(&c, &d), (&a, &b) == (&c, &d));
            // The same letters cut elsewhere are other parts.
            let joined = format!("{a}{b}");
            prop_assert_eq!(secrets.label(&joined, "") == secrets.label(&a, &b), b.is_empty());
        }

        #[test]
        fn equal_fingerprints_mean_equal_parts(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..4),
            others in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..4),
        ) {
            let of = |parts: &[Vec<u8>]| {
                secrets().fingerprint(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(of(&parts) == of(&others), parts == others);
        }
    }
}
