//! How long things last, in one table: what expires, what is closed for the
//! caller, what is purged, and which contacts count at all.

use crate::clock::{DAY, HOUR};
use crate::identity::Direction;

/// Seconds a variable lives when its writer does not say: 30 days.
pub const DEFAULT_TTL_SECONDS: i64 = 2_592_000;
/// Most seconds a variable may live unless a tenant's policy says less: 365 days.
pub const MAX_TTL_SECONDS: i64 = 365 * 24 * 60 * 60;
/// Milliseconds a customer is kept to whom no identifier was ever linked: 30 days.
pub const UNIDENTIFIED_KEPT: i64 = 30 * DAY;
/// Milliseconds after which a contact is no longer continued by another: 24 hours.
pub const CONTINUATION_WITHIN: i64 = 24 * HOUR;
/// Milliseconds the rows of a test tenant are kept: 7 days.
pub const TEST_TENANT_KEPT: i64 = 7 * DAY;

/// Dispositions of an outbound contact that never reached the customer.
pub const UNREACHED: &[&str] =
    &["no_answer", "busy", "voicemail", "failed", "unanswered", "rejected"];

/// Milliseconds from the receipt of a start to its closing as `never_ended`
/// when no end has come: 24 hours for voice, 30 days for all else.
pub fn never_ended_after(channel: &str) -> i64 {
    if channel == "voice" { 24 * HOUR } else { 30 * DAY }
}

/// Whether a contact reached the customer, and so counts as an attempt: all
/// but an outbound one whose disposition is in [`UNREACHED`].
///
/// Telephony systems spell these words each in their own way, so case, `-`
/// and spaces make no difference.
pub fn reached(direction: Direction, disposition: &str) -> bool {
    let spelled = disposition.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    direction == Direction::Inbound || !UNREACHED.contains(&spelled.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_closed_sooner_than_a_thread() {
        assert_eq!(never_ended_after("voice"), DAY);
        assert_eq!(never_ended_after("email"), 30 * DAY);
        assert_eq!(never_ended_after(""), 30 * DAY);
    }

    #[test]
    fn lifetimes_are_what_the_documents_promise() {
        assert_eq!(DEFAULT_TTL_SECONDS * 1_000, UNIDENTIFIED_KEPT);
        assert_eq!(MAX_TTL_SECONDS * 1_000, 365 * DAY);
    }

    #[test]
    fn only_outbound_contacts_can_fail_to_reach() {
        for word in UNREACHED {
            assert!(!reached(Direction::Outbound, word), "{word}");
            assert!(reached(Direction::Inbound, word), "{word}");
        }
        assert!(!reached(Direction::Outbound, " No-Answer "));
        assert!(!reached(Direction::Outbound, "no answer"));
        for word in ["", "answered", "callback_promised", "busy_later"] {
            assert!(reached(Direction::Outbound, word), "{word}");
        }
    }
}
