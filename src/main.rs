//! One binary: the service, its demo and its tools.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use threadline::cli::{Command, log};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Command::parse();
    log::begin(command.log_level());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(command.run()).unwrap_or_else(|error| failed(&error));
    // What is stuck, such as a read from a disk that does not answer, is not waited for.
    runtime.shutdown_background();
    ended
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody reads standard error any more when this fails.
    let _ = writeln!(std::io::stderr(), "threadline: {error:#}");
    ExitCode::FAILURE
}
