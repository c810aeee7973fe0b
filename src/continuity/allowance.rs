//! How many calls a key or a tenant may make: so many a second, and so many at once.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number, the time at which all would be as if
//! nobody had ever called, and each call moves it on by its share of a second. A call is let in as
//! long as that time is not further ahead than a burst takes. In any stretch of `t` seconds no more
//! than `rate × t + burst` calls are let in. Why it is our own: ADR 0037.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The most calls a second, or at once, that can be allowed.
pub const MOST_CALLS: i64 = 1_000_000;
/// Calls a second of a key when nobody says otherwise.
pub const KEY_RATE: i64 = 100_000;
/// Calls a second of a tenant when nobody says otherwise.
pub const TENANT_RATE: i64 = 200_000;
/// A burst that nobody chose is what so many seconds allow.
const BURST_SECONDS: i64 = 2;

const SECOND: u64 = 1_000_000_000;

/// So many calls a second, and so many at once. Both from 1 to [`MOST_CALLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls a second.
    pub rate: i64,
    /// Calls at once, after a while without any.
    pub burst: i64,
}

impl Allowance {
    /// That many calls a second, and at once what two seconds allow.
    pub fn of(rate: i64) -> Self {
        Self { rate, burst: rate.saturating_mul(BURST_SECONDS).min(MOST_CALLS) }
    }
}

/// What is left of an allowance. Times are nanoseconds since any one moment.
pub struct Quota {
    /// What one call takes, rounded up: never more than is allowed.
    share: u64,
    /// How far `full` may be ahead for a call to be let in.
    ahead: u64,
    /// When all would be as if nobody had called.
    full: AtomicU64,
}

impl Quota {
    /// A whole allowance.
    pub fn of(allowance: Allowance) -> Self {
        let number = |calls: i64| calls.clamp(1, MOST_CALLS).unsigned_abs();
        let share = SECOND.div_ceil(number(allowance.rate));
        let ahead = share * (number(allowance.burst) - 1);
        Self { share, ahead, full: AtomicU64::new(0) }
    }

    /// Whether it is of this allowance.
    pub fn is_of(&self, allowance: Allowance) -> bool {
        let whole = Self::of(allowance);
        (self.share, self.ahead) == (whole.share, whole.ahead)
    }

    /// How long, from `now` on, until a call is let in if nobody else calls; none when it is now.
    pub fn wait(&self, now: u64) -> Option<Duration> {
        self.left(self.full.load(Ordering::Relaxed), now)
    }

    /// Takes one call.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, now: u64) -> Result<(), Duration> {
        let mut full = self.full.load(Ordering::Relaxed);
        loop {
            if let Some(wait) = self.left(full, now) {
                return Err(wait);
            }
            let next = full.max(now).saturating_add(self.share);
            let (kept, seen) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.full.compare_exchange_weak(full, next, kept, seen) {
                Ok(_) => return Ok(()),
                Err(moved) => full = moved,
            }
        }
    }

    /// Gives back a call that was taken just now.
    fn give_back(&self) {
        self.full.fetch_sub(self.share, Ordering::Relaxed);
    }

    fn left(&self, full: u64, now: u64) -> Option<Duration> {
        let left = full.saturating_sub(self.ahead).saturating_sub(now);
        (left > 0).then(|| Duration::from_nanos(left))
    }
}

/// Takes one call of both, or of neither.
///
/// # Errors
/// How long to wait until both have one, if nobody else calls.
pub fn take_both(one: &Quota, other: &Quota, now: u64) -> Result<(), Duration> {
    match one.wait(now).max(other.wait(now)) {
        Some(wait) => Err(wait),
        None => {
            one.take(now)?;
            // Between the look and the taking others may have called.
            other.take(now).inspect_err(|_| one.give_back())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowances() -> impl Strategy<Value = Allowance> {
        let calls = || prop_oneof![1..=20i64, 1..=MOST_CALLS];
        (calls(), calls()).prop_map(|(rate, burst)| Allowance { rate, burst })
    }

    /// Calls at these times (each so long after the one before); when those came that were let in.
    fn let_in(quota: &Quota, pauses: &[u64]) -> Vec<u64> {
        let mut now = 0;
        let came = pauses.iter().filter_map(|pause| {
            now += pause;
            quota.take(now).is_ok().then_some(now)
        });
        came.collect()
    }

    fn pauses() -> impl Strategy<Value = Vec<u64>> {
        let pause = prop_oneof![Just(0), 0..=2_000u64, 0..=SECOND / 5, 0..=5 * SECOND];
        prop::collection::vec(pause, 1..400)
    }

    proptest! {
        #[test]
        fn no_stretch_has_more_than_rate_and_burst(
            Allowance { rate, burst } in allowances(), pauses in pauses(),
        ) {
            let came = let_in(&Quota::of(Allowance { rate, burst }), &pauses);
            for (first, from) in came.iter().enumerate() {
                for (last, until) in came.iter().enumerate().skip(first) {
                    let (calls, stretch) = ((last - first + 1) as u128, u128::from(until - from));
                    // calls ≤ rate × stretch + burst, without fractions.
                    let most = rate as u128 * stretch + burst as u128 * u128::from(SECOND);
                    prop_assert!(calls * u128::from(SECOND) <= most, "{calls} in {stretch} ns");
                }
            }
        }

        #[test]
        fn who_waits_as_told_is_let_in_and_no_earlier(
            allowance in allowances(), pauses in pauses(),
        ) {
            let quota = Quota::of(allowance);
            let mut now = 0;
            for pause in pauses {
                now += pause;
                if let Err(wait) = quota.take(now) {
                    let wait = u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert!(quota.take(now + wait - 1).is_err(), "it was not so long");
                    now += wait;
                    prop_assert_eq!(quota.take(now), Ok(()));
                }
            }
        }

        #[test]
        fn a_burst_is_let_in_at_once_and_again_after_its_time(
            rate in 1..=MOST_CALLS, burst in 1..=300i64,
        ) {
            let quota = Quota::of(Allowance { rate, burst });
            let rested = quota.share * burst as u64;
            for begin in [0, 2 * rested] {
                prop_assert!((0..burst).all(|_| quota.take(begin).is_ok()));
                prop_assert!(quota.take(begin).is_err());
            }
        }

        #[test]
        fn a_pair_gives_both_or_neither(
            one in allowances(), other in allowances(), pauses in pauses(),
        ) {
            let (one, other) = (Quota::of(one), Quota::of(other));
            let mut now = 0;
            for pause in pauses {
                now += pause;
                let before = [&one, &other].map(|it| it.full.load(Ordering::Relaxed));
                if let Err(wait) = take_both(&one, &other, now) {
                    let after = [&one, &other].map(|it| it.full.load(Ordering::Relaxed));
                    prop_assert_eq!(before, after, "a refusal costs nothing");
                    now += u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert_eq!(take_both(&one, &other, now), Ok(()), "the wait is enough");
                }
            }
        }
    }

    #[test]
    fn many_at_once_get_no_more_than_one_after_another() {
        let quota = Quota::of(Allowance { rate: 1, burst: 1_000 });
        let taken = std::thread::scope(|scope| {
            let takers = [0; 4].map(|now| {
                let quota = &quota;
                scope.spawn(move || (0..500).filter(|_| quota.take(now).is_ok()).count())
            });
            takers.map(|taker| taker.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!(taken, 1_000);
    }
}
