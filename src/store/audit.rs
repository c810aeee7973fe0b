//! The tenant's hash chain: one link a batch, over the link before and the rows that came back.
//!
//! ```text
//! row hash = SHA-256( verb | position | received | time | outcome, 8 bytes each, big-endian
//!                   | interaction | part | fingerprint | channel | customer | caller
//!                   | SHA-256(state) [ | strips ], each preceded by its length in 8 bytes )
//! link     = SHA-256( link before | row hash | row hash | … ), the first after 32 zero bytes
//! ```
//! `strips` is there only where the row took other rows' content away.

pub mod chain;
pub mod end;
pub mod list;
mod notes;
pub mod traces;
pub(super) mod walk;

use sha2::{Digest as _, Sha256};

use super::rows::JournalRow;

/// What of a row enters its hash. Bytes as they are stored.
pub(super) struct Hashed<'a> {
    /// Verb, position, received, time, outcome.
    pub numbers: [i64; 5],
    /// Interaction, part, fingerprint, channel, customer, caller.
    pub texts: [&'a [u8]; 6],
    /// SHA-256 of the sealed state: so a row stripped of it still verifies.
    pub digest: &'a [u8],
    /// Positions of the rows whose content went with this one.
    pub strips: &'a [u8],
}

impl Hashed<'_> {
    /// The row's hash.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for number in self.numbers {
            hash.update(number.to_be_bytes());
        }
        // Each part is preceded by its length: no two rows give the same bytes.
        let mut part = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        self.texts.into_iter().for_each(&mut part);
        part(self.digest);
        if !self.strips.is_empty() {
            part(self.strips);
        }
        hash.finalize().into()
    }
}

/// The hash of one journal row.
fn row_hash(row: &JournalRow) -> [u8; 32] {
    let digest: [u8; 32] = Sha256::digest(&row.state).into();
    let customer = row.customer.map_or_else(Vec::new, |customer| customer.0.to_vec());
    Hashed {
        numbers: [row.verb as i64, row.position, row.received.0, row.time.0, row.outcome as i64],
        texts: [
            &row.interaction.0,
            &row.part,
            &row.fingerprint,
            row.channel.as_bytes(),
            &customer,
            row.caller.as_bytes(),
        ],
        digest: if row.digest.is_empty() { &digest } else { &row.digest },
        strips: &row.strips,
    }
    .hash()
}

/// The next link: SHA-256 of the link before and of every row's hash, in order of position.
pub(super) fn link<'a>(before: &[u8], rows: impl Iterator<Item = &'a JournalRow>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    for row in rows {
        hash.update(row_hash(row));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Outcome, Verb};
    use super::*;
    use crate::clock::Time;
    use crate::ids::Token;

    fn row() -> JournalRow {
        JournalRow {
            interaction: Token([1; 16]),
            verb: Verb::Start,
            part: Vec::new(),
            position: 7,
            fingerprint: vec![2; 16],
            received: Time(3),
            time: Time(4),
            channel: "voice".into(),
            customer: None,
            caller: "k".into(),
            outcome: Outcome::New,
            state: vec![5; 40],
            digest: Vec::new(),
            strips: Vec::new(),
        }
    }

    #[test]
    fn a_stripped_row_has_the_same_hash_and_an_edited_one_has_not() {
        let whole = row();
        let mut stripped = row();
        stripped.digest = Sha256::digest(&stripped.state).to_vec();
        stripped.state.clear();
        assert_eq!(row_hash(&whole), row_hash(&stripped));
        let mut edited = row();
        edited.time = Time(5);
        assert_ne!(row_hash(&whole), row_hash(&edited));
        assert_ne!(link(b"a", [&whole].into_iter()), link(b"b", [&whole].into_iter()));
    }
}
