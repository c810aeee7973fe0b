//! Named values that do not expire. What a better-proven customer said of
//! themselves is not replaced by what anybody could have said.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::vocabulary::{Order, Sensitivity};
use crate::clock::Time;
use crate::identity::Assurance;
use crate::ids::Token;

/// Most profile attributes in an answer; the newest are kept.
pub const MAX_ATTRIBUTES: usize = 200;
/// Writes that one choice names at most of those that it was made over.
const MOST_OVERRULED: usize = 256;

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

/// The write that somebody said stands: what else was written of its name by those who were one person
/// then no longer counts beside it.
///
/// It is named and not copied. Once it is somebody else's again, or is taken out or erased, nothing of
/// it is left where it was chosen, and what it was chosen over counts as if nobody had said anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The contact or request that wrote it.
    pub of: Token,
    /// When it was written, which no other write of that name was.
    pub order: Order,
    /// What it was chosen over. `None` for a choice that a version before this list wrote: all that was
    /// written of its name before, whoever it was of.
    pub over: Option<Arc<Overruled>>,
}

/// What somebody saw when they chose. What others say who are one person with them later is news, however
/// long ago they said it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Overruled {
    /// When and by what contact or request it was written, in this order; the chosen write is among them.
    pub writes: Vec<(Order, Token)>,
    /// Whether there was more, older than those.
    pub with_older: bool,
}

impl Overruled {
    /// All that these say of a name; of so much that it is not named one by one, the newest.
    pub fn of(writes: &[AttributeWrite], name: &str) -> Self {
        let values = writes.iter().filter(|write| write.resolves.is_none() && write.name == name);
        let mut writes: Vec<(Order, Token)> = values.map(|write| (write.order, write.of)).collect();
        writes.sort_unstable();
        let older = writes.len().saturating_sub(MOST_OVERRULED);
        writes.drain(..older);
        Self { writes, with_older: older > 0 }
    }

    fn has(&self, write: &AttributeWrite) -> bool {
        let place = (write.order, write.of);
        let is_older = self.writes.first().is_some_and(|first| place < *first);
        (self.with_older && is_older) || self.writes.binary_search(&place).is_ok()
    }
}

impl AttributeWrite {
    /// Roughly how many bytes of memory its texts and lists take.
    pub fn bytes_beside(&self) -> usize {
        let text = self.name.len() + self.value.as_ref().map_or(0, String::len);
        let over = self.resolves.as_ref().and_then(|chosen| chosen.over.as_ref());
        text + over.map_or(0, |over| over.writes.len() * size_of::<(Order, Token)>())
    }
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
    by_age.sort_by_key(|write| Reverse((write.set, write.order)));
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

/// Somebody's word on what stands, whose choice is on file.
struct Word<'w> {
    said: &'w AttributeWrite,
    chosen: &'w Chosen,
}

impl Word<'_> {
    fn chooses(&self, write: &AttributeWrite) -> bool {
        (self.chosen.order, self.chosen.of) == (write.order, write.of)
    }

    /// Whether it says anything of a write of that name.
    fn decides(&self, write: &AttributeWrite) -> bool {
        let overrules = match &self.chosen.over {
            Some(over) => over.has(write),
            None => write.order < self.said.order,
        };
        overrules || self.chooses(write)
    }
}

/// Writes that count: what somebody chose another one over does not, and the chosen one is as strong as
/// their word. Of several words on one write the newest counts.
fn unresolved(writes: &[AttributeWrite]) -> Vec<Counting<'_>> {
    let words = words(writes);
    let values = writes.iter().filter(|write| write.resolves.is_none());
    let counting = values.filter_map(|write| {
        let own = (write.assurance, write.set, write.order);
        let mut of_name = words.get(write.name.as_str()).into_iter().flatten();
        let (assurance, set, order) = match of_name.find(|word| word.decides(write)) {
            Some(word) if word.chooses(write) => {
                let said = word.said;
                (own.0.max(said.assurance), own.1.max(said.set), own.2.max(said.order))
            }
            Some(_) => return None,
            None => own,
        };
        Some(Counting { write, strength: (assurance, set, order, write.value.is_none()) })
    });
    counting.collect()
}

/// By name, everybody's word on what stands whose choice is on file, the newest first.
fn words(writes: &[AttributeWrite]) -> BTreeMap<&str, Vec<Word<'_>>> {
    let mut words: BTreeMap<&str, Vec<Word<'_>>> = BTreeMap::new();
    if writes.iter().all(|write| write.resolves.is_none()) {
        return words;
    }
    let values = writes.iter().filter(|write| write.resolves.is_none());
    let values: BTreeSet<(Order, Token, &str)> =
        values.map(|write| (write.order, write.of, write.name.as_str())).collect();
    for said in writes {
        let Some(chosen) = &said.resolves else { continue };
        if values.contains(&(chosen.order, chosen.of, said.name.as_str())) {
            words.entry(&said.name).or_default().push(Word { said, chosen });
        }
    }
    for of_name in words.values_mut() {
        of_name.sort_by_key(|word| Reverse(word.said.order));
    }
    words
}

#[cfg(test)]
mod tests;
