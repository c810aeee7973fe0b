//! One binary: the service, its demo and its tools.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use threadline::cli::Command;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Command::parse();
    log(command.log_level());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime.block_on(command.run()).unwrap_or_else(|error| failed(&error))
}

/// Structured logs on standard error. `THREADLINE_LOG` chooses what: a level, or `target=level` of
/// our own targets, separated by commas. Nothing else is ever written: libraries print statements,
/// frames and even numbers.
fn log(default: &str) {
    let chosen = std::env::var("THREADLINE_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let chosen = chosen.or_else(|| default.parse().ok()).unwrap_or_default();
    let own = chosen.iter().filter(|(target, _)| target.starts_with("threadline"));
    let level = chosen.default_level().unwrap_or(LevelFilter::OFF);
    let only_ours = Targets::new().with_target("threadline", level).with_targets(own);
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(only_ours).with(lines).init();
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody reads standard error any more when this fails.
    let _ = writeln!(std::io::stderr(), "threadline: {error:#}");
    ExitCode::FAILURE
}
