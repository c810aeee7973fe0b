//! From the files into the database, step by step; a step that is done is not done again.

use super::POSITIONS_A_MILLISECOND;
use super::checking::Checked;
use super::error::RestoreError;
use crate::clock::{Clock, Time};
use crate::continuity::backup::{Reader, Record};
use crate::store::backup::loading::Loading;

/// Of a file of keys, everything. Of rows the same tables are there as well where they are in both.
pub(super) const KEYS: [&str; 4] = ["api_key", "data_key", "root_key", "tombstone"];
/// What counts of a further file of keys.
pub(super) const SINCE: [&str; 2] = ["api_key", "tombstone"];

/// A restore on its way.
pub(super) struct Load<'l> {
    pub loading: &'l mut Loading,
    /// What names it.
    pub named: &'l [u8],
    /// Steps that are done.
    pub done: i64,
    /// Rows that were read.
    pub rows: u64,
}

impl Load<'_> {
    /// Begins at a schema, or goes on.
    pub async fn begin(&mut self, migration: i64) -> Result<(), RestoreError> {
        match self.loading.resumes(self.named).await? {
            Some(steps) => self.done = steps,
            None => {
                self.loading.migrate_to(Some(migration)).await?;
                self.loading.begin(self.named).await?;
            }
        }
        Ok(())
    }

    /// Loads one file, of a schema; of some tables only, or of all.
    pub async fn step(
        &mut self,
        step: i64,
        file: &Checked,
        migration: Option<i64>,
        only: &[&str],
    ) -> Result<(), RestoreError> {
        if self.done >= step {
            return Ok(());
        }
        self.loading.migrate_to(migration).await?;
        let failed = |why| RestoreError::File { path: file.path.clone(), why };
        let mut reader = Reader::open(&file.path).map_err(failed)?;
        let mut wanted = false;
        while let Some(record) = reader.next_record().map_err(failed)? {
            match record {
                Record::Table(tenant, table) => {
                    wanted = only.is_empty() || only.contains(&table.name.as_str());
                    if wanted {
                        self.loading.table(tenant, &table).await?;
                    }
                }
                Record::Row(row) if wanted => {
                    self.rows += 1;
                    self.loading.row(row).await?;
                }
                Record::Row(_) | Record::End(_) => {}
            }
        }
        if reader.finish().map_err(failed)? != file.hash {
            return Err(RestoreError::Changed { path: file.path.clone() });
        }
        self.loading.step_done(self.named, step).await?;
        self.done = step;
        Ok(())
    }

    /// Brings the schema to the newest, and every tenant's head past all that may have been handed
    /// out after the rows were copied.
    pub async fn move_on<'f>(
        &mut self,
        step: i64,
        files: impl Iterator<Item = &'f Checked>,
        clock: &Clock,
    ) -> Result<(), RestoreError> {
        if self.done >= step {
            return Ok(());
        }
        self.loading.migrate_to(None).await?;
        let times: Vec<Time> = files.map(|file| Time(file.header.store_time)).collect();
        let oldest = times.iter().copied().min().unwrap_or_default();
        let now = times.into_iter().chain([clock.now()]).max().unwrap_or_default();
        let positions = now.since(oldest).saturating_add(1).saturating_mul(POSITIONS_A_MILLISECOND);
        self.loading.move_on((self.named, step), positions, now).await?;
        self.done = step;
        Ok(())
    }
}
