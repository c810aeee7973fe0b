//! Whether a tenant's chain is whole, from its rows and links in order of position: a pure fold that
//! keeps one row, one link and what it found.
//!
//! After something that does not fit, it goes on from the link as it is stored: each damage is named
//! where it is, and not once for everything that comes after.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Hashed;

/// Findings that are named; more are counted.
pub const MOST_FINDINGS: usize = 100;

/// What is before the first link.
const NOTHING: [u8; 32] = [0; 32];
/// Length of a hash.
const HASH: usize = 32;

/// A journal row as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Verb, position, received, time, outcome.
    pub numbers: [i64; 5],
    /// Interaction, part, fingerprint, channel, customer, caller.
    pub texts: [Vec<u8>; 6],
    /// The sealed state.
    pub state: Vec<u8>,
    /// Its SHA-256, once it was stripped.
    pub digest: Vec<u8>,
    /// Positions of the rows whose content went with this one.
    pub strips: Vec<u8>,
    /// The row that took this one's content away; 0 for none.
    pub stripped_by: i64,
    /// This row's hash, once nothing else is left of it.
    pub hash: Vec<u8>,
}

impl Entry {
    /// Its place in the journal.
    pub fn position(&self) -> i64 {
        self.numbers[1]
    }

    /// What enters the link for this row.
    pub fn row_hash(&self) -> [u8; 32] {
        if let Ok(hash) = self.hash.as_slice().try_into() {
            return hash;
        }
        let digest: [u8; 32] = Sha256::digest(&self.state).into();
        Hashed {
            numbers: self.numbers,
            texts: self.texts.each_ref().map(Vec::as_slice),
            digest: if self.digest.is_empty() { &digest } else { &self.digest },
            strips: &self.strips,
        }
        .hash()
    }

    /// Whether it names `position` among the rows whose content went with it.
    pub fn stripped(&self, position: i64) -> bool {
        names(&self.strips, position)
    }

    /// Whether nothing but its hash is left.
    pub fn is_forgotten(&self) -> bool {
        self.hash.len() == HASH
    }

    /// Whether its columns fit together: whole, or stripped of its state, or of everything.
    fn is_of_one_form(&self) -> bool {
        let [verb, _, received, time, outcome] = self.numbers;
        // The interaction is part of the row's key: something random stands there.
        let readable = self.texts[1..].iter().any(|text| !text.is_empty())
            || [verb, received, time, outcome].iter().any(|number| *number != 0);
        match (self.stripped_by, self.digest.len(), self.hash.len()) {
            (0, 0, 0) => true,
            (1.., HASH, 0) => self.state.is_empty(),
            (1.., 0, HASH) => self.state.is_empty() && self.strips.is_empty() && !readable,
            _ => false,
        }
    }
}

/// Whether a list of positions holds this one.
pub(super) fn names(strips: &[u8], position: i64) -> bool {
    strips.chunks_exact(8).any(|chunk| chunk == position.to_be_bytes())
}

/// A link as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The position of its last row.
    pub position: i64,
    /// How many rows it covers.
    pub entries: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// The end of a chain, as its tenant's head or a checkpoint says it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The last position.
    pub position: i64,
    /// The last link's hash.
    pub hash: Vec<u8>,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// So many rows fewer than the link covers.
    Missing(i64),
    /// So many rows more than the link covers.
    Added(i64),
    /// The rows are as many as the link covers, and not those.
    Edited,
    /// The link is not at its last row.
    Moved,
    /// A row whose columns do not fit together.
    Malformed,
    /// A row that cannot be read at all.
    Unreadable,
    /// A row without its content, and no later row that says it took it away.
    Stripped,
    /// Rows that no link covers.
    Unlinked,
    /// The tenant's head names another end than the last link.
    Head,
    /// A checkpoint that the chain does not reach.
    Short,
    /// A checkpoint whose link is not in the chain, or has another hash.
    Rewritten,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(count) => write!(f, "{count} deleted"),
            Self::Added(count) => write!(f, "{count} added, or a link between them was deleted"),
            Self::Edited => f.write_str("edited or reordered, or the link was edited"),
            Self::Moved => f.write_str("the link does not stand at its last entry"),
            Self::Malformed => {
                f.write_str("an entry was edited: its columns contradict each other")
            }
            Self::Unreadable => f.write_str("an entry was edited: it cannot be read"),
            Self::Stripped => {
                f.write_str("its content was taken away, and no later entry did that")
            }
            Self::Unlinked => {
                f.write_str("entries after the last link: added, or links were deleted")
            }
            Self::Head => f.write_str(
                "the tenant's head names another end: the tail was cut, or the head edited",
            ),
            Self::Short => f.write_str("the chain ends before this checkpoint: its tail was cut"),
            Self::Rewritten => f.write_str("the chain is not the one that this checkpoint saw"),
        }
    }
}

/// Something that does not fit, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first position concerned.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// What it is.
    pub wrong: Wrong,
}

/// What a walk along a chain came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows that were read.
    pub entries: u64,
    /// Links that were read.
    pub links: u64,
    /// Checkpoints that the chain goes through.
    pub checkpoints: u64,
    /// What does not fit, at most [`MOST_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings there are in all; 0 for a chain that is whole.
    pub wrong: u64,
}

/// A chain on the way.
pub struct Chain {
    before: Vec<u8>,
    hash: Sha256,
    first: Option<i64>,
    last: i64,
    counted: i64,
    linked: i64,
    checkpoints: BTreeMap<i64, Vec<Vec<u8>>>,
    verified: Verified,
}

impl Chain {
    /// Nothing of it was seen yet; it must go through these checkpoints.
    pub fn through(checkpoints: impl IntoIterator<Item = End>) -> Self {
        let mut places: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
        for End { position, hash } in checkpoints {
            let hashes = places.entry(position).or_default();
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        let mut chain = Self {
            before: Vec::new(),
            hash: Sha256::new(),
            first: None,
            last: 0,
            counted: 0,
            linked: 0,
            checkpoints: places,
            verified: Verified::default(),
        };
        chain.passes(0, &NOTHING);
        chain.begin(NOTHING.to_vec());
        chain
    }

    fn begin(&mut self, before: Vec<u8>) {
        self.hash = Sha256::new();
        self.hash.update(&before);
        (self.before, self.first, self.counted) = (before, None, 0);
    }

    fn find(&mut self, first: i64, last: i64, wrong: Wrong) {
        self.verified.wrong += 1;
        if self.verified.findings.len() < MOST_FINDINGS {
            self.verified.findings.push(Finding { first, last, wrong });
        }
    }

    fn count(&mut self, position: i64) {
        self.verified.entries += 1;
        self.first.get_or_insert(position);
        self.last = position;
        self.counted += 1;
    }

    /// The next row. `witnessed`: the row that it names as having taken its content away says so,
    /// and comes later.
    pub fn entry(&mut self, entry: &Entry, witnessed: bool) {
        let position = entry.position();
        self.count(position);
        self.hash.update(entry.row_hash());
        if !entry.is_of_one_form() {
            self.find(position, position, Wrong::Malformed);
        } else if entry.stripped_by != 0 && !witnessed {
            self.find(position, position, Wrong::Stripped);
        }
    }

    /// The next row cannot be read.
    pub fn unreadable(&mut self, position: i64) {
        self.count(position);
        self.find(position, position, Wrong::Unreadable);
    }

    /// The next link, after the rows up to its position.
    pub fn link(&mut self, link: Link) {
        self.verified.links += 1;
        let (counted, last) = (self.counted, link.position.max(self.last));
        // Somewhere after the link before: what is missing may have stood there.
        let first = self.linked.saturating_add(1).min(last);
        let made: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        if counted < link.entries {
            self.find(first, last, Wrong::Missing(link.entries.saturating_sub(counted)));
        } else if counted > link.entries {
            self.find(first, last, Wrong::Added(counted.saturating_sub(link.entries)));
        } else if link.hash != made {
            self.find(first, last, Wrong::Edited);
        } else if counted == 0 || self.last != link.position {
            self.find(first, last, Wrong::Moved);
        }
        self.passes(link.position, &link.hash);
        self.linked = link.position;
        self.begin(link.hash);
    }

    /// Whether the checkpoints up to here saw what is here.
    fn passes(&mut self, position: i64, hash: &[u8]) {
        while let Some(place) = self.checkpoints.first_entry().filter(|it| *it.key() <= position) {
            let (at, seen) = place.remove_entry();
            let (right, wrong): (Vec<_>, Vec<_>) =
                seen.into_iter().partition(|one| at == position && one == hash);
            self.verified.checkpoints += right.len() as u64;
            wrong.iter().for_each(|_| self.find(at, at, Wrong::Rewritten));
        }
    }

    /// The end: nothing may be left over, and the head must name the last link.
    pub fn end(mut self, head: Option<&End>) -> Verified {
        if let Some(first) = self.first {
            self.find(first, self.last, Wrong::Unlinked);
        }
        let ends = |head: &End| head.position == self.linked && head.hash == self.before;
        if !head.is_some_and(ends) {
            let named = head.map_or(self.linked, |head| head.position);
            self.find(self.linked.min(named), self.linked.max(named), Wrong::Head);
        }
        let left: Vec<i64> = self.checkpoints.keys().copied().collect();
        left.into_iter().for_each(|at| self.find(at, at, Wrong::Short));
        self.verified
    }
}

#[cfg(test)]
mod tests;
