//! Times as helpdesks write them.

use jiff::Timestamp;

/// From here on a whole number counts milliseconds, not seconds: 5138 as seconds, 1973 as milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Milliseconds since 1970, of a time in RFC 3339 (with or without the colon in its offset, seconds or
/// not), or of a whole number of seconds or milliseconds since then.
pub(super) fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        let seconds = (0..MILLISECONDS_FROM).contains(&number);
        return if seconds { number.checked_mul(1_000) } else { Some(number).filter(|it| *it > 0) };
    }
    let in_utc = text.strip_suffix(" UTC").map(|text| format!("{text}Z"));
    let at = in_utc.as_deref().unwrap_or(text).parse::<Timestamp>().ok()?;
    Some(at.as_millisecond())
}

/// The same time in RFC 3339.
pub(super) fn write(milliseconds: i64) -> Option<String> {
    Timestamp::from_millisecond(milliseconds).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_is_in_use_is_read() {
        for text in [
            "2026-11-02T14:00:00Z",
            "2026-11-02T14:00:00.000Z",
            "2026-11-02T15:00:00+01:00",
            "2026-11-02T15:00:00.000+0100",
            "2026-11-02T14:00:00.000+0000",
            "2026-11-02T14:00Z",
            "2026-11-02 14:00:00 UTC",
            "2026-11-02 14:00:00Z",
            "1793628000",
            "1793628000000",
            " 2026-11-02T14:00:00Z ",
        ] {
            assert_eq!(read(text), Some(1_793_628_000_000), "{text}");
        }
        assert_eq!(write(1_793_628_000_000).as_deref(), Some("2026-11-02T14:00:00Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-11-02",
            "2026-11-02T14:00:00",
            "-5",
            "1.5",
            "99999999999999999999",
            "Mon, 02 Nov 2026 14:00:00 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(write(i64::MAX), None);
    }
}
