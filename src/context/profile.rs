//! Named values that do not expire. What a better-proven customer said of
//! themselves is not replaced by what anybody could have said.

use std::collections::BTreeMap;

use super::vocabulary::Sensitivity;
use crate::clock::Time;
use crate::identity::Assurance;

/// Most profile attributes in an answer; the newest are kept.
pub const MAX_ATTRIBUTES: usize = 200;

/// One write of a profile attribute.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributeWrite {
    /// The attribute's name.
    pub name: String,
    /// The value; `None` when this write cleared it.
    pub value: Option<String>,
    /// Who may see it.
    pub sensitivity: Sensitivity,
    /// How sure the identity was when it was written.
    pub assurance: Assurance,
    /// The time of the event that wrote it.
    pub set: Time,
    /// The position in the journal, which decides between writes of one moment.
    pub order: i64,
}

debug_without_text!(AttributeWrite { sensitivity, assurance, set, order });

/// The attributes that stand, by name.
///
/// The newest wins among writes of equal assurance and a weaker one never
/// replaces a stronger one. A clear is a write like any other: it removes what
/// is not stronger than itself. At most [`MAX_ATTRIBUTES`], the most recently set.
pub fn current_profile(writes: &[AttributeWrite]) -> BTreeMap<&str, &AttributeWrite> {
    let mut standing: BTreeMap<&str, &AttributeWrite> = BTreeMap::new();
    for write in writes {
        let best = standing.entry(&write.name).or_insert(write);
        if strength_order(write) > strength_order(best) {
            *best = write;
        }
    }
    standing.retain(|_, write| write.value.is_some());
    if standing.len() > MAX_ATTRIBUTES {
        let mut by_age: Vec<&AttributeWrite> = standing.into_values().collect();
        by_age.sort_by_key(|write| std::cmp::Reverse((write.set, write.order)));
        by_age.truncate(MAX_ATTRIBUTES);
        standing = by_age.into_iter().map(|write| (write.name.as_str(), write)).collect();
    }
    standing
}

/// Assurance, then age; should all be equal, a clear wins, which tells less.
fn strength_order(write: &AttributeWrite) -> impl Ord {
    (write.assurance, write.set, write.order, write.value.is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(name: &str, value: Option<&str>, assurance: Assurance, set: i64) -> AttributeWrite {
        AttributeWrite {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            sensitivity: Sensitivity::Normal,
            assurance,
            set: Time(set),
            order: 0,
        }
    }

    fn value(writes: &[AttributeWrite]) -> Option<&str> {
        current_profile(writes).get("name").and_then(|write| write.value.as_deref())
    }

    #[test]
    fn newest_wins_among_equals_and_weaker_never_replaces_stronger() {
        let verified = write("name", Some("Ada"), Assurance::Verified, 1);
        let asserted = write("name", Some("Eve"), Assurance::Asserted, 2);
        let renamed = write("name", Some("Ada L."), Assurance::Verified, 3);
        assert_eq!(value(&[asserted.clone(), verified.clone()]), Some("Ada"));
        assert_eq!(value(&[renamed, asserted.clone(), verified]), Some("Ada L."));
        let reported = AttributeWrite { order: 1, value: Some("Eva".into()), ..asserted.clone() };
        assert_eq!(value(&[reported, asserted]), Some("Eva"));
    }

    #[test]
    fn a_clear_has_the_assurance_of_its_interaction() {
        let carried = write("name", Some("Ada"), Assurance::Carried, 1);
        let weak = write("name", None, Assurance::Asserted, 2);
        let strong = write("name", None, Assurance::Carried, 2);
        assert_eq!(value(&[weak, carried.clone()]), Some("Ada"));
        assert_eq!(value(&[carried, strong]), None);
    }

    #[test]
    fn never_too_many_and_the_newest_are_kept() {
        let writes: Vec<_> = (0..250)
            .map(|n| write(&format!("a{n:03}"), Some("x"), Assurance::Carried, n))
            .collect();
        let current = current_profile(&writes);
        assert_eq!(current.len(), MAX_ATTRIBUTES);
        assert_eq!(current.keys().next(), Some(&"a050"));
    }

    proptest! {
        #[test]
        fn nothing_stronger_lies_under_what_is_shown(
            rows in proptest::collection::vec((0i64..5, 1i64..=4, any::<bool>()), 0..12),
        ) {
            let writes: Vec<_> = rows.iter().enumerate().map(|(order, &(set, code, clear))| {
                let assurance = Assurance::from_code(code).unwrap();
                let value = (!clear).then_some("x");
                AttributeWrite { order: order as i64, ..write("name", value, assurance, set) }
            }).collect();
            if let Some(shown) = current_profile(&writes).get("name") {
                prop_assert!(writes.iter().all(|w| w.assurance <= shown.assurance));
            }
        }
    }
}
