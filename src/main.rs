//! One binary: the service, its demo and its tools.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use threadline::cli::Command;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Command::parse();
    log(command.logs());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime.block_on(command.run()).unwrap_or_else(|error| failed(&error))
}

/// Structured logs on standard error; `THREADLINE_LOG` chooses what, as `tracing` filters do. Only
/// our own targets are ever written: libraries print statements, frames and even numbers.
fn log(verbose: bool) {
    let default = if verbose { "info" } else { "warn" };
    let chosen = EnvFilter::try_from_env("THREADLINE_LOG").unwrap_or_else(|_| default.into());
    let own = filter_fn(|metadata| metadata.target().starts_with("threadline"));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(chosen.and(own))).init();
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody reads standard error any more when this fails.
    let _ = writeln!(std::io::stderr(), "threadline: {error:#}");
    ExitCode::FAILURE
}
