//! How many events an endpoint is sent at once, and when none: by what it accepted and refused. Pure;
//! the jitter's random number is handed in.

use super::super::schedule::{RESTS_AFTER, rest};
use super::IN_FLIGHT;
use crate::clock::Time;

/// How an endpoint is sent events.
pub(super) struct Pace {
    /// Attempts in a row that were not accepted; of those that were on their way when a rest began,
    /// one.
    failures: u32,
    /// Since when none was accepted; zero while some are.
    failing_since: Time,
    rests_since: Time,
    rests_until: Time,
    /// The receiver said that it takes nothing before.
    asked_until: Time,
    /// Attempts at once: fewer after the receiver said that they are too many.
    at_once: usize,
}

impl Pace {
    /// That of an endpoint that has accepted nothing since then.
    pub fn of(failing_since: Time) -> Self {
        let never = Time(0);
        Self {
            failures: 0,
            failing_since,
            rests_since: never,
            rests_until: never,
            asked_until: never,
            at_once: IN_FLIGHT,
        }
    }

    /// Since when none was accepted; zero while some are.
    pub fn failing_since(&self) -> Time {
        self.failing_since
    }

    /// How many attempts may be under way.
    pub fn at_once(&self, now: Time) -> usize {
        match self.rests() {
            _ if now < self.asked_until => 0,
            true if now < self.rests_until => 0,
            true => 1,
            false => self.at_once,
        }
    }

    /// The next moment after `now` at which there may be more.
    pub fn next(&self, now: Time) -> Option<Time> {
        let all = [self.rests_until, self.asked_until];
        all.into_iter().filter(|moment| *moment > now).min()
    }

    /// One was accepted. Since when none was, if the endpoint rested for that.
    pub fn accepted(&mut self) -> Option<Time> {
        let rested = self.rests().then_some(self.failing_since);
        (self.failures, self.failing_since) = (0, Time(0));
        self.at_once = (2 * self.at_once).min(IN_FLIGHT);
        rested
    }

    /// One that began then was not accepted. Whether the endpoint begins to rest.
    pub fn failed(&mut self, begun: Time, now: Time, random: u64) -> bool {
        let rested = self.rests();
        // Attempts that failed together are no reason to rest longer for each.
        let counts = !rested || begun >= self.rests_since;
        self.failures = self.failures.saturating_add(u32::from(counts));
        if self.failing_since.0 == 0 {
            self.failing_since = now;
        }
        if let Some(length) = rest(self.failures, random).filter(|_| counts) {
            (self.rests_since, self.rests_until) = (now, now.plus(length));
        }
        !rested && self.rests()
    }

    /// The receiver takes no more until then, whoever's it is. What was on its way and is accepted all
    /// the same changes nothing of that.
    pub fn slow_down(&mut self, until: Time) {
        self.at_once = 1;
        self.asked_until = self.asked_until.max(until);
        self.failures = self.failures.max(RESTS_AFTER);
    }

    fn rests(&self) -> bool {
        self.failures >= RESTS_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    const NOW: Time = Time(1_000_000);

    #[test]
    fn what_fails_together_lengthens_no_rest() {
        let mut pace = Pace::of(Time(0));
        let begins: Vec<bool> = (0..8).map(|_| pace.failed(NOW, NOW.plus(1), 7)).collect();
        assert_eq!(begins.iter().position(|it| *it), Some(2), "the third begins the rest");
        assert_eq!(begins.iter().filter(|it| **it).count(), 1);
        assert_eq!(pace.at_once(NOW.plus(2)), 0);
        let next = pace.next(NOW.plus(2)).expect("it ends");
        assert!(next.since(NOW) <= 2 * SECOND, "{next:?}");
        assert_eq!((pace.at_once(next), pace.failing_since()), (1, NOW.plus(1)));
    }

    #[test]
    fn what_was_on_its_way_ends_no_rest_that_was_asked_for() {
        let mut pace = Pace::of(Time(0));
        let asked = NOW.plus(60 * SECOND);
        pace.failed(NOW, NOW, 7);
        pace.slow_down(asked);
        // Two of those that were sent with it.
        pace.accepted();
        pace.failed(NOW, NOW.plus(5), 7);
        assert_eq!(pace.at_once(asked.plus(-1)), 0);
        assert_eq!(pace.at_once(asked), 2, "one was accepted meanwhile");
        for at_once in [4, 8, 8] {
            pace.accepted();
            assert_eq!(pace.at_once(asked), at_once);
        }
    }
}
