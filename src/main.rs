//! One binary: the service, its demo and its tools.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use threadline::cli::Command;
use tracing_subscriber::EnvFilter;

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

/// Structured logs on standard error; `THREADLINE_LOG` chooses what, as `tracing` filters do.
fn log(verbose: bool) {
    let default = if verbose { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("THREADLINE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(default))
        // These print statements, frames and field values: never, whatever was asked for.
        .add_directive("sqlx=off".parse().unwrap_or_default())
        .add_directive("h2=off".parse().unwrap_or_default())
        .add_directive("hyper=off".parse().unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).json().init();
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody reads standard error any more when this fails.
    let _ = writeln!(std::io::stderr(), "threadline: {error:#}");
    ExitCode::FAILURE
}
