//! The commands of the one binary.

pub mod audit;
pub mod backup;
pub mod bench;
pub mod call;
pub mod client;
pub mod config;
pub mod demo;
pub mod erase;
pub mod export;
pub mod fit;
pub mod import;
pub mod keys;
pub mod log;
pub mod merge;
pub mod migrate;
pub mod replay;
pub mod restore;
pub mod rotate_keys;
pub mod serve;
pub mod sweep;
mod table;
pub mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::clock::Clock;
use crate::ids::Entropy;
use crate::server::{
    Configuration, ConfigurationError, Layers, Serve, examine, keep_memory_private,
};
use crate::store::{Engine, Schedule};

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
    /// Names every mistake in the settings
    Config(config::ConfigArgs),
    /// Brings the database's schema up to date and ends; `serve` does so when it starts
    Migrate(migrate::MigrateArgs),
    /// Verifies, lists and signs the audit: who did what to whom
    Audit(audit::AuditArgs),
    /// Makes, lists, rotates and revokes API keys
    Keys(keys::KeysArgs),
    /// Makes, lists, tries out and repairs endpoints for web-hooks
    Webhooks(webhooks::WebhooksArgs),
    /// Writes everything into two files, rows and keys, and lets old keys go
    Backup(backup::BackupArgs),
    /// Puts a backup into an empty database, of either engine
    Restore(restore::RestoreArgs),
    /// Rotates the root key, shows how far that has come, and retires an old version
    RotateKeys(rotate_keys::RotateKeysArgs),
    /// Calls any RPC, JSON in and out
    Call(call::CallArgs),
    /// Makes and changes customers from a CSV file, through the API
    Import(import::ImportArgs),
    /// Writes everything that is held on a customer to JSON or CSV, through the API
    Export(export::ExportArgs),
    /// Shows what joining two customers would mean, joins them, or takes it back, through the API
    Merge(merge::MergeArgs),
    /// Shows what would go of a customer, asks, and erases them for ever, through the API
    Erase(erase::EraseArgs),
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
    /// The root key's file [default: DATABASE.root-key, made when it is missing, for sqlite:PATH]
    #[arg(long, env = "THREADLINE_ROOT_KEY_FILE", value_name = "FILE")]
    root_key_file: Option<PathBuf>,
}

impl DatabaseArgs {
    /// What to open with.
    ///
    /// # Errors
    /// Every mistake of the settings at once.
    pub fn with(self) -> anyhow::Result<Serve> {
        nobody_looks_in()?;
        let layers = self.layers(None);
        let configuration = Configuration::load(&layers).map_err(|wrong| told(&layers, &wrong))?;
        log::speak(configuration.log_format);
        Ok(Self::serve(configuration))
    }

    /// What to open with, for commands that have nothing to do where nothing is.
    ///
    /// # Errors
    /// Every mistake of the settings at once; a file that is not there, which is not made.
    pub fn existing(self) -> anyhow::Result<Serve> {
        let serve = self.with()?;
        let database = &serve.configuration.database;
        if !Engine::is_there(database) {
            let file = Engine::file_of(database).unwrap_or_default();
            anyhow::bail!(
                "there is no database {}: look where it is (--database), or make one with \
                 `threadline keys create` or `threadline serve`",
                file.display()
            );
        }
        Ok(serve)
    }

    /// What to serve with: all that `serve` will meet is looked at.
    ///
    /// # Errors
    /// Every mistake at once: of settings, environment, and the files they name.
    pub fn examined(self, listen: Option<String>) -> anyhow::Result<Serve> {
        nobody_looks_in()?;
        let layers = self.layers(listen);
        let configuration = examine(&layers, root_key(), log::mistakes());
        let configuration = configuration.map_err(|wrong| told(&layers, &wrong))?;
        Ok(Self::serve(configuration))
    }

    /// What says more than the file does.
    pub fn layers(&self, listen: Option<String>) -> Layers {
        let Self { database, config: file, root_key_file } = self.clone();
        let root_key_file = root_key_file.filter(|file| !file.as_os_str().is_empty());
        Layers { file, listen, database, root_key_file }
    }

    fn serve(configuration: Configuration) -> Serve {
        Serve {
            configuration,
            root_key: root_key(),
            clock: Clock::System,
            entropy: Entropy::System,
            schedule: Schedule::Free,
        }
    }
}

/// Before a root key is read: whoever opens the database directly may hold one.
fn nobody_looks_in() -> anyhow::Result<()> {
    keep_memory_private().context("keeping the memory private")
}

fn root_key() -> Option<String> {
    std::env::var("THREADLINE_ROOT_KEY").ok()
}

/// All that is wrong with the settings, for a person.
fn told(layers: &Layers, wrong: &ConfigurationError) -> anyhow::Error {
    let (mistakes, from) = (wrong.0.len(), layers.said_in());
    anyhow::anyhow!("{mistakes} to mend in the settings ({from}):\n  {}", wrong.0.join("\n  "))
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
            Verb::Config(arguments) => config::run(arguments).await,
            Verb::Migrate(arguments) => migrate::run(arguments).await,
            Verb::Audit(arguments) => audit::run(arguments).await,
            Verb::Keys(arguments) => keys::run(arguments).await,
            Verb::Webhooks(arguments) => webhooks::run(arguments).await,
            Verb::Backup(arguments) => backup::run(arguments).await,
            Verb::Restore(arguments) => restore::run(arguments).await,
            Verb::RotateKeys(arguments) => rotate_keys::run(arguments).await,
            Verb::Call(arguments) => call::run(arguments).await,
            Verb::Import(arguments) => import::run(arguments).await,
            Verb::Export(arguments) => export::run(arguments).await,
            Verb::Merge(arguments) => merge::run(arguments).await,
            Verb::Erase(arguments) => erase::run(arguments).await,
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
            Verb::Keys(_)
            | Verb::Config(_)
            | Verb::Webhooks(_)
            | Verb::Migrate(_)
            | Verb::RotateKeys(_)
            | Verb::Audit(_)
            | Verb::Backup(_)
            | Verb::Restore(_) => "warn",
            // These speak to a person on standard output.
            Verb::Fit(_)
            | Verb::Demo(_)
            | Verb::Call(_)
            | Verb::Import(_)
            | Verb::Export(_)
            | Verb::Merge(_)
            | Verb::Erase(_)
            | Verb::Replay(_)
            | Verb::Bench(_)
            | Verb::BenchEcho => "error",
        }
    }
}
