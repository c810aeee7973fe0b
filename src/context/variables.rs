//! Named values that expire. Every write is kept as it came; which of them
//! stands is decided when they are read, so that nothing is read back and
//! changed, and nothing is ever shown past its expiry, cached or not.

use std::collections::BTreeMap;

use super::vocabulary::{Order, Sensitivity};
use crate::clock::Time;
use crate::ids::Token;

/// Most variables in an answer; the newest are kept.
pub const MAX_VARIABLES: usize = 200;

/// One write of a variable.
#[derive(Clone, PartialEq, Eq)]
pub struct VariableWrite {
    /// The variable's name.
    pub name: String,
    /// The value; `None` when this write cleared it.
    pub value: Option<String>,
    /// Seconds to live, as set.
    pub ttl_seconds: i64,
    /// The time of the event that set it.
    pub set: Time,
    /// From when on it is gone: event time plus time to live, or earlier, with what hid it when it came.
    pub expire: Time,
    /// From when on it would be gone, had nothing hidden it.
    pub own_expire: Time,
    /// Who may see it.
    pub sensitivity: Sensitivity,
    /// The channel of the interaction that set it.
    pub channel: String,
    /// The caller's own id of that interaction.
    pub interaction_id: String,
    /// Who handled that interaction.
    pub agent_ref: String,
    /// The contact or request that set it.
    pub of: Token,
    /// Which of the writes of one moment came later.
    pub order: Order,
    /// Until when the store keeps it: at least until it and whatever it hid when it was written
    /// have expired. What comes later than that is not hidden by it.
    pub kept: Time,
}

debug_without_text!(VariableWrite { ttl_seconds, set, expire, sensitivity, order, kept });

/// The variables that stand at `now`, by name.
///
/// The newest write of a name, by event time and then by journal position,
/// hides all older ones, also when it cleared the value or has expired
/// itself; but not once the store keeps it no longer, as then nothing that
/// lives was hidden by it when it came. A write whose expiry is `now` is gone. All there are, however
/// many: an answer has [`current_variables`].
pub fn standing_variables(writes: &[VariableWrite], now: Time) -> BTreeMap<&str, &VariableWrite> {
    let mut newest: BTreeMap<&str, &VariableWrite> = BTreeMap::new();
    for write in writes.iter().filter(|write| write.kept > now) {
        let standing = newest.entry(&write.name).or_insert(write);
        if age_order(write) > age_order(standing) {
            *standing = write;
        }
    }
    newest.retain(|_, write| write.value.is_some() && write.expire > now);
    newest
}

/// Of the variables that stand at `now`, by name, at most [`MAX_VARIABLES`], the most recently set.
pub fn current_variables(writes: &[VariableWrite], now: Time) -> BTreeMap<&str, &VariableWrite> {
    let standing = standing_variables(writes, now);
    if standing.len() <= MAX_VARIABLES {
        return standing;
    }
    let mut by_age: Vec<&VariableWrite> = standing.into_values().collect();
    by_age.sort_by_key(|write| std::cmp::Reverse((write.set, write.order)));
    by_age.truncate(MAX_VARIABLES);
    by_age.into_iter().map(|write| (write.name.as_str(), write)).collect()
}

/// Event time, then journal position; should both be equal, a clear wins, which tells less.
fn age_order(write: &VariableWrite) -> impl Ord {
    (write.set, write.order, write.value.is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(name: &str, value: Option<&str>, set: i64, ttl_seconds: i64) -> VariableWrite {
        VariableWrite {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            ttl_seconds,
            set: Time(set),
            expire: Time(set).plus(ttl_seconds * 1_000),
            own_expire: Time(set).plus(ttl_seconds * 1_000),
            sensitivity: Sensitivity::Normal,
            channel: "voice".into(),
            interaction_id: "call-1".into(),
            agent_ref: String::new(),
            of: Token([0; 16]),
            order: (0, 0),
            kept: Time(i64::MAX),
        }
    }

    fn value<'a>(writes: &'a [VariableWrite], name: &str, now: i64) -> Option<&'a str> {
        current_variables(writes, Time(now)).get(name).and_then(|write| write.value.as_deref())
    }

    #[test]
    fn the_newest_write_stands_and_the_journal_decides_a_tie() {
        let mut writes = vec![write("plan", Some("b"), 5, 60), write("plan", Some("a"), 1, 60)];
        assert_eq!(value(&writes, "plan", 10), Some("b"));
        writes.push(VariableWrite { order: (1, 0), ..write("plan", Some("c"), 5, 60) });
        assert_eq!(value(&writes, "plan", 10), Some("c"));
    }

    #[test]
    fn a_clear_hides_what_is_older_but_not_what_is_newer() {
        let mut writes = vec![write("plan", Some("a"), 1, 60), write("plan", None, 2, 60)];
        assert_eq!(value(&writes, "plan", 10), None);
        writes.push(write("plan", Some("b"), 3, 60));
        assert_eq!(value(&writes, "plan", 10), Some("b"));
    }

    #[test]
    fn an_expired_write_hides_older_ones_that_have_not_expired() {
        let writes = [write("plan", Some("old"), 0, 600), write("plan", Some("new"), 1_000, 1)];
        assert_eq!(value(&writes, "plan", 1_999), Some("new"));
        assert_eq!(value(&writes, "plan", 2_000), None, "gone at its expiry");
    }

    #[test]
    fn a_late_report_of_something_expired_hides_nothing_newer() {
        let writes = [write("plan", Some("new"), 5_000, 60), write("plan", Some("old"), 0, 1)];
        assert_eq!(value(&writes, "plan", 6_000), Some("new"));
    }

    #[test]
    fn never_too_many_and_the_newest_are_kept() {
        let writes: Vec<_> =
            (0..250).map(|n| write(&format!("v{n:03}"), Some("x"), n, 600)).collect();
        let current = current_variables(&writes, Time(300));
        assert_eq!(current.len(), MAX_VARIABLES);
        assert_eq!(current.keys().next(), Some(&"v050"));
        assert_eq!(standing_variables(&writes, Time(300)).len(), 250, "all of them stand");
    }

    prop_compose! {
        fn any_write()(
            name in "[abc]", value in proptest::option::of("[xyz]"), set in 0i64..5_000,
            ttl in 0i64..5, order in (0i64..10, 0i64..10),
        ) -> VariableWrite {
            VariableWrite { order, ..write(&name, value.as_deref(), set, ttl) }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_shown_past_its_expiry_or_under_something_newer(
            writes in proptest::collection::vec(any_write(), 0..20), now in 0i64..10_000,
        ) {
            for (name, shown) in current_variables(&writes, Time(now)) {
                prop_assert!(shown.expire > Time(now));
                prop_assert!(shown.value.is_some());
                let newer = |w: &&VariableWrite| {
                    w.name == name && (w.set, w.order) > (shown.set, shown.order)
                };
                prop_assert!(!writes.iter().any(|w| newer(&w)));
            }
        }
    }
}
