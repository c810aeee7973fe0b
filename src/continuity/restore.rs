//! `threadline restore`: a backup is put into an empty database, of either engine.
//!
//! Both files are read to their end first. Then: rows and keys, each at the schema they were written
//! with → heads moved on → who was erased since is erased again, who has no key any more is removed →
//! the database may be opened. It goes on where it was killed; before it is complete nobody is served.

mod checking;
mod error;
mod loading;
mod removing;
mod replaying;

use std::path::PathBuf;

pub use error::RestoreError;

use super::Error;
use super::service::{Service, Settings};
use crate::clock::Time;
use crate::store::backup::loading::Loading;
use checking::{Checked, check_keys, check_rows, name_of};
use loading::{KEYS, Load};

/// What to put back.
#[derive(Clone, Debug)]
pub struct Files {
    /// The rows.
    pub rows: PathBuf,
    /// The keys: of the same moment, or better the newest.
    pub keys: PathBuf,
    /// Further files of keys, of which only counts who was erased and which API keys were revoked.
    pub erased: Vec<PathBuf>,
}

/// What was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Store time of the moment that the rows are of.
    pub time: Time,
    /// Tenants.
    pub tenants: u64,
    /// Rows that were read, keys too.
    pub rows: u64,
    /// Customers that were erased since.
    pub erased: u64,
    /// Customers whose key the file of keys does not have: removed since, or made after it was
    /// written.
    pub without_key: u64,
}

/// Positions that each millisecond between the backup and the restore may have used up: more than
/// any tenant can write.
const POSITIONS_A_MILLISECOND: i64 = 100;

/// Puts a backup into the database that the settings name.
///
/// # Errors
/// [`RestoreError`]: before anything is written for files that are damaged or do not belong together,
/// a wrong root key, or a database that is not empty.
pub async fn restore(settings: Settings, files: &Files) -> Result<Restored, RestoreError> {
    let rows = check_rows(&files.rows)?;
    let root = settings.root_keys.read().map_err(Error::RootKeySource)?;
    let keys = check_keys(&files.keys, &rows, &root)?;
    let erased = files.erased.iter().map(|path| checking::check_erased(path, &rows));
    let erased = erased.collect::<Result<Vec<Checked>, _>>()?;
    let named = name_of(&rows, &keys, &erased);
    let mut loading = Loading::open(&settings.database, settings.entropy.clone()).await?;
    let newest = [&rows, &keys].into_iter().chain(&erased).map(|file| file.header.migration).max();
    if newest.is_some_and(|migration| !loading.knows(migration)) {
        return Err(RestoreError::Newer);
    }
    let mut load = Load { loading: &mut loading, named: &named, done: 0, rows: 0 };
    // Each at the schema that it was written with, the older one first.
    let mut both = [(&keys, &KEYS[..]), (&rows, &[][..])];
    both.sort_by_key(|(file, _)| file.header.migration);
    load.begin(both[0].0.header.migration).await?;
    for (step, (file, only)) in both.into_iter().enumerate() {
        load.step(step as i64 + 1, file, Some(file.header.migration), only).await?;
    }
    for (step, file) in erased.iter().enumerate() {
        load.step(step as i64 + 3, file, None, &loading::SINCE).await?;
    }
    let moved = erased.len() as i64 + 3;
    load.move_on(moved, [&rows, &keys].into_iter().chain(&erased), &settings.clock).await?;
    let mut restored = Restored {
        time: Time(rows.header.store_time),
        rows: load.rows,
        tenants: loading.tenants().await?.len() as u64,
        ..Restored::default()
    };
    let service = Service::open_unfinished(settings).await?;
    let replayed = replaying::replay(&service, &mut loading, &named, &mut restored).await;
    service.store().close().await;
    replayed?;
    loading.finish(&rows.installation).await?;
    Ok(restored)
}
