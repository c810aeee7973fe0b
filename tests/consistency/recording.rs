//! A history while it is being made: what was asked when, and what came back.

use std::collections::HashMap;

use super::calls::{Asked, Input, Output, ServiceCall};
use super::wgl::Call;
use super::wire::{Names, Request, Response};

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
    /// When a call was made for the last time, where it was made again.
    again: HashMap<usize, Moment>,
    /// Whether starts and ends say when they were, because nobody else's clock is known exactly.
    says_times: bool,
}

/// Who asks whom, and when: the order of things, and the clock.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) step: u64,
    pub(crate) clock: i64,
}

impl Recording {
    /// Of this partition; with the caller's own times where the clock is not the test's.
    pub(crate) fn of(partition: String, says_times: bool) -> Self {
        let (calls, times, again) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { calls, names: Names::of(partition), times, newest: 0, again, says_times }
    }

    /// Somebody asks; the call's index, and the request unless it is none of the API.
    pub(crate) fn invoke(
        &mut self,
        mut asked: Asked,
        (client, instance): (usize, usize),
        at: Moment,
    ) -> (usize, Option<Request>) {
        self.newest = at.clock.max(self.newest + 1);
        match &mut asked {
            Asked::Start { time, .. } if self.says_times => *time = Some(self.newest),
            Asked::End { id, said, time, .. } if self.says_times => {
                *time = Some(*self.times.entry((*id, said.content)).or_insert(self.newest));
            }
            _ => {}
        }
        let request = self.names.request(&asked);
        let clocks_apart = if self.says_times { CLOCKS_APART } else { 0 };
        // Until it is answered, it may have its effect at any time.
        let (now, answered) = (at.clock, i64::MAX);
        let input = Input { asked, now, answered, clocks_apart, client, instance };
        self.calls.push(Call { input, invoked: at.step, returned: None, after: None });
        (self.calls.len() - 1, request)
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
        let Some(output) = self.names.output(answer) else { return false };
        let known = matches!(output, Output::Answered { .. } | Output::Ended { .. });
        let asked = self.calls[index].input.asked.clone();
        if retried && known && !matches!(asked, Asked::Update { .. } | Asked::Get { .. }) {
            // Its first answer may have been lost on the way, and the same asked again.
            self.halve(index, asked, output, at);
        } else {
            self.returned(index, output, at);
        }
        true
    }

    /// A call that had its effect first, and was answered by a second look.
    fn halve(&mut self, index: usize, second: Asked, output: Output, at: Moment) {
        let call = &mut self.calls[index];
        call.input.answered = at.clock;
        call.returned = Some((at.step, Output::Accepted));
        let mut look = call.clone();
        look.input.asked = second;
        if let Some(last) = self.again.get(&index) {
            (look.invoked, look.input.now) = (last.step, last.clock);
        }
        (look.returned, look.after) = (Some((at.step, output)), Some(index));
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
                let (asked, clock) = (call.input.asked.clone(), call.input.answered);
                self.halve(index, asked, output, Moment { step: at, clock });
            }
        }
    }

    /// The call returned.
    pub(crate) fn returned(&mut self, index: usize, output: Output, at: Moment) {
        let call = &mut self.calls[index];
        call.input.answered = at.clock;
        if let (Asked::Get { .. }, Some(last)) = (&call.input.asked, self.again.get(&index)) {
            (call.invoked, call.input.now) = (last.step, last.clock);
        }
        let Asked::Update { id, .. } = call.input.asked else {
            call.returned = Some((at.step, output));
            return;
        };
        match output {
            // Written first, then answered as the interaction stands: two looks, one after the
            // other.
            Output::Answered { .. } => self.halve(index, Asked::Get { id }, output, at),
            // Nothing of it is left now. It may have been written, and seen, before that.
            Output::NotFound => {
                let mut look = call.clone();
                look.input.asked = Asked::Get { id };
                look.returned = Some((at.step, output));
                self.calls.push(look);
            }
            other => call.returned = Some((at.step, other)),
        }
    }

    /// The whole history, without reads that nobody knows the answer of.
    pub(crate) fn history(&mut self) -> Vec<ServiceCall> {
        self.halve_late_starts();
        let told = |call: &&ServiceCall| {
            call.returned.is_some() || !matches!(call.input.asked, Asked::Get { .. })
        };
        // Only calls without an answer are left out, and no other call comes after one of those.
        let kept: Vec<usize> = (0..self.calls.len()).filter(|it| told(&&self.calls[*it])).collect();
        let place = |index: usize| kept.iter().position(|it| *it == index);
        let moved = |index: &usize| {
            let call = self.calls[*index].clone();
            ServiceCall { after: call.after.and_then(place), ..call }
        };
        kept.iter().map(moved).collect()
    }
}
