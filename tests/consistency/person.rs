//! One customer as the contract knows them: what was set, what is open; and what is shown of
//! several who are one person.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::calls::{Shown, Status};

/// A variable as an interaction set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set {
    pub(super) at: i64,
    pub(super) value: u32,
    pub(super) expire: i64,
    /// When it would expire, did nothing newer hide it: of another customer it counts again.
    pub(super) own_expire: i64,
    /// By which interaction.
    pub(super) by: u16,
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
    /// The ref's number, once an answer has shown it.
    pub(super) name: Option<u32>,
    /// An answer has shown that somebody of this number or less is older.
    pub(super) younger_than: Option<u32>,
    /// Who was left with nothing resolves to another.
    pub(super) moved_to: Option<usize>,
    pub(super) removed: bool,
    pub(super) erased: bool,
    /// How often something of them was written.
    pub(super) writes: u32,
    pub(super) old: bool,
    /// What was set of each name: what hides and, behind it, what is hidden.
    pub(super) variables: BTreeMap<u16, Vec<Set>>,
    /// By intent and interaction.
    pub(super) facts: BTreeMap<(u16, u16), Fact>,
}

impl Person {
    /// The value that hides all others of its name.
    pub(super) fn standing(&self, name: u16) -> Option<Set> {
        self.variables.get(&name)?.iter().max_by_key(|set| set.at).copied()
    }

    /// Adds a value. Of one moment, the one that was written later stands.
    pub(super) fn put(&mut self, name: u16, set: Set) {
        let known = self.variables.entry(name).or_default();
        known.retain(|it| it.at != set.at);
        known.push(set);
        known.sort_by_key(|it| (it.at, it.by));
    }

    /// Removes a value.
    pub(super) fn forget(&mut self, name: u16, set: Set) {
        if let Some(known) = self.variables.get_mut(&name) {
            known.retain(|it| *it != set);
            if known.is_empty() {
                self.variables.remove(&name);
            }
        }
    }
}

/// Whether this may be shown of those who are one person, by an answer that was made between two
/// moments.
pub(super) fn is_shown(members: &[&Person], shown: &Shown, span: (i64, i64)) -> bool {
    let mut names: Vec<u16> = members.iter().flat_map(|it| it.variables.keys().copied()).collect();
    names.extend(shown.variables.keys());
    let may_be = |name: &u16| value_may_be(members, *name, shown.variables.get(name), span);
    names.iter().all(may_be) && shown.intents == open_intents(members)
}

/// Whether a variable may have this value, or none. The newest of the members' stands; when it has
/// expired, whether another member's older one shows again is open.
fn value_may_be(
    members: &[&Person],
    name: u16,
    value: Option<&u32>,
    (from, until): (i64, i64),
) -> bool {
    let mut standing: Vec<Set> = members.iter().filter_map(|it| it.standing(name)).collect();
    standing.sort_by_key(|set| Reverse(set.at));
    for (place, set) in standing.iter().enumerate() {
        if value == Some(&set.value) {
            return set.expire > from;
        }
        if set.expire > until {
            return place > 0 && value.is_none();
        }
    }
    value.is_none()
}

/// Attempts are the contacts that left it open since it was last settled.
fn open_intents(members: &[&Person]) -> BTreeMap<u16, (Status, i32)> {
    let mut facts: Vec<(u16, &Fact)> = members
        .iter()
        .flat_map(|it| it.facts.iter().map(|((intent, _), fact)| (*intent, fact)))
        .collect();
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
