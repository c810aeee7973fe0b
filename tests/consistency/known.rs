//! All that the model knows: people, whose what is, who is one person with whom, and what each is
//! called.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::{Counts, Shows, Status, WRITTEN};
use super::erasing::Previewed;
use super::person::{Fact, Person, Set};

/// An end, with its amendments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ending {
    pub(super) time: i64,
    pub(super) revision: Option<i64>,
    /// The content of the end that had no revision.
    pub(super) plain: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Interaction {
    pub(super) person: usize,
    pub(super) settled: bool,
    pub(super) shows: Shows,
    /// The identifiers that it is a reason for its customer to have, once it is on file.
    pub(super) supports: [bool; 2],
    /// Whether it is on its customer's file: it has ended, it made a tie, or it carries text.
    pub(super) filed: bool,
    /// When it began, and whether the caller said so.
    pub(super) begun: (i64, bool),
    /// It made its customer: there is nothing earlier to show.
    pub(super) made: bool,
    /// Who was one person with its customer when something of it was written: by their refs the
    /// customer may have been called.
    pub(super) called_as: BTreeSet<usize>,
    /// Somebody said that it is the customer whose it is.
    pub(super) confirmed: bool,
    /// The channel of its start, 0 for a call; none while only its end is known.
    pub(super) channel: Option<u8>,
    /// Content by update.
    pub(super) updates: BTreeMap<u8, u32>,
    pub(super) reassigned: BTreeSet<u16>,
    /// What was said last of each matter, and when.
    pub(super) intents: BTreeMap<u16, (Status, i64)>,
    pub(super) ending: Option<Ending>,
}

/// An edge between two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Merge {
    pub(super) between: (usize, usize),
    pub(super) in_force: bool,
    /// One of the two was erased, and it with them.
    pub(super) lost: bool,
}

/// What an interaction said: of matters, and values by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) facts: Vec<(u16, Fact)>,
    pub(super) values: Vec<(u16, Set)>,
}

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    /// Who has each of the two identifiers.
    pub(super) owners: [BTreeSet<usize>; 2],
    pub(super) people: Vec<Person>,
    pub(super) interactions: BTreeMap<u16, Interaction>,
    pub(super) merges: BTreeMap<u16, Merge>,
    /// Who was given an identifier beside any contact.
    pub(super) tied: [BTreeSet<usize>; 2],
    /// The earliest and the latest time at which an identifier was taken from a customer: contacts
    /// that began before give no reason for it.
    pub(super) untied: BTreeMap<(usize, usize), (i64, i64)>,
    /// What each link and unlink found: whose, whether it was there, how many have it then.
    pub(super) ties: BTreeMap<u16, (usize, bool, usize)>,
    /// Whom each unmerge was about.
    pub(super) unmerges: BTreeMap<u16, (usize, usize)>,
    /// Whom each preview has shown.
    pub(super) previews: BTreeMap<u16, Previewed>,
    /// How much each erasure took away.
    pub(super) erasures: BTreeMap<u16, Counts>,
    /// When it was acknowledged that a key is revoked, by the stopwatch.
    pub(super) revoked: BTreeMap<u8, i64>,
}

impl Known {
    /// Who a customer is now.
    pub(super) fn resolve(&self, person: usize) -> usize {
        self.people[person].moved_to.map_or(person, |next| self.resolve(next))
    }

    /// Everybody who is one person with this one, in order.
    pub(super) fn set(&self, person: usize) -> Vec<usize> {
        let mut members = vec![self.resolve(person)];
        let mut next = 0;
        while next < members.len() {
            for merge in self.merges.values().filter(|it| it.in_force) {
                let (one, other) = merge.between;
                let far = match members[next] {
                    it if it == one => other,
                    it if it == other => one,
                    _ => continue,
                };
                if !members.contains(&far) {
                    members.push(far);
                }
            }
            next += 1;
        }
        members.sort_unstable();
        members
    }

    pub(super) fn members(&self, person: usize) -> Vec<&Person> {
        self.set(person).into_iter().map(|it| &self.people[it]).collect()
    }

    /// Something of an interaction is written: what its customer is called now, it remembers.
    pub(super) fn written(&mut self, id: u16) {
        let person = self.interaction(id).person;
        self.people[person].writes += 1;
        let others = self.set(person).into_iter().filter(|it| *it != person).collect::<Vec<_>>();
        self.interaction(id).called_as.extend(others);
    }

    /// Whether an interaction is answered as somebody new's: it made its customer, and since then nobody
    /// has said that it is them, nor that they are one with somebody else.
    pub(super) fn is_new(&self, id: u16) -> bool {
        let Interaction { person, made, confirmed, .. } = self.interactions[&id];
        made && !confirmed && self.set(person).len() == 1
    }

    /// Whether a customer was made for this interaction, and nothing else has become theirs since;
    /// either, where others said only what has expired: it may have been swept.
    pub(super) fn is_all_they_have(&self, id: u16, now: i64) -> Vec<bool> {
        let Interaction { person, made, .. } = self.interactions[&id];
        let on_file = |it: &Interaction| it.person == person && it.filed;
        let mut others = self.interactions.iter().filter(|(other, _)| **other != id);
        let tied = self.tied.iter().any(|owners| owners.contains(&person));
        let Person { facts, variables, .. } = &self.people[person];
        let values = || variables.values().flatten().filter(|set| set.by != id);
        let says = facts.keys().any(|(_, of)| *of != id) || values().any(|set| set.expire > now);
        let alone = made && self.set(person).len() == 1 && !tied && !says;
        if !alone || others.any(|(_, it)| on_file(it)) {
            return vec![false];
        }
        if values().next().is_none() { vec![true] } else { vec![true, false] }
    }

    /// Whom a ref names now.
    pub(super) fn named(&self, name: u32) -> Option<usize> {
        let holder = self.people.iter().position(|it| it.name == Some(name))?;
        Some(self.resolve(holder))
    }

    /// All that may be so when a customer is called by this ref: it is the oldest member's.
    pub(super) fn called(self, person: usize, name: Option<u32>) -> Vec<Self> {
        let Some(name) = name else { return Vec::new() };
        let members = self.set(person);
        let holders = match self.people.iter().position(|it| it.name == Some(name)) {
            Some(holder) => vec![holder],
            None => members.iter().copied().filter(|it| self.people[*it].name.is_none()).collect(),
        };
        let oldest = |holder: usize| {
            let mut known = self.clone();
            if !members.contains(&holder) || !known.is_called(holder, name) {
                return None;
            }
            for other in members.iter().filter(|it| **it != holder) {
                let other = &mut known.people[*other];
                match other.name {
                    Some(other) if other < name => return None,
                    Some(_) => {}
                    None => other.younger_than = other.younger_than.max(Some(name)),
                }
            }
            Some(known)
        };
        holders.into_iter().filter_map(oldest).collect()
    }

    /// All that may be so when these are the members of a customer's set.
    pub(super) fn consists_of(self, person: usize, names: &[u32]) -> Vec<Self> {
        let members = self.set(person);
        let known: Vec<u32> = members.iter().filter_map(|it| self.people[*it].name).collect();
        let in_order = names.is_sorted() && known.iter().all(|it| names.contains(it));
        if members.len() != names.len() || !in_order {
            return Vec::new();
        }
        let new = names.iter().filter(|name| !known.contains(name));
        let mut all = vec![self];
        for name in new {
            let one = |known: Self| {
                let unnamed = members.iter().filter(|it| known.people[**it].name.is_none());
                let unnamed: Vec<usize> = unnamed.copied().collect();
                unnamed.into_iter().filter_map(move |it| {
                    let mut known = known.clone();
                    known.is_called(it, *name).then_some(known)
                })
            };
            all = all.into_iter().flat_map(one).collect();
        }
        all
    }

    /// Whether this may be a customer's own ref; remembers that it is.
    fn is_called(&mut self, person: usize, name: u32) -> bool {
        if let Some(known) = self.people[person].name {
            return known == name;
        }
        let fresh = self.people.iter().all(|other| other.name != Some(name));
        self.people[person].name = Some(name);
        fresh && self.people[person].younger_than < Some(name)
    }

    /// Settles an interaction: what it showed is the customer's from now on, but for what another
    /// member of their set has, and they have not.
    pub(super) fn settle(self, id: u16, person: usize) -> Vec<Self> {
        let shown = self.interactions[&id].shows.indexes();
        let others: Vec<usize> = self.set(person).into_iter().filter(|it| *it != person).collect();
        let mut all = vec![self];
        for index in shown {
            let one = |mut known: Self| {
                let owners = &mut known.owners[index];
                let held = !owners.contains(&person) && others.iter().any(|it| owners.contains(it));
                let reason = known.reason(id, person, index);
                if held || reason == Some(false) {
                    return vec![known];
                }
                let without = reason.is_none().then(|| known.clone());
                let new = known.owners[index].insert(person);
                let interaction = known.interaction(id);
                interaction.supports[index] = true;
                interaction.filed |= new;
                [known].into_iter().chain(without).collect()
            };
            all = all.into_iter().flat_map(one).collect();
        }
        for known in &mut all {
            // Somebody without any tie is held by their contacts alone.
            let unknown = known.owners.iter().all(|owners| !owners.contains(&person));
            let interaction = known.interaction(id);
            (interaction.person, interaction.settled) = (person, true);
            interaction.filed |= unknown || interaction.channel == Some(WRITTEN);
        }
        all
    }

    /// Once it has ended, an interaction is on file, and its customer has what it is a reason for,
    /// also where the tie went meanwhile with whatever else was a reason for it.
    pub(super) fn holding(self, id: u16) -> Vec<Self> {
        let Interaction { person, supports, .. } = self.interactions[&id];
        let mut all = vec![self];
        for index in (0..supports.len()).filter(|index| supports[*index]) {
            let one = |mut known: Self| {
                let reason = known.reason(id, person, index);
                if reason == Some(false) || known.owners[index].contains(&person) {
                    return vec![known];
                }
                let without = reason.is_none().then(|| known.clone());
                known.owners[index].insert(person);
                [known].into_iter().chain(without).collect()
            };
            all = all.into_iter().flat_map(one).collect();
        }
        all
    }

    /// Whether a contact is a reason for a customer to have an identifier: not when it was taken
    /// from them since the contact began. `None` when nobody knows which of the two was first.
    fn reason(&self, id: u16, person: usize, index: usize) -> Option<bool> {
        let begun = self.interactions[&id].begun.0;
        match self.untied.get(&(index, person)) {
            Some((earliest, _)) if begun <= *earliest => Some(false),
            Some((_, latest)) if begun <= *latest => None,
            _ => Some(true),
        }
    }

    /// Takes an interaction from its customer with all that it gave them; the ties stay for which
    /// there is another reason.
    pub(super) fn withdraw(mut self, id: u16) -> Vec<(Self, Words)> {
        let from = self.interaction(id).person;
        let words = self.unsay(id, from);
        let interaction = self.interaction(id);
        let supports = std::mem::take(&mut interaction.supports);
        (interaction.settled, interaction.filed) = (false, false);
        let mut all = vec![self];
        for index in (0..supports.len()).filter(|index| supports[*index]) {
            let one = |mut known: Self| {
                let on_file =
                    |it: &Interaction| it.person == from && it.filed && it.supports[index];
                let others = known.interactions.iter().filter(|(_, it)| on_file(it));
                let reasons: Vec<_> =
                    others.map(|(other, _)| known.reason(*other, from, index)).collect();
                if known.tied[index].contains(&from) || reasons.contains(&Some(true)) {
                    return vec![known];
                }
                let with = reasons.contains(&None).then(|| known.clone());
                known.owners[index].remove(&from);
                [known].into_iter().chain(with).collect()
            };
            all = all.into_iter().flat_map(one).collect();
        }
        all.into_iter().map(|known| (known, words.clone())).collect()
    }

    /// Takes what an interaction said from its customer: what hid its values stays behind.
    fn unsay(&mut self, id: u16, from: usize) -> Words {
        let person = &mut self.people[from];
        let own = |it: &(&(u16, u16), &Fact)| it.0.1 == id;
        let facts =
            person.facts.iter().filter(own).map(|((intent, _), fact)| (*intent, *fact)).collect();
        person.facts.retain(|(_, of), _| *of != id);
        let values = person.variables.iter().flat_map(|(name, sets)| {
            sets.iter().filter(|set| set.by == id).map(|set| (*name, *set))
        });
        let values: Vec<(u16, Set)> = values.collect();
        values.iter().for_each(|(name, set)| person.forget(*name, *set));
        let own = |(name, set): (u16, Set)| (name, Set { expire: set.own_expire, ..set });
        let values = values.into_iter().map(own).collect();
        Words { facts, values }
    }

    /// Whoever is left with nothing is gone, and their ref resolves to another. Whether what has
    /// expired is something is open: it may have been swept.
    pub(super) fn retire_if_empty(self, person: usize, to: usize, now: i64) -> Vec<Self> {
        let on_file = self.interactions.values().any(|it| it.person == person && it.filed);
        let owns = self.owners.iter().any(|owners| owners.contains(&person));
        let alone = self.set(person).len() == 1;
        let left = &self.people[person];
        let values = || left.variables.values().flatten();
        let says = !left.facts.is_empty() || values().any(|set| set.expire > now);
        if person == to || !alone || on_file || owns || says {
            return vec![self];
        }
        let swept = values().next().is_none();
        let mut gone = self.clone();
        gone.people[person].moved_to = Some(to);
        if swept { vec![gone] } else { vec![gone, self] }
    }

    /// Adds a value to a customer's. The newest by event time stands; of one moment, the one that
    /// was written later. What comes late ends with what hides it. Whether something that has
    /// expired still hides what was earlier, but is said later, is open: it may have been swept.
    pub(super) fn set_value(self, person: usize, name: u16, new: Set, now: i64) -> Vec<Self> {
        let hidden = self.people[person].standing(name).filter(|standing| standing.at > new.at);
        let mut all = Vec::new();
        if let Some(standing) = hidden {
            let mut known = self.clone();
            let late = Set { expire: new.expire.min(standing.expire), ..new };
            known.people[person].put(name, late);
            all.push(known);
        }
        if hidden.is_none_or(|standing| standing.expire <= now) {
            let mut known = self;
            if let Some(swept) = hidden {
                known.people[person].forget(name, swept);
            }
            known.people[person].put(name, new);
            all.push(known);
        }
        all
    }

    /// A value becomes another customer's. Whether one that has expired still does is open: it may
    /// have been swept, and then it hides nothing there.
    pub(super) fn takes_over(self, person: usize, name: u16, set: Set, now: i64) -> Vec<Self> {
        let swept = (set.expire <= now).then(|| self.clone());
        self.set_value(person, name, set, now).into_iter().chain(swept).collect()
    }

    /// An interaction that was looked at before, with its customer as they are now.
    pub(super) fn interaction(&mut self, id: u16) -> &mut Interaction {
        let person = self.resolve(self.interactions[&id].person);
        let interaction = self.interactions.get_mut(&id).expect("it was looked at before");
        interaction.person = person;
        interaction
    }

    pub(super) fn is_gone(&self, interaction: &Interaction) -> bool {
        self.people[interaction.person].removed
    }
}
