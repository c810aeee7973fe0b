//! What came of the calls: how many, how fast, how large, and what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use prost::bytes::Bytes;
use tonic::Status;

use super::caller::is_degraded;
use super::requests::{Call, VERBS};
use crate::cli::client;

/// The longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 120_000_000;
/// Different sentences of errors that are kept.
const MOST_REASONS: usize = 20;

/// The sizes of one verb's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// How many calls.
    pub(super) calls: u64,
    /// All their requests together, in bytes.
    pub(super) requests: u64,
    /// All their answers together, in bytes.
    pub(super) answers: u64,
}

/// What came of the calls of one task, or of all.
pub(super) struct Tally {
    /// Microseconds, of the measured calls only.
    pub(super) latencies: Histogram<u32>,
    /// Calls answered within the measurement.
    pub(super) calls: u64,
    /// Degraded answers, measured or not.
    pub(super) degraded: u64,
    /// Calls that failed, measured or not.
    pub(super) errors: u64,
    /// Why, with how often.
    pub(super) reasons: BTreeMap<String, u64>,
    /// By verb.
    pub(super) sizes: [Sizes; VERBS],
}

impl Tally {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self {
            // Three digits of one microsecond to two minutes are bounds that the library accepts.
            latencies: latencies.expect("constant bounds"),
            calls: 0,
            degraded: 0,
            errors: 0,
            reasons: BTreeMap::new(),
            sizes: Default::default(),
        }
    }

    /// Adds one call; `measured` when its answer counts. Gives whether it went well.
    pub(super) fn add(
        &mut self,
        call: &Call,
        answer: &Result<Bytes, Status>,
        lasted: Duration,
        measured: bool,
    ) -> bool {
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => {
                self.failed(client::sentence(status));
                return false;
            }
        };
        let degraded = is_degraded(call.verb, answer);
        self.degraded += u64::from(degraded);
        let sizes = &mut self.sizes[call.verb as usize];
        sizes.calls += 1;
        sizes.requests += call.body.len() as u64;
        sizes.answers += answer.len() as u64;
        if measured {
            self.calls += 1;
            let lasted = u64::try_from(lasted.as_micros()).unwrap_or(LONGEST_US);
            self.latencies.saturating_record(lasted);
        }
        !degraded
    }

    /// Counts a call that failed.
    pub(super) fn failed(&mut self, why: String) {
        self.errors += 1;
        if self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&why) {
            *self.reasons.entry(why).or_default() += 1;
        }
    }

    /// Adds another task's.
    pub(super) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        self.latencies.add(&other.latencies).expect("equal bounds");
        self.calls += other.calls;
        self.degraded += other.degraded;
        self.errors += other.errors;
        for (why, count) in &other.reasons {
            *self.reasons.entry(why.clone()).or_default() += count;
        }
        for (mine, theirs) in self.sizes.iter_mut().zip(&other.sizes) {
            mine.calls += theirs.calls;
            mine.requests += theirs.requests;
            mine.answers += theirs.answers;
        }
    }

    /// The mean answer of each verb, in whole bytes.
    pub(super) fn answer_bytes(&self) -> [u32; VERBS] {
        self.sizes.map(|sizes| {
            let mean = sizes.answers.checked_div(sizes.calls).unwrap_or_default();
            u32::try_from(mean).unwrap_or(u32::MAX)
        })
    }
}
