//! How much a customer uses an identifier: a counter that halves with time.
//!
//! A counter is (weight, newest time): the weight as it stood at the newest
//! event. So a late event fits in without knowing the ones between, and the
//! order of arrival does not matter.

use crate::clock::Time;

use super::vocabulary::HintKind;

/// The counter after a use at `at`, as (weight, newest). `uses` is the number of uses before
/// this one; with none, what is in `weight` and `newest` does not count.
///
/// A newer use gives weight·2^(−Δ/h) + 1; a late one adds 2^(−age/h), h being the half-life of
/// `kind` (shared/identity/README.md).
pub fn used(weight: f64, newest: Time, uses: i64, at: Time, kind: HintKind) -> (f64, Time) {
    if uses <= 0 {
        return (1.0, at);
    }
    if at >= newest {
        (decayed(weight, newest, at, kind) + 1.0, at)
    } else {
        (weight + decayed(1.0, at, newest, kind), newest)
    }
}

/// What a counter of `weight` at `newest` is worth at `now`; before `newest` it is `weight`.
pub fn decayed(weight: f64, newest: Time, now: Time, kind: HintKind) -> f64 {
    weight * (-now.days_since(newest) / kind.half_life_days()).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::DAY;

    fn counted(events: &[i64], kind: HintKind) -> (f64, Time) {
        let start = (0.0, Time(0));
        events.iter().enumerate().fold(start, |(weight, newest), (before, at)| {
            used(weight, newest, before as i64, Time(*at), kind)
        })
    }

    #[test]
    fn a_use_halves_in_its_half_life() {
        assert_eq!(decayed(1.0, Time(0), Time(30 * DAY), HintKind::Mobile), 0.5);
        assert_eq!(counted(&[0, 30 * DAY], HintKind::Mobile), (1.5, Time(30 * DAY)));
        assert_eq!(counted(&[30 * DAY, 0], HintKind::Mobile), (1.5, Time(30 * DAY)));
        assert_eq!(decayed(2.0, Time(DAY), Time(0), HintKind::Email), 2.0);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (events, shuffled) in prop::collection::vec(0..(900 * DAY), 1..12)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
            kind in prop::sample::select(HintKind::ALL.to_vec()),
        ) {
            let (weight, newest) = counted(&events, kind);
            let (other, other_newest) = counted(&shuffled, kind);
            prop_assert_eq!(newest, other_newest);
            prop_assert!((weight - other).abs() < 1e-9, "{} and {}", weight, other);
            prop_assert!(weight >= 1.0 && weight <= events.len() as f64 + 1e-9);
        }
    }
}
