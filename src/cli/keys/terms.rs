//! How long a key lives, and how much it may call.

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::clock::{DAY, Time};
use crate::continuity::allowance::MOST_CALLS;

/// The longest that a key may live.
const LONGEST_LIFE: i64 = 3_650 * DAY;

/// How long a key lives, and how much it may call.
#[derive(Args, Clone, Default)]
pub struct Terms {
    /// It ends after so long, such as 90d or 12h [default: never; `rotate`: it lives as long as the
    /// other key was to]
    #[arg(long, value_name = "DURATION", conflicts_with = "expires_at")]
    pub expires_in: Option<String>,
    /// It ends then, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "RFC3339")]
    pub expires_at: Option<String>,
    /// Calls a second that it may make at one instance [default: `key_rate` of the settings; `rotate`:
    /// rate and burst of the other key]
    #[arg(long, value_name = "CALLS")]
    pub rate: Option<i64>,
    /// Calls that it may make at once, after a while without any [default: twice the rate]
    #[arg(long, value_name = "CALLS", requires = "rate")]
    pub burst: Option<i64>,
}

impl Terms {
    /// When it ends; `None` when nothing is said of it.
    pub(super) fn expires(&self, now: Time) -> anyhow::Result<Option<Time>> {
        let (what, ends) = match (&self.expires_in, &self.expires_at) {
            (None, None) => return Ok(None),
            (Some(text), _) => ("expires-in", now.plus(milliseconds("expires-in", text)?)),
            (None, Some(text)) => {
                let at = text.parse::<Timestamp>().ok();
                let at = at.context("--expires-at must be a time such as 2027-01-31T00:00:00Z")?;
                ("expires-at", Time(at.as_millisecond()))
            }
        };
        let life = ends.since(now);
        ensure!(life > 0, "--{what} lies in the past");
        ensure!(life <= LONGEST_LIFE, "--{what} must be at most 3650 days from now");
        Ok(Some(ends))
    }

    /// Calls a second; `None` when nothing is said of them.
    pub(super) fn rate(&self) -> anyhow::Result<Option<i64>> {
        calls("rate", self.rate)
    }

    /// Calls at once; `None` when nothing is said of them.
    pub(super) fn burst(&self) -> anyhow::Result<Option<i64>> {
        ensure!(self.burst.is_none() || self.rate.is_some(), "--burst needs a --rate");
        calls("burst", self.burst)
    }
}

/// A length of time in words such as `90d`, `12h` or `1h 30m`, in milliseconds; a day has 24 hours.
pub(in crate::cli) fn milliseconds(what: &str, text: &str) -> anyhow::Result<i64> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|it| it.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let length = length.filter(|length| *length >= SignedDuration::ZERO);
    let length = length.and_then(|it| i64::try_from(it.as_millis()).ok());
    length.with_context(|| format!("--{what} must be a length of time such as 90d or 12h"))
}

fn calls(what: &str, given: Option<i64>) -> anyhow::Result<Option<i64>> {
    if given.is_some_and(|calls| !(1..=MOST_CALLS).contains(&calls)) {
        bail!("--{what} must be from 1 to {MOST_CALLS}");
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{HOUR, MINUTE};

    const NOON: Time = Time(1_700_000_000_000);

    #[test]
    fn lengths_of_time_are_read() {
        for (text, expected) in [
            ("90d", Some(90 * DAY)),
            ("24h", Some(DAY)),
            ("1w", Some(7 * DAY)),
            ("1h 30m", Some(90 * MINUTE)),
            ("PT2H", Some(2 * HOUR)),
            ("0s", Some(0)),
            ("1500ms", Some(1_500)),
            ("-1h", None),
            ("3 months", None),
            ("1y", None),
            ("90", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(milliseconds("overlap", text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_key_ends_in_time() {
        let within = |text: &str| Terms { expires_in: Some(text.into()), ..Terms::default() };
        let at = |text: &str| Terms { expires_at: Some(text.into()), ..Terms::default() };
        let ends = |terms: Terms| terms.expires(NOON).ok().flatten();
        assert_eq!(Terms::default().expires(NOON).unwrap(), None);
        assert_eq!(ends(within("90d")), Some(NOON.plus(90 * DAY)));
        assert_eq!(ends(at("2023-11-14T23:13:20+01:00")), None, "that is now");
        assert_eq!(ends(at("2023-11-14T22:13:21Z")), Some(NOON.plus(1_000)));
        for terms in [within("0s"), within("3651d"), at("2023-11-14"), at("2050-01-01T00:00:00Z")] {
            assert!(terms.expires(NOON).is_err());
        }
    }

    #[test]
    fn as_many_calls_as_can_be_allowed() {
        let terms = |rate, burst| Terms { rate, burst, ..Terms::default() };
        for rate in [1, MOST_CALLS] {
            assert_eq!(terms(Some(rate), None).rate().unwrap(), Some(rate));
        }
        for rate in [0, -1, MOST_CALLS + 1] {
            assert!(terms(Some(rate), None).rate().is_err());
            assert!(terms(Some(1), Some(rate)).burst().is_err());
        }
        assert!(terms(None, Some(1)).burst().is_err(), "a burst alone");
    }
}
