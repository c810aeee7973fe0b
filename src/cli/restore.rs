//! `threadline restore`: puts a backup into an empty database.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::DatabaseArgs;
use crate::continuity::audit::shown;
use crate::continuity::restore::{Files, Restored, restore};
use crate::store::Durable;

/// Which files, and into which database.
#[derive(Args)]
pub struct RestoreArgs {
    /// The rows, as `backup` wrote them
    #[arg(long, value_name = "FILE")]
    rows: PathBuf,
    /// The keys: the newest there are, so that nobody comes back who was erased since the rows
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Newer keys of which nothing is used but who was erased and which API keys were revoked; may be
    /// given several times
    #[arg(long, value_name = "FILE")]
    erased: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Puts it back, and says what became of it.
///
/// # Errors
/// What a person can act on.
pub async fn run(arguments: RestoreArgs) -> anyhow::Result<ExitCode> {
    let RestoreArgs { rows, keys, erased, database } = arguments;
    let opening = database.with()?;
    // A new one would open nothing.
    ensure!(
        opening.has_root_key(),
        "the root key that the backup was made with is needed: THREADLINE_ROOT_KEY, \
         server.root_key_file, server.root_key_command, or its file beside the database"
    );
    let settings = opening.settings(Durable::InCommit)?;
    let restored = restore(settings, &Files { rows, keys, erased }).await?;
    write!(std::io::stdout(), "{}", told(&restored))?;
    Ok(ExitCode::SUCCESS)
}

fn told(restored: &Restored) -> String {
    let Restored { time, tenants, rows, erased, without_key } = restored;
    let mut text = format!("restored {tenants} tenants as of {}: {rows} rows\n", shown(*time));
    text.push_str(&format!("erased again {erased} customers\n"));
    if *without_key > 0 {
        text.push_str(&format!(
            "removed {without_key} customers whose keys are not in the file of keys: they were removed \
             since, or made after it was written\n"
        ));
    }
    text
}
