//! One customer as the contract knows them: what was set, what is open.

use std::collections::BTreeMap;

use super::calls::{Shown, Status};

/// A variable as it was last set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set {
    pub(super) at: i64,
    pub(super) value: u32,
    pub(super) expire: i64,
}

/// What one interaction said of one matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fact {
    pub(super) time: i64,
    pub(super) status: Status,
    pub(super) counts: bool,
}

/// A customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Person {
    /// The ref, once an answer has shown it.
    pub(super) name: Option<u32>,
    pub(super) removed: bool,
    pub(super) old: bool,
    pub(super) variables: BTreeMap<u16, Set>,
    /// By intent and interaction.
    pub(super) facts: BTreeMap<(u16, u16), Fact>,
}

impl Person {
    /// Whether this may be shown by an answer that was made between two moments.
    pub(super) fn is_shown(&self, shown: &Shown, (from, until): (i64, i64)) -> bool {
        let fits = |(name, set): (&u16, &Set)| match shown.variables.get(name) {
            Some(value) => *value == set.value && set.expire > from,
            None => set.expire <= until,
        };
        let known = shown.variables.keys().all(|name| self.variables.contains_key(name));
        known && self.variables.iter().all(fits) && shown.intents == self.open_intents()
    }

    /// Attempts are the contacts that left it open since it was last settled.
    fn open_intents(&self) -> BTreeMap<u16, (Status, i32)> {
        let mut facts: Vec<(u16, &Fact)> =
            self.facts.iter().map(|((intent, _), fact)| (*intent, fact)).collect();
        facts.sort_by_key(|(_, fact)| fact.time);
        let mut open = BTreeMap::new();
        for (intent, fact) in facts {
            if fact.status.is_open() {
                let (status, attempts) = open.entry(intent).or_insert((fact.status, 0));
                *status = fact.status;
                *attempts += i32::from(fact.counts);
            } else {
                open.remove(&intent);
            }
        }
        open
    }
}
