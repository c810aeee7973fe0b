//! Who plays: people, numbers and ids that no earlier run has met, and the
//! hours at which they turn to us.
//!
//! Numbers lie in the ranges kept for fiction (555-0100 to 555-0199), mail goes
//! to example.com.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::clock::{MINUTE, Time};
use crate::ids::Entropy;

/// The time zone of the demo's contact centre.
pub(super) const ZONE: &str = "America/New_York";
/// The language of its briefs.
pub(super) const LOCALE: &str = "en-US";

/// Gives out what is fresh, and tells the time.
pub(super) struct Cast {
    entropy: Entropy,
    run: String,
    now: Time,
    zone: TimeZone,
}

impl Cast {
    /// A cast for one run.
    pub(super) fn new(entropy: Entropy, now: Time) -> Self {
        let run = format!("{:08x}", entropy.positive() & 0xffff_ffff);
        // The zones are built in; should this one be missing, the demo plays in UTC.
        let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
        Self { entropy, run, now, zone }
    }

    fn below(&self, limit: u64) -> u64 {
        self.entropy.positive().unsigned_abs() % limit
    }

    /// A name that is this run's own, such as an interaction's id.
    pub(super) fn id(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    /// A telephone number in E.164.
    pub(super) fn number(&self) -> String {
        // Area codes are [2–9][0–8][0–9], but not x11; from 5 on some belong to no place: free of
        // charge (800), premium rate (900), for machines (500). Those are nobody's own.
        let mut area = 211;
        while area % 100 == 11 {
            area = 100 * (2 + self.below(3)) + 10 * self.below(9) + self.below(10);
        }
        format!("+1{area}55501{:02}", self.below(100))
    }

    /// A numeric id such as Telegram and Discord give.
    pub(super) fn platform_id(&self) -> String {
        format!("{}", 1_000_000_000_000 + self.below(9_000_000_000_000))
    }

    /// A mailbox of somebody of that name.
    pub(super) fn mailbox(&self, name: &str) -> String {
        format!("{name}.{}@example.com", self.run)
    }

    /// So many minutes ago.
    pub(super) fn minutes_ago(&self, minutes: i64) -> Time {
        self.now.plus(-minutes * MINUTE)
    }

    /// Monday 2:00 PM, Tuesday 9:12 AM and Wednesday 10:15 AM of the last week whose Wednesday has come.
    pub(super) fn three_days(&self) -> [Time; 3] {
        let now = self.zoned(self.now);
        let mut wednesday = now.date();
        while wednesday.weekday() != Weekday::Wednesday
            || wednesday.at(10, 20, 0, 0) > now.datetime()
        {
            wednesday = wednesday.saturating_sub(1.day());
        }
        [(2, 14, 0), (1, 9, 12), (0, 10, 15)].map(|(days_before, hour, minute)| {
            let day = wednesday.saturating_sub(days_before.days());
            let moment = day.at(hour, minute, 0, 0).to_zoned(self.zone.clone());
            // A local time always exists or is moved past a gap; only the year 9999 has none.
            moment.map_or(self.now, |moment| Time(moment.timestamp().as_millisecond()))
        })
    }

    /// A moment as the agents' wall clock shows it, such as `Mon  2:00 PM`.
    pub(super) fn wall_clock(&self, at: Time) -> String {
        self.zoned(at).strftime("%a %l:%M %p").to_string()
    }

    fn zoned(&self, at: Time) -> jiff::Zoned {
        let moment = Timestamp::from_millisecond(at.0).unwrap_or_default();
        moment.to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn cast(seed: u64, now: i64) -> Cast {
        Cast::new(Entropy::seeded(seed), Time(now))
    }

    #[test]
    fn numbers_are_fictitious_and_fresh() {
        let cast = cast(1, 0);
        let numbers: HashSet<_> = (0..500).map(|_| cast.number()).collect();
        assert!(numbers.len() > 490, "{}", numbers.len());
        for number in numbers {
            assert_eq!(number.len(), 12, "{number}");
            assert_eq!(&number[5..10], "55501", "{number}");
            assert!(('2'..='9').contains(&number.chars().nth(2).unwrap()), "{number}");
            assert_ne!(&number[3..5], "11", "{number}");
        }
        assert_ne!(cast.id("a"), self::cast(2, 0).id("a"));
        assert_ne!(cast.mailbox("a"), self::cast(2, 0).mailbox("a"));
    }

    /// Of a number that the plan gives to companies a phone system's word is not enough.
    #[test]
    fn numbers_are_somebodys_own() {
        use crate::identity::*;
        let cast = cast(3, 0);
        let at = Circumstances {
            channel: "voice",
            direction: Direction::Inbound,
            line_type: LineType::Mobile,
            attestation: Attestation::default(),
            max_assurance: None,
            continuation: false,
        };
        for _ in 0..2_000 {
            let number = cast.number();
            let raw = RawHints { caller_number: number.clone(), ..RawHints::default() };
            let read = normalise(&raw, &at, &Policy::default());
            assert!(read.hints.iter().all(|hint| hint.assurance == Assurance::Carried), "{number}");
            assert_eq!(read.hints.len(), 1, "{number}");
        }
    }

    #[test]
    fn the_three_days_are_past_and_in_order_whatever_the_hour() {
        // Half a year of odd hours, over a change of the clocks.
        for hours in (0..4_400).step_by(7) {
            let now = 1_780_000_000_000 + hours * 3_600_000;
            let cast = cast(1, now);
            let [monday, tuesday, wednesday] = cast.three_days();
            assert!(monday < tuesday && tuesday < wednesday && wednesday.0 < now);
            assert!(now - wednesday.0 <= 8 * 86_400_000);
            assert_eq!(cast.wall_clock(monday), "Mon  2:00 PM");
            assert_eq!(cast.wall_clock(tuesday), "Tue  9:12 AM");
            assert_eq!(cast.wall_clock(wednesday), "Wed 10:15 AM");
        }
    }
}
