//! Whom one stream has shown lately, and need leave no other entry for in the audit.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::CustomerId;

/// After so long a customer who is shown again leaves another entry in the audit.
const SHOWN_AGAIN_AFTER: Duration = Duration::from_secs(3_600);
/// Customers that one stream remembers it has shown; beyond, all are forgotten and leave an entry
/// again.
const MOST_SHOWN: usize = 10_000;

/// Who was shown, and since when.
pub(super) struct Shown {
    since: HashMap<Option<CustomerId>, Instant>,
    forgotten_at: Instant,
}

impl Shown {
    /// Nobody yet.
    pub fn none() -> Self {
        Self { since: HashMap::new(), forgotten_at: Instant::now() }
    }

    /// Whether they were shown lately.
    pub fn has(&self, shown: Option<CustomerId>) -> bool {
        self.since.get(&shown).is_some_and(|at| at.elapsed() < SHOWN_AGAIN_AFTER)
    }

    /// They are shown now.
    pub fn note(&mut self, shown: Option<CustomerId>) {
        if self.since.len() >= MOST_SHOWN {
            self.since.clear();
        }
        self.since.insert(shown, Instant::now());
    }

    /// Forgets, once an hour, whom it has shown so long ago that they leave an entry again anyhow:
    /// streams last for days, and there are thousands of them.
    pub fn forget(&mut self) {
        if self.forgotten_at.elapsed() >= SHOWN_AGAIN_AFTER {
            self.since.retain(|_, at| at.elapsed() < SHOWN_AGAIN_AFTER);
            self.since.shrink_to_fit();
            self.forgotten_at = Instant::now();
        }
    }
}
