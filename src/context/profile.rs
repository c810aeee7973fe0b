//! Named values that do not expire. What a better-proven customer said of
//! themselves is not replaced by what anybody could have said.

use std::collections::BTreeMap;

use super::vocabulary::{Order, Sensitivity};
use crate::clock::Time;
use crate::identity::Assurance;
use crate::ids::Token;

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
    /// Which of the writes of one moment came later.
    pub order: Order,
    /// The contact or request that wrote it.
    pub of: Token,
    /// Somebody's word that another write stands: it is no value itself.
    pub resolves: Option<Chosen>,
}

debug_without_text!(AttributeWrite { sensitivity, assurance, set, order });

/// The write that somebody said stands: what was written of its name before they said so no longer
/// counts beside it.
///
/// It is named and not copied. Once it is somebody else's again, or is taken out or erased, nothing of
/// it is left where it was chosen, and what it was chosen over counts as if nobody had said anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The contact or request that wrote it.
    pub of: Token,
    /// When it was written, which no other write of that name was.
    pub order: Order,
}

/// Two values of one attribute that were both written, and not resolved.
#[derive(Clone, Copy)]
pub struct AttributeConflict<'w> {
    /// What stands.
    pub kept: &'w AttributeWrite,
    /// The newest that does not.
    pub other: &'w AttributeWrite,
}

/// The attributes that stand, by name.
///
/// The newest wins among writes of equal assurance and a weaker one never
/// replaces a stronger one. A clear is a write like any other: it removes what
/// is not stronger than itself. All there are, however many: an answer has [`current_profile`].
pub fn standing_profile(writes: &[AttributeWrite]) -> BTreeMap<&str, &AttributeWrite> {
    standing(&unresolved(writes))
}

/// Of the attributes that stand, by name, at most [`MAX_ATTRIBUTES`], the most recently set.
pub fn current_profile(writes: &[AttributeWrite]) -> BTreeMap<&str, &AttributeWrite> {
    newest(standing_profile(writes))
}

fn standing<'w>(counting: &[Counting<'w>]) -> BTreeMap<&'w str, &'w AttributeWrite> {
    let mut strongest: BTreeMap<&str, &Counting<'w>> = BTreeMap::new();
    for one in counting {
        let best = strongest.entry(&one.write.name).or_insert(one);
        if one.strength > best.strength {
            *best = one;
        }
    }
    let mut standing: BTreeMap<&str, &AttributeWrite> =
        strongest.into_iter().map(|(name, counting)| (name, counting.write)).collect();
    standing.retain(|_, write| write.value.is_some());
    standing
}

fn newest<'w>(
    standing: BTreeMap<&'w str, &'w AttributeWrite>,
) -> BTreeMap<&'w str, &'w AttributeWrite> {
    if standing.len() <= MAX_ATTRIBUTES {
        return standing;
    }
    let mut by_age: Vec<&AttributeWrite> = standing.into_values().collect();
    by_age.sort_by_key(|write| std::cmp::Reverse((write.set, write.order)));
    by_age.truncate(MAX_ATTRIBUTES);
    by_age.into_iter().map(|write| (write.name.as_str(), write)).collect()
}

/// The attributes of which different values were written, by name: the newest that does not stand
/// beside the one that does. What somebody resolved or cleared is no conflict any more.
pub fn profile_conflicts(writes: &[AttributeWrite]) -> Vec<AttributeConflict<'_>> {
    let mut conflicts = Vec::new();
    if writes.len() < 2 {
        return conflicts;
    }
    let counting = unresolved(writes);
    let mut by_name: BTreeMap<&str, Vec<&Counting<'_>>> = BTreeMap::new();
    for one in &counting {
        by_name.entry(&one.write.name).or_default().push(one);
    }
    for (name, kept) in newest(standing(&counting)) {
        let of_name = || by_name.get(name).into_iter().flatten();
        let cleared = of_name().filter(|it| it.write.value.is_none()).map(|it| it.strength).max();
        let others = of_name().filter(|counting| {
            let under = cleared.is_some_and(|clear| counting.strength < clear);
            counting.write.value.is_some() && counting.write.value != kept.value && !under
        });
        let other = others.map(|counting| counting.write);
        let other = other.max_by_key(|write| (write.set, write.order, &write.value));
        conflicts.extend(other.map(|other| AttributeConflict { kept, other }));
    }
    conflicts
}

/// A write that counts.
#[derive(Clone, Copy)]
struct Counting<'w> {
    write: &'w AttributeWrite,
    /// Assurance, then age; should all be equal, a clear wins, which tells less.
    strength: (Assurance, Time, Order, bool),
}

/// Writes that count: what came before somebody chose another one does not, and the chosen one is as
/// strong as their word.
fn unresolved(writes: &[AttributeWrite]) -> Vec<Counting<'_>> {
    let resolved = resolved(writes);
    let values = writes.iter().filter(|write| write.resolves.is_none());
    let counting = values.filter_map(|write| {
        let own = (write.assurance, write.set, write.order);
        let (assurance, set, order) = match resolved.get(write.name.as_str()) {
            Some((word, chosen)) if std::ptr::eq(*chosen, write) => {
                (own.0.max(word.assurance), own.1.max(word.set), own.2.max(word.order))
            }
            Some((word, _)) if write.order < word.order => return None,
            _ => own,
        };
        Some(Counting { write, strength: (assurance, set, order, write.value.is_none()) })
    });
    counting.collect()
}

/// By name, the newest word on what stands whose choice is on file, and that.
fn resolved(writes: &[AttributeWrite]) -> BTreeMap<&str, (&AttributeWrite, &AttributeWrite)> {
    let mut resolved: BTreeMap<&str, (&AttributeWrite, &AttributeWrite)> = BTreeMap::new();
    if writes.iter().all(|write| write.resolves.is_none()) {
        return resolved;
    }
    let values = writes.iter().filter(|write| write.resolves.is_none());
    let values: BTreeMap<(Order, Token, &str), &AttributeWrite> =
        values.map(|write| ((write.order, write.of, write.name.as_str()), write)).collect();
    for word in writes {
        let Some(Chosen { of, order }) = word.resolves else { continue };
        let Some(chosen) = values.get(&(order, of, word.name.as_str())) else { continue };
        let newest = resolved.entry(&word.name).or_insert((word, chosen));
        if newest.0.order < word.order {
            *newest = (word, chosen);
        }
    }
    resolved
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
            order: (0, 0),
            of: Token([0; 16]),
            resolves: None,
        }
    }

    /// Somebody's word that a write stands.
    fn chosen(write: &AttributeWrite, assurance: Assurance, order: i64) -> AttributeWrite {
        let resolves = Some(Chosen { of: write.of, order: write.order });
        AttributeWrite { value: None, assurance, order: (order, 0), resolves, ..write.clone() }
    }

    fn conflict(writes: &[AttributeWrite]) -> Option<(&str, &str)> {
        let conflict = *profile_conflicts(writes).first()?;
        Some((conflict.kept.value.as_deref()?, conflict.other.value.as_deref()?))
    }

    #[test]
    fn both_values_are_kept_until_somebody_resolves_them() {
        let old = write("name", Some("Ada"), Assurance::Carried, 1);
        let same =
            AttributeWrite { order: (1, 0), ..write("name", Some("Ada"), Assurance::Carried, 2) };
        assert_eq!(conflict(&[old.clone(), same.clone()]), None, "one value");
        let weak =
            AttributeWrite { order: (2, 0), ..write("name", Some("Eve"), Assurance::Asserted, 3) };
        let writes = [old.clone(), same.clone(), weak.clone()];
        assert_eq!(conflict(&writes), Some(("Ada", "Eve")));
        let new =
            AttributeWrite { order: (3, 0), ..write("name", Some("Ida"), Assurance::Carried, 4) };
        let writes = [old.clone(), same.clone(), weak.clone(), new.clone()];
        assert_eq!(conflict(&writes), Some(("Ida", "Eve")), "the newest that does not stand");
        let resolved = chosen(&same, Assurance::Carried, 4);
        let writes = [old.clone(), same.clone(), weak.clone(), new.clone(), resolved.clone()];
        assert_eq!((value(&writes), conflict(&writes)), (Some("Ada"), None));
        let later = AttributeWrite { order: (5, 0), ..new.clone() };
        let writes = [old.clone(), same, weak.clone(), resolved.clone(), later];
        assert_eq!(conflict(&writes), Some(("Ida", "Ada")), "what comes after is news");
        let writes = [old, weak, new, resolved];
        assert_eq!(
            conflict(&writes),
            Some(("Ida", "Eve")),
            "what was chosen is not theirs any more"
        );
    }

    #[test]
    fn what_somebody_chose_is_as_strong_as_what_it_was_chosen_over() {
        let strong = write("name", Some("Ada"), Assurance::Verified, 5);
        let weak =
            AttributeWrite { order: (1, 0), ..write("name", Some("Eve"), Assurance::Asserted, 1) };
        let word = AttributeWrite { set: Time(6), ..chosen(&weak, Assurance::Verified, 2) };
        let later =
            AttributeWrite { order: (3, 0), ..write("name", Some("Ida"), Assurance::Carried, 7) };
        let writes = [strong, weak, word, later];
        assert_eq!((value(&writes), conflict(&writes)), (Some("Eve"), Some(("Eve", "Ida"))));
    }

    #[test]
    fn what_was_cleared_is_no_conflict() {
        let old = write("name", Some("Ada"), Assurance::Carried, 1);
        let clear = AttributeWrite { order: (1, 0), ..write("name", None, Assurance::Carried, 2) };
        let new =
            AttributeWrite { order: (2, 0), ..write("name", Some("Ida"), Assurance::Carried, 3) };
        assert_eq!(conflict(&[old, clear, new]), None);
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
        let reported =
            AttributeWrite { order: (1, 0), value: Some("Eva".into()), ..asserted.clone() };
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
        assert_eq!(standing_profile(&writes).len(), 250, "all of them stand");
    }

    prop_compose! {
        fn any_writes()(
            rows in proptest::collection::vec(
                ("[ab]", 0i64..4, 1i64..=4, proptest::option::of("[xyz]"), 0u8..8), 0..10,
            ),
        ) -> Vec<AttributeWrite> {
            let mut writes: Vec<AttributeWrite> = Vec::new();
            for (order, (name, set, code, value, odds)) in rows.into_iter().enumerate() {
                let assurance = Assurance::from_code(code).unwrap();
                let earlier = writes.get(order / 2).filter(|it| odds == 0 && it.resolves.is_none());
                let one = earlier.map_or_else(
                    || write(&name, value.as_deref(), assurance, set),
                    |earlier| AttributeWrite { set: Time(set), ..chosen(earlier, assurance, 0) },
                );
                // Positions in the journal are distinct, and so is who wrote.
                let (order, of) = ((order as i64, 0), Token([order as u8; 16]));
                writes.push(AttributeWrite { order, of, ..one });
            }
            writes
        }
    }

    /// What is shown and what is flagged, in a form that can be compared.
    fn folded(writes: &[AttributeWrite]) -> Vec<(String, Order, Option<Order>)> {
        let conflicts = profile_conflicts(writes);
        let other =
            |name: &str| conflicts.iter().find(|it| it.kept.name == name).map(|it| it.other.order);
        let standing = current_profile(writes);
        standing.iter().map(|(name, it)| ((*name).to_owned(), it.order, other(name))).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (writes, shuffled) in any_writes()
                .prop_flat_map(|writes| (Just(writes.clone()), Just(writes).prop_shuffle())),
        ) {
            prop_assert_eq!(folded(&writes), folded(&shuffled));
        }

        #[test]
        fn a_conflict_is_of_two_values_and_goes_once_resolved(
            writes in any_writes(), choose_other: bool,
        ) {
            for AttributeConflict { kept, other } in profile_conflicts(&writes) {
                prop_assert_eq!(&kept.name, &other.name);
                prop_assert!(kept.value.is_some() && other.value.is_some());
                prop_assert_ne!(&kept.value, &other.value);
                let mut resolved = writes.clone();
                let choice = if choose_other { other } else { kept };
                let word = chosen(choice, kept.assurance.max(other.assurance), writes.len() as i64);
                resolved.push(AttributeWrite { set: kept.set.max(other.set), ..word });
                let left = profile_conflicts(&resolved);
                prop_assert!(left.iter().all(|it| it.kept.name != kept.name));
                let standing = current_profile(&resolved);
                prop_assert_eq!(&standing[kept.name.as_str()].value, &choice.value);
                // Where the chosen write goes, nothing of it is left.
                resolved.retain(|write| write.order != choice.order);
                let gone: Vec<_> =
                    writes.iter().filter(|it| it.order != choice.order).cloned().collect();
                prop_assert_eq!(folded(&resolved), folded(&gone));
            }
        }

        #[test]
        fn nothing_stronger_lies_under_what_is_shown(
            rows in proptest::collection::vec((0i64..5, 1i64..=4, any::<bool>()), 0..12),
        ) {
            let writes: Vec<_> = rows.iter().enumerate().map(|(order, &(set, code, clear))| {
                let assurance = Assurance::from_code(code).unwrap();
                let value = (!clear).then_some("x");
                AttributeWrite { order: (order as i64, 0), ..write("name", value, assurance, set) }
            }).collect();
            if let Some(shown) = current_profile(&writes).get("name") {
                prop_assert!(writes.iter().all(|w| w.assurance <= shown.assurance));
            }
        }
    }
}
