//! What stands of lasting values, what does not agree, and what somebody's word makes of it.

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

/// Somebody's word that a write stands, as it was written before it named what it is about.
fn chosen(write: &AttributeWrite, assurance: Assurance, order: i64) -> AttributeWrite {
    let resolves = Some(Chosen { of: write.of, order: write.order, over: None });
    AttributeWrite { value: None, assurance, order: (order, 0), resolves, ..write.clone() }
}

/// The same word, which names what it was said over.
fn over(word: AttributeWrite, writes: &[AttributeWrite]) -> AttributeWrite {
    let over = Some(Arc::new(Overruled::of(writes, &word.name)));
    let resolves = word.resolves.clone().map(|chosen| Chosen { over, ..chosen });
    AttributeWrite { resolves, ..word }
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
    let new = AttributeWrite { order: (3, 0), ..write("name", Some("Ida"), Assurance::Carried, 4) };
    let writes = [old.clone(), same.clone(), weak.clone(), new.clone()];
    assert_eq!(conflict(&writes), Some(("Ida", "Eve")), "the newest that does not stand");
    let resolved = chosen(&same, Assurance::Carried, 4);
    let writes = [old.clone(), same.clone(), weak.clone(), new.clone(), resolved.clone()];
    assert_eq!((value(&writes), conflict(&writes)), (Some("Ada"), None));
    let later = AttributeWrite { order: (5, 0), ..new.clone() };
    let writes = [old.clone(), same, weak.clone(), resolved.clone(), later];
    assert_eq!(conflict(&writes), Some(("Ida", "Ada")), "what comes after is news");
    let writes = [old, weak, new, resolved];
    assert_eq!(conflict(&writes), Some(("Ida", "Eve")), "what was chosen is not theirs any more");
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
fn what_nobody_chose_over_counts() {
    let says = |value: &str, assurance: Assurance, order: i64| AttributeWrite {
        order: (order, 0),
        of: Token([order as u8; 16]),
        ..write("name", Some(value), assurance, order)
    };
    let bea = says("Bea", Assurance::Verified, 50);
    let (ann, anna) = (says("Ann", Assurance::Asserted, 60), says("Anna", Assurance::Asserted, 70));
    let old = chosen(&ann, Assurance::Asserted, 100);
    let word = over(old.clone(), &[ann.clone(), anna.clone()]);
    let alone = [ann.clone(), anna.clone(), word.clone()];
    assert_eq!((value(&alone), conflict(&alone)), (Some("Ann"), None));
    // One person with somebody of whom more is proven, and was before.
    let writes = [bea.clone(), ann.clone(), anna.clone(), word.clone()];
    assert_eq!((value(&writes), conflict(&writes)), (Some("Bea"), Some(("Bea", "Ann"))));
    let writes = [bea.clone(), ann.clone(), anna.clone(), old];
    assert_eq!((value(&writes), conflict(&writes)), (Some("Ann"), None), "as it was read before");
    // Each word holds for what it was said over, and a later one for what that was said over.
    let beth = says("Beth", Assurance::Verified, 80);
    let hers = over(chosen(&bea, Assurance::Verified, 90), &[bea.clone(), beth.clone()]);
    let both = [bea, beth, ann, anna, word, hers];
    assert_eq!(conflict(&both), Some(("Bea", "Ann")), "neither Beth nor Anna");
    let last = over(chosen(&both[2], Assurance::Verified, 110), &both);
    let all = [&both[..], &[last]].concat();
    assert_eq!((value(&all), conflict(&all)), (Some("Ann"), None));
}

#[test]
fn what_is_too_much_to_be_named_is_overruled_all_the_same() {
    let says = |order: usize| AttributeWrite {
        order: (order as i64, 0),
        ..write("name", Some(&order.to_string()), Assurance::Carried, order as i64)
    };
    let most = MOST_OVERRULED + 3;
    let mut writes: Vec<_> = (1..=most).map(says).collect();
    let word = over(chosen(&writes[most - 2], Assurance::Carried, most as i64 + 1), &writes);
    let named = word.resolves.as_ref().and_then(|chosen| chosen.over.as_ref());
    assert_eq!(named.map(|over| over.writes.len()), Some(MOST_OVERRULED));
    writes.push(word);
    let stands = (most - 1).to_string();
    assert_eq!((value(&writes), conflict(&writes)), (Some(stands.as_str()), None));
}

#[test]
fn what_was_cleared_is_no_conflict() {
    let old = write("name", Some("Ada"), Assurance::Carried, 1);
    let clear = AttributeWrite { order: (1, 0), ..write("name", None, Assurance::Carried, 2) };
    let new = AttributeWrite { order: (2, 0), ..write("name", Some("Ida"), Assurance::Carried, 3) };
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
    let reported = AttributeWrite { order: (1, 0), value: Some("Eva".into()), ..asserted.clone() };
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
    let writes: Vec<_> =
        (0..250).map(|n| write(&format!("a{n:03}"), Some("x"), Assurance::Carried, n)).collect();
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
                |earlier| {
                    let word = AttributeWrite { set: Time(set), ..chosen(earlier, assurance, 0) };
                    if value.is_some() { over(word, &writes) } else { word }
                },
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
        writes in any_writes(), choose_other: bool, names: bool,
    ) {
        for AttributeConflict { kept, other } in profile_conflicts(&writes) {
            prop_assert_eq!(&kept.name, &other.name);
            prop_assert!(kept.value.is_some() && other.value.is_some());
            prop_assert_ne!(&kept.value, &other.value);
            let mut resolved = writes.clone();
            let choice = if choose_other { other } else { kept };
            let word = chosen(choice, kept.assurance.max(other.assurance), writes.len() as i64);
            let word = AttributeWrite { set: kept.set.max(other.set), ..word };
            resolved.push(if names { over(word, &writes) } else { word });
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
