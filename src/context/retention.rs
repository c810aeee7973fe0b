//! How long things last, in one table: what expires, what is closed for the
//! caller, what is purged, who is set aside, and which contacts count at all.

use crate::clock::{DAY, HOUR, Time};
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

/// Milliseconds an interaction is kept from its receipt unless its tenant says otherwise: two years.
pub const INTERACTIONS_KEPT: i64 = 730 * DAY;
/// Milliseconds without a contact after which a customer is set aside unless their tenant says
/// otherwise: a year.
pub const ARCHIVED_AFTER: i64 = 365 * DAY;
/// Milliseconds that a tenant may choose for either, at least: 30 days, by when a contact that goes
/// on is closed.
pub const LEAST_KEPT: i64 = 30 * DAY;
/// Milliseconds that a tenant may choose for either, at most; longer is for ever.
pub const MOST_KEPT: i64 = 36_500 * DAY;
/// Milliseconds from when a customer's last contact on file went until it is looked whether
/// anything of them is left: 31 days. A contact that was going on then has been filed or closed.
pub const EMPTIED_KEPT: i64 = 31 * DAY;

/// What of a tenant's lasts how long, in milliseconds; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// An interaction, from its receipt: store time of the last start, update or end that came of it.
    pub interactions: Option<i64>,
    /// A customer without a contact, until they are set aside.
    pub inactive: Option<i64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { interactions: Some(INTERACTIONS_KEPT), inactive: Some(ARCHIVED_AFTER) }
    }
}

impl Retention {
    /// Interactions that were received before this are past retention; `None` when none ever is.
    /// Those of a test tenant go with its customers.
    pub fn interactions_before(&self, now: Time, test: bool) -> Option<Time> {
        let kept = match (self.interactions, test) {
            (Some(kept), true) => Some(kept.min(TEST_TENANT_KEPT)),
            (None, true) => Some(TEST_TENANT_KEPT),
            (kept, false) => kept,
        };
        kept.map(|kept| now.plus(-kept))
    }

    /// Whether a customer is to be set aside: no contact for so long, and not first received
    /// lately either (what is backfilled today is long past, and its customer new to us).
    ///
    /// `last_contact` is event time, zero when there was none; `received` store time.
    pub fn is_inactive(&self, last_contact: Time, received: Time, now: Time) -> bool {
        let newest = last_contact.max(received);
        self.inactive.is_some_and(|after| now.since(newest) > after)
    }

    /// Whether a contact at `at` makes a customer active again who was set aside at `archived`: not
    /// one of long before, that is only filed now.
    pub fn wakes(&self, at: Time, archived: Time) -> bool {
        self.inactive.is_none_or(|after| at > archived.plus(-after))
    }
}

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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_closed_sooner_than_a_thread() {
        assert_eq!(never_ended_after("voice"), DAY);
        assert_eq!(never_ended_after("email"), 30 * DAY);
        assert_eq!(never_ended_after(""), 30 * DAY);
    }

    fn chosen() -> impl Strategy<Value = Retention> {
        let kept = || proptest::option::of(LEAST_KEPT..=MOST_KEPT);
        (kept(), kept()).prop_map(|(interactions, inactive)| Retention { interactions, inactive })
    }

    proptest! {
        #[test]
        fn nothing_younger_is_past_retention(
            kept in chosen(), now in 0..4_102_444_800_000i64, age in 0..200 * 365 * DAY, test: bool,
        ) {
            let (now, received) = (Time(now), Time(now).plus(-age));
            let past = kept.interactions_before(now, test).is_some_and(|before| received < before);
            let least = if test { TEST_TENANT_KEPT } else { LEAST_KEPT };
            prop_assert!(!past || age > least);
            let own = kept.interactions.map(|most| age > most).unwrap_or(false);
            prop_assert_eq!(past, own || (test && age > TEST_TENANT_KEPT));
        }

        #[test]
        fn who_was_in_contact_or_came_lately_is_active(
            kept in chosen(), now in 0..4_102_444_800_000i64,
            contact in 0..200 * 365 * DAY, came in 0..200 * 365 * DAY, later in 0..365 * DAY,
        ) {
            let (now, last) = (Time(now), Time(now).plus(-contact));
            let inactive = kept.is_inactive(last, now.plus(-came), now);
            prop_assert_eq!(inactive, kept.inactive.is_some_and(|after| contact.min(came) > after));
            prop_assert!(!inactive || kept.is_inactive(last, now.plus(-came), now.plus(later)));
            // Whoever was set aside now is so in spite of the contacts they had, and no longer after a new one.
            if inactive {
                prop_assert!(!kept.wakes(last, now));
                prop_assert!(kept.wakes(now.plus(later), now));
            }
        }
    }

    #[test]
    fn for_ever_is_for_ever() {
        let kept = Retention { interactions: None, inactive: None };
        assert_eq!(kept.interactions_before(Time(i64::MAX), false), None);
        assert!(!kept.is_inactive(Time(0), Time(0), Time(i64::MAX)));
        assert_eq!(
            kept.interactions_before(Time(8 * DAY), true),
            Some(Time(DAY)),
            "a test tenant's go"
        );
    }

    #[test]
    fn lifetimes_are_what_the_documents_promise() {
        assert_eq!(DEFAULT_TTL_SECONDS * 1_000, UNIDENTIFIED_KEPT);
        assert!(EMPTIED_KEPT > never_ended_after("") && EMPTIED_KEPT > UNIDENTIFIED_KEPT);
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
