//! The figures of a replay as a table.

use std::io::{self, Write};
use std::time::Duration;

use super::drive::{Ledger, Plan};
use super::events::World;
use super::metrics::{Calibration, Latencies, Rate};
use super::scorer::{PROMISES, Scores};

/// Prints what was sent, the scores of the last 40 % of starts, and how fast it went.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn print(
    out: &mut dyn Write,
    world: &World,
    ledger: &Ledger,
    plan: &Plan,
    lasted: Duration,
) -> io::Result<()> {
    let first = world.first_scored();
    let mut scores = Scores::default();
    let mut scored = 0_u64;
    for (start, answer) in world.starts.iter().zip(&ledger.answers).skip(first) {
        scored += 1;
        if let Some(answer) = answer {
            scores.add(&start.truth, answer, &ledger.refs);
        }
    }
    print_sent(out, world, ledger, plan)?;
    let [reuse, confirm, ignore, none] = scores.recommended;
    writeln!(out, "\nScored: the last 40 % of starts, {scored}")?;
    write!(out, "  answered  reuse {reuse}, confirm {confirm}, ignore {ignore}")?;
    writeln!(out, ", no decision {none}; resolvable {}\n", scores.missed.of)?;
    print_scores(out, &scores)?;
    print_speed(out, ledger, lasted)?;
    print_failures(out, ledger)
}

fn print_sent(out: &mut dyn Write, world: &World, ledger: &Ledger, plan: &Plan) -> io::Result<()> {
    let starts = ledger.answers.iter().flatten().count();
    writeln!(
        out,
        "Replayed {starts} of {} starts, {} ends",
        world.starts.len(),
        ledger.ends.count()
    )?;
    writeln!(
        out,
        "  feedback {} (seed {}): given at {} ends; {} of them went into another history",
        plan.feedback, plan.seed, ledger.feedback, ledger.feedback_elsewhere
    )?;
    let subjects = world.starts.iter().filter(|start| start.hints.jwt_sub.is_some()).count();
    if subjects > 0 {
        let travelled = match plan.web_token_key {
            Some(_) => "as signed web tokens",
            None => "as user_id; --web-token-key would sign web tokens",
        };
        writeln!(out, "  {subjects} signed-in subjects were sent {travelled}")?;
    }
    if world.ends_without_start > 0 {
        writeln!(out, "  not sent: {} ends without a start", world.ends_without_start)?;
    }
    if ledger.degraded + ledger.retries > 0 {
        writeln!(
            out,
            "  degraded answers {}, calls made again {}",
            ledger.degraded, ledger.retries
        )?;
    }
    Ok(())
}

pub(in crate::cli) fn print_scores(out: &mut dyn Write, scores: &Scores) -> io::Result<()> {
    writeln!(out, "  {:<28}{:>9}   {:<20}of", "", "rate", "95 % interval")?;
    for (name, rate) in [
        ("FAR", scores.false_accepts),
        ("disclosure", scores.disclosures),
        ("missed (reuse)", scores.missed_reuse),
        ("missed (reuse or confirm)", scores.missed),
    ] {
        print_rate(out, name, rate)?;
    }
    let calibration = &scores.calibration;
    let intervals = calibration.intervals();
    for (at, (name, value)) in
        [("ECE (15 bins)", calibration.expected_error()), ("Brier", calibration.brier())]
            .into_iter()
            .enumerate()
    {
        let value = value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
        let interval = intervals
            .map_or_else(String::new, |both| format!("{:.4} – {:.4}", both[at].0, both[at].1));
        writeln!(out, "  {name:<28}{value:>9}   {interval:<20}{}", calibration.count())?;
    }
    if scores.unnamed > 0 {
        writeln!(
            out,
            "  ({} more with a probability, whose candidate is not named)",
            scores.unnamed
        )?;
    }
    writeln!(
        out,
        "\n  {:<28}{:>9}   {:<20}of",
        "right at level (promise)", "rate", "95 % interval"
    )?;
    for ((_, name, promise), rate) in PROMISES.iter().zip(scores.kept) {
        print_rate(out, &format!("{name} ({:.0} %)", promise * 100.0), rate)?;
    }
    print_reliability(out, calibration)
}

/// What was stated against what was so, in the bins of the calibration error.
fn print_reliability(out: &mut dyn Write, calibration: &Calibration) -> io::Result<()> {
    writeln!(out, "\n  {:<28}{:>9}   {:<20}of", "stated probability", "right", "95 % interval")?;
    for bin in calibration.bins().iter().filter(|bin| bin.count > 0) {
        let stated = bin.stated / bin.count as f64;
        print_rate(out, &format!("{stated:.3}"), Rate { hits: bin.right, of: bin.count })?;
    }
    Ok(())
}

fn print_rate(out: &mut dyn Write, name: &str, rate: Rate) -> io::Result<()> {
    let share = rate.share().map_or_else(|| "–".to_owned(), percent);
    let interval = rate
        .interval()
        .map_or_else(String::new, |(low, high)| format!("{} – {}", percent(low), percent(high)));
    writeln!(out, "  {name:<28}{share:>9}   {interval:<20}{} / {}", rate.hits, rate.of)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn print_speed(out: &mut dyn Write, ledger: &Ledger, lasted: Duration) -> io::Result<()> {
    let calls = ledger.starts.count() + ledger.ends.count();
    let seconds = lasted.as_secs_f64();
    let rate = calls as f64 / seconds.max(0.001);
    writeln!(out, "\n  {calls} calls in {seconds:.1} s, {rate:.0} a second")?;
    print_latency(out, "start", &ledger.starts)?;
    print_latency(out, "end", &ledger.ends)
}

fn print_latency(out: &mut dyn Write, name: &str, latencies: &Latencies) -> io::Result<()> {
    let Some([half, most]) = latencies.percentiles([0.5, 0.99]) else { return Ok(()) };
    let [half, most] = [half, most].map(|one| one.as_secs_f64() * 1_000.0);
    writeln!(out, "  {name:<6} p50 {half:>8.2} ms   p99 {most:>8.2} ms")
}

fn print_failures(out: &mut dyn Write, ledger: &Ledger) -> io::Result<()> {
    if ledger.failures.total() == 0 {
        return writeln!(out, "\n  no errors");
    }
    writeln!(out, "\n  errors: {}", ledger.failures.total())?;
    for (reason, count) in &ledger.failures.by_reason {
        writeln!(out, "    {count:>6}  {reason}")?;
    }
    if ledger.given_up {
        writeln!(out, "  given up before the end")?;
    }
    Ok(())
}
