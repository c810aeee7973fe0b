//! Open loop: calls are due at moments that nobody's answer delays, as customers are.
//!
//! In a closed loop a slow answer holds back the next call, and the wait that others would have had
//! is never seen (coordinated omission). Here a latency counts from the moment the call was due,
//! and every call that was due is waited for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use prost::bytes::Bytes;
use tokio::runtime::Handle;
use tonic::Status;

use super::caller::Caller;
use super::cpu::Meter;
use super::drive::{DRAINS_WITHIN, Lengths, Measured, Phase};
use super::requests::Call;
use super::tally::Tally;
use super::workload::Script;
use crate::ids::Entropy;

/// Calls without an answer beyond which nothing more is sent: the target has long been lost.
const MOST_IN_FLIGHT: u64 = 20_000;

/// When calls are due: at random, independent of each other (a Poisson process), so that they come
/// in clusters as real ones do.
pub(super) struct Arrivals {
    entropy: Entropy,
    mean_seconds: f64,
    due_seconds: f64,
}

impl Arrivals {
    /// So many in a second on average; the same seed gives the same moments.
    pub(super) fn new(per_second: f64, seed: u64) -> Self {
        let mean_seconds = 1.0 / per_second.max(0.001);
        Self { entropy: Entropy::seeded(seed), mean_seconds, due_seconds: 0.0 }
    }

    /// The next moment, counted from the begin.
    fn due(&mut self) -> Duration {
        // From above 0 to 1: its negative logarithm is an exponentially distributed gap.
        let share = self.entropy.positive() as f64 / i64::MAX as f64;
        self.due_seconds -= share.ln() * self.mean_seconds;
        Duration::from_secs_f64(self.due_seconds)
    }
}

/// Sends one script as its calls are due, over these callers in turn.
///
/// # Errors
/// When the generator itself fails.
pub(super) async fn open(
    callers: Vec<Caller>,
    script: Script,
    arrivals: Arrivals,
    lengths: Lengths,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let (answered, answers) = channel();
    let begun = Instant::now();
    let sender =
        Dispatcher { callers, script, answered, answers, tally: Tally::new(), in_flight: 0 };
    let runtime = Handle::current();
    // A thread of its own: the runtime's timers are a millisecond apart.
    let sending =
        tokio::task::spawn_blocking(move || sender.send(&runtime, arrivals, begun, lengths));
    let phase = Arc::new(Phase::default());
    let (lasted, used) = phase.pass(lengths, meter).await;
    let tally = sending.await.context("the generator failed")?;
    Ok(Measured { tally, lasted, used })
}

/// A call that came back.
struct Answered {
    call: Call,
    answer: Result<Bytes, Status>,
    lasted: Duration,
    measured: bool,
}

struct Dispatcher {
    callers: Vec<Caller>,
    script: Script,
    answered: Sender<Answered>,
    answers: Receiver<Answered>,
    tally: Tally,
    in_flight: u64,
}

impl Dispatcher {
    fn send(
        mut self,
        runtime: &Handle,
        mut arrivals: Arrivals,
        begun: Instant,
        lengths: Lengths,
    ) -> Tally {
        let whole = lengths.warm_up + lengths.measured;
        let mut turn = 0;
        loop {
            let due = arrivals.due();
            if due > whole {
                break;
            }
            std::thread::sleep((begun + due).saturating_duration_since(Instant::now()));
            while let Ok(one) = self.answers.try_recv() {
                self.count(one);
            }
            if self.in_flight >= MOST_IN_FLIGHT {
                self.tally.failed("not sent: too many calls without an answer".into());
                continue;
            }
            let Some(call) = self.script.next() else { break };
            turn = (turn + 1) % self.callers.len().max(1);
            let Some(mut caller) = self.callers.get(turn).cloned() else { break };
            let answered = self.answered.clone();
            let measured = due >= lengths.warm_up;
            self.in_flight += 1;
            runtime.spawn(async move {
                let answer = caller.call(&call).await;
                let lasted = (begun + due).elapsed();
                // Nobody listens any more once the generator has given up.
                let _ = answered.send(Answered { call, answer, lasted, measured });
            });
        }
        self.drain();
        self.tally
    }

    /// Waits for what has not been answered: leaving it out would leave out the slowest.
    fn drain(&mut self) {
        let until = Instant::now() + DRAINS_WITHIN;
        while self.in_flight > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(one) => self.count(one),
                Err(_) => break,
            }
        }
        for _ in 0..self.in_flight {
            self.tally.failed("no answer".into());
        }
    }

    fn count(&mut self, one: Answered) {
        self.in_flight -= 1;
        if self.tally.add(&one.call, &one.answer, one.lasted, one.measured) {
            self.script.answered(one.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_as_often_as_they_should_and_not_evenly() {
        let mut arrivals = Arrivals::new(1_000.0, 7);
        let due: Vec<Duration> = (0..20_000).map(|_| arrivals.due()).collect();
        assert!(due.is_sorted());
        // The standard deviation of the 20,000th moment is 0.7 % of it.
        let last = due.last().unwrap().as_secs_f64();
        assert!((19.0..21.0).contains(&last), "{last}");
        let gaps = due.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        let long = gaps.filter(|gap| *gap > 0.002).count();
        // e^-2 of exponential gaps are longer than twice the mean; of even ones none is.
        assert!((2_400..3_000).contains(&long), "{long}");
        let mut again = Arrivals::new(1_000.0, 7);
        assert!(due.iter().all(|moment| *moment == again.due()));
    }
}
