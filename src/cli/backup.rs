//! `threadline backup`: opens the database directly, also while `serve` runs, and needs no root key.

mod folder;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::DatabaseArgs;
use super::keys::milliseconds;
use crate::continuity::backup::{Contents, back_up, open_store};
use crate::store::Store;
use crate::store::rows::Verb;
use folder::{Folder, Kept};

/// Writes everything into two files of one moment, and lets old ones go.
#[derive(Args)]
pub struct BackupArgs {
    /// Where the rows go, and the keys unless --keys-to names another place; made when it is missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Where the keys go: somewhere else than the rows is safer
    #[arg(long, value_name = "FOLDER")]
    keys_to: Option<PathBuf>,
    /// Files of keys that are older are deleted, but for the newest: whoever was erased is unreadable
    /// in every backup from then on
    #[arg(long, value_name = "DURATION", default_value = "35d")]
    keep_keys: String,
    /// Files of rows that are older are deleted, but for the newest [default: they are kept]
    #[arg(long, value_name = "DURATION")]
    keep_rows: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Writes, then deletes, and says so.
///
/// # Errors
/// When the database cannot be read, or a folder not be written.
pub async fn run(arguments: BackupArgs) -> anyhow::Result<ExitCode> {
    let BackupArgs { folder, keys_to, keep_keys, keep_rows, database } = arguments;
    let keep_keys = milliseconds("keep-keys", &keep_keys)?;
    let keep_rows = keep_rows.map(|text| milliseconds("keep-rows", &text)).transpose()?;
    let rows = Folder::of(folder, Contents::Rows)?;
    let keys = Folder::of(keys_to.unwrap_or_else(|| rows.path.clone()), Contents::Keys)?;
    let opening = database.existing()?;
    let store = open_store(opening.configuration.database, opening.clock, opening.entropy).await;
    let store = store.context("the store cannot be opened")?;
    let written = match store.tenants().await?.is_empty() {
        true => Err(anyhow::anyhow!("there is no tenant in this database: is it the right one?")),
        false => write(&store, &rows, &keys).await,
    };
    store.close().await;
    let [kept_rows, kept_keys] = written?;
    let mut text = format!("{}\n{}\n", kept_rows.told(), kept_keys.told());
    let mut gone = keys.let_go(keep_keys, &kept_keys)?;
    if let Some(keep_rows) = keep_rows {
        gone.extend(rows.let_go(keep_rows, &kept_rows)?);
    }
    for path in gone {
        text.push_str(&format!("deleted {}\n", path.display()));
    }
    write!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

async fn write(store: &Arc<Store>, rows: &Folder, keys: &Folder) -> anyhow::Result<[Kept; 2]> {
    let begun = store.now();
    // A database that takes no writes any more needs its backup most.
    if let Err(error) = store.note_in_each("backup", Verb::Backup).await {
        tracing::warn!(%error, "the audit of some tenant has no entry of this backup");
    }
    let (of_rows, of_keys) = (rows.begin(begun)?, keys.begin(begun)?);
    let written = back_up(store, &of_rows.file, &of_keys.file).await.context("not written")?;
    // Keys without rows still say who was erased; rows without keys say nothing.
    let of_keys = keys.keep(of_keys, written.time, written.keys)?;
    let of_rows = rows.keep(of_rows, written.time, written.rows)?;
    Ok([of_rows, of_keys])
}
