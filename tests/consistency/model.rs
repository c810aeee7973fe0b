//! The contract, small and pure: whose an interaction is, and what is shown of them.
//!
//! People stay who they are: a merge is an edge between two, and whoever edges hold together is one
//! person. What is said is written to one of them, and shown of all of them together.
//!
//! A world of two identifiers, `crm_id` and `user_id`, each CARRIED: known, either alone is enough
//! for `reuse`. Written from the contract's semantics and not from the code; no clock, no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::{Asked, Input, Output, Recommended, Said, Shown, Shows};
use super::known::{Ending, Interaction, Known};
use super::person::{Fact, Person, Set, is_shown};
use super::wgl::Model;

/// The model, and where it looks away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contract {
    /// Customers are purged here. A read takes several looks, at the interaction and at its
    /// customer: one who was old enough, and was purged between them, is answered without context.
    pub(crate) purges: bool,
}

impl Model for Contract {
    type State = Known;
    type Input = Input;
    type Output = Output;

    fn first(&self) -> Known {
        Known::default()
    }

    fn step(&self, known: &Known, input: &Input, output: Option<&Output>) -> Vec<Known> {
        if output == Some(&Output::NotLetIn) {
            return one_if(known.revoked.contains_key(&input.key), known.clone());
        }
        if known.has_ended(input) {
            return Vec::new();
        }
        if input.asked.interaction().is_some_and(|id| known.is_erased(id)) {
            return one_if(is(output, &Output::Erased), known.clone());
        }
        match &input.asked {
            Asked::Start { id, shows, channel, .. } => {
                self.start(known, input, (*id, *shows, *channel), output)
            }
            Asked::Update { id, update, said } => known.update(input, (*id, *update), said, output),
            Asked::End { id, .. } => known.end(input, *id, output),
            Asked::Get { id } => self.get(known, input, *id, output),
            Asked::Merge { number, one, other } => known.merge(*number, (*one, *other), output),
            Asked::Unmerge { number, which } => known.unmerge(*number, *which, output),
            Asked::Reassign { .. } => known.reassign(input, output),
            Asked::Tie { .. } => known.tie(input, output),
            Asked::Look { whom } => known.look(*whom, input, output),
            Asked::Preview { number, whom } => known.preview(*number, *whom, output),
            Asked::Erase { number, of, whom } => known.erase(*number, (*of, *whom), output),
            Asked::Revoke { key } => known.revoke(*key, input),
            Asked::Age => vec![known.aged()],
            Asked::Sweep => known.swept(output),
        }
    }
}

/// Whether an answer, if there is one, is this. The answer to the first half of a call is in its
/// second half.
pub(super) fn is(output: Option<&Output>, expected: &Output) -> bool {
    output.is_none_or(|output| output == expected || *output == Output::Accepted)
}

pub(super) fn one_if(allowed: bool, known: Known) -> Vec<Known> {
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
            return begun.into_iter().flat_map(|it| self.answers(it, id, input, output)).collect();
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
                after.written(id);
                let interaction = after.interaction(id);
                interaction.channel = Some(channel);
                let (start, given) = begun(input);
                if given && !interaction.begun.1 {
                    let end = interaction.ending.as_ref().map_or(i64::MAX, |ending| ending.time);
                    interaction.begun = (start.min(end), true);
                }
            }
        }
        self.answers(after, id, input, output)
    }

    fn get(&self, known: &Known, input: &Input, id: u16, output: Option<&Output>) -> Vec<Known> {
        match known.interactions.get(&id) {
            Some(interaction) if !known.is_gone(interaction) => {
                self.answers(known.clone(), id, input, output)
            }
            _ => one_if(is(output, &Output::NotFound), known.clone()),
        }
    }

    /// What may be known once the interaction was answered so; nothing when that answer is wrong.
    fn answers(
        &self,
        mut known: Known,
        id: u16,
        input: &Input,
        output: Option<&Output>,
    ) -> Vec<Known> {
        let Some(output) = output.filter(|it| **it != Output::Accepted) else { return vec![known] };
        let Output::Answered { customer, new, recommended, shown } = output else {
            return Vec::new();
        };
        let interaction = known.interaction(id).clone();
        let is_new = known.is_new(id);
        let expected = match (interaction.settled, is_new) {
            (false, _) => Recommended::Confirm,
            (true, true) => Recommended::Ignore,
            (true, false) => Recommended::Reuse,
        };
        let person = interaction.person;
        let context = if expected == Recommended::Reuse {
            is_shown(&known.members(person), shown, input.span())
                || (self.purges && known.people[person].old && *shown == Shown::default())
        } else {
            *shown == Shown::default()
        };
        let right = is_new == *new && *recommended == expected && context;
        if right { known.called(person, *customer) } else { Vec::new() }
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
    /// The first decision on an interaction: all that it may be.
    ///
    /// How sure the rules are where two people have one identifier is not the model's: then they
    /// may ask, or take nobody for known.
    fn decided(&self, id: u16, shows: Shows, channel: Option<u8>, begun: (i64, bool)) -> Vec<Self> {
        let owning: Vec<BTreeSet<usize>> = shows
            .indexes()
            .map(|index| self.owners[index].iter().map(|it| self.set(*it)[0]).collect())
            .filter(|sets: &BTreeSet<usize>| !sets.is_empty())
            .collect();
        let begin = |person: Option<usize>, settled: bool| {
            let mut known = self.clone();
            let made = person.is_none();
            let person = person.unwrap_or_else(|| {
                known.people.push(Person::default());
                known.people.len() - 1
            });
            known.interactions.insert(
                id,
                Interaction {
                    person,
                    settled,
                    shows,
                    supports: [false; 2],
                    filed: false,
                    begun,
                    made,
                    called_as: BTreeSet::new(),
                    confirmed: false,
                    channel,
                    updates: BTreeMap::new(),
                    reassigned: BTreeSet::new(),
                    intents: BTreeMap::new(),
                    ending: None,
                },
            );
            known.written(id);
            if settled { known.settle(id, person) } else { vec![known] }
        };
        let candidates: BTreeSet<usize> = owning.iter().flatten().copied().collect();
        let shared = owning.iter().any(|sets| sets.len() > 1);
        let mut all = Vec::new();
        let mut may_be_new = candidates.is_empty();
        for candidate in candidates {
            let matched = || owning.iter().filter(|sets| sets.contains(&candidate));
            let conflict = matched().count() < owning.len();
            let on_one_shared = matched().count() == 1 && matched().all(|sets| sets.len() > 1);
            let reuse = !conflict && !on_one_shared;
            may_be_new |= shared && !conflict;
            let own = |it: &usize| shows.indexes().any(|index| self.owners[index].contains(it));
            for member in self.set(candidate).into_iter().filter(own) {
                // Two people's identifiers at once: somebody has to ask which of them it is.
                if !reuse || shared {
                    all.extend(begin(Some(member), false));
                }
                if reuse {
                    all.extend(begin(Some(member), true));
                }
            }
        }
        if may_be_new {
            all.extend(begin(None, true));
        }
        all
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
        after.written(id);
        let own = after.interaction(id);
        own.updates.insert(update, said.content);
        own.intents.extend(said.intents.iter().map(|(intent, it)| (*intent, (*it, input.now))));
        if !interaction.settled {
            return vec![after];
        }
        let (person, counts) = (own.person, interaction.ending.is_some());
        for (intent, status) in &said.intents {
            let fact = Fact { time: input.now, status: *status, counts };
            after.people[person].facts.insert((*intent, id), fact);
        }
        after.setting(id, said, input.now, input)
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
        self.clone().acknowledged(id, output)
    }

    /// The end is written.
    fn ended(mut self, input: &Input, id: u16, output: Option<&Output>) -> Vec<Self> {
        let Asked::End { revision, said, time, .. } = &input.asked else { return Vec::new() };
        self.written(id);
        let interaction = self.interaction(id);
        let amends = interaction.ending.is_some();
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
        // What an amendment says without a time is said when it is made, but for what it only repeats.
        let untimed = amends && time.is_none();
        let at = if untimed { ending.time.max(input.now) } else { ending.time };
        for (intent, status) in &said.intents {
            let known = interaction.intents.get(intent);
            if !untimed || known.is_none_or(|(before, _)| before != status) {
                interaction.intents.insert(*intent, (*status, at));
            }
        }
        interaction.filed = true;
        let (person, settled) = (interaction.person, interaction.settled);
        let intents = interaction.intents.clone();
        let mut after = vec![self];
        if settled {
            let known = &mut after[0].people[person];
            for (intent, (status, time)) in intents {
                known.facts.insert((intent, id), Fact { time, status, counts: true });
            }
            let held = after[0].clone().holding(id).into_iter();
            after = held.flat_map(|known| known.setting(id, said, at, input)).collect();
        }
        after.into_iter().flat_map(|it| it.acknowledged(id, output)).collect()
    }

    /// What an interaction sets is its customer's.
    fn setting(self, id: u16, said: &Said, at: i64, input: &Input) -> Vec<Self> {
        let person = self.interactions[&id].person;
        let mut all = vec![self];
        for setting in &said.settings {
            let expire = at + setting.ttl_seconds * 1_000;
            let new = Set { at, value: setting.value, expire, own_expire: expire, by: id };
            let put = |known: Self| known.set_value(person, setting.name, new, input.span().1);
            all = all.into_iter().flat_map(put).collect();
        }
        all
    }

    fn acknowledged(mut self, id: u16, output: Option<&Output>) -> Vec<Self> {
        let person = self.interaction(id).person;
        match output {
            None | Some(Output::Accepted) => vec![self],
            Some(Output::Ended { customer }) => self.called(person, *customer),
            Some(_) => Vec::new(),
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
                for owners in &mut after.owners {
                    owners.remove(&index);
                }
            }
        }
        one_if(is(output, &Output::Done), after)
    }
}
