//! Figures before and after a fit, on the part of the world that taught nothing.

use std::io::{self, Write};

use super::imagined::{Plan, imagine};
use super::regimes::{fit_confirmed, training};
use super::rows::Row;
use crate::cli::replay::events::World;
use crate::cli::replay::metrics::{Calibration, Rate};
use crate::cli::replay::scorer::{PROMISES, Scores};
use crate::identity::{Fitted, Weights, probability};
use sha2::{Digest as _, Sha256};

/// How much of the ends say who it was, in turn.
pub(super) const FEEDBACKS: [f64; 3] = [1.0, 0.3, 0.0];
/// Parts of a cross-validation.
const FOLDS: u8 = 5;

/// The scores at one feedback, of the last 40 %.
pub(super) struct Measured {
    pub(super) feedback: f64,
    pub(super) scores: Scores,
    /// What one decision took on average, in microseconds.
    pub(super) decision_micros: f64,
}

/// Plays the world to these weights at every feedback.
pub(super) fn measured(world: &World, weights: &Weights, seed: u64) -> Vec<Measured> {
    let at =
        |feedback: &f64| measure(world, Plan { feedback: *feedback, seed, signed: true }, weights);
    FEEDBACKS.iter().map(at).collect()
}

fn measure(world: &World, plan: Plan, weights: &Weights) -> Measured {
    let seen = imagine(world, plan, weights);
    let mut scores = Scores::default();
    for (start, answer) in world.starts.iter().zip(&seen.answers).skip(world.first_scored()) {
        scores.add(&start.truth, answer, &seen.refs);
    }
    let decisions = seen.answers.len().max(1) as f64;
    let decision_micros = seen.deciding.as_secs_f64() * 1e6 / decisions;
    Measured { feedback: plan.feedback, scores, decision_micros }
}

/// Prints the figures of both, and how the fit does on customers it has not seen.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn print(
    out: &mut dyn Write,
    world: &World,
    before: &Weights,
    after: Option<&Weights>,
    seed: u64,
) -> io::Result<()> {
    writeln!(
        out,
        "{} starts; the last {} are measured, played to the rules in memory\n",
        world.starts.len(),
        world.starts.len() - world.first_scored()
    )?;
    for weights in [Some(before), after].into_iter().flatten() {
        writeln!(out, "weights {}", weights.version)?;
        for measured in measured(world, weights, seed) {
            print_measured(out, &format!("feedback {}", measured.feedback), &measured)?;
        }
        for feedback in FEEDBACKS {
            let measured = measure(world, Plan { feedback, seed, signed: false }, weights);
            print_measured(out, &format!("feedback {feedback}, subjects as user_id"), &measured)?;
        }
        writeln!(out)?;
    }
    if after.is_some() { print_unseen(out, world, before, seed) } else { Ok(()) }
}

fn print_measured(out: &mut dyn Write, name: &str, measured: &Measured) -> io::Result<()> {
    let scores = &measured.scores;
    writeln!(out, "  {name} ({:.1} µs a decision)", measured.decision_micros)?;
    for (name, rate) in [
        ("FAR", scores.false_accepts),
        ("disclosure", scores.disclosures),
        ("missed (reuse)", scores.missed_reuse),
        ("missed (reuse or confirm)", scores.missed),
    ] {
        print_rate(out, name, rate)?;
    }
    print_calibration(out, &scores.calibration)?;
    for ((_, name, promise), rate) in PROMISES.iter().zip(scores.kept) {
        print_rate(out, &format!("right at {name} ({:.0} %)", promise * 100.0), rate)?;
    }
    Ok(())
}

pub(super) fn print_rate(out: &mut dyn Write, name: &str, rate: Rate) -> io::Result<()> {
    let (Some(share), Some((low, high))) = (rate.share(), rate.interval()) else {
        return writeln!(out, "    {name:<28}{:>9}", "–");
    };
    let [share, low, high] = [share, low, high].map(|it| it * 100.0);
    let counts = format!("{} / {}", rate.hits, rate.of);
    writeln!(out, "    {name:<28}{share:>8.2} % ({low:.2} – {high:.2})   {counts}")
}

pub(super) fn print_calibration(out: &mut dyn Write, stated: &Calibration) -> io::Result<()> {
    let (Some(error), Some(brier), Some([errors, briers])) =
        (stated.expected_error(), stated.brier(), stated.intervals())
    else {
        return Ok(());
    };
    for (name, value, (low, high)) in [("ECE", error, errors), ("Brier", brier, briers)] {
        writeln!(out, "    {name:<28}{value:>10.4} ({low:.4} – {high:.4})   {}", stated.count())?;
    }
    Ok(())
}

/// Fits on four fifths of the customers and asks of the others, in turn.
fn print_unseen(out: &mut dyn Write, world: &World, before: &Weights, seed: u64) -> io::Result<()> {
    let plan = Plan { feedback: 1.0, seed, signed: true };
    let rows = training(world, imagine(world, plan, before).rows);
    let fold = |row: &Row| {
        let digest = Sha256::digest(world.starts[row.start].truth.customer.as_bytes());
        digest.first().copied().unwrap_or_default() % FOLDS
    };
    let (mut old, mut new) = (Calibration::default(), Calibration::default());
    for left_out in 0..FOLDS {
        let (asked, taught): (Vec<Row>, Vec<Row>) =
            rows.iter().cloned().partition(|row| fold(row) == left_out);
        let values = fit_confirmed(&taught, before);
        let fitted = Weights::new("fold".to_owned(), Fitted::OnSimulation, values);
        for row in &asked {
            old.add(probability(before.log_odds(&row.features)), row.right);
            new.add(probability(fitted.log_odds(&row.features)), row.right);
        }
    }
    writeln!(out, "customers that a fit has not seen (5 parts, every candidate, feedback 1)")?;
    for (name, stated) in [("before", &old), ("after", &new)] {
        writeln!(out, "  {name}")?;
        print_calibration(out, stated)?;
    }
    Ok(())
}
