//! The figures as a table: the median over all rounds, with the least and the most.

use std::io::{self, Write};

use super::figures::{Outcome, Round, Run, Spread};

/// Prints what came of one workload.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn print(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    write!(out, "\n{} on {}", outcome.workload, outcome.engine)?;
    if let Some(offered) = outcome.offered_per_second {
        write!(out, ", open loop at {offered:.0} a second")?;
    }
    writeln!(out, "   (prepared in {:.1} s)", outcome.prepared_seconds)?;
    for sizes in &outcome.sizes {
        let (request, answer) = (sizes.request_bytes, sizes.answer_bytes);
        let share = sizes.share * 100.0;
        write!(out, "  {:<8}{share:>3.0} % of calls, ", sizes.verb)?;
        writeln!(out, "request {request:.0} bytes, answer {answer:.0} bytes")?;
    }
    writeln!(
        out,
        "  {:<9}{:>26}{:>23}{:>23}{:>23}{:>21}",
        "", "calls/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/call"
    )?;
    print_target(out, outcome, "echo", |round| &round.echo)?;
    print_target(out, outcome, "service", |round| &round.service)?;
    let throughput = shown(outcome.spread(|round| round.throughput_ratio), 2);
    let cpu = shown(outcome.spread(|round| round.cpu_ratio), 2);
    writeln!(out, "  {:<9}{throughput:>26}{:>69}{cpu:>21}", "ratio", "")?;
    print_beside(out, outcome)?;
    print_failures(out, outcome)
}

fn print_target(
    out: &mut dyn Write,
    outcome: &Outcome,
    name: &str,
    run: fn(&Round) -> &Run,
) -> io::Result<()> {
    let spread = |figure: fn(&Run) -> f64| outcome.spread(|round| Some(figure(run(round))));
    write!(out, "  {name:<9}{:>26}", shown(spread(|run| run.per_second), 0))?;
    for figure in [|run: &Run| run.p50_ms, |run: &Run| run.p99_ms, |run: &Run| run.p999_ms] {
        write!(out, "{:>23}", shown(spread(figure), 2))?;
    }
    writeln!(out, "{:>21}", shown(outcome.spread(|round| run(round).cpu_us), 1))
}

/// The processor time of whoever else took part, and the longest call.
fn print_beside(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    let most = outcome.spread(|round| Some(round.service.max_ms));
    let most = most.map_or(0.0, |spread| spread.max);
    let service = shown(outcome.spread(|round| round.service.generator_cpu_us), 1);
    let echo = shown(outcome.spread(|round| round.echo.generator_cpu_us), 1);
    writeln!(out, "  longest call of the service {most:.1} ms")?;
    if let Some(database) = outcome.spread(|round| round.service.database_cpu_us) {
        writeln!(out, "  PostgreSQL's processes {} CPU µs/call", shown(Some(database), 1))?;
    }
    writeln!(out, "  this generator {service} CPU µs/call, with the echo {echo}")
}

fn print_failures(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    if outcome.failures() == 0 {
        return writeln!(out, "  no errors, no degraded answers");
    }
    for (name, run) in
        [("echo", (|round| &round.echo) as fn(&Round) -> &Run), ("service", |round| &round.service)]
    {
        let runs = || outcome.rounds.iter().map(run);
        let errors: u64 = runs().map(|run| run.errors).sum();
        let degraded: u64 = runs().map(|run| run.degraded).sum();
        if errors + degraded > 0 {
            writeln!(out, "  ERRORS of the {name}: {errors}, degraded answers: {degraded}")?;
        }
        for (why, count) in runs().flat_map(|run| &run.reasons) {
            writeln!(out, "    {count:>7}  {why}")?;
        }
    }
    writeln!(out, "  figures with errors are not worth much")
}

/// `median (least–most)`.
fn shown(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |Spread { median, min, max }| format!("{median:.digits$} ({min:.digits$}–{max:.digits$})"),
    )
}
