//! Values that an interaction says, until they are written: what each is of, and when it was said.

use std::collections::BTreeMap;

use super::record::ValueRecord;
use crate::clock::Time;

/// Values as they were said at that time.
pub(super) fn dated(values: &[ValueRecord], at: Time) -> Vec<ValueRecord> {
    values.iter().map(|value| ValueRecord { said: at.0, ..value.clone() }).collect()
}

/// Variables as they were said at that time, from which on they expire.
pub(super) fn expiring(variables: &[ValueRecord], at: Time) -> Vec<ValueRecord> {
    let mut values = dated(variables, at);
    for value in &mut values {
        value.expire = at.plus(value.ttl_seconds.saturating_mul(1_000)).0;
    }
    values
}

/// Adds values to those that wait; of a name what was said later stays, and of one moment what came
/// later.
pub(super) fn wait(waiting: &mut Vec<ValueRecord>, values: Vec<ValueRecord>) {
    for one in values {
        match waiting.iter_mut().find(|known| known.name == one.name) {
            Some(known) if known.said > one.said => {}
            Some(known) => *known = one,
            None => waiting.push(one),
        }
    }
}

/// Values by the time that each was said at; at `otherwise`, where that is not known.
pub(super) fn by_time(
    values: Vec<ValueRecord>,
    otherwise: Time,
) -> BTreeMap<Time, Vec<ValueRecord>> {
    let mut by_time: BTreeMap<Time, Vec<ValueRecord>> = BTreeMap::new();
    for mut value in values {
        let said = std::mem::take(&mut value.said);
        let at = if said == 0 { otherwise } else { Time(said) };
        by_time.entry(at).or_default().push(value);
    }
    by_time
}
