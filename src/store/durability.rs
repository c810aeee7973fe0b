//! SQLite: durable after the commit instead of in it, so that the writer need not wait for the disk.
//!
//! A commit under `synchronous = NORMAL` is written to the log and can be seen, but the disk may not
//! have it yet. One thread asks the disk for it, once for all batches that were committed meanwhile,
//! and only then wakes who waits; the writer goes on with the next batch. Whatever is told without a
//! commit of its own waits for the disk as well ([`Durability::reached`]), whoever committed what was
//! read: nobody is answered from what a power failure could still take back.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Error;
use super::batch::Outcome;
use super::counts::Counts;
use super::pulse::Pulse;
use super::wake::{Results, wake_all};
use crate::meters::took;

/// When commits become durable, on SQLite; on PostgreSQL they always are when they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// In the commit: for a command that makes a few.
    InCommit,
    /// After it: for a server with many callers.
    AfterCommit,
}

/// Who waits for the disk waits no longer. As PostgreSQL lets a statement run.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// Whether the disk has what can be read. Without a [`Syncer`] it always has.
pub(super) struct Durability {
    /// Who asks the disk.
    asks: Mutex<Asks>,
    /// Since when the disk is asked.
    pulse: Pulse,
    /// The disk has refused, or nobody asks it any more. What it has lost may be read as if it were
    /// there: nothing is acknowledged any more.
    given_up: AtomicBool,
}

/// Who asks the disk for what was committed.
enum Asks {
    /// Every commit itself.
    Commit,
    /// A thread, which takes its work here.
    Thread(mpsc::Sender<Work>),
    /// Nobody any more.
    Nobody,
}

impl Durability {
    pub fn new() -> Self {
        let (asks, given_up) = (Mutex::new(Asks::Commit), AtomicBool::new(false));
        Self { asks, pulse: Pulse::new(), given_up }
    }

    /// Waits until all that could be seen when it was called is durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has refused, does not answer within ten seconds, or the
    /// store is closing.
    pub async fn reached(&self) -> Result<(), Error> {
        let work = match &*self.lock() {
            Asks::Commit => return Ok(()),
            Asks::Thread(work) => work.clone(),
            Asks::Nobody => return Err(Error::Unavailable),
        };
        let (done, synced) = oneshot::channel();
        self.hand(&work, Work { wrote: true, awaiting: Awaiting::One(done) });
        drop(work);
        match tokio::time::timeout(REACHED_WITHIN, synced).await {
            Ok(Ok(synced)) => synced,
            _ => Err(Error::Unavailable),
        }
    }

    /// Whether the disk has been asked for longer than `budget`, or has refused.
    pub fn stalled(&self, budget: Duration) -> bool {
        self.pulse.stalled(budget) || self.is_given_up()
    }

    /// Nothing is acknowledged from now on.
    pub fn give_up(&self, why: &'static str) {
        if !self.given_up.swap(true, Ordering::AcqRel) {
            tracing::error!(why, "nothing is acknowledged any more; mend the disk and start again");
        }
    }

    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    fn hand(&self, to: &mpsc::Sender<Work>, work: Work) {
        if let Err(mpsc::SendError(work)) = to.send(work) {
            self.give_up("the thread that asks the disk has ended");
            work.awaiting.fail();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asks> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for the disk.
pub(super) enum Awaiting {
    /// A batch.
    Batch(Results),
    /// A look, or a chore that went well.
    One(oneshot::Sender<Result<(), Error>>),
}

impl Awaiting {
    fn wake(self) {
        match self {
            Self::Batch(results) => wake_all(results.into_iter()),
            // Whoever asked may be gone.
            Self::One(done) => drop(done.send(Ok(()))),
        }
    }

    /// Whether it is durable is not known.
    fn fail(self) {
        match self {
            Self::Batch(results) => wake_all(results.into_iter().map(|(operation, outcome)| {
                let kept = matches!(outcome, Outcome::Failed(_));
                let failed = Outcome::Failed(Error::Unavailable);
                (operation, if kept { outcome } else { failed })
            })),
            Self::One(done) => drop(done.send(Err(Error::Unavailable))),
        }
    }
}

struct Work {
    /// Whether the log may have grown.
    wrote: bool,
    awaiting: Awaiting,
}

/// The thread that asks the disk. Dropped before it was finished, it has given up: somebody
/// panicked.
pub(super) struct Syncer {
    /// The file whose log it is.
    pub database: PathBuf,
    durability: Arc<Durability>,
    work: mpsc::Sender<Work>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Brings to the disk what another process may have left in the log, and starts the thread.
    /// `database` is the file whose log it is.
    ///
    /// # Errors
    /// When the disk refuses, or there can be no thread.
    pub fn start(
        durability: &Arc<Durability>,
        counts: &Arc<Counts>,
        database: PathBuf,
    ) -> io::Result<Self> {
        let mut log = Log { path: log_of(&database), open: None };
        match log.sync() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
        let (work, taken) = mpsc::channel();
        let (own, counts) = (Arc::clone(durability), Arc::clone(counts));
        let asks = move || run(&own, &counts, &mut log, &taken);
        let thread = Some(std::thread::Builder::new().name("syncer".into()).spawn(asks)?);
        *durability.lock() = Asks::Thread(work.clone());
        Ok(Self { database, durability: Arc::clone(durability), work, thread })
    }

    /// A batch or a chore was committed, or may have been: wakes who waits once it is durable.
    /// Nothing is asked of the disk for what wrote nothing.
    pub fn wake_once_durable(&self, wrote: bool, awaiting: Awaiting) {
        self.durability.hand(&self.work, Work { wrote, awaiting });
    }

    /// Waits until everything handed in is durable.
    pub fn finish(mut self) {
        let thread = self.thread.take();
        let durability = Arc::clone(&self.durability);
        *durability.lock() = Asks::Nobody;
        drop(self);
        if let Some(thread) = thread {
            // One that panicked has given up.
            let _ = thread.join();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.durability.give_up("the writer has ended");
            *self.durability.lock() = Asks::Nobody;
        }
    }
}

pub(super) fn log_of(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn run(durability: &Durability, counts: &Counts, log: &mut Log, work: &mpsc::Receiver<Work>) {
    let guard = GivesUp(durability);
    while let Ok(first) = work.recv() {
        let taken: Vec<Work> = std::iter::once(first).chain(work.try_iter()).collect();
        if taken.iter().any(|work| work.wrote) {
            durability.pulse.begin();
            let begun = Instant::now();
            let synced = log.sync();
            took(&counts.sync_seconds, begun.elapsed());
            durability.pulse.end();
            if synced.is_err() {
                durability.give_up("the disk refused the log");
            }
        }
        let given_up = durability.is_given_up();
        let awaiting = taken.into_iter().map(|work| work.awaiting);
        awaiting.for_each(if given_up { Awaiting::fail } else { Awaiting::wake });
    }
    std::mem::forget(guard);
}

/// Gives up when the thread panics.
struct GivesUp<'a>(&'a Durability);

impl Drop for GivesUp<'_> {
    fn drop(&mut self) {
        self.0.give_up("the thread that asks the disk has panicked");
    }
}

/// The log's file. It stays open, so that no failure to write it goes unnoticed, and is opened anew
/// when SQLite has made another one.
struct Log {
    path: PathBuf,
    open: Option<File>,
}

impl Log {
    /// Brings all that was written to the disk.
    fn sync(&mut self) -> io::Result<()> {
        let present = std::fs::metadata(&self.path)?.ino();
        let file = match self.open.take() {
            Some(file) if file.metadata()?.ino() == present => file,
            _ => File::open(&self.path)?,
        };
        file.sync_data()?;
        self.open = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syncer(folder: &Path, log: Option<&[u8]>) -> (Arc<Durability>, Syncer) {
        let database = folder.join("a.db");
        if let Some(content) = log {
            std::fs::write(log_of(&database), content).unwrap();
        }
        let durability = Arc::new(Durability::new());
        let counts = Arc::new(Counts::new(&crate::meters::Meters::default()));
        let syncer = Syncer::start(&durability, &counts, database).unwrap();
        (durability, syncer)
    }

    async fn asked(syncer: &Syncer, wrote: bool) -> Result<(), Error> {
        let (done, waiting) = oneshot::channel();
        syncer.wake_once_durable(wrote, Awaiting::One(done));
        waiting.await.unwrap()
    }

    #[tokio::test]
    async fn what_commits_bring_to_the_disk_themselves_is_there() {
        Durability::new().reached().await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_the_disk_has_answered() {
        let folder = tempfile::tempdir().unwrap();
        let (durability, syncer) = syncer(folder.path(), Some(b"log"));
        asked(&syncer, true).await.unwrap();
        durability.reached().await.unwrap();
        syncer.finish();
        assert!(durability.reached().await.is_err(), "nobody asks any more");
        assert!(!durability.stalled(Duration::MAX), "nothing was refused");
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_believed_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (durability, syncer) = syncer(folder.path(), None);
        asked(&syncer, false).await.expect("nothing was asked of the disk");
        assert!(asked(&syncer, true).await.is_err(), "there is no log");
        std::fs::write(log_of(&folder.path().join("a.db")), b"log").unwrap();
        assert!(asked(&syncer, true).await.is_err(), "what it has lost does not come back");
        assert!(durability.reached().await.is_err() && durability.stalled(Duration::MAX));
        syncer.finish();
        assert!(durability.reached().await.is_err());
    }

    #[tokio::test]
    async fn a_writer_that_ended_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (durability, syncer) = syncer(folder.path(), Some(b"log"));
        drop(syncer);
        assert!(durability.reached().await.is_err() && durability.stalled(Duration::MAX));
    }
}
