//! Echo and service in turns: each round measures both, and the next one in the other order.

use std::sync::Arc;
use std::time::Duration;

use super::BenchArgs;
use super::caller::Caller;
use super::cpu::Meter;
use super::drive::{self, Lengths, Measured};
use super::figures::{MessageSizes, Outcome, Round, Run};
use super::open::{self, Arrivals};
use super::prepare;
use super::requests::VERBS;
use super::stand::{Database, Stand};
use super::tally::Tally;
use super::workload::{Script, Started, Workload};

/// Not measured, before each measurement.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the first look at a workload takes: the sizes of its messages, and how fast it is.
const LOOK: Lengths = Lengths { warm_up: WARM_UP, measured: Duration::from_millis(500) };
/// The fewest starts that are made for the ends of a run, and the most.
const STARTS: (f64, f64) = (5_000.0, 1_000_000.0);
/// So many more starts than the last run ended in the same time.
const SPARE: f64 = 1.5;

/// The echo, ready to be called.
pub(super) struct Yardstick {
    /// One for each stream.
    pub(super) callers: Vec<Caller>,
    /// Its processor time.
    pub(super) meter: Meter,
}

/// A workload on one service.
pub(super) struct Bench<'a> {
    /// What was asked for.
    pub(super) arguments: &'a BenchArgs,
    /// The yardstick.
    pub(super) echo: &'a Yardstick,
    /// The service.
    pub(super) stand: &'a Stand,
    /// What to send.
    pub(super) workload: Workload,
    /// Calls a second of the last run of the service.
    rate: f64,
    runs: u32,
    pace: Pace,
}

/// What decides when the next call is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// The answer to the last one.
    Closed,
    /// The clock, so many times a second.
    Open(f64),
}

impl<'a> Bench<'a> {
    /// Nothing measured yet.
    pub(super) fn new(
        arguments: &'a BenchArgs,
        echo: &'a Yardstick,
        stand: &'a Stand,
        workload: Workload,
    ) -> Self {
        Self { arguments, echo, stand, workload, rate: 0.0, runs: 0, pace: Pace::Closed }
    }

    /// All rounds, closed loop: the peak.
    ///
    /// # Errors
    /// When calls stay unanswered.
    pub(super) async fn closed(&mut self, database: &Database) -> anyhow::Result<Outcome> {
        self.pace = Pace::Closed;
        self.rounds(database).await
    }

    /// All rounds, open loop at so many calls a second: the latency of a day that is not the peak.
    ///
    /// # Errors
    /// When the generator fails.
    pub(super) async fn open(
        &mut self,
        database: &Database,
        per_second: f64,
    ) -> anyhow::Result<Outcome> {
        self.pace = Pace::Open(per_second);
        self.rounds(database).await
    }

    async fn rounds(&mut self, database: &Database) -> anyhow::Result<Outcome> {
        let mut all = Tally::new();
        let looked = self.service(LOOK).await?;
        let mut answers = looked.tally.answer_bytes();
        let mut rounds = Vec::new();
        let lengths = self.lengths();
        for number in 0..self.arguments.rounds {
            let (echo, service);
            if number % 2 == 0 {
                echo = self.echo(lengths, answers).await?;
                service = self.service(lengths).await?;
            } else {
                service = self.service(lengths).await?;
                echo = self.echo(lengths, answers).await?;
            }
            all.merge(&service.tally);
            // Histories grow while calls end: the echo answers as much as the service did last.
            answers = service.tally.answer_bytes();
            rounds.push(Round::new(Run::of(&echo), Run::of(&service)));
        }
        let (suffix, offered_per_second) = match self.pace {
            Pace::Closed => ("", None),
            Pace::Open(per_second) => ("-open", Some(per_second)),
        };
        Ok(Outcome {
            engine: database.engine(),
            workload: format!("{}{suffix}", self.workload.name()),
            offered_per_second,
            prepared_seconds: self.stand.prepared.as_secs_f64(),
            sizes: MessageSizes::of(&all),
            rounds,
        })
    }

    fn lengths(&self) -> Lengths {
        let measured = Duration::from_secs(u64::from(self.arguments.seconds));
        Lengths { warm_up: WARM_UP, measured }
    }

    async fn echo(&mut self, lengths: Lengths, answers: [u32; VERBS]) -> anyhow::Result<Measured> {
        let callers = self.echo.callers.iter().cloned().map(|it| it.answering(answers)).collect();
        self.drive(callers, None, lengths, &self.echo.meter).await
    }

    async fn service(&mut self, lengths: Lengths) -> anyhow::Result<Measured> {
        let started = self.started(lengths).await?;
        let callers = self.stand.callers.clone();
        let measured = self.drive(callers, started, lengths, &self.stand.meter).await?;
        self.rate = Run::of(&measured).per_second;
        Ok(measured)
    }

    async fn drive(
        &mut self,
        callers: Vec<Caller>,
        started: Option<Arc<Started>>,
        lengths: Lengths,
        meter: &Meter,
    ) -> anyhow::Result<Measured> {
        self.runs += 1;
        let script = || Script::new(self.workload, &self.stand.world, started.clone());
        match self.pace {
            Pace::Closed => {
                let lanes = callers.into_iter().map(|caller| (caller, script())).collect();
                drive::closed(lanes, lengths, meter).await
            }
            Pace::Open(per_second) => {
                let seed = self.arguments.seed.wrapping_add(u64::from(self.runs));
                let arrivals = Arrivals::new(per_second, seed);
                open::open(callers, script(), arrivals, lengths, meter).await
            }
        }
    }

    /// What a run of that length can end.
    async fn started(&self, lengths: Lengths) -> anyhow::Result<Option<Arc<Started>>> {
        if self.workload != Workload::End {
            return Ok(None);
        }
        let seconds = (lengths.warm_up + lengths.measured).as_secs_f64();
        let wanted = (self.rate * seconds * SPARE).clamp(STARTS.0, STARTS.1);
        let (callers, world) = (&self.stand.callers, &self.stand.world);
        let ids = prepare::starts(callers, world, wanted as u64, &self.runs.to_string()).await?;
        Ok(Some(Started::new(ids)))
    }
}
