//! Closed loop: so many calls in flight at every moment, the next one as soon as one is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::caller::Caller;
use super::cpu::{Meter, Used};
use super::tally::Tally;
use super::workload::Script;

/// How long open calls may take to be answered after the measurement.
pub(super) const DRAINS_WITHIN: Duration = Duration::from_secs(30);
/// Failures in a row after which a task gives up: nobody is there any more.
const FAILURES_IN_A_ROW: u32 = 100;

/// How long to warm up and to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Not measured.
    pub(super) warm_up: Duration,
    /// Measured.
    pub(super) measured: Duration,
}

/// What was measured.
pub(super) struct Measured {
    /// All calls together.
    pub(super) tally: Tally,
    /// How long the measurement really took.
    pub(super) lasted: Duration,
    /// Processor time within it.
    pub(super) used: Used,
}

/// The phases after warming up, which is the default.
const MEASURING: u8 = 1;
const STOPPED: u8 = 2;

/// What all tasks of one run look at.
#[derive(Default)]
pub(super) struct Phase {
    now: AtomicU8,
    ended: Notify,
}

impl Phase {
    pub(super) fn is_measuring(&self) -> bool {
        self.now.load(Ordering::Relaxed) == MEASURING
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.now.load(Ordering::Relaxed) == STOPPED
    }

    /// Ends the run before its time: there is nothing left to send, or nobody to send it to.
    fn end_early(&self) {
        self.now.store(STOPPED, Ordering::Relaxed);
        self.ended.notify_one();
    }

    /// Lets a run warm up, measures it, stops it.
    pub(super) async fn pass(&self, lengths: Lengths, meter: &Meter) -> (Duration, Used) {
        if tokio::time::timeout(lengths.warm_up, self.ended.notified()).await.is_ok() {
            return (Duration::ZERO, Used::default());
        }
        let (before, begun) = (meter.used(), Instant::now());
        self.now.store(MEASURING, Ordering::Relaxed);
        // Whichever comes first.
        let _ = tokio::time::timeout(lengths.measured, self.ended.notified()).await;
        self.now.store(STOPPED, Ordering::Relaxed);
        (begun.elapsed(), meter.used().since(before))
    }
}

/// Drives one task per caller and script.
///
/// # Errors
/// When calls stay unanswered.
pub(super) async fn closed(
    lanes: Vec<(Caller, Script)>,
    lengths: Lengths,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let phase = Arc::new(Phase::default());
    let mut tasks = JoinSet::new();
    for (caller, script) in lanes {
        tasks.spawn(lane(caller, script, Arc::clone(&phase)));
    }
    let (lasted, used) = phase.pass(lengths, meter).await;
    let mut tally = Tally::new();
    let draining = async {
        while let Some(done) = tasks.join_next().await {
            tally.merge(&done.context("a task of the generator failed")?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(DRAINS_WITHIN, draining).await.context("calls stay unanswered")??;
    Ok(Measured { tally, lasted, used })
}

async fn lane(mut caller: Caller, mut script: Script, phase: Arc<Phase>) -> Tally {
    let mut tally = Tally::new();
    let mut failures = 0;
    while !phase.is_stopped() {
        let Some(call) = script.next() else {
            phase.end_early();
            break;
        };
        let begun = Instant::now();
        let answer = caller.call(&call).await;
        let well = tally.add(&call, &answer, begun.elapsed(), phase.is_measuring());
        failures = if answer.is_ok() { 0 } else { failures + 1 };
        if failures == FAILURES_IN_A_ROW {
            phase.end_early();
        }
        if well {
            script.answered(call);
        }
    }
    tally
}
