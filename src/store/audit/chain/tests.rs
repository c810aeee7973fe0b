//! A chain that is whole, and everything that can be done to it.

use proptest::prelude::*;

use super::*;

/// A chain as it is stored.
#[derive(Clone, Debug)]
struct Stored {
    entries: Vec<Entry>,
    links: Vec<Link>,
}

impl Stored {
    /// Batches of so many rows, with gaps between the positions; the last row of each batch has taken
    /// the content of the first one of the chain.
    fn of(batches: &[usize]) -> Self {
        let (mut entries, mut links) = (Vec::new(), Vec::new());
        let (mut position, mut before) = (0, NOTHING.to_vec());
        for (number, size) in batches.iter().enumerate() {
            let mut hash = Sha256::new();
            hash.update(&before);
            for row in 0..*size {
                position += 1 + i64::from(row == 0);
                let entry = row_at(position, number as u8);
                hash.update(entry.row_hash());
                entries.push(entry);
            }
            before = hash.finalize().to_vec();
            links.push(Link { position, entries: *size as i64, hash: before.clone() });
        }
        Self { entries, links }
    }

    fn end(&self) -> Option<End> {
        self.links.last().map(|link| End { position: link.position, hash: link.hash.clone() })
    }

    /// What a walk would do.
    fn verified(&self, checkpoints: Vec<End>, head: Option<&End>) -> Verified {
        let mut chain = Chain::through(checkpoints);
        let mut rows = self.entries.iter().peekable();
        for link in &self.links {
            while let Some(row) = rows.next_if(|row| row.position() <= link.position) {
                chain.entry(row, self.witness(row));
            }
            chain.link(link.clone());
        }
        rows.for_each(|row| chain.entry(row, self.witness(row)));
        chain.end(head)
    }

    fn witness(&self, row: &Entry) -> bool {
        let by = self.entries.iter().find(|it| it.position() == row.stripped_by);
        by.is_some_and(|by| by.position() > row.position() && by.stripped(row.position()))
    }
}

fn row_at(position: i64, salt: u8) -> Entry {
    let key = [position.to_be_bytes(), [salt; 8]].concat();
    Entry {
        numbers: [1, position, 1_000 + position, 900, 1],
        texts: [key, b"u".to_vec(), vec![3; 16], b"voice".to_vec(), vec![5; 16], b"k".to_vec()],
        state: vec![salt; 40],
        ..Entry::default()
    }
}

/// The last row says that it took away what the others held, and is linked as saying so.
fn stripping() -> Stored {
    let mut stored = Stored::of(&[2, 1]);
    let positions = [2i64, 3].map(i64::to_be_bytes).concat();
    stored.entries[2].strips = positions;
    let mut hash = Sha256::new();
    hash.update(&stored.links[0].hash);
    hash.update(stored.entries[2].row_hash());
    stored.links[1].hash = hash.finalize().to_vec();
    stored
}

fn strip(entry: &mut Entry) {
    entry.digest = Sha256::digest(&entry.state).to_vec();
    entry.state.clear();
    entry.stripped_by = 5;
}

fn forget(entry: &mut Entry) {
    let (hash, position) = (entry.row_hash().to_vec(), entry.position());
    let key = vec![9; 16];
    *entry = Entry { hash, stripped_by: 5, ..Entry::default() };
    (entry.numbers[1], entry.texts[0]) = (position, key);
}

fn wrongs(verified: &Verified) -> Vec<Wrong> {
    verified.findings.iter().map(|finding| finding.wrong).collect()
}

#[test]
fn nothing_and_a_whole_chain_are_whole() {
    let head = End { position: 0, hash: NOTHING.to_vec() };
    assert_eq!(Chain::through([head.clone()]).end(Some(&head)).wrong, 0);
    let stored = Stored::of(&[1, 3, 2]);
    let verified = stored.verified(Vec::new(), stored.end().as_ref());
    assert_eq!((verified.entries, verified.links, verified.wrong), (6, 3, 0));
}

#[test]
fn what_a_later_row_took_away_is_no_damage() {
    for take in [strip, forget] {
        let mut stored = stripping();
        stored.entries[..2].iter_mut().for_each(take);
        assert_eq!(stored.verified(Vec::new(), stored.end().as_ref()).findings, []);
    }
}

#[test]
fn what_nobody_took_away_is_missed() {
    for take in [strip, forget] {
        for by in [0, 2, 3, 4, 6] {
            let mut stored = stripping();
            take(&mut stored.entries[0]);
            stored.entries[0].stripped_by = by;
            assert!(stored.verified(Vec::new(), stored.end().as_ref()).wrong > 0, "by {by}");
        }
        let mut stored = Stored::of(&[2, 1]);
        take(&mut stored.entries[0]);
        let verified = stored.verified(Vec::new(), stored.end().as_ref());
        assert_eq!(wrongs(&verified), [Wrong::Stripped]);
    }
}

#[test]
fn a_kept_hash_covers_no_edit() {
    // With the right hash or digest beside them, other columns could say anything.
    let edits: [fn(&mut Entry); 5] = [
        |entry| entry.state = vec![1],
        |entry| entry.digest = Sha256::digest(&entry.state).to_vec(),
        |entry| {
            forget(entry);
            entry.numbers[0] = 2;
        },
        |entry| {
            forget(entry);
            entry.texts[5] = b"another".to_vec();
        },
        |entry| {
            entry.hash = entry.row_hash().to_vec();
            entry.stripped_by = 5;
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut stored = stripping();
        edit(&mut stored.entries[0]);
        assert!(stored.verified(Vec::new(), stored.end().as_ref()).wrong > 0, "edit {number}");
    }
}

#[test]
fn a_chain_rewritten_whole_is_found_by_a_checkpoint_alone() {
    let (before, mut after) = (Stored::of(&[2, 2]), Stored::of(&[2, 2, 1]));
    let checkpoint = before.end().expect("links");
    assert_eq!(after.verified(vec![checkpoint.clone()], after.end().as_ref()).checkpoints, 1);
    for entry in &mut after.entries {
        entry.texts[5] = b"another".to_vec();
    }
    let mut hash = NOTHING.to_vec();
    let mut rows = after.entries.iter();
    for link in &mut after.links {
        let mut made = Sha256::new();
        made.update(&hash);
        rows.by_ref().take(link.entries as usize).for_each(|row| made.update(row.row_hash()));
        hash = made.finalize().to_vec();
        link.hash.clone_from(&hash);
    }
    assert_eq!(after.verified(Vec::new(), after.end().as_ref()).wrong, 0, "it is consistent");
    let verified = after.verified(vec![checkpoint.clone()], after.end().as_ref());
    assert_eq!(wrongs(&verified), [Wrong::Rewritten]);
    let shorter = Stored::of(&[2]);
    let verified = shorter.verified(vec![checkpoint], shorter.end().as_ref());
    assert_eq!(wrongs(&verified), [Wrong::Short]);
}

#[test]
fn the_head_must_name_the_last_link() {
    let stored = Stored::of(&[2, 2]);
    let end = stored.end().expect("links");
    let others = [End { position: 4, ..end.clone() }, End { hash: vec![0; 32], ..end.clone() }];
    for head in others.iter().map(Some).chain([None]) {
        assert_eq!(wrongs(&stored.verified(Vec::new(), head)), [Wrong::Head]);
    }
    let mut cut = stored.clone();
    cut.links.pop();
    cut.entries.truncate(2);
    assert_eq!(wrongs(&cut.verified(Vec::new(), Some(&end))), [Wrong::Head]);
}

#[test]
fn findings_are_bounded_and_counted() {
    let mut stored = Stored::of(&[1; 300]);
    stored.entries.iter_mut().for_each(|entry| entry.numbers[4] = 9);
    let verified = stored.verified(Vec::new(), stored.end().as_ref());
    assert_eq!((verified.findings.len(), verified.wrong), (MOST_FINDINGS, 300));
}

proptest! {
    /// Whatever is done to one row or link, something is found, at the place where it was done.
    #[test]
    fn no_change_goes_unnoticed(
        batches in prop::collection::vec(1usize..6, 1..6),
        at in any::<prop::sample::Index>(),
        link_at in any::<prop::sample::Index>(),
        kind in 0usize..13,
        flip in any::<prop::sample::Index>(),
    ) {
        let whole = Stored::of(&batches);
        let head = whole.end();
        prop_assert_eq!(whole.verified(Vec::new(), head.as_ref()).wrong, 0);
        let mut stored = whole.clone();
        let (row, link) = (at.index(stored.entries.len()), link_at.index(stored.links.len()));
        let position = match kind {
            0..=7 => stored.entries[row].position(),
            _ => stored.links[link].position,
        };
        let entry = &mut stored.entries[row];
        match kind {
            0 => entry.numbers[[0, 2, 3, 4][flip.index(4)]] ^= 1 << 7,
            1 => entry.texts[flip.index(6)].push(0),
            2 => {
                let bit = flip.index(entry.state.len());
                entry.state[bit] ^= 1;
            }
            3 => entry.strips = 1i64.to_be_bytes().to_vec(),
            4 => entry.digest = Sha256::digest(&entry.state).to_vec(),
            5 => drop(stored.entries.remove(row)),
            6 => {
                let mut copy = entry.clone();
                copy.numbers[1] += 1_000;
                copy.texts[0].push(1);
                // In between, or after everything.
                let free = stored.entries.iter().all(|it| it.position() != position - 1);
                copy.numbers[1] = if free { position - 1 } else { 1_000 };
                stored.entries.push(copy);
                stored.entries.sort_by_key(Entry::position);
            }
            7 => {
                let other = flip.index(stored.entries.len());
                prop_assume!(other != row);
                let (one, two) = (stored.entries[row].position(), stored.entries[other].position());
                (stored.entries[row].numbers[1], stored.entries[other].numbers[1]) = (two, one);
                stored.entries.sort_by_key(Entry::position);
            }
            8 => stored.links[link].hash[flip.index(32)] ^= 4,
            9 => stored.links[link].entries += 1,
            10 => stored.links[link].position -= 1,
            11 => drop(stored.links.remove(link)),
            _ => {
                // The tail goes, and the head stays.
                stored.links.truncate(link);
                let last = stored.links.last().map_or(0, |link| link.position);
                stored.entries.retain(|entry| entry.position() <= last);
            }
        }
        let verified = stored.verified(Vec::new(), head.as_ref());
        prop_assert!(verified.wrong > 0, "kind {} at {}", kind, position);
        let named = verified.findings.iter().any(|it| it.first <= position && position <= it.last);
        prop_assert!(named || kind >= 6, "kind {} at {}: {:?}", kind, position, verified.findings);
    }
}
