//! The commands of the one binary.

pub mod audit;
pub mod bench;
pub mod call;
pub mod client;
pub mod demo;
pub mod fit;
pub mod import;
pub mod keys;
pub mod merge;
pub mod replay;
pub mod serve;
pub mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::clock::Clock;
use crate::ids::Entropy;
use crate::server::{Configuration, Layers, Serve};
use crate::store::Schedule;

/// Who is this, and what were we talking about?
#[derive(Parser)]
#[command(name = "threadline", version, about, max_term_width = 100)]
pub struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Plays the seed journeys on an embedded store, through the real API
    Demo(demo::DemoArgs),
    /// Serves the API
    Serve(serve::ServeArgs),
    /// Verifies, lists and signs the audit: who did what to whom
    Audit(audit::AuditArgs),
    /// Makes, lists, rotates and revokes API keys
    Keys(keys::KeysArgs),
    /// Calls any RPC, JSON in and out
    Call(call::CallArgs),
    /// Makes and changes customers from a CSV file, through the API
    Import(import::ImportArgs),
    /// Shows what joining two customers would mean, joins them, or takes it back, through the API
    Merge(merge::MergeArgs),
    /// Feeds an event stream through the API and measures the recognition
    Replay(replay::ReplayArgs),
    /// Fits the weights of the recognition: from an event stream, or from what a tenant confirmed
    Fit(fit::FitArgs),
    /// Drives the service and a bare gRPC echo in turns, and compares their speed
    Bench(bench::BenchArgs),
    /// The echo that `bench` compares with
    #[command(hide = true)]
    BenchEcho,
    /// Ends by time what has to end: open starts, unidentified customers, expired values
    Sweep(sweep::SweepArgs),
}

/// Where the rows are: for commands that open the database directly, also while `serve` runs.
#[derive(Args, Clone)]
pub struct DatabaseArgs {
    /// sqlite:PATH or postgres://… [default: sqlite:threadline.db]
    #[arg(long, env = "THREADLINE_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// Settings and tenants' policies [default: threadline.toml, if there is one]
    #[arg(long, env = "THREADLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DatabaseArgs {
    /// What to serve or open with; `listen` wins over the settings.
    ///
    /// # Errors
    /// Every mistake of the settings at once.
    pub fn with(self, listen: Option<String>) -> anyhow::Result<Serve> {
        let layers = Layers { file: self.config, listen, database: self.database };
        Ok(Serve {
            configuration: Configuration::load(&layers).context("the settings")?,
            root_key: std::env::var("THREADLINE_ROOT_KEY").ok(),
            clock: Clock::System,
            entropy: Entropy::System,
            schedule: Schedule::Free,
        })
    }
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What a person can act on; never a value of a customer.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Demo(arguments) => serve::demo(arguments).await,
            Verb::Serve(arguments) => serve::run(arguments).await,
            Verb::Audit(arguments) => audit::run(arguments).await,
            Verb::Keys(arguments) => keys::run(arguments).await,
            Verb::Call(arguments) => call::run(arguments).await,
            Verb::Import(arguments) => import::run(arguments).await,
            Verb::Merge(arguments) => merge::run(arguments).await,
            Verb::Replay(arguments) => replay::run(arguments).await,
            Verb::Fit(arguments) => fit::run(arguments).await,
            Verb::Bench(arguments) => bench::run(arguments).await,
            Verb::BenchEcho => bench::echo::run().await,
            Verb::Sweep(arguments) => sweep::run(arguments).await,
        }
    }

    /// What this command logs unless `THREADLINE_LOG` says otherwise.
    pub fn log_level(&self) -> &'static str {
        match self.verb {
            Verb::Serve(_) | Verb::Sweep(_) => "info",
            // A root key that was made must be told, also by the first `keys create`.
            Verb::Keys(_) | Verb::Audit(_) => "warn",
            // These speak to a person on standard output.
            Verb::Fit(_)
            | Verb::Demo(_)
            | Verb::Call(_)
            | Verb::Import(_)
            | Verb::Merge(_)
            | Verb::Replay(_)
            | Verb::Bench(_)
            | Verb::BenchEcho => "error",
        }
    }
}
