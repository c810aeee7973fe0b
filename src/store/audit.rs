//! The tenant's hash chain: one link a batch, over the link before and the rows that came back.

use sha2::{Digest as _, Sha256};

use super::rows::JournalRow;

/// The hash of one journal row. The sealed state enters by its own hash, so that a row stripped of
/// it still verifies.
pub(super) fn row_hash(row: &JournalRow) -> [u8; 32] {
    let mut hash = Sha256::new();
    let digest: Vec<u8> = if row.digest.is_empty() {
        Sha256::digest(&row.state).to_vec()
    } else {
        row.digest.clone()
    };
    let customer = row.customer.map_or_else(Vec::new, |customer| customer.0.to_vec());
    for number in [row.verb as i64, row.position, row.received.0, row.time.0, row.outcome as i64] {
        hash.update(number.to_be_bytes());
    }
    let parts: [&[u8]; 7] = [
        &row.interaction.0,
        &row.part,
        &row.fingerprint,
        row.channel.as_bytes(),
        &customer,
        row.caller.as_bytes(),
        &digest,
    ];
    for part in parts {
        // Each part is preceded by its length: no two rows give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
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
