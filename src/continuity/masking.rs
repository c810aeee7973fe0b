//! What of a customer a change is to set: the names that its mask says.

use std::collections::BTreeSet;

use super::record::ValueRecord;
use crate::clock::HOUR;
use crate::context::{MAX_TTL_SECONDS, Sensitivity};

/// Which names of a map are to be set.
#[derive(Clone, Default)]
pub enum Names {
    /// Those that are given; nothing is cleared.
    #[default]
    Given,
    /// These; one that is not given is cleared.
    These(BTreeSet<String>),
    /// All there are: what is not given is cleared.
    All,
}

/// What of a change is to be made.
#[derive(Clone)]
pub struct Mask {
    /// Lasting values.
    pub profile: Names,
    /// Values that expire.
    pub variables: Names,
    /// What is said of consent. Nothing of it is ever cleared.
    pub consents: Names,
    /// Whether the rule is set; without one, to normal.
    pub disclosure: bool,
    /// Whether identifiers are linked. They find the customer in any case.
    pub identifiers: bool,
}

/// The values to write of those given, with clears of those that the mask names and nobody gave.
pub(super) fn masked<'n>(
    names: &Names,
    given: &[ValueRecord],
    standing: impl Iterator<Item = &'n str>,
) -> Vec<ValueRecord> {
    let is_given = |name: &str| given.iter().any(|value| value.name == name);
    let mut values: Vec<ValueRecord> = given.to_vec();
    let cleared: Vec<String> = match names {
        Names::Given => Vec::new(),
        Names::All => standing.map(str::to_owned).filter(|name| !is_given(name)).collect(),
        Names::These(these) => {
            values.retain(|value| these.contains(&value.name));
            these.iter().filter(|name| !is_given(name)).cloned().collect()
        }
    };
    values.extend(cleared.into_iter().map(|name| ValueRecord {
        name,
        // A clear outlasts whatever it hides.
        ttl_seconds: MAX_TTL_SECONDS + HOUR,
        sensitivity: Sensitivity::Normal.code(),
        ..ValueRecord::default()
    }));
    values
}
