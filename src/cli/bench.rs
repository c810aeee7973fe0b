//! `threadline bench`: how fast the service is, beside a bare gRPC echo of the same sizes.
//!
//! A figure by itself says more about the machine than about the service. So echo and service are
//! measured in turns, by the same generator, and what is reported is their ratio with its spread.

mod caller;
mod child;
mod cpu;
mod drive;
pub mod echo;
mod figures;
mod open;
mod prepare;
mod report;
mod requests;
mod rounds;
mod stand;
mod tally;
mod workload;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::ids::Entropy;
use child::Server;
use cpu::Meter;
use figures::Outcome;
use requests::MOST_CUSTOMERS;
use rounds::{Bench, Yardstick};
use stand::{Database, Stand, Target};
pub use workload::Workload;

/// Measures the service and a bare echo in turns.
#[derive(Args, Clone)]
pub struct BenchArgs {
    /// sqlite (a file that is gone afterwards), sqlite:PATH or postgres://…; may be given several
    /// times. What is written stays, under a test tenant of its own
    #[arg(long = "database", value_name = "URL", default_value = "sqlite",
          value_parser = Database::parse)]
    databases: Vec<Database>,
    /// Only this workload; may be given several times [default: all]
    #[arg(long = "workload", value_name = "NAME", value_enum)]
    workloads: Vec<Workload>,
    /// How often both are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each is measured in a round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections of the generator
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    streams: u16,
    /// How many customers are known
    #[arg(long, default_value_t = 20_000,
          value_parser = clap::value_parser!(u64).range(1..=MOST_CUSTOMERS))]
    customers: u64,
    /// Draws the customers: the same seed, the same ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes every round's figures there as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures and prints: 0 without, 1 with an error or a degraded answer of any call.
///
/// # Errors
/// When the service cannot be started, a customer not be made, or a file not be written.
pub async fn run(arguments: BenchArgs) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping the measurement ends the processes that it started.
    let outcomes = tokio::select! {
        outcomes = measure(&arguments) => outcomes?,
        _ = terminate.recv() => anyhow::bail!("stopped before the end"),
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped before the end"),
    };
    if let Some(path) = &arguments.json {
        write_json(path, &arguments, &outcomes)?;
    }
    let failed = outcomes.iter().map(Outcome::failures).sum::<u64>() > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(arguments: &BenchArgs) -> anyhow::Result<Vec<Outcome>> {
    let given = std::env::var("THREADLINE_ROOT_KEY").ok().filter(|key| !key.is_empty());
    let root_key = given.unwrap_or_else(|| {
        base64::engine::general_purpose::STANDARD.encode(Entropy::System.bytes::<32>())
    });
    let server = Server::echo()?;
    let echo = Yardstick {
        callers: stand::callers(arguments, &Target::Echo(&server.address)).await?,
        meter: Meter { server: server.id(), database: None },
    };
    say(&heading(arguments))?;
    let mut outcomes = Vec::new();
    for database in &arguments.databases {
        for workload in arguments.workloads() {
            // Each workload finds customers whom no other one has given a longer history.
            let stand = Stand::open(arguments, database, &root_key, workload).await;
            let stand = stand.with_context(|| workload.name())?;
            let mut bench = Bench::new(arguments, &echo, &stand, workload);
            let closed = bench.closed(database).await.with_context(|| workload.name())?;
            print(&closed)?;
            let peak = closed.spread(|round| Some(round.service.per_second));
            outcomes.push(closed);
            if let (Workload::Mixed, Some(peak)) = (workload, peak) {
                let open = bench.open(database, peak.median / 2.0).await?;
                print(&open)?;
                outcomes.push(open);
            }
            stand.close().await?;
        }
    }
    Ok(outcomes)
}

fn print(outcome: &Outcome) -> anyhow::Result<()> {
    let mut text = Vec::new();
    report::print(&mut text, outcome)?;
    say(&String::from_utf8_lossy(&text))
}

impl BenchArgs {
    fn workloads(&self) -> Vec<Workload> {
        if self.workloads.is_empty() { Workload::ALL.to_vec() } else { self.workloads.clone() }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("standard output")
}

fn heading(arguments: &BenchArgs) -> String {
    let BenchArgs { rounds, seconds, connections, streams, customers, .. } = arguments;
    let (cores, model) = machine();
    format!(
        "threadline {}: {connections} connections × {streams} streams, {customers} customers, \
         {rounds} rounds of {seconds} s each; {cores} cores, {model}\n\
         median over the rounds (least–most); the echo has {} workers\n",
        env!("CARGO_PKG_VERSION"),
        echo::WORKERS
    )
}

/// How many cores this process may use, and which.
fn machine() -> (usize, String) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    (cores, named.map_or("unknown", |(_, model)| model).to_owned())
}

fn write_json(path: &Path, arguments: &BenchArgs, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let (cores, model) = machine();
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": {"cores": cores, "model": model},
        "settings": {
            "connections": arguments.connections,
            "streams": arguments.streams,
            "customers": arguments.customers,
            "rounds": arguments.rounds,
            "seconds": arguments.seconds,
            "seed": arguments.seed,
            "echo_workers": echo::WORKERS,
        },
        "outcomes": outcomes,
    });
    let text = serde_json::to_string_pretty(&whole)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parsed(line: &str) -> Result<BenchArgs, String> {
        let line = Line::try_parse_from(format!("bench {line}").split_whitespace());
        line.map(|line| line.bench).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_measures_everything_on_a_file_of_its_own() {
        let nothing = parsed("").unwrap();
        assert_eq!(nothing.databases, [Database::ThrowAway]);
        assert_eq!(nothing.workloads(), Workload::ALL);
        assert_eq!((nothing.connections, nothing.streams, nothing.rounds), (8, 16, 5));
        let chosen = parsed("--workload end --workload start-hit-hot --database sqlite:a.db");
        assert_eq!(chosen.unwrap().workloads(), [Workload::End, Workload::StartHitHot]);
    }

    #[test]
    fn what_has_no_bounds_is_refused_by_name() {
        for bad in [
            "--rounds 0",
            "--rounds 101",
            "--seconds 0",
            "--seconds 601",
            "--connections 0",
            "--connections 257",
            "--streams 0",
            "--customers 0",
            "--customers 1000001",
            "--workload lunch",
            "--database mysql://a",
        ] {
            let Err(said) = parsed(bad) else { panic!("accepted: {bad}") };
            assert!(said.contains(bad.split(' ').next().unwrap()), "{said}");
        }
    }

    #[test]
    fn every_workload_has_the_name_that_the_command_line_knows() {
        for workload in Workload::ALL {
            let parsed = parsed(&format!("--workload {}", workload.name())).unwrap();
            assert_eq!(parsed.workloads(), [workload]);
        }
    }
}
