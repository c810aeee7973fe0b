//! When what was not accepted is tried again: an event by its own attempts, an endpoint that accepts
//! nothing as a whole. Pure; the jitter's random number is handed in.

use crate::clock::{HOUR, MINUTE, SECOND};

/// Seconds from one attempt to the next, as Standard Webhooks recommends them: ten attempts within
/// about three days.
pub const RETRIES_SECONDS: [u64; 9] =
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Attempts in a row that were not accepted, after which an endpoint rests.
pub(super) const RESTS_AFTER: u32 = 3;
/// An endpoint that rests is tried again after this, doubled with each failure, in milliseconds.
const FIRST_REST: i64 = SECOND;
/// And after this at the latest, in milliseconds.
const LONGEST_REST: i64 = MINUTE;
/// A receiver that says when to come back is believed up to this, in milliseconds.
pub(super) const LONGEST_RETRY_AFTER: i64 = HOUR;

/// How often an event is tried, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<u64>);

impl Schedule {
    /// With so many seconds from one attempt to the next.
    pub fn of(retries_seconds: Vec<u64>) -> Self {
        Self(retries_seconds)
    }

    /// Milliseconds until the next attempt, when `attempts` were made; `None` when there is none: the
    /// event is given up. Up to a fifth earlier or later, so that those who failed together do not come
    /// back together; never earlier than the receiver asked for.
    pub fn again(&self, attempts: u32, random: u64, asked: Option<i64>) -> Option<i64> {
        Some(jittered(self.usual(attempts)?, random).max(heeded(asked)))
    }

    /// Whether it gives that delay, in milliseconds, by itself when `attempts` were made.
    pub fn gives(&self, attempts: u32, delay: i64) -> bool {
        let usual = self.usual(attempts);
        usual.is_some_and(|usual| (usual - usual / 5..=usual + usual / 5).contains(&delay))
    }

    /// That delay, which a receiver has asked for, or one a little longer that nobody is given who has
    /// not: so whoever takes over, and knows nothing but the delay, tells the two apart.
    pub fn apart(&self, attempts: u32, delay: i64) -> i64 {
        match self.usual(attempts).filter(|_| self.gives(attempts, delay)) {
            Some(usual) => usual + usual / 5 + 1,
            None => delay,
        }
    }

    /// Milliseconds from that attempt to the next, before jitter.
    fn usual(&self, attempts: u32) -> Option<i64> {
        let seconds = self.0.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
        Some((*seconds).min(i64::MAX as u64 / 2_000) as i64 * SECOND)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self(RETRIES_SECONDS.to_vec())
    }
}

/// As many milliseconds of what a receiver asked for as are heeded.
pub fn heeded(asked: Option<i64>) -> i64 {
    asked.unwrap_or(0).clamp(0, LONGEST_RETRY_AFTER)
}

/// Milliseconds that an endpoint rests after so many failures in a row; `None` while it does not: one
/// event that is not accepted keeps no other from being tried.
pub fn rest(failures: u32, random: u64) -> Option<i64> {
    let doublings = failures.checked_sub(RESTS_AFTER)?;
    let rest = FIRST_REST.checked_shl(doublings).filter(|rest| (1..LONGEST_REST).contains(rest));
    Some(jittered(rest.unwrap_or(LONGEST_REST), random))
}

/// From four fifths of it to six fifths.
fn jittered(milliseconds: i64, random: u64) -> i64 {
    let spread = milliseconds / 5;
    if spread == 0 {
        return milliseconds;
    }
    milliseconds - spread + (random % (2 * spread as u64 + 1)) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_attempts_within_three_and_a_half_days() {
        let schedule = Schedule::default();
        let delays: Vec<i64> = (1..).map_while(|n| schedule.again(n, u64::MAX / 2, None)).collect();
        assert_eq!(delays.len(), RETRIES_SECONDS.len());
        for (delay, seconds) in delays.iter().zip(RETRIES_SECONDS) {
            let (usual, spread) = (seconds as i64 * SECOND, seconds as i64 * SECOND / 5);
            assert!((usual - spread..=usual + spread).contains(delay), "{delay}");
        }
        let all: i64 = delays.iter().sum();
        assert!((60 * HOUR..100 * HOUR).contains(&all), "{all}");
        assert_eq!(schedule.again(0, 0, None), None, "nothing was tried yet");
    }

    #[test]
    fn a_receiver_says_when_to_come_back_but_not_for_ever() {
        let schedule = Schedule::of(vec![5]);
        assert_eq!(schedule.again(1, 0, Some(60 * SECOND)), Some(60 * SECOND));
        assert_eq!(schedule.again(1, 0, Some(i64::MAX)), Some(HOUR));
        assert!(schedule.again(1, 0, Some(-1)).is_some_and(|delay| delay >= 4 * SECOND));
    }

    #[test]
    fn what_was_asked_for_is_told_apart() {
        let schedule = Schedule::of(vec![5, 300]);
        assert_eq!(schedule.apart(1, 90 * SECOND), 90 * SECOND);
        assert_eq!(schedule.apart(2, 90 * SECOND), 90 * SECOND, "brought forward");
        assert_eq!(schedule.apart(0, 90 * SECOND), 90 * SECOND, "nothing is its own");
        for (attempts, delay) in [(1, 4_000), (1, 6_000), (2, 240_000), (2, 360_000)] {
            assert!(schedule.gives(attempts, delay));
            let apart = schedule.apart(attempts, delay);
            assert!(apart >= delay && !schedule.gives(attempts, apart), "{delay}: {apart}");
        }
    }

    #[test]
    fn an_endpoint_rests_longer_and_longer_but_no_longer_than_a_minute() {
        assert_eq!((rest(0, 7), rest(2, 7)), (None, None));
        assert!(rest(3, 7).is_some_and(|rest| (800..=1_200).contains(&rest)));
        for failures in [20, 66, 67, u32::MAX] {
            let rest = rest(failures, 7).expect("it rests");
            assert!((48 * SECOND..=72 * SECOND).contains(&rest), "{failures}: {rest}");
        }
    }

    proptest! {
        #[test]
        fn what_it_gives_by_itself_is_known_again(seconds in 0..u64::MAX, random: u64) {
            let schedule = Schedule::of(vec![seconds]);
            let delay = schedule.again(1, random, None).expect("one more");
            prop_assert!(schedule.gives(1, delay));
            prop_assert!(!schedule.gives(1, schedule.apart(1, delay)));
        }

        #[test]
        fn jitter_is_a_fifth_at_most(milliseconds in 0..i64::MAX / 4, random: u64) {
            let jittered = jittered(milliseconds, random);
            let spread = milliseconds / 5;
            prop_assert!((milliseconds - spread..=milliseconds + spread).contains(&jittered));
        }
    }
}
