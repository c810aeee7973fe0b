//! Whether what another tenant has takes as long to be refused as what nobody has.
//!
//! Two medians of a busy machine differ by some percent for no reason. So it counts how often, of two
//! calls made one right after the other, the one that names what exists elsewhere took longer: of
//! `n` pairs of equals about half, with a standard deviation of `√n / 2`, whatever else the machine
//! does. Which of a pair goes first changes from pair to pair of the same comparison: the second meets
//! what the first left behind, and on a busy machine waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::Kind;

/// So many standard deviations are no chance: with a hundred comparisons one in a thousand runs.
const NO_CHANCE: f64 = 4.5;

/// What is compared: where something is looked for, and what.
pub type Comparison = (String, Kind);

/// How long calls took: of what is known elsewhere, and of what is known nowhere.
#[derive(Default)]
pub struct Times(BTreeMap<Comparison, Vec<[Duration; 2]>>);

/// How far two medians may lie apart, where it is no chance that they do.
#[derive(Clone, Copy)]
pub struct Bound {
    /// As a part of the smaller one.
    pub part: f64,
    /// Or so much, if that is more.
    pub least: Duration,
}

impl Times {
    pub fn note(&mut self, rpc: &str, kind: Kind, took: [Duration; 2]) {
        self.0.entry((rpc.to_owned(), kind)).or_default().push(took);
    }

    /// Which of the next pair is to be called first: 0 is what is known elsewhere.
    pub fn first(&self, rpc: &str, kind: Kind) -> usize {
        self.0.get(&(rpc.to_owned(), kind)).map_or(0, |pairs| pairs.len() % 2)
    }

    /// Prints the medians, and by how many standard deviations the one took longer than the other
    /// more often than not; those that differ.
    pub fn report(&self, bound: Bound) -> BTreeMap<Comparison, String> {
        let mut apart = BTreeMap::new();
        println!("{:<27} {:<12} {:>6} {:>11} {:>11}", "RPC", "of", "pairs", "foreign", "missing");
        for ((rpc, kind), pairs) in &self.0 {
            let [foreign, missing] = [0, 1].map(|side| median(pairs, side));
            let deviations = deviations(pairs);
            let micros = |it: Duration| it.as_secs_f64() * 1e6;
            let line = format!(
                "{rpc:<27} {:<12} {:>6} {:>8.1} µs {:>8.1} µs {deviations:>+6.1}σ",
                format!("{kind:?}"),
                pairs.len(),
                micros(foreign),
                micros(missing)
            );
            println!("{line}");
            let allowed = foreign.min(missing).mul_f64(bound.part).max(bound.least);
            if deviations.abs() > NO_CHANCE && foreign.abs_diff(missing) > allowed {
                apart.insert((rpc.clone(), *kind), line);
            }
        }
        apart
    }
}

fn median(pairs: &[[Duration; 2]], side: usize) -> Duration {
    let mut all: Vec<Duration> = pairs.iter().map(|pair| pair[side]).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// How far from half of all pairs those are of which the first took longer.
fn deviations(pairs: &[[Duration; 2]]) -> f64 {
    let longer = pairs.iter().filter(|[one, other]| one > other).count() as f64;
    let all = pairs.len() as f64;
    (2.0 * longer - all) / all.sqrt()
}

#[test]
fn a_call_that_takes_longer_is_found_and_noise_is_not() {
    let noise = |n: u64| Duration::from_micros(1_000 + (n * 7_919) % 1_013);
    let bound = Bound { part: 0.05, least: Duration::from_micros(20) };
    // What is more, and how much longer whichever is called second waits.
    for (more, second, found) in [(0, 0, 0), (200, 0, 1), (0, 300, 0), (200, 300, 1)] {
        let mut times = Times::default();
        for n in 0..800 {
            let mut pair = [noise(n) + Duration::from_micros(more), noise(n + 100_003)];
            pair[1 - times.first("any", Kind::Text)] += Duration::from_micros(second);
            times.note("any", Kind::Text, pair);
        }
        let apart = times.report(bound);
        assert_eq!(apart.len(), found, "{more} µs more, {second} µs for the second");
    }
}
