//! Time as a parameter: the one place that asks the machine what time it is.
//!
//! Everything else is handed a [`Time`] or a [`Clock`], so that a test can
//! choose the hour and a replay can live in the past. `clippy.toml` bans the
//! standard clocks outside this module.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds in a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// This moment moved by so many milliseconds; it stops at the ends of the range.
    pub fn plus(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; negative if it lies before.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Days, with a fraction, from `earlier` to this moment; never below zero.
    pub fn days_since(self, earlier: Self) -> f64 {
        self.since(earlier).max(0) as f64 / DAY as f64
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is set: for tests.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `time` until it is set.
    pub fn manual(time: Time) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(time.0)))
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time(system_milliseconds()),
            Self::Manual(milliseconds) => Time(milliseconds.load(Ordering::SeqCst)),
        }
    }

    /// Sets a manual clock; a system clock cannot be set and ignores this.
    pub fn set(&self, time: Time) {
        if let Self::Manual(milliseconds) = self {
            milliseconds.store(time.0, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_milliseconds() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    // A machine set before 1970 is taken for 1970: nothing here can be older.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
