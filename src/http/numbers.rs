//! Numbers of JSON as texts: as they were written, or not at all.
//!
//! What is no whole number of 64 bits is read as a float, which holds 15 digits for certain: two ids
//! of 20 digits can be the same float, and one customer would be taken for another. Nor does a float
//! know whether it was written as 10 or as 10.00: whoever reads a text of JSON keeps that beside it.

use serde_json::Number;

/// Digits that every float keeps.
const DIGITS: usize = 15;

/// A number as a text, as it was `written` where that is known; `None` for one that may have been
/// written with more digits than were kept.
pub(super) fn exact(number: &Number, written: Option<&str>) -> Option<String> {
    let read = number.to_string();
    if !number.is_f64() {
        return Some(read);
    }
    let text = written.unwrap_or(&read);
    // Whoever writes an exponent may have rounded: it counts where a float can be written without one.
    let is_exact = is_plain(text) || (has_few_digits(text) && is_plain(&read));
    is_exact.then(|| text.to_owned())
}

fn is_plain(text: &str) -> bool {
    has_few_digits(text) && !text.contains(['e', 'E'])
}

fn has_few_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() <= DIGITS
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
            ("0.1000000000000000", None),
            ("1e-30", None),
            ("0.00000001", Some("0.00000001")),
        ] {
            assert_eq!(exact(&read(text), Some(text)).as_deref(), kept, "{text}");
        }
        assert_eq!(whole(&read("17.5")), None);
        assert_eq!(whole(&read("18446744073709551616")), None);
        assert_eq!(whole(&read("18446744073709551615")).as_deref(), Some("18446744073709551615"));
    }

    #[test]
    fn it_is_kept_as_it_was_written() {
        for (text, alone) in [("10.00", "10.0"), ("1.10", "1.1"), ("-0", "-0.0"), ("1E3", "1000.0")]
        {
            assert_eq!(exact(&read(text), Some(text)).as_deref(), Some(text));
            assert_eq!(exact(&read(text), None).as_deref(), Some(alone), "all that a float knows");
        }
    }
}
