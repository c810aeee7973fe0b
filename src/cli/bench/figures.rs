//! The figures of a run, and what they come to over all rounds.

use serde::Serialize;

use super::drive::Measured;
use super::requests::Verb;
use super::tally::Tally;

/// One target in one round.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// Calls answered within the measurement.
    pub(super) calls: u64,
    /// How long it took.
    pub(super) seconds: f64,
    /// Calls a second.
    pub(super) per_second: f64,
    /// Half of the calls took no longer.
    pub(super) p50_ms: f64,
    /// 99 % of the calls took no longer.
    pub(super) p99_ms: f64,
    /// 99.9 % of the calls took no longer.
    pub(super) p999_ms: f64,
    /// No call took longer.
    pub(super) max_ms: f64,
    /// Processor time of the server for one call; none where it cannot be read.
    pub(super) cpu_us: Option<f64>,
    /// Processor time of PostgreSQL for one call, where its processes can be seen.
    pub(super) database_cpu_us: Option<f64>,
    /// Processor time of this generator for one call.
    pub(super) generator_cpu_us: Option<f64>,
    /// Answers without a decision, warm-up included.
    pub(super) degraded: u64,
    /// Calls that failed, warm-up included.
    pub(super) errors: u64,
    /// Why, with how often.
    pub(super) reasons: std::collections::BTreeMap<String, u64>,
}

impl Run {
    /// The figures of what was measured.
    pub(super) fn of(measured: &Measured) -> Self {
        let Measured { tally, lasted, used } = measured;
        let at = |share| tally.latencies.value_at_quantile(share) as f64 / 1_000.0;
        let each = |used: Option<std::time::Duration>| {
            used.filter(|_| tally.calls > 0).map(|it| it.as_secs_f64() * 1e6 / tally.calls as f64)
        };
        let seconds = lasted.as_secs_f64();
        Self {
            calls: tally.calls,
            seconds,
            per_second: if seconds > 0.0 { tally.calls as f64 / seconds } else { 0.0 },
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: tally.latencies.max() as f64 / 1_000.0,
            cpu_us: each(used.server),
            database_cpu_us: each(used.database),
            generator_cpu_us: each(used.generator),
            degraded: tally.degraded,
            errors: tally.errors,
            reasons: tally.reasons.clone(),
        }
    }
}

/// Echo and service, one after the other.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Round {
    /// The yardstick.
    pub(super) echo: Run,
    /// The service.
    pub(super) service: Run,
    /// The service's throughput by the echo's.
    pub(super) throughput_ratio: Option<f64>,
    /// The service's processor time per call by the echo's.
    pub(super) cpu_ratio: Option<f64>,
}

impl Round {
    /// With its ratios.
    pub(super) fn new(echo: Run, service: Run) -> Self {
        let by = |one: f64, other: f64| (other > 0.0).then_some(one / other);
        let throughput_ratio = by(service.per_second, echo.per_second);
        let cpu_ratio = service.cpu_us.zip(echo.cpu_us).and_then(|(one, other)| by(one, other));
        Self { echo, service, throughput_ratio, cpu_ratio }
    }
}

/// The middle of several rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Half of the rounds lie below; between two, their mean.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl Spread {
    /// Of these figures; none of nothing.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(below, above), min, max })
    }
}

/// The mean sizes of one verb's messages, in bytes, without gRPC's own frame.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MessageSizes {
    /// Which.
    pub(super) verb: &'static str,
    /// The share of all calls.
    pub(super) share: f64,
    /// The mean request.
    pub(super) request_bytes: f64,
    /// The mean answer.
    pub(super) answer_bytes: f64,
}

impl MessageSizes {
    /// Of every verb that was called.
    pub(super) fn of(tally: &Tally) -> Vec<Self> {
        let all: u64 = tally.sizes.iter().map(|sizes| sizes.calls).sum();
        let called = Verb::ALL.into_iter().zip(&tally.sizes).filter(|(_, sizes)| sizes.calls > 0);
        called
            .map(|(verb, sizes)| Self {
                verb: verb.name(),
                share: sizes.calls as f64 / all as f64,
                request_bytes: sizes.requests as f64 / sizes.calls as f64,
                answer_bytes: sizes.answers as f64 / sizes.calls as f64,
            })
            .collect()
    }
}

/// What came of one workload on one database.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// `sqlite` or `postgres`.
    pub(super) engine: &'static str,
    /// The workload's name.
    pub(super) workload: String,
    /// Open loop: the calls that were due in a second, evenly at random.
    pub(super) offered_per_second: Option<f64>,
    /// How long customers took to make and the cache to warm.
    pub(super) prepared_seconds: f64,
    /// Of the service; the echo was sent and answered the same.
    pub(super) sizes: Vec<MessageSizes>,
    /// Every round.
    pub(super) rounds: Vec<Round>,
}

impl Outcome {
    /// A figure over all rounds.
    pub(super) fn spread(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(figure))
    }

    /// Calls that failed and answers without a decision, of both targets.
    pub(super) fn failures(&self) -> u64 {
        let of = |run: &Run| run.errors + run.degraded;
        self.rounds.iter().map(|round| of(&round.echo) + of(&round.service)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle_and_its_ends() {
        let spread = Spread::of([3.0, 1.0, 10.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 10.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_of_one_round_and_none_by_nothing() {
        let run = |per_second, cpu_us| Run { per_second, cpu_us, ..Run::default() };
        let round = Round::new(run(80.0, Some(20.0)), run(20.0, Some(60.0)));
        assert_eq!((round.throughput_ratio, round.cpu_ratio), (Some(0.25), Some(3.0)));
        let round = Round::new(run(0.0, None), run(20.0, Some(60.0)));
        assert_eq!((round.throughput_ratio, round.cpu_ratio), (None, None));
    }
}
