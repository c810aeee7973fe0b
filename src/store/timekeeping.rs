//! Store time, as far as this process has seen it: its machine's clock, put right by what the store
//! said.

use std::sync::atomic::{AtomicI64, Ordering};

use super::Engine;
use crate::clock::Time;

/// Two clocks drift apart by less than this: one millisecond a second.
const DRIFT: i64 = 1_000;
/// A clock that is so much off was set, and did not drift: in milliseconds.
const STEP: i64 = 10_000;
const UNKNOWN: i64 = i64::MIN;

/// What is known of store time. Only the writer tells it; anybody asks.
pub(super) struct Timekeeper {
    engine: Engine,
    /// On SQLite the newest time that was persisted; on PostgreSQL how far the database's clock is
    /// ahead of the machine's.
    known: AtomicI64,
    /// When that was, by the machine's clock.
    since: AtomicI64,
}

impl Timekeeper {
    pub(super) fn of(engine: Engine) -> Self {
        Self { engine, known: AtomicI64::new(UNKNOWN), since: AtomicI64::new(0) }
    }

    /// Store time when the machine's clock shows `machine`.
    pub(super) fn at(&self, machine: Time) -> Time {
        let known = self.known.load(Ordering::Relaxed);
        match self.engine {
            _ if known == UNKNOWN => machine,
            // Never below what was persisted, also when the machine's clock is set back.
            Engine::Sqlite => machine.max(Time(known)),
            Engine::Postgres => machine.plus(known),
        }
    }

    /// The store said `store`, which was heard when the machine's clock showed `machine`.
    ///
    /// It may have been on its way for long, on a busy machine: then the clocks seem further apart
    /// than they are, always in the same direction, and what has expired would be shown. So their
    /// distance follows at once when it grows, and falls as fast as clocks drift.
    pub(super) fn heard(&self, store: Time, machine: Time) {
        if self.engine == Engine::Sqlite {
            self.known.fetch_max(store.0, Ordering::Relaxed);
            return;
        }
        let (known, seen) = (self.known.load(Ordering::Relaxed), store.since(machine));
        let passed = machine.since(Time(self.since.load(Ordering::Relaxed))).max(0);
        let new = match known {
            UNKNOWN => seen,
            known if known.saturating_sub(seen) > STEP => seen,
            known => seen.max(known - passed / DRIFT),
        };
        if new != known {
            self.known.store(new, Ordering::Relaxed);
            self.since.store(machine.0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time(1_700_000_000_000);

    fn apart(by: i64) -> Timekeeper {
        let time = Timekeeper::of(Engine::Postgres);
        time.heard(NOON.plus(by), NOON);
        time
    }

    #[test]
    fn the_databases_clock_counts() {
        for by in [-5_000, 0, 5_000] {
            assert_eq!(apart(by).at(NOON.plus(1)), NOON.plus(by + 1));
        }
    }

    #[test]
    fn an_answer_that_took_long_sets_no_clock_back() {
        let time = apart(0);
        time.heard(NOON.plus(100), NOON.plus(400));
        assert_eq!(time.at(NOON.plus(400)), NOON.plus(400));
        time.heard(NOON.plus(1_000), NOON.plus(2_000));
        assert_eq!(time.at(NOON.plus(2_000)), NOON.plus(1_998), "two seconds of drift");
    }

    #[test]
    fn a_clock_that_is_ahead_is_followed_at_once_and_one_that_was_set_too() {
        let time = apart(0);
        time.heard(NOON.plus(150), NOON.plus(100));
        assert_eq!(time.at(NOON.plus(100)), NOON.plus(150));
        time.heard(NOON.plus(-60_000), NOON.plus(200));
        assert_eq!(time.at(NOON.plus(200)), NOON.plus(-60_000));
    }

    #[test]
    fn what_was_persisted_is_not_undercut() {
        let time = Timekeeper::of(Engine::Sqlite);
        time.heard(NOON, NOON);
        assert_eq!(time.at(NOON.plus(-5_000)), NOON);
        assert_eq!(time.at(NOON.plus(5_000)), NOON.plus(5_000));
    }
}
