//! Endpoints that this instance could not deliver to for its own reasons: the store does not answer, or
//! something does not open. They are tried again, less and less often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Place;
use super::schedule::{RESTS_AFTER, rest};
use crate::clock::Time;

/// Which, since when and until when.
#[derive(Default)]
pub(super) struct Failing(Mutex<HashMap<Place, Rest>>);

/// How one rests.
#[derive(Clone, Copy)]
struct Rest {
    /// The endpoint was so: one that is changed may have been mended.
    changed: i64,
    /// Times in a row.
    times: u32,
    until: Time,
}

impl Failing {
    /// Whether it may be tried at `now`.
    pub fn may_try(&self, place: Place, changed: i64, now: Time) -> bool {
        self.lock().get(&place).is_none_or(|rest| rest.changed != changed || rest.until <= now)
    }

    /// It failed once more.
    pub fn failed(&self, place: Place, changed: i64, now: Time, random: u64) {
        let mut all = self.lock();
        let before = all.get(&place).filter(|rest| rest.changed == changed);
        let times = before.map_or(0, |rest| rest.times.saturating_add(1));
        let length = rest(RESTS_AFTER.saturating_add(times), random).unwrap_or_default();
        all.insert(place, Rest { changed, times, until: now.plus(length) });
    }

    /// Forgets those that are there no more.
    pub fn keep(&self, is_wanted: impl Fn(&Place) -> bool) {
        self.lock().retain(|place, _| is_wanted(place));
    }

    /// It is delivered to.
    pub fn goes_well(&self, place: Place) {
        self.lock().remove(&place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Rest>> {
        // Only whole entries are put behind this lock: a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{MINUTE, SECOND};
    use crate::ids::TenantId;

    const PLACE: Place = (TenantId(1), 7);

    #[test]
    fn it_is_tried_less_and_less_often_until_it_goes_well_or_is_changed() {
        let (failing, mut now, mut waited) = (Failing::default(), Time(1_000_000), Vec::new());
        assert!(failing.may_try(PLACE, 1, now));
        for _ in 0..12 {
            failing.failed(PLACE, 1, now, 0);
            let begun = now;
            while !failing.may_try(PLACE, 1, now) {
                now = now.plus(SECOND / 10);
            }
            waited.push(now.since(begun));
        }
        assert!(waited.is_sorted() && waited[0] <= 2 * SECOND, "{waited:?}");
        let last = waited[waited.len() - 1];
        assert!((MINUTE / 2..2 * MINUTE).contains(&last), "{last}");
        failing.failed(PLACE, 1, now, 0);
        assert!(failing.may_try(PLACE, 2, now), "somebody has changed it");
        assert!(failing.may_try((TenantId(1), 8), 1, now), "another one");
        failing.goes_well(PLACE);
        assert!(failing.may_try(PLACE, 1, now));
    }
}
