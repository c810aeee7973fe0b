//! The contract, small and pure: whose an interaction is, and what is shown of them.
//!
//! A world of two identifiers, `crm_id` and `user_id`, each CARRIED: known, either alone is enough
//! for `reuse`. Written from the contract's semantics and not from the code; no clock, no I/O.

use std::collections::BTreeMap;

use super::calls::{Asked, Input, Output, Recommended, Said, Shown, Shows, Status};
use super::wgl::Model;

/// The model, and where it looks away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contract {
    /// Customers are purged here. A read takes two looks, at the interaction and at its customer:
    /// one that was purged between them is answered without context.
    pub(crate) purges: bool,
}

/// A variable as it was last set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Set {
    at: i64,
    value: u32,
    expire: i64,
}

/// What one interaction said of one matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fact {
    time: i64,
    status: Status,
    counts: bool,
}

/// A customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Person {
    /// The ref, once an answer has shown it.
    name: Option<u32>,
    removed: bool,
    old: bool,
    variables: BTreeMap<u16, Set>,
    /// By intent and interaction.
    facts: BTreeMap<(u16, u16), Fact>,
}

/// An end, with its amendments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ending {
    time: i64,
    revision: Option<i64>,
    /// The content of the end that had no revision.
    plain: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Interaction {
    person: usize,
    settled: bool,
    /// It made its customer: there is nothing earlier to show.
    made: bool,
    /// The channel of its start; none while only its end is known.
    channel: Option<u8>,
    /// Content by update.
    updates: BTreeMap<u8, u32>,
    intents: BTreeMap<u16, Status>,
    ending: Option<Ending>,
}

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    owners: [Option<usize>; 2],
    people: Vec<Person>,
    interactions: BTreeMap<u16, Interaction>,
}

impl Model for Contract {
    type State = Known;
    type Input = Input;
    type Output = Output;

    fn first(&self) -> Known {
        Known::default()
    }

    fn step(&self, known: &Known, input: &Input, output: Option<&Output>) -> Vec<Known> {
        match &input.asked {
            Asked::Start { id, shows, channel } => {
                self.start(known, input, (*id, *shows, *channel), output)
            }
            Asked::Update { id, update, said } => known.update(input, (*id, *update), said, output),
            Asked::End { id, .. } => known.end(input, *id, output),
            Asked::Get { id } => self.get(known, input, *id, output),
            Asked::Age => vec![known.aged()],
            Asked::Sweep => known.swept(output),
        }
    }
}

/// Whether an answer, if there is one, is this.
fn is(output: Option<&Output>, expected: &Output) -> bool {
    output.is_none_or(|output| output == expected)
}

fn one_if(allowed: bool, known: Known) -> Vec<Known> {
    if allowed { vec![known] } else { Vec::new() }
}

impl Contract {
    fn start(
        &self,
        known: &Known,
        input: &Input,
        (id, shows, channel): (u16, Shows, u8),
        output: Option<&Output>,
    ) -> Vec<Known> {
        let Some(interaction) = known.interactions.get(&id) else {
            let begun = known.decided(id, shows, Some(channel));
            return begun
                .into_iter()
                .filter_map(|it| self.answers(it, id, input, output))
                .collect();
        };
        if known.is_gone(interaction) {
            // All it said is gone; only that it took place is known.
            return one_if(output.is_none_or(says_removed), known.clone());
        }
        let mut after = known.clone();
        match interaction.channel {
            Some(first) if first != channel => {
                return one_if(is(output, &Output::Conflict), after);
            }
            Some(_) => {}
            None => after.interaction(id).channel = Some(channel),
        }
        self.answers(after, id, input, output).into_iter().collect()
    }

    fn get(&self, known: &Known, input: &Input, id: u16, output: Option<&Output>) -> Vec<Known> {
        match known.interactions.get(&id) {
            Some(interaction) if !known.is_gone(interaction) => {
                self.answers(known.clone(), id, input, output).into_iter().collect()
            }
            _ => one_if(is(output, &Output::NotFound), known.clone()),
        }
    }

    /// What is known once the interaction was answered so; `None` when that answer is wrong.
    fn answers(
        &self,
        mut known: Known,
        id: u16,
        input: &Input,
        output: Option<&Output>,
    ) -> Option<Known> {
        let Some(output) = output else { return Some(known) };
        let Output::Answered { customer, new, recommended, shown } = output else { return None };
        let interaction = known.interactions.get(&id)?.clone();
        if interaction.made != *new {
            return None;
        }
        let expected = match (interaction.settled, interaction.made) {
            (false, _) => Recommended::Confirm,
            (true, true) => Recommended::Ignore,
            (true, false) => Recommended::Reuse,
        };
        let person = interaction.person;
        let named = known.is_named(person, *customer);
        let context = if *recommended == Recommended::Reuse {
            known.people[person].is_shown(shown, (input.now, input.answered))
                || (self.purges && *shown == Shown::default())
        } else {
            *shown == Shown::default()
        };
        (named && *recommended == expected && context).then_some(known)
    }
}

/// The answer to a start whose customer was removed.
fn says_removed(output: &Output) -> bool {
    match output {
        Output::Answered { customer, shown, .. } => {
            customer.is_none() && *shown == Shown::default()
        }
        // It was removed between two looks.
        other => *other == Output::NotFound,
    }
}

impl Known {
    fn interaction(&mut self, id: u16) -> &mut Interaction {
        self.interactions.get_mut(&id).expect("it was looked at before")
    }

    fn is_gone(&self, interaction: &Interaction) -> bool {
        self.people[interaction.person].removed
    }

    /// The first decision on an interaction: all that it may be.
    fn decided(&self, id: u16, shows: Shows, channel: Option<u8>) -> Vec<Self> {
        let mut owners: Vec<usize> = shows.indexes().filter_map(|it| self.owners[it]).collect();
        owners.dedup();
        let begin = |person: usize, settled: bool, made: bool| {
            let mut known = self.clone();
            if made {
                known.people.push(Person::default());
            }
            if settled {
                // Whatever was shown is the customer's from now on.
                shows.indexes().for_each(|it| known.owners[it] = Some(person));
            }
            let (updates, intents) = (BTreeMap::new(), BTreeMap::new());
            let ending = None;
            known.interactions.insert(
                id,
                Interaction { person, settled, made, channel, updates, intents, ending },
            );
            known
        };
        match owners[..] {
            [] => vec![begin(self.people.len(), true, true)],
            [one] => vec![begin(one, true, false)],
            // Two people's identifiers at once: somebody has to ask which of them it is.
            _ => owners.into_iter().map(|it| begin(it, false, false)).collect(),
        }
    }

    /// Whether a ref may be this customer's; remembers that it is.
    fn is_named(&mut self, person: usize, name: Option<u32>) -> bool {
        let Some(name) = name else { return false };
        if let Some(known) = self.people[person].name {
            return known == name;
        }
        let fresh = self.people.iter().all(|other| other.name != Some(name));
        self.people[person].name = Some(name);
        fresh
    }

    fn update(
        &self,
        input: &Input,
        (id, update): (u16, u8),
        said: &Said,
        output: Option<&Output>,
    ) -> Vec<Self> {
        let mut after = self.clone();
        let Some(interaction) = self.interactions.get(&id).filter(|it| !self.is_gone(it)) else {
            return one_if(is(output, &Output::NotFound), after);
        };
        if let Some(content) = interaction.updates.get(&update) {
            let same = *content == said.content;
            let expected = if same { Output::Accepted } else { Output::Conflict };
            return one_if(is(output, &expected), after);
        }
        let own = after.interaction(id);
        own.updates.insert(update, said.content);
        own.intents.extend(said.intents.iter().copied());
        if interaction.settled {
            let person = &mut after.people[interaction.person];
            let counts = interaction.ending.is_some();
            for (intent, status) in &said.intents {
                let fact = Fact { time: input.now, status: *status, counts };
                person.facts.insert((*intent, id), fact);
            }
            person.set(said, input.now);
        }
        one_if(is(output, &Output::Accepted), after)
    }

    fn end(&self, input: &Input, id: u16, output: Option<&Output>) -> Vec<Self> {
        let Asked::End { shows, revision, said, time, .. } = &input.asked else {
            return Vec::new();
        };
        let Some(interaction) = self.interactions.get(&id) else {
            let begun = self.decided(id, *shows, None).into_iter();
            return begun.filter_map(|it| it.ended(input, id, output)).collect();
        };
        if self.is_gone(interaction) {
            return one_if(is(output, &Output::Ended { customer: None }), self.clone());
        }
        let amends = match (&interaction.ending, revision) {
            (None, _) => true,
            (Some(ending), Some(revision)) => ending.revision.is_none_or(|known| *revision > known),
            (Some(ending), None) if ending.plain == Some(said.content) => false,
            (Some(_), None) => return one_if(is(output, &Output::Conflict), self.clone()),
        };
        if amends {
            debug_assert!(time.is_some() || input.now > 0);
            return self.clone().ended(input, id, output).into_iter().collect();
        }
        self.clone().acknowledged(id, output).into_iter().collect()
    }

    /// The end is written.
    fn ended(mut self, input: &Input, id: u16, output: Option<&Output>) -> Option<Self> {
        let Asked::End { revision, said, time, .. } = &input.asked else { return None };
        let interaction = self.interaction(id);
        let ending = interaction.ending.get_or_insert_with(|| Ending {
            // Of an end that does not say when, the time is when it was made.
            time: input.now,
            ..Ending::default()
        });
        ending.time = time.unwrap_or(ending.time);
        ending.revision = revision.or(ending.revision);
        if revision.is_none() {
            ending.plain = Some(said.content);
        }
        interaction.intents.extend(said.intents.iter().copied());
        let (at, person, settled) = (ending.time, interaction.person, interaction.settled);
        let intents = interaction.intents.clone();
        if settled {
            let person = &mut self.people[person];
            for (intent, status) in intents {
                person.facts.insert((intent, id), Fact { time: at, status, counts: true });
            }
            person.set(said, at);
        }
        self.acknowledged(id, output)
    }

    fn acknowledged(mut self, id: u16, output: Option<&Output>) -> Option<Self> {
        let person = self.interactions.get(&id)?.person;
        match output {
            None => Some(self),
            Some(Output::Ended { customer }) => self.is_named(person, *customer).then_some(self),
            Some(_) => None,
        }
    }

    fn aged(&self) -> Self {
        let mut after = self.clone();
        after.people.iter_mut().for_each(|person| person.old = true);
        after
    }

    /// A sweep that answered has removed all who are old; of another nobody knows.
    fn swept(&self, output: Option<&Output>) -> Vec<Self> {
        let mut after = self.clone();
        for (index, person) in after.people.iter_mut().enumerate() {
            if person.old && !person.removed {
                let name = person.name;
                *person = Person { name, removed: true, old: true, ..Person::default() };
                after.owners.iter_mut().filter(|it| **it == Some(index)).for_each(|it| *it = None);
            }
        }
        one_if(is(output, &Output::Done), after)
    }
}

impl Person {
    /// The newest by event time stands; of one moment, the one that was written later.
    fn set(&mut self, said: &Said, at: i64) {
        for setting in &said.settings {
            let new = Set { at, value: setting.value, expire: at + setting.ttl_seconds * 1_000 };
            let standing = self.variables.entry(setting.name).or_insert(new);
            if new.at >= standing.at {
                *standing = new;
            }
        }
    }

    /// Whether this may be shown by an answer that was made between two moments.
    fn is_shown(&self, shown: &Shown, (from, until): (i64, i64)) -> bool {
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
