//! Two customers as one person, two again; a contact that is somebody else's; ties that are made
//! and taken away beside any contact.

use super::calls::{Asked, Input, Output, Which, Whom};
use super::known::{Known, Merge};
use super::model::{is, one_if};
use super::person::Person;

impl Known {
    /// An edge between two; whoever they are, they stay.
    pub(super) fn merge(
        &self,
        number: u16,
        (one, other): (Whom, Whom),
        output: Option<&Output>,
    ) -> Vec<Self> {
        if self.merges.contains_key(&number) {
            return self.clone().joined(number, output);
        }
        let (one, other) = match (self.meant(one), self.meant(other)) {
            (Ok(one), Ok(other)) => (one, other),
            (Err(why), _) | (_, Err(why)) => return one_if(is(output, &why), self.clone()),
        };
        if one == other {
            return one_if(is(output, &Output::Same), self.clone());
        }
        let mut after = self.clone();
        let merge = Merge { between: (one, other), in_force: true, lost: false };
        after.merges.insert(number, merge);
        after.touch(&after.set(one));
        after.joined(number, output)
    }

    /// Whom a request names; why nobody, else.
    pub(super) fn meant(&self, whom: Whom) -> Result<usize, Output> {
        let named = match whom {
            Whom::Named(name) => self.named(name),
            Whom::Of(_) => None,
        };
        match named {
            Some(person) if self.people[person].erased => Err(Output::Erased),
            Some(person) => Ok(person),
            None => Err(Output::NotFound),
        }
    }

    /// Something is written of these.
    fn touch(&mut self, people: &[usize]) {
        people.iter().for_each(|person| self.people[*person].writes += 1);
    }

    /// Of a merge that was taken back meanwhile, the set of the older is shown. The edge went with either
    /// of the two, both of whom the request names.
    fn joined(self, number: u16, output: Option<&Output>) -> Vec<Self> {
        let Merge { between: (one, other), in_force, lost } = self.merges[&number];
        if lost {
            return one_if(is(output, &Output::Erased), self);
        }
        match output {
            None | Some(Output::Accepted) => vec![self],
            Some(Output::Joined { set, in_force: shown }) if *shown == in_force => {
                let older = self.older_first(one, other).into_iter().map(|(older, _)| older);
                older.flat_map(|it| self.clone().consists_of(it, set)).collect()
            }
            Some(_) => Vec::new(),
        }
    }

    /// Which of two is older, as far as their names tell.
    fn older_first(&self, one: usize, other: usize) -> Vec<(usize, usize)> {
        match (self.people[one].name, self.people[other].name) {
            (Some(a), Some(b)) if a < b => vec![(one, other)],
            (Some(_), Some(_)) => vec![(other, one)],
            _ => vec![(one, other), (other, one)],
        }
    }

    /// Everybody is where they were; what was written meanwhile is where it was written.
    pub(super) fn unmerge(&self, number: u16, which: Which, output: Option<&Output>) -> Vec<Self> {
        if self.unmerges.contains_key(&number) {
            return self.clone().parted(number, which, output);
        }
        let pair = match which {
            Which::Between(one, other) => {
                match (self.meant(Whom::Named(one)), self.meant(Whom::Named(other))) {
                    (Ok(one), Ok(other)) => Some((one, other)),
                    (Err(why), _) | (_, Err(why)) => return one_if(is(output, &why), self.clone()),
                }
            }
            _ => None,
        };
        let meant = |(of, merge): (&u16, &Merge)| match which {
            Which::Merge(it) => it == *of,
            _ => pair.is_some_and(|(one, other)| {
                merge.between == (one, other) || merge.between == (other, one)
            }),
        };
        let mut after = self.clone();
        let mut between: Option<(usize, usize)> = None;
        for (of, merge) in &mut after.merges {
            if merge.in_force && meant((of, merge)) {
                merge.in_force = false;
                between = Some(merge.between);
            }
        }
        let Some(between) = between else {
            return one_if(is(output, &Output::NotFound), self.clone());
        };
        after.unmerges.insert(number, between);
        after.touch(&self.set(between.0));
        after.parted(number, which, output)
    }

    /// The request was the older one's, and went with them; what it took back went with either. Who
    /// named the two is told that one of them was erased.
    fn parted(self, number: u16, which: Which, output: Option<&Output>) -> Vec<Self> {
        let (one, other) = self.unmerges[&number];
        let erased = |it: usize| self.people[it].erased;
        if erased(one) || erased(other) {
            let named = matches!(which, Which::Between(..));
            let why =
                |(older, _)| if named || erased(older) { Output::Erased } else { Output::NotFound };
            let mut why = self.older_first(one, other).into_iter().map(why);
            return one_if(why.any(|it| is(output, &it)), self.clone());
        }
        match output {
            None | Some(Output::Accepted) => vec![self],
            Some(Output::Parted { older, younger }) => {
                let sets = |(first, second): (usize, usize)| {
                    let known = self.clone().consists_of(first, older).into_iter();
                    known.flat_map(move |it| it.consists_of(second, younger))
                };
                self.older_first(one, other).into_iter().flat_map(sets).collect()
            }
            Some(_) => Vec::new(),
        }
    }

    /// It is theirs, with all that it said and the ties for which it is a reason.
    pub(super) fn reassign(&self, input: &Input, output: Option<&Output>) -> Vec<Self> {
        let Asked::Reassign { id, number, to } = input.asked else { return Vec::new() };
        let Some(interaction) = self.interactions.get(&id) else {
            return one_if(is(output, &Output::NotFound), self.clone());
        };
        if interaction.reassigned.contains(&number) {
            return self.clone().moved(id, output);
        }
        if !interaction.settled {
            // Nobody asks this here: what waited in it would become somebody's.
            return Vec::new();
        }
        let mut after = self.clone();
        let interaction = after.interaction(id);
        let from = interaction.person;
        interaction.reassigned.insert(number);
        interaction.confirmed = to.is_some();
        let Some(to) = to else { return after.given_to_somebody_new(id, from, input, output) };
        let mut targets = match self.meant(to) {
            Ok(target) => after.members_meant(id, target),
            Err(why) => return one_if(is(output, &why), self.clone()),
        };
        let called_as = |it: &usize| after.interactions[&id].called_as.contains(it);
        if self.meant(to).is_ok_and(|it| called_as(&it)) {
            // A name under which its customer was shown may still mean them.
            targets.push(from);
            targets.sort_unstable();
            targets.dedup();
        }
        let known =
            targets.into_iter().flat_map(|target| after.clone().given(id, from, target, input));
        known.flat_map(|it| it.moved(id, output)).collect()
    }

    /// Somebody new it already is, or becomes.
    fn given_to_somebody_new(
        self,
        id: u16,
        from: usize,
        input: &Input,
        output: Option<&Output>,
    ) -> Vec<Self> {
        let mut all = Vec::new();
        for already in self.is_all_they_have(id, input.span().1) {
            let mut after = self.clone();
            if already {
                after.written(id);
                all.extend(after.moved(id, output));
                continue;
            }
            after.interaction(id).made = true;
            after.people.push(Person::default());
            let target = after.people.len() - 1;
            all.extend(
                after
                    .given(id, from, target, input)
                    .into_iter()
                    .flat_map(|it| it.moved(id, output)),
            );
        }
        all
    }

    /// Whoever is named names a set: of its members, the one whose it is already, else one who has
    /// what it showed.
    fn members_meant(&self, id: u16, target: usize) -> Vec<usize> {
        let interaction = &self.interactions[&id];
        let members = self.set(target);
        if members.contains(&interaction.person) {
            return vec![interaction.person];
        }
        let mut matched = members;
        let owns = |it: &usize, index: usize| self.owners[index].contains(it);
        matched.retain(|it| interaction.shows.indexes().any(|index| owns(it, index)));
        if matched.is_empty() { vec![target] } else { matched }
    }

    /// Gives an interaction, and all that it said, to a customer.
    fn given(mut self, id: u16, from: usize, to: usize, input: &Input) -> Vec<Self> {
        self.written(id);
        // What somebody said of it is on file.
        let said = self.interactions[&id].confirmed;
        if from == to {
            let mut all = self.settle(id, to);
            all.iter_mut().for_each(|known| known.interaction(id).filed |= said);
            return all;
        }
        let ended = self.interactions[&id].ending.is_some();
        let now = input.span().1;
        let mut all = Vec::new();
        for (known, words) in self.withdraw(id) {
            for mut known in known.settle(id, to) {
                let interaction = known.interaction(id);
                interaction.filed |= ended || said;
                interaction.made &= !interaction.confirmed;
                for (intent, fact) in &words.facts {
                    known.people[to].facts.insert((*intent, id), *fact);
                }
                known.written(id);
                let mut put = vec![known];
                for (name, set) in &words.values {
                    let one = |known: Self| known.takes_over(to, *name, *set, now);
                    put = put.into_iter().flat_map(one).collect();
                }
                all.extend(put.into_iter().flat_map(|it| it.retire_if_empty(from, to, now)));
            }
        }
        all
    }

    fn moved(self, id: u16, output: Option<&Output>) -> Vec<Self> {
        let (person, is_new) = (self.interactions[&id].person, self.is_new(id));
        match output {
            None | Some(Output::Accepted) => vec![self],
            Some(Output::Moved { customer, new }) if *new == is_new => {
                self.called(person, *customer)
            }
            Some(_) => Vec::new(),
        }
    }

    /// An identifier is a customer's beside any contact, or is not, whatever contacts have said.
    pub(super) fn tie(&self, input: &Input, output: Option<&Output>) -> Vec<Self> {
        let Asked::Tie { number, whom, index, holds } = input.asked else { return Vec::new() };
        if self.ties.contains_key(&number) {
            return self.clone().tied_as_found(number, output);
        }
        let person = match self.meant(whom) {
            Ok(person) => person,
            Err(why) => return one_if(is(output, &why), self.clone()),
        };
        // Of a set, whoever has it.
        let mut holders = self.set(person);
        holders.retain(|it| self.owners[index].contains(it));
        if holders.is_empty() {
            holders.push(person);
        }
        let before = holders.iter().any(|it| self.owners[index].contains(it));
        let mut all = Vec::new();
        if holds {
            if holders.contains(&person) {
                holders = vec![person];
            }
            for holder in holders {
                let mut after = self.clone();
                after.touch(&[holder]);
                after.owners[index].insert(holder);
                after.tied[index].insert(holder);
                let owners = after.owners[index].len();
                after.ties.insert(number, (holder, before, owners));
                all.push(after);
            }
        } else {
            // It is not this person's: nobody of the set is given it by what began before.
            let mut after = self.clone();
            let everybody = self.set(person);
            after.touch(&everybody);
            let (from, until) = input.span();
            for member in everybody {
                after.owners[index].remove(&member);
                after.tied[index].remove(&member);
                let untied = after.untied.entry((index, member)).or_insert((from, until));
                *untied = (untied.0.max(from), untied.1.max(until));
            }
            let owners = after.owners[index].len();
            after.ties.insert(number, (person, before, owners));
            all.push(after);
        }
        all.into_iter().flat_map(|it| it.tied_as_found(number, output)).collect()
    }

    fn tied_as_found(self, number: u16, output: Option<&Output>) -> Vec<Self> {
        let (person, found, count) = self.ties[&number];
        if self.people[self.resolve(person)].erased {
            return one_if(is(output, &Output::Erased), self);
        }
        match output {
            None | Some(Output::Accepted) => vec![self],
            Some(Output::Tied { customer, before, owners })
                if (*before, *owners) == (found, count as i32) =>
            {
                self.called(person, *customer)
            }
            Some(_) => Vec::new(),
        }
    }

    /// All that is known of a customer.
    pub(super) fn look(&self, whom: Whom, input: &Input, output: Option<&Output>) -> Vec<Self> {
        let person = match self.meant(whom) {
            Ok(person) => person,
            Err(why) => return one_if(is(output, &why), self.clone()),
        };
        match output {
            None => vec![self.clone()],
            Some(Output::Looked { set, owns, shown }) => {
                let members = self.set(person);
                let has = |index: usize| members.iter().any(|it| self.owners[index].contains(it));
                let right = (owns.first, owns.second) == (has(0), has(1))
                    && super::person::is_shown(&self.members(person), shown, input.span());
                if right { self.clone().consists_of(person, set) } else { Vec::new() }
            }
            Some(_) => Vec::new(),
        }
    }
}
