//! A history while it is being made: what was asked when, and what came back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::calls::{Asked, Input, Output, Recommended, ServiceCall, Which, Whom};
use super::wgl::Call;
use super::wire::{NOBODY, Names, Request, Response};

/// One machine's clock, read by several processes and rounded by each, and store time, which lags
/// behind by the time that an answer of the database was under way. In milliseconds.
const CLOCKS_APART: i64 = 50;

/// The history of one partition: people whom nobody else asks about.
pub(crate) struct Recording {
    pub(crate) calls: Vec<ServiceCall>,
    names: Names,
    /// When an end said it was, by interaction and content: asked again, it says the same.
    times: HashMap<(u16, u32), i64>,
    newest: i64,
    /// Whom the newest answer on each interaction named.
    whose: BTreeMap<u16, u32>,
    /// Interactions that an answer has shown to be settled: what is settled stays so.
    settled: BTreeSet<u16>,
    /// Whom each merge named.
    merged: BTreeMap<u16, (u32, u32)>,
    /// Whom each preview named, and each erasure.
    previewed: BTreeMap<u16, u32>,
    erasing: BTreeMap<u16, u32>,
    /// Customers that an answer has shown to be erased.
    gone: BTreeSet<u32>,
    /// When a call was made for the last time, where it was made again.
    again: HashMap<usize, Moment>,
    /// Whether starts and ends say when they were, because nobody else's clock is known exactly.
    says_times: bool,
}

/// When: in the order of things, by the clock, and by a stopwatch.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) step: u64,
    pub(crate) clock: i64,
    pub(crate) elapsed: i64,
}

/// Who asks whom, and with which key.
#[derive(Clone, Copy)]
pub(crate) struct By {
    pub(crate) client: usize,
    pub(crate) instance: usize,
    pub(crate) key: u8,
}

impl Recording {
    /// Of this partition; with the caller's own times where the clock is not the test's.
    pub(crate) fn of(partition: String, says_times: bool) -> Self {
        let (calls, times, again) = (Vec::new(), HashMap::new(), HashMap::new());
        let (whose, settled, merged) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let (previewed, erasing) = (BTreeMap::new(), BTreeMap::new());
        let (names, newest, gone) = (Names::of(partition), 0, BTreeSet::new());
        Self {
            calls,
            names,
            times,
            newest,
            whose,
            settled,
            merged,
            previewed,
            erasing,
            gone,
            again,
            says_times,
        }
    }

    /// Somebody asks; the call's index, and the request unless it is none of the API. `None` when
    /// nobody can ask this yet.
    pub(crate) fn invoke(
        &mut self,
        asked: Asked,
        By { client, instance, key }: By,
        at: Moment,
    ) -> Option<(usize, Option<Request>)> {
        let mut asked = self.with_names(asked)?;
        self.newest = at.clock.max(self.newest + 1);
        match &mut asked {
            Asked::Start { time, .. } if self.says_times => *time = Some(self.newest),
            Asked::End { id, said, time, .. } if self.says_times => {
                *time = Some(*self.times.entry((*id, said.content)).or_insert(self.newest));
            }
            _ => {}
        }
        let request = self.names.request(&asked);
        // What is no request of the API is done without a key.
        let key = if request.is_some() { key } else { 0 };
        let clocks_apart = if self.says_times { CLOCKS_APART } else { 0 };
        // Until it is answered, it may have its effect at any time.
        let (now, answered) = (at.clock, i64::MAX);
        let elapsed = (at.elapsed, i64::MAX);
        let input = Input { asked, now, answered, elapsed, key, clocks_apart, client, instance };
        self.calls.push(Call { input, invoked: at.step, returned: None, after: None });
        Some((self.calls.len() - 1, request))
    }

    /// The same with customers by the names that answers have shown so far.
    fn with_names(&mut self, asked: Asked) -> Option<Asked> {
        Some(match asked {
            Asked::Merge { number, one, other } => {
                let one = self.known(one)?;
                // Who would be merged with themselves is, now and then.
                let other = match self.known(other) {
                    Some(other) if other != one || number % 8 == 7 => other,
                    _ => self.somebody_but(one)?,
                };
                self.merged.insert(number, (one, other));
                Asked::Merge { number, one: Whom::Named(one), other: Whom::Named(other) }
            }
            Asked::Unmerge { number, which } => {
                let which = match which {
                    Which::Merge(of) if self.names.knows_merge(of) => which,
                    Which::Merge(of) | Which::BetweenThoseOf(of) => {
                        let (one, other) = *self.merged.get(&of)?;
                        Which::Between(one, other)
                    }
                    Which::Between(..) => which,
                };
                Asked::Unmerge { number, which }
            }
            Asked::Reassign { id, number, to } => {
                let own = *self.whose.get(&id).filter(|_| self.settled.contains(&id))?;
                let to = match to {
                    Some(to) => match self.known(to) {
                        Some(to) if to != own || number % 8 == 7 => Some(to),
                        _ => self.somebody_but(own),
                    },
                    None => None,
                };
                Asked::Reassign { id, number, to: to.map(Whom::Named) }
            }
            Asked::Tie { number, whom, index, holds } => {
                Asked::Tie { number, whom: Whom::Named(self.known(whom)?), index, holds }
            }
            Asked::Look { whom } => Asked::Look { whom: Whom::Named(self.known(whom)?) },
            Asked::Preview { number, whom } => {
                // Mostly somebody of whom nobody has heard that they are no more.
                let meant =
                    self.known(whom).filter(|it| number % 4 == 3 || !self.gone.contains(it));
                let others = || self.names.customers().rev().find(|it| !self.gone.contains(it));
                let whom = meant.or_else(others)?;
                self.previewed.insert(number, whom);
                Asked::Preview { number, whom: Whom::Named(whom) }
            }
            Asked::Erase { number, of, whom } => {
                self.names.token(of)?;
                let previewed = *self.previewed.get(&of)?;
                // Somebody else than was previewed would be, now and then.
                let whom = if number % 8 == 7 { self.known(whom)? } else { previewed };
                let whom = *self.erasing.entry(number).or_insert(whom);
                Asked::Erase { number, of, whom: Whom::Named(whom) }
            }
            asked => asked,
        })
    }

    fn known(&self, whom: Whom) -> Option<u32> {
        match whom {
            Whom::Of(id) => self.whose.get(&id).copied(),
            Whom::Named(number) => Some(number),
        }
    }

    /// The newest of those named so far, without one.
    fn somebody_but(&self, one: u32) -> Option<u32> {
        self.names.customers().rev().find(|it| *it != one)
    }

    /// What an answer tells of customers.
    fn learn(&mut self, asked: &Asked, output: &Output) {
        if let (
            Asked::Erase { whom: Whom::Named(whom), .. }
            | Asked::Look { whom: Whom::Named(whom) }
            | Asked::Preview { whom: Whom::Named(whom), .. },
            Output::Gone(_) | Output::Erased,
        ) = (asked, output)
        {
            self.gone.insert(*whom);
        }
        let (id, customer) = match (asked, output) {
            (
                Asked::Start { id, .. } | Asked::Update { id, .. } | Asked::Get { id },
                Output::Answered { customer, recommended, .. },
            ) => {
                if *recommended != Recommended::Confirm && customer.is_some() {
                    self.settled.insert(*id);
                }
                (id, customer)
            }
            (Asked::End { id, .. }, Output::Ended { customer })
            | (Asked::Reassign { id, .. }, Output::Moved { customer, .. }) => (id, customer),
            _ => return,
        };
        self.whose.extend(customer.map(|customer| (*id, customer)));
    }

    /// The same call once more, because nobody knows what has become of it.
    pub(crate) fn invoke_again(
        &mut self,
        index: usize,
        instance: usize,
        at: Moment,
    ) -> Option<Request> {
        self.again.insert(index, at);
        let input = &mut self.calls[index].input;
        input.instance = instance;
        self.names.request(&input.asked)
    }

    /// The answer is there, unless it was lost: then nobody knows what has become of the call.
    pub(crate) fn answered(
        &mut self,
        index: usize,
        answer: Result<Response, tonic::Status>,
        at: Moment,
        retried: bool,
    ) -> bool {
        let asked = self.calls[index].input.asked.clone();
        self.names.learn(&asked, &answer);
        let Some(output) = self.names.output(answer) else { return false };
        self.learn(&asked, &output);
        let known = matches!(
            output,
            Output::Answered { .. }
                | Output::Ended { .. }
                | Output::Joined { .. }
                | Output::Parted { .. }
                | Output::Moved { .. }
                | Output::Tied { .. }
                | Output::Gone(_)
        );
        if retried && known && !matches!(asked, Asked::Update { .. }) && !asked.only_looks() {
            // Its first answer may have been lost on the way, and the same asked again.
            self.halve(index, asked, output, at);
        } else if Self::says_nothing(&asked, &output, retried) {
            self.ask_again(index, asked, output, at);
        } else {
            self.returned(index, output, at);
        }
        true
    }

    /// Whether it may have had its effect all the same: a call that was written, and looked at its
    /// interaction after that, is answered as it stands by then; and so is the second try of
    /// another.
    fn says_nothing(asked: &Asked, output: &Output, retried: bool) -> bool {
        let looks =
            matches!(asked, Asked::Start { .. } | Asked::Update { .. } | Asked::Reassign { .. });
        match output {
            _ if asked.only_looks() => false,
            Output::Erased => looks || retried,
            Output::NotFound => matches!(asked, Asked::Update { .. }) || retried,
            Output::NotLetIn => retried,
            _ => false,
        }
    }

    /// A call of which nobody knows what has become, and what was said when it was asked again.
    fn ask_again(&mut self, index: usize, asked: Asked, output: Output, at: Moment) {
        let mut look = self.calls[index].clone();
        look.input.asked = match asked {
            Asked::Update { id, .. } if output != Output::NotLetIn => Asked::Get { id },
            asked => asked,
        };
        self.look_at(index, &mut look, output, at);
        self.calls.push(look);
    }

    /// The last try was answered.
    fn look_at(&self, index: usize, look: &mut ServiceCall, output: Output, at: Moment) {
        if let Some(last) = self.again.get(&index) {
            (look.invoked, look.input.now) = (last.step, last.clock);
            look.input.elapsed.0 = last.elapsed;
        }
        (look.input.answered, look.input.elapsed.1) = (at.clock, at.elapsed);
        look.returned = Some((at.step, output));
    }

    /// A call that had its effect first, and was answered by a second look.
    fn halve(&mut self, index: usize, second: Asked, output: Output, at: Moment) {
        let call = &mut self.calls[index];
        (call.input.answered, call.input.elapsed.1) = (at.clock, at.elapsed);
        call.returned = Some((at.step, Output::Accepted));
        let mut look = call.clone();
        look.input.asked = second;
        look.after = Some(index);
        self.look_at(index, &mut look, output, at);
        self.calls.push(look);
    }

    /// A start that finds the end of its interaction takes its place first, and is then answered as
    /// the interaction stands.
    fn halve_late_starts(&mut self) {
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let Asked::Start { id, .. } = call.input.asked else { continue };
            let Some((at, output @ Output::Answered { .. })) = call.returned.clone() else {
                continue;
            };
            let ends = |it: &ServiceCall| {
                it.invoked < at && matches!(it.input.asked, Asked::End { id: of, .. } if of == id)
            };
            if call.after.is_none() && self.calls.iter().any(ends) {
                let Input { asked, answered: clock, elapsed, .. } = call.input.clone();
                let at = Moment { step: at, clock, elapsed: elapsed.1 };
                self.halve(index, asked, output, at);
            }
        }
    }

    /// The call returned.
    pub(crate) fn returned(&mut self, index: usize, output: Output, at: Moment) {
        let mut call = self.calls[index].clone();
        match (&call.input.asked, output) {
            // Written first, then answered as the interaction stands: two looks, one after the
            // other.
            (Asked::Update { id, .. }, output @ Output::Answered { .. }) => {
                self.halve(index, Asked::Get { id: *id }, output, at);
            }
            (asked, output) if asked.only_looks() => {
                self.look_at(index, &mut call, output, at);
                self.calls[index] = call;
            }
            (_, output) => {
                (call.input.answered, call.input.elapsed.1) = (at.clock, at.elapsed);
                call.returned = Some((at.step, output));
                self.calls[index] = call;
            }
        }
    }

    /// The whole history, without reads that nobody knows the answer of.
    pub(crate) fn history(&mut self) -> Vec<ServiceCall> {
        self.halve_late_starts();
        let told = |call: &&ServiceCall| call.returned.is_some() || !call.input.asked.only_looks();
        // Only calls without an answer are left out, and no other call comes after one of those.
        let kept: Vec<usize> = (0..self.calls.len()).filter(|it| told(&&self.calls[*it])).collect();
        let place = |index: usize| kept.iter().position(|it| *it == index);
        let moved = |index: &usize| {
            let call = self.calls[*index].clone();
            ServiceCall { after: call.after.and_then(place), ..call }
        };
        let mut history: Vec<ServiceCall> = kept.iter().map(moved).collect();
        let ages = self.names.ages();
        history.iter_mut().for_each(|call| by_age(call, &ages));
        history
    }
}

/// Customers are numbered as they appear while a history is made; in it, by age.
fn by_age(call: &mut ServiceCall, ages: &[u32]) {
    let renumber = |number: &mut u32| {
        if *number != NOBODY {
            *number = ages[*number as usize];
        }
    };
    let rename = |whom: &mut Whom| {
        if let Whom::Named(number) = whom {
            renumber(number);
        }
    };
    match &mut call.input.asked {
        Asked::Merge { one, other, .. } => [one, other].into_iter().for_each(rename),
        Asked::Unmerge { which: Which::Between(one, other), .. } => {
            [one, other].into_iter().for_each(renumber);
        }
        Asked::Reassign { to, .. } => to.iter_mut().for_each(rename),
        Asked::Look { whom }
        | Asked::Tie { whom, .. }
        | Asked::Preview { whom, .. }
        | Asked::Erase { whom, .. } => rename(whom),
        _ => {}
    }
    match call.returned.as_mut().map(|(_, output)| output) {
        Some(
            Output::Answered { customer, .. }
            | Output::Ended { customer }
            | Output::Moved { customer, .. }
            | Output::Tied { customer, .. },
        ) => customer.iter_mut().for_each(renumber),
        Some(
            Output::Joined { set, .. } | Output::Looked { set, .. } | Output::Previewed { set },
        ) => set.iter_mut().for_each(renumber),
        Some(Output::Parted { older, younger }) => {
            older.iter_mut().chain(younger).for_each(renumber);
        }
        _ => {}
    }
}
