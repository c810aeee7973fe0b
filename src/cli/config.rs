//! `threadline config check`: what is wrong with the settings, before anybody is served by them.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::serve::ServeArgs;

/// Looks at the settings.
#[derive(Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Subcommand)]
enum ConfigVerb {
    /// Names every mistake that `serve` would refuse, at once; exits with 1 if there is one
    ///
    /// Looks at the file, the options, the environment, and the files of certificates and keys that
    /// they name. Opens no database, runs no command, makes nothing, and prints no value.
    Check(ServeArgs),
}

/// Says that all is well.
///
/// # Errors
/// Every mistake at once.
pub async fn run(arguments: ConfigArgs) -> anyhow::Result<ExitCode> {
    let ConfigVerb::Check(served) = arguments.verb;
    let from = served.layers().said_in();
    served.examined()?;
    writeln!(std::io::stdout(), "the settings are valid ({from})")?;
    Ok(ExitCode::SUCCESS)
}
