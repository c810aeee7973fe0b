//! Numbers that were read before. Reading one takes longer than all other work on a caller's hints,
//! and nearly all are shown as they are kept, in E.164, again and again.
//!
//! What is remembered is no number: a keyed hash of a text that read as itself, and what its plan
//! says of it. Such a text begins with `+`, so it reads the same for every region and channel.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use rustc_hash::FxBuildHasher;

/// Numbers remembered at most: some 3 MB.
const MOST_NUMBERS: usize = 65_536;

/// 128 bits under keys of this process: nobody can look for two texts of one hash, and two of
/// 2^16 numbers have one by chance less often than once in 2^96 fillings.
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

/// Whether the plan gives `text` to companies, if it was seen and reads as itself.
pub(super) fn companys(text: &str) -> Option<bool> {
    SEEN.companys.get(&SEEN.hash(text))
}

/// Remembers a text that reads as itself.
pub(super) fn remember(text: &str, companys: bool) {
    SEEN.companys.insert(SEEN.hash(text), companys);
}
