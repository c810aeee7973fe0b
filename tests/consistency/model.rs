//! The contract, small and pure: whose an interaction is, and what is shown of them.
//!
//! A world of two identifiers, `crm_id` and `user_id`, each CARRIED: known, either alone is enough
//! for `reuse`. Written from the contract's semantics and not from the code; no clock, no I/O.

use std::collections::BTreeMap;

use super::calls::{Asked, Input, Output, Recommended, Said, Shown, Shows, Status};
use super::person::{Fact, Person, Set};
use super::wgl::Model;

/// The model, and where it looks away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contract {
    /// Customers are purged here. A read takes several looks, at the interaction and at its
    /// customer: one who was old enough, and was purged between them, is answered without context.
    pub(crate) purges: bool,
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
    /// When it began, and whether the caller said so.
    begun: (i64, bool),
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
            Asked::Start { id, shows, channel, .. } => {
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

/// Whether an answer, if there is one, is this. The answer to the first half of a call is in its
/// second half.
fn is(output: Option<&Output>, expected: &Output) -> bool {
    output.is_none_or(|output| output == expected || *output == Output::Accepted)
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
            let begun = known.decided(id, shows, Some(channel), begun(input));
            return begun
                .into_iter()
                .filter_map(|it| self.answers(it, id, input, output))
                .collect();
        };
        if known.is_gone(interaction) {
            // All it said is gone; only that it took place is known.
            return one_if(
                output.is_none_or(|it| *it == Output::Accepted || says_removed(it)),
                known.clone(),
            );
        }
        let mut after = known.clone();
        match interaction.channel {
            Some(first) if first != channel => {
                return one_if(is(output, &Output::Conflict), after);
            }
            Some(_) => {}
            None => {
                let interaction = after.interaction(id);
                interaction.channel = Some(channel);
                let (start, given) = begun(input);
                if given && !interaction.begun.1 {
                    let end = interaction.ending.as_ref().map_or(i64::MAX, |ending| ending.time);
                    interaction.begun = (start.min(end), true);
                }
            }
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
        let Some(output) = output.filter(|it| **it != Output::Accepted) else { return Some(known) };
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
            known.people[person].is_shown(shown, input.span())
                || (self.purges && known.people[person].old && *shown == Shown::default())
        } else {
            *shown == Shown::default()
        };
        (named && *recommended == expected && context).then_some(known)
    }
}

/// When an interaction began that this call begins, and whether its caller said so. Of an end
/// without a start, only the end is known.
fn begun(input: &Input) -> (i64, bool) {
    match input.asked {
        Asked::Start { time, .. } => (time.unwrap_or(input.now), time.is_some()),
        Asked::End { time, .. } => (time.unwrap_or(input.now), false),
        _ => (input.now, false),
    }
}

/// The answer to a start whose customer was removed.
fn says_removed(output: &Output) -> bool {
    match output {
        Output::Answered { customer, shown, .. } => {
            customer.is_none() && *shown == Shown::default()
        }
        _ => false,
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
    fn decided(&self, id: u16, shows: Shows, channel: Option<u8>, begun: (i64, bool)) -> Vec<Self> {
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
                Interaction { person, settled, begun, made, channel, updates, intents, ending },
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
        if output.is_some_and(|output| *output != Output::Accepted) {
            return Vec::new();
        }
        let own = after.interaction(id);
        own.updates.insert(update, said.content);
        own.intents.extend(said.intents.iter().copied());
        if !interaction.settled {
            return vec![after];
        }
        let counts = interaction.ending.is_some();
        for (intent, status) in &said.intents {
            let fact = Fact { time: input.now, status: *status, counts };
            after.people[interaction.person].facts.insert((*intent, id), fact);
        }
        after.set(interaction.person, said, input.now, input)
    }

    fn end(&self, input: &Input, id: u16, output: Option<&Output>) -> Vec<Self> {
        let Asked::End { shows, revision, said, time, .. } = &input.asked else {
            return Vec::new();
        };
        let Some(interaction) = self.interactions.get(&id) else {
            let begun = self.decided(id, *shows, None, begun(input)).into_iter();
            return begun.flat_map(|it| it.ended(input, id, output)).collect();
        };
        if self.is_gone(interaction) {
            return one_if(is(output, &Output::Ended { customer: None }), self.clone());
        }
        let before_start = time.is_some_and(|at| interaction.begun.1 && at < interaction.begun.0);
        if before_start && output == Some(&Output::Refused) {
            // Also what would be ignored otherwise.
            return vec![self.clone()];
        }
        let amends = match (&interaction.ending, revision) {
            (None, _) => true,
            (Some(ending), Some(revision)) => ending.revision.is_none_or(|known| *revision > known),
            (Some(ending), None) if ending.plain == Some(said.content) => false,
            (Some(_), None) => return one_if(is(output, &Output::Conflict), self.clone()),
        };
        if amends && before_start {
            return one_if(is(output, &Output::Refused), self.clone());
        }
        if amends {
            return self.clone().ended(input, id, output);
        }
        self.clone().acknowledged(id, output).into_iter().collect()
    }

    /// The end is written.
    fn ended(mut self, input: &Input, id: u16, output: Option<&Output>) -> Vec<Self> {
        let Asked::End { revision, said, time, .. } = &input.asked else { return Vec::new() };
        let interaction = self.interaction(id);
        let ending = interaction.ending.get_or_insert_with(|| Ending {
            // Of an end that does not say when, the time is when it was made.
            time: input.now,
            ..Ending::default()
        });
        // It cannot have ended before it began.
        ending.time = time.unwrap_or(ending.time).max(interaction.begun.0);
        ending.revision = revision.or(ending.revision);
        if revision.is_none() {
            ending.plain = Some(said.content);
        }
        interaction.intents.extend(said.intents.iter().copied());
        let (at, person, settled) = (ending.time, interaction.person, interaction.settled);
        let intents = interaction.intents.clone();
        let mut after = vec![self];
        if settled {
            let known = &mut after[0].people[person];
            for (intent, status) in intents {
                known.facts.insert((intent, id), Fact { time: at, status, counts: true });
            }
            after = after[0].clone().set(person, said, at, input);
        }
        after.into_iter().filter_map(|it| it.acknowledged(id, output)).collect()
    }

    /// The newest by event time stands; of one moment, the one that was written later. Whether
    /// something that has expired still hides what was earlier, but is said later, is open: it
    /// may have been swept.
    fn set(self, person: usize, said: &Said, at: i64, input: &Input) -> Vec<Self> {
        let mut all = vec![self];
        for setting in &said.settings {
            let new = Set { at, value: setting.value, expire: at + setting.ttl_seconds * 1_000 };
            let standing = all[0].people[person].variables.get(&setting.name).copied();
            let hidden = standing.filter(|standing| standing.at > at);
            let mut others = match hidden {
                Some(standing) if standing.expire <= input.span().1 => all.clone(),
                _ => Vec::new(),
            };
            if hidden.is_none_or(|standing| standing.expire <= input.span().1) {
                for known in &mut all {
                    known.people[person].variables.insert(setting.name, new);
                }
            }
            all.append(&mut others);
        }
        all
    }

    fn acknowledged(mut self, id: u16, output: Option<&Output>) -> Option<Self> {
        let person = self.interactions.get(&id)?.person;
        match output {
            None | Some(Output::Accepted) => Some(self),
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
