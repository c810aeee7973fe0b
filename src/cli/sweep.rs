//! `threadline sweep`: ends by time what has to end, once. `serve` does the same every minute.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::DatabaseArgs;

/// Sweeps every tenant once.
#[derive(Args)]
pub struct SweepArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Sweeps, and says what went.
///
/// # Errors
/// When the database cannot be opened or written.
pub async fn run(arguments: SweepArgs) -> anyhow::Result<ExitCode> {
    let service = arguments.database.existing()?.open().await?;
    let swept = service.sweep().await;
    service.store().close().await;
    let swept = swept?;
    writeln!(
        std::io::stdout(),
        "closed {} interactions, removed {} customers and {} blocks of expired values; {} \
         interactions and changes were past retention, {} customers were set aside; {} web-hooks \
         that were given up and {} endpoints of test tenants went",
        swept.closed,
        swept.purged,
        swept.expired,
        swept.forgotten,
        swept.archived,
        swept.letters,
        swept.endpoints
    )?;
    Ok(ExitCode::SUCCESS)
}
