//! A person who is erased, as previewed and not otherwise; a key that is revoked.
//!
//! Whoever is erased goes with everybody who is one person with them, with every ref that names one of
//! them, and with all interactions that are theirs, settled or not. What is somebody else's by now
//! stays theirs.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::calls::{Counts, Input, Output, Whom};
use super::known::{Interaction, Known};
use super::model::{is, one_if};
use super::person::Person;

/// A revoked key may be trusted for so long, in milliseconds.
const TRUSTED_FOR: i64 = 1_000;

/// Who would go, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Previewed {
    /// Everybody who would, and whoever's ref names one of them.
    everybody: BTreeSet<usize>,
    /// Of all that would be seen to go with them.
    content: u64,
    /// How often something of them was written until then. What is written again as it was may, or
    /// may not, be taken for a change.
    writes: u32,
}

impl Known {
    pub(super) fn preview(&self, number: u16, whom: Whom, output: Option<&Output>) -> Vec<Self> {
        let person = match self.meant(whom) {
            Ok(person) => person,
            Err(why) => return one_if(is(output, &why), self.clone()),
        };
        match output {
            None => vec![self.clone()],
            Some(Output::Previewed { set }) => {
                let mut known = self.clone();
                known.previews.insert(number, self.would_go(person));
                known.consists_of(person, set)
            }
            Some(_) => Vec::new(),
        }
    }

    pub(super) fn erase(
        &self,
        number: u16,
        (of, whom): (u16, Whom),
        output: Option<&Output>,
    ) -> Vec<Self> {
        if let Some(counts) = self.erasures.get(&number) {
            return one_if(is(output, &Output::Gone(*counts)), self.clone());
        }
        let person = match self.meant(whom) {
            Ok(person) => person,
            Err(why) => return one_if(is(output, &why), self.clone()),
        };
        let (now, seen) = (self.would_go(person), self.previews.get(&of));
        let unchanged = seen == Some(&now);
        if output == Some(&Output::Outdated) {
            return one_if(!unchanged, self.clone());
        }
        let same =
            seen.is_some_and(|it| (&it.everybody, it.content) == (&now.everybody, now.content));
        let counts = self.counts(&now.everybody);
        if !same || !is(output, &Output::Gone(counts)) {
            return Vec::new();
        }
        let mut after = self.without(&now.everybody);
        after.erasures.insert(number, counts);
        vec![after]
    }

    fn would_go(&self, person: usize) -> Previewed {
        let set = self.set(person);
        let all = 0..self.people.len();
        let everybody: BTreeSet<usize> =
            all.filter(|it| set.contains(&self.resolve(*it))).collect();
        let mut content = DefaultHasher::new();
        for one in &everybody {
            let Person { variables, facts, .. } = &self.people[*one];
            let owns = self.owners.each_ref().map(|owners| owners.contains(one));
            (variables, facts, owns).hash(&mut content);
        }
        let theirs = self.interactions.iter().filter(|(_, it)| everybody.contains(&it.person));
        theirs.for_each(|(id, _)| id.hash(&mut content));
        let writes = everybody.iter().map(|it| self.people[*it].writes).sum();
        Previewed { everybody, content: content.finish(), writes }
    }

    fn counts(&self, everybody: &BTreeSet<usize>) -> Counts {
        let ties = self.owners.iter().map(|owners| owners.intersection(everybody).count());
        let theirs = self.interactions.values().filter(|it| everybody.contains(&it.person));
        Counts {
            customers: everybody.len() as i32,
            interactions: theirs.count() as i32,
            identifiers: ties.sum::<usize>() as i32,
        }
    }

    fn without(&self, everybody: &BTreeSet<usize>) -> Self {
        let mut after = self.clone();
        for one in everybody {
            let Person { name, younger_than, .. } = after.people[*one];
            after.people[*one] = Person { name, younger_than, erased: true, ..Person::default() };
        }
        for owners in after.owners.iter_mut().chain(&mut after.tied) {
            owners.retain(|it| !everybody.contains(it));
        }
        after.untied.retain(|(_, of), _| !everybody.contains(of));
        for interaction in after.interactions.values_mut() {
            interaction.called_as.retain(|it| !everybody.contains(it));
            let person = interaction.person;
            if everybody.contains(&person) {
                *interaction = Interaction { person, ..Interaction::default() };
            }
        }
        for merge in after.merges.values_mut() {
            let (one, other) = merge.between;
            if everybody.contains(&one) || everybody.contains(&other) {
                (merge.in_force, merge.lost) = (false, true);
            }
        }
        after
    }

    /// Whether an interaction went with its person.
    pub(super) fn is_erased(&self, id: u16) -> bool {
        let person = self.interactions.get(&id).map(|it| self.resolve(it.person));
        person.is_some_and(|person| self.people[person].erased)
    }

    pub(super) fn revoke(&self, key: u8, input: &Input) -> Vec<Self> {
        let mut after = self.clone();
        after.revoked.insert(key, input.elapsed.1);
        vec![after]
    }

    /// Whether the key of a request was refused everywhere when the request was made.
    pub(super) fn has_ended(&self, input: &Input) -> bool {
        let told = self.revoked.get(&input.key);
        told.is_some_and(|told| input.elapsed.0 > told.saturating_add(TRUSTED_FOR))
    }
}
