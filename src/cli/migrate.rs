//! `threadline migrate`: brings the schema up to date, and shows that the root key opens what is there.
//! `serve` does so too; here nobody is served before it is done.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::DatabaseArgs;

/// Brings the schema up to date and ends.
#[derive(Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Does so, and says that it is.
///
/// # Errors
/// A database or root key that cannot be used.
pub async fn run(arguments: MigrateArgs) -> anyhow::Result<ExitCode> {
    let service = arguments.database.with()?.open().await?;
    service.store().close().await;
    writeln!(std::io::stdout(), "the schema is up to date")?;
    Ok(ExitCode::SUCCESS)
}
