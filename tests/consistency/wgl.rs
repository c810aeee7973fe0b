//! Is there an order in which a history's calls could have happened one at a time?
//!
//! Wing and Gong's search ("Testing and verifying concurrent objects", 1993) as Lowe bettered it
//! ("Testing for linearizability", 2017): calls are ordered one by one, and a set of ordered calls
//! together with the state it led to is never searched twice. A call without a return may have had
//! its effect at any time after it was made, or never.

use std::collections::HashSet;
use std::hash::Hash;

/// What a sequence of calls may do, one at a time. Pure.
pub(crate) trait Model {
    /// What is known after some calls.
    type State: Clone + Eq + Hash;
    /// What was asked.
    type Input;
    /// What was answered.
    type Output;

    /// Before any call.
    fn first(&self) -> Self::State;

    /// The states that `input` may lead to if it was answered by `output`: none when that answer
    /// is wrong in this state, several when the contract leaves a choice. Without an answer: all
    /// that it may lead to.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Vec<Self::State>;
}

/// One call of a history. Times are of one clock: a call that returned before another was made
/// comes before it.
#[derive(Clone, Debug)]
pub(crate) struct Call<I, O> {
    pub(crate) input: I,
    pub(crate) invoked: u64,
    /// When it returned, and with what; `None` for a client that was killed, or a lost answer.
    pub(crate) returned: Option<(u64, O)>,
    /// The index of a call that must come before this one: the second half of one request.
    pub(crate) after: Option<usize>,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Such an order exists.
    Linearizable,
    /// None exists. The longest order found, as indexes of calls.
    Violation(Vec<usize>),
    /// So many states were visited that the search was given up: nothing is known.
    Undecided,
}

/// States that one search visits at most.
const MOST_STATES: usize = 400_000;

/// Searches for an order of `calls` that `model` allows.
pub(crate) fn check<M: Model>(model: &M, calls: &[Call<M::Input, M::Output>]) -> Verdict {
    let mut search = Search::new(model, calls);
    search.run()
}

type Bits = Box<[u64]>;

fn has(bits: &[u64], index: usize) -> bool {
    bits[index / 64] & (1 << (index % 64)) != 0
}

struct Frame<S> {
    ordered: Bits,
    /// Calls that may come next, each with the state it leads to.
    next: Vec<(usize, S)>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Input, M::Output>],
    /// Indexes of the calls, in the order they were made.
    by_time: Vec<usize>,
    seen: HashSet<(Bits, M::State)>,
    path: Vec<usize>,
    longest: Vec<usize>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, calls: &'a [Call<M::Input, M::Output>]) -> Self {
        let mut by_time: Vec<usize> = (0..calls.len()).collect();
        by_time.sort_by_key(|index| calls[*index].invoked);
        let (seen, path, longest) = (HashSet::new(), Vec::new(), Vec::new());
        Self { model, calls, by_time, seen, path, longest }
    }

    fn run(&mut self) -> Verdict {
        let nothing: Bits = vec![0; self.calls.len().div_ceil(64)].into();
        if self.complete(&nothing) {
            return Verdict::Linearizable;
        }
        let next = self.next(&nothing, &self.model.first());
        let mut stack = vec![Frame { ordered: nothing, next }];
        while let Some(frame) = stack.last_mut() {
            let Some((call, state)) = frame.next.pop() else {
                stack.pop();
                self.path.pop();
                continue;
            };
            let mut ordered = frame.ordered.clone();
            ordered[call / 64] |= 1 << (call % 64);
            if !self.seen.insert((ordered.clone(), state.clone())) {
                continue;
            }
            if self.seen.len() > MOST_STATES {
                return Verdict::Undecided;
            }
            self.path.push(call);
            if self.path.len() > self.longest.len() {
                self.longest.clone_from(&self.path);
            }
            if self.complete(&ordered) {
                return Verdict::Linearizable;
            }
            let next = self.next(&ordered, &state);
            stack.push(Frame { ordered, next });
        }
        Verdict::Violation(std::mem::take(&mut self.longest))
    }

    /// Whether every call that returned is in order.
    fn complete(&self, ordered: &[u64]) -> bool {
        let done =
            |(index, call): (usize, &Call<_, _>)| call.returned.is_none() || has(ordered, index);
        self.calls.iter().enumerate().all(done)
    }

    /// Which calls may come next: nobody else returned before they were made. Tried last to
    /// first, so that those without a return, of which nobody knows, are tried last of all.
    fn next(&self, ordered: &[u64], state: &M::State) -> Vec<(usize, M::State)> {
        let open = || self.by_time.iter().copied().filter(|index| !has(ordered, *index));
        let returns = |index: usize| self.calls[index].returned.as_ref().map(|(at, _)| *at);
        let first_return = open().filter_map(returns).min().unwrap_or(u64::MAX);
        let mut next = Vec::new();
        let mut candidates: Vec<usize> = open()
            .take_while(|index| self.calls[*index].invoked <= first_return)
            .filter(|index| self.calls[*index].after.is_none_or(|before| has(ordered, before)))
            .collect();
        candidates.sort_by_key(|index| std::cmp::Reverse(returns(*index).unwrap_or(u64::MAX)));
        for index in candidates {
            let call = &self.calls[index];
            let output = call.returned.as_ref().map(|(_, output)| output);
            let states = self.model.step(state, &call.input, output);
            next.extend(states.into_iter().map(|state| (index, state)));
        }
        next
    }
}
