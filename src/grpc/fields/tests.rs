//! Lists that are too long.

use super::*;

/// How many bad fields are named of a list that has many entries, all of them bad, and allows `most`.
#[track_caller]
fn names_no_more_than(most: usize, check: &Check, list: &str) {
    let all = &check.violations;
    assert_eq!(all[0].field, list);
    assert!(all[0].description.starts_with("has more than"), "{:?}", all[0]);
    assert_eq!(all.len(), 1 + most, "{list}: each that may be there is named, and no other");
}

fn many<V: Default>() -> BTreeMap<String, V> {
    (0..1_000).map(|number| (format!("name_{number}"), V::default())).collect()
}

#[test]
fn no_more_is_looked_at_than_may_be_there() {
    let mut check = Check::default();
    intents(&mut check, vec![proto::Intent::default(); 1_000], Sensitivity::Normal);
    names_no_more_than(limits::INTENTS, &check, "intents");

    let mut check = Check::default();
    consents(&mut check, many(), Time(DAY));
    names_no_more_than(limits::CONSENTS, &check, "consents");

    let mut given = many::<proto::ProfileAttributeInput>();
    given.values_mut().for_each(|one| one.sensitivity = -1);
    let mut check = Check::default();
    let (values, _) = profile(&mut check, given);
    names_no_more_than(limits::VALUES, &check, "profile");
    assert_eq!(values.len(), limits::VALUES);

    let (mut check, mut values) = (Check::default(), Vec::new());
    cleared(&mut check, "clear_variables", vec![String::new(); 1_000], &mut values);
    names_no_more_than(limits::VALUES, &check, "clear_variables");
    assert_eq!(values.len(), limits::VALUES);
}

#[test]
fn a_name_is_not_set_and_cleared_at_once() {
    let set = ValueRecord { name: "a".into(), value: Some("1".into()), ..ValueRecord::default() };
    let (mut check, mut values) = (Check::default(), vec![set]);
    let names = ["b", "a", "b"].map(str::to_owned).to_vec();
    cleared(&mut check, "clear_variables", names, &mut values);
    let wrong: Vec<&str> = check.violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(wrong, ["clear_variables[1]"]);
}
