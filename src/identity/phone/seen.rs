//! Numbers that were read before. Reading one takes longer than all other work on a caller's hints,
//! and nearly all are shown as they are kept, in E.164, again and again.
//!
//! What is remembered is no number: a keyed hash of a text that read as itself, and what its plan
//! says of it. Such a text begins with `+`, so it reads the same for every region and channel. The keys
//! are the standard library's and reach no answer: the answer to a text is the text.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use rustc_hash::FxBuildHasher;

/// Numbers remembered at most: some 3 MB.
const MOST_NUMBERS: usize = 65_536;

/// Two hashes under keys of this process, so that nobody can look for texts of the same; a text that
/// had those of another would be taken as it is, unread.
type Hash = [u64; 2];

struct Seen {
    keys: [RandomState; 2],
    /// Whether a number is a company's.
    companys: Cache<Hash, bool, UnitWeighter, FxBuildHasher>,
}

static SEEN: LazyLock<Seen> = LazyLock::new(|| {
    let lifecycle = DefaultLifecycle::default();
    let companys =
        Cache::with(MOST_NUMBERS, MOST_NUMBERS as u64, UnitWeighter, FxBuildHasher, lifecycle);
    Seen { keys: [RandomState::new(), RandomState::new()], companys }
});

impl Seen {
    fn hash(&self, text: &str) -> Hash {
        [self.keys[0].hash_one(text), self.keys[1].hash_one(text)]
    }
}

/// Whether the plan gives `text` to companies; `None` unless it was seen, and reads as itself.
pub(super) fn look(text: &str) -> Option<bool> {
    if !text.starts_with('+') {
        return None;
    }
    SEEN.companys.get(&SEEN.hash(text))
}

/// Remembers a text that reads as itself.
pub(super) fn remember(text: &str, companys: bool) {
    SEEN.companys.insert(SEEN.hash(text), companys);
}

#[cfg(test)]
mod tests {
    use super::super::{Bare, read, region};
    use super::*;

    #[test]
    fn what_reads_as_itself_is_remembered_and_nothing_else() {
        let seen = |text| {
            let _ = read(text, region("US"), Bare::National);
            look(text)
        };
        assert_eq!(look("+14155550187"), None, "nobody has shown it");
        assert_eq!(seen("+14155550187"), Some(false));
        assert_eq!(seen("+18005550187"), Some(true), "a company's");
        for text in ["4155550188", "+1 415 555 0188", "+14155550188x5", "+1", "+112", "anonymous"] {
            assert_eq!(seen(text), None, "{text}");
        }
    }
}
