//! Since when something has been going on, for requests that must not queue behind it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// One thing after another, each with a beginning and an end.
pub(super) struct Pulse {
    born: Instant,
    since: AtomicI64,
}

impl Pulse {
    pub fn new() -> Self {
        Self { born: Instant::now(), since: AtomicI64::new(-1) }
    }

    pub fn begin(&self) {
        self.since.store(self.born.elapsed().as_millis() as i64, Ordering::Release);
    }

    pub fn end(&self) {
        self.since.store(-1, Ordering::Release);
    }

    /// Whether what goes on has been going on for longer than `budget`.
    pub fn stalled(&self, budget: Duration) -> bool {
        let since = self.since.load(Ordering::Acquire);
        since >= 0 && self.born.elapsed().as_millis() as i64 - since > budget.as_millis() as i64
    }
}
