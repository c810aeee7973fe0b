//! SQLite: moving the log into the database file, beside the writer.
//!
//! Left to a commit, it would hold the writer for as long as ten thousand pages take to be written
//! all over the file. Here a reader's connection moves most of them while the writer goes on, then,
//! again and again, what came meanwhile; the writer itself moves only the last few, between two batches,
//! after which the log begins anew.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use tokio::task::JoinHandle;

use super::Store;
use super::statement::{self, Scoped, scoped};
use super::write_back;

/// Rows after which the log is moved: some 40 to 60 MB of pages. A longer log is slower to read, and
/// to recover after a crash.
const MOST_ROWS: u64 = 10_000;
/// Rows that a chore writes at most, roughly.
pub(super) const ROWS_OF_A_CHORE: u64 = 250;
/// Pages of a log for which those who read from it are waited for a moment, so that it begins anew: 160 MB.
const MOST_PAGES: i64 = 40_000;
/// How often a reader moves what came while it moved what was there, until few pages are left to the writer.
const MOST_PASSES: usize = 8;
/// Pages of a log beyond which it is moved as fast as the disk can.
const MOST_GENTLY: i64 = MOST_PAGES / 2;
/// A log that somebody else moves or reads from is tried again after so long.
const AGAIN: Duration = Duration::from_millis(20);
/// Pages that are few: the writer waits a few milliseconds for as many to come to the disk.
const FEW_PAGES: i64 = 256;
/// It waits for nobody: what a reader still needs stays in the log until the next time.
const CHECKPOINT: Scoped = scoped!("PRAGMA wal_checkpoint(PASSIVE)");
/// It waits until nobody reads from the log any more, so that the log begins anew.
const CHECKPOINT_AND_RESTART: Scoped = scoped!("PRAGMA wal_checkpoint(RESTART)");

/// It leaves nothing in the log: what was overwritten in the file must not stay there.
const CHECKPOINT_AND_EMPTY: Scoped = scoped!("PRAGMA wal_checkpoint(TRUNCATE)");
/// How long whoever reads from the log is waited for before it is emptied later.
const EMPTIED_WITHIN: Scoped = scoped!("PRAGMA busy_timeout = 200");
/// Nobody is waited for: who reads for minutes would hold up everybody each time.
const EMPTIED_AT_ONCE: Scoped = scoped!("PRAGMA busy_timeout = 0");
/// How long whoever reads from a long log is waited for.
const RESTARTED_WITHIN: Scoped = scoped!("PRAGMA busy_timeout = 50");
/// How long another writer is waited for, as ever.
const AS_EVER: Scoped = scoped!("PRAGMA busy_timeout = 5000");

/// When the log is moved, and how far that has come.
pub(super) struct Checkpoints {
    database: PathBuf,
    phase: Phase,
}

enum Phase {
    /// The log is short: rows written since it was moved.
    Counting(u64),
    /// A reader moves it.
    Moving(JoinHandle<()>),
}

impl Checkpoints {
    /// For the log of that file.
    pub fn of(database: PathBuf) -> Self {
        Self { database, phase: Phase::Counting(0) }
    }

    /// The writer has committed so many rows and is between two batches.
    pub async fn wrote(&mut self, rows: u64, store: &Arc<Store>, connection: &mut AnyConnection) {
        if store.durability.is_given_up() {
            // What the file may have lost is still in the log, and must stay there.
            return;
        }
        match &mut self.phase {
            Phase::Counting(so_far) => {
                *so_far += rows;
                if *so_far >= MOST_ROWS {
                    let moving = move_most(Arc::clone(store), self.database.clone());
                    self.phase = Phase::Moving(tokio::spawn(moving));
                }
            }
            Phase::Moving(task) if task.is_finished() => {
                let left = move_rest(store, connection).await;
                // What a reader still needs is tried again soon.
                self.phase = Phase::Counting(if left { MOST_ROWS / 2 } else { 0 });
            }
            Phase::Moving(_) => {}
        }
    }

    /// Waits for the reader that moves the log, if one does.
    pub async fn finish(self) {
        if let Phase::Moving(task) = self.phase {
            // One that panicked has nothing left to finish.
            let _ = task.await;
        }
    }
}

async fn move_most(store: Arc<Store>, database: PathBuf) {
    let Ok(mut connection) = store.readers.acquire().await else { return };
    let mut passes = Passes::default();
    for _ in 0..MOST_PASSES {
        if store.durability.is_given_up() {
            return;
        }
        let moved = checkpoint(&store, &mut connection, CHECKPOINT).await;
        let Some((pages, moved)) = moved.filter(|(pages, _)| *pages >= 0) else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let pass = passes.next(pages, moved);
        // SQLite asks the disk only after the last page, and would let the writer wait for all.
        let sync = if pass.gently { write_back::in_parts } else { File::sync_data };
        let path = database.clone();
        let file = tokio::task::spawn_blocking(move || kept_open(&path).map(sync)).await;
        match file {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(_))) => {
                // What was lost is not moved again: the log must not begin anew over it.
                store.durability.give_up("the disk refused the database file");
                return;
            }
            // It could not be opened now: the writer will have to wait for the disk.
            _ => return,
        }
        if pass.left <= FEW_PAGES {
            return;
        }
        if pass.new <= FEW_PAGES {
            // A reader still needs the rest.
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What the passes of a checkpoint's reader have found so far.
struct Passes {
    /// Pages moved until the last one.
    before: i64,
    /// Pages that the last one moved, of those that found more than a few.
    found: i64,
    /// Whether all of them were to bring their pages to the disk in parts.
    gently: bool,
}

/// What one of them has found.
struct Pass {
    /// Pages that it moved.
    new: i64,
    /// Pages that are left, as far as can be told: it found them there, or as many have come since.
    left: i64,
    /// Whether its pages are brought to the disk in parts.
    gently: bool,
}

impl Default for Passes {
    fn default() -> Self {
        Self { before: 0, found: i64::MAX, gently: true }
    }
}

impl Passes {
    /// The log has so many pages, of which so many are in the file now.
    fn next(&mut self, pages: i64, moved: i64) -> Pass {
        // One that began anew meanwhile is shorter than what was moved of it.
        let new = if moved < self.before { moved } else { moved - self.before };
        self.before = moved;
        // Where as much comes meanwhile as is moved, there would be no end to it, nor to the log. A pass that
        // a reader held up says nothing of that.
        if new > FEW_PAGES {
            self.gently &= new < self.found / 4 * 3;
            self.found = new;
        }
        self.gently &= pages < MOST_GENTLY;
        Pass { new, left: new.max(pages - moved), gently: self.gently }
    }
}

/// Whether anything is left in the log.
async fn move_rest(store: &Store, connection: &mut AnyConnection) -> bool {
    let Some((pages, moved)) = checkpoint(store, connection, CHECKPOINT).await else { return true };
    // Whoever reads for minutes, a backup say, is not waited for: neither can starts and ends.
    if pages > MOST_PAGES && statement::command(connection, RESTARTED_WITHIN).await.is_ok() {
        checkpoint(store, connection, CHECKPOINT_AND_RESTART).await;
        // A failure shows itself with the next batch: another writer is waited for less long.
        let _ = statement::command(connection, AS_EVER).await;
    }
    // Negative when somebody else was moving it.
    pages < 0 || pages != moved
}

/// Whether those who read from the log are waited for when it is to be emptied.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Readers {
    /// For a fifth of a second.
    WaitedFor,
    /// Not at all.
    LeftAlone,
}

/// Moves all of the log into the file and leaves an empty one; whether that was possible now.
pub(super) async fn empty(store: &Store, connection: &mut AnyConnection, readers: Readers) -> bool {
    if store.durability.is_given_up() {
        // What the file may have lost is still in the log, and must stay there.
        return true;
    }
    let patience = match readers {
        Readers::WaitedFor => EMPTIED_WITHIN,
        Readers::LeftAlone => EMPTIED_AT_ONCE,
    };
    if statement::command(connection, patience).await.is_err() {
        return false;
    }
    let emptied = checkpoint(store, connection, CHECKPOINT_AND_EMPTY).await;
    statement::command(connection, AS_EVER).await.is_ok() && emptied == Some((0, 0))
}

/// Moves what can be moved: how many pages the log has, and how many of them are in the file. A
/// failure is nobody's loss, unless it was the disk's: what is not moved stays in the log.
async fn checkpoint(
    store: &Store,
    connection: &mut AnyConnection,
    how: Scoped,
) -> Option<(i64, i64)> {
    match statement::ask(connection, how).await {
        Ok(row) => Some((number(&row, 1)?, number(&row, 2)?)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IOERR_FSYNC) => {
            store.durability.give_up("the disk refused the database file");
            None
        }
        Err(_) => None,
    }
}

/// SQLite's extended code for a disk that refuses (SQLITE_IOERR_FSYNC).
const IOERR_FSYNC: &str = "1034";

fn number(row: &AnyRow, index: usize) -> Option<i64> {
    row.try_get::<i32, _>(index).map(i64::from).or_else(|_| row.try_get(index)).ok()
}

/// The database file, opened once and never closed: POSIX would drop the locks that SQLite holds on
/// it with the first of this process's handles that is closed.
fn kept_open(path: &Path) -> io::Result<&'static File> {
    static OPEN: LazyLock<Mutex<HashMap<(u64, u64), &'static File>>> =
        LazyLock::new(Mutex::default);
    let there = std::fs::metadata(path)?;
    // Only whole entries are put behind this lock: a poisoned one is still whole.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = open.get(&(there.dev(), there.ino())) {
        return Ok(file);
    }
    let file: &'static File = Box::leak(Box::new(File::open(path)?));
    // Which file that path leads to may have changed in between.
    let opened = file.metadata()?;
    open.insert((opened.dev(), opened.ino()), file);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_go_on_until_little_is_left() {
        let mut passes = Passes::default();
        for (pages, moved, left) in [(9_000, 9_000, 9_000), (12_000, 12_000, 3_000)] {
            let pass = passes.next(pages, moved);
            assert_eq!((pass.left, pass.gently), (left, true));
        }
        let pass = passes.next(12_100, 12_100);
        assert!(pass.left <= FEW_PAGES && pass.gently);
    }

    #[test]
    fn where_as_much_comes_as_is_moved_the_disk_is_not_spared() {
        let mut passes = Passes::default();
        assert!(passes.next(4_000, 4_000).gently);
        assert!(!passes.next(7_500, 7_500).gently);
        assert!(!passes.next(7_600, 7_600).gently, "nor from there on");
    }

    #[test]
    fn a_long_log_is_not_spared() {
        assert!(!Passes::default().next(MOST_GENTLY, MOST_GENTLY).gently);
    }

    #[test]
    fn what_a_reader_needs_is_left() {
        let mut passes = Passes::default();
        let pass = passes.next(9_000, 100);
        assert_eq!((pass.new, pass.left), (100, 8_900));
        assert_eq!(passes.next(9_000, 100).new, 0);
        let pass = passes.next(9_000, 9_000);
        assert_eq!((pass.new, pass.gently), (8_900, true), "that one held it up is no haste");
    }

    #[test]
    fn a_log_that_began_anew_is_counted_anew() {
        let mut passes = Passes::default();
        passes.next(9_000, 9_000);
        assert_eq!(passes.next(400, 400).new, 400);
    }
}
