//! Numbers of JSON as texts: as they were written, or not at all.
//!
//! What is no whole number of 64 bits is read as a float, which holds 15 digits for certain: two ids
//! of 20 digits can be the same float, and one customer would be taken for another.

use serde_json::Number;

/// Digits that every float keeps.
const DIGITS: usize = 15;

/// A number as a text; `None` for one that may have been written with more digits than were kept.
pub(super) fn exact(number: &Number) -> Option<String> {
    let text = number.to_string();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.chars().filter(char::is_ascii_digit);
    let is_exact = !number.is_f64() || (digits.count() <= DIGITS && mantissa.len() == text.len());
    is_exact.then_some(text)
}

/// The same of a number that names something: only whole ones do.
pub(super) fn whole(number: &Number) -> Option<String> {
    (!number.is_f64()).then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_may_have_had_more_digits_is_none() {
        for (text, kept) in [
            ("17", Some("17")),
            ("-3", Some("-3")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("17.5", Some("17.5")),
            ("0.123456789012345", None),
            ("12345.6789", Some("12345.6789")),
            ("18446744073709551616", None),
            ("12345678901234567890123", None),
            ("1e30", None),
            ("0.30000000000000004", None),
        ] {
            assert_eq!(exact(&read(text)).as_deref(), kept, "{text}");
        }
        assert_eq!(whole(&read("17.5")), None);
        assert_eq!(whole(&read("18446744073709551616")), None);
        assert_eq!(whole(&read("18446744073709551615")).as_deref(), Some("18446744073709551615"));
    }
}
