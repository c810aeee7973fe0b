//! SQLite: durable after the commit instead of in it, so that the writer need not wait for the disk.
//!
//! A commit under `synchronous = NORMAL` is written to the log and can be seen, but the disk may not
//! have it yet. One thread asks the disk for it, once for all batches that were committed meanwhile,
//! and only then wakes who waits; the writer goes on with the next batch. What was seen of a commit
//! and is told without a commit of its own waits as well ([`Durability::reached`]): nobody is
//! answered from what a power failure could still take back.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Error;
use super::batch::Outcome;
use super::pulse::Pulse;
use super::wake::{Results, wake_all};

/// When commits become durable, on SQLite; on PostgreSQL they always are when they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// In the commit. For a command beside a server on the same file: the server does not know of
    /// its commits, and may tell of them as soon as it sees them.
    InCommit,
    /// After it, for a server with many callers.
    AfterCommit,
}

/// Who waits for the disk waits no longer. As PostgreSQL lets a statement run.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// How far the disk has come. Without a [`Syncer`] nothing is ever announced, and all is durable.
pub(super) struct Durability {
    /// Commits that were begun so far: each of them may be seen.
    announced: AtomicU64,
    /// The newest of them that is durable, with all before it; all there can be once it is given up.
    reached: watch::Sender<u64>,
    /// Since when the disk is asked.
    pulse: Pulse,
    /// The disk has refused, or nobody asks it any more. What it has lost may be read as if it were
    /// there: nothing is acknowledged any more.
    given_up: AtomicBool,
}

impl Durability {
    pub fn new() -> Self {
        let (announced, given_up) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { announced, reached: watch::Sender::new(0), pulse: Pulse::new(), given_up }
    }

    /// Waits until all that can be seen now is durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has refused, or does not answer within ten seconds.
    pub async fn reached(&self) -> Result<(), Error> {
        let seen = self.announced.load(Ordering::Acquire);
        let mut reached = self.reached.subscribe();
        let waiting = reached.wait_for(|reached| *reached >= seen);
        let waited = tokio::time::timeout(REACHED_WITHIN, waiting).await;
        if waited.is_err() || self.is_given_up() { Err(Error::Unavailable) } else { Ok(()) }
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
        self.reached.send_replace(u64::MAX);
    }

    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }
}

/// Who waits for the disk.
pub(super) enum Awaiting {
    /// Nobody.
    None,
    /// A batch.
    Batch(Results),
    /// A chore that went well.
    Chore(oneshot::Sender<Result<(), Error>>),
}

impl Awaiting {
    fn wake(self) {
        match self {
            Self::None => {}
            Self::Batch(results) => wake_all(results.into_iter()),
            // Whoever asked may be gone; the work is done all the same.
            Self::Chore(done) => drop(done.send(Ok(()))),
        }
    }

    /// Whether it happened is not known.
    fn fail(self) {
        match self {
            Self::None => {}
            Self::Batch(results) => wake_all(results.into_iter().map(|(operation, outcome)| {
                let kept = matches!(outcome, Outcome::Failed(_));
                let failed = Outcome::Failed(Error::Unavailable);
                (operation, if kept { outcome } else { failed })
            })),
            Self::Chore(done) => drop(done.send(Err(Error::Unavailable))),
        }
    }
}

/// A commit that was made, or not.
struct Announced {
    number: u64,
    /// Whether it may have written anything.
    wrote: bool,
    awaiting: Awaiting,
}

/// The thread that asks the disk. Dropped before it was finished, it has given up: somebody
/// panicked, and nobody will ask any more.
pub(super) struct Syncer {
    /// The file whose log it is.
    pub database: PathBuf,
    durability: Arc<Durability>,
    commits: Option<mpsc::Sender<Announced>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Brings to the disk what another process may have left in the log, and starts the thread.
    /// `database` is the file whose log it is.
    ///
    /// # Errors
    /// When the disk refuses, or there can be no thread.
    pub fn start(durability: &Arc<Durability>, database: PathBuf) -> io::Result<Self> {
        let mut log = Log { path: log_of(&database), open: None };
        match log.sync() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
        let (commits, receiver) = mpsc::channel();
        let own = Arc::clone(durability);
        let work = move || run(&own, &mut log, &receiver);
        let thread = std::thread::Builder::new().name("syncer".into()).spawn(work)?;
        let durability = Arc::clone(durability);
        Ok(Self { database, durability, commits: Some(commits), thread: Some(thread) })
    }

    /// A commit is about to be made: from now on it may be seen. Its number is to be handed in.
    pub fn announce(&self) -> u64 {
        self.durability.announced.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The commit of that number was made, or will not be: wakes who waits once it is durable.
    pub fn wake_once_durable(&self, number: u64, wrote: bool, awaiting: Awaiting) {
        let announced = Announced { number, wrote, awaiting };
        let refused = match &self.commits {
            Some(commits) => commits.send(announced).err().map(|mpsc::SendError(it)| it),
            None => Some(announced),
        };
        if let Some(announced) = refused {
            self.durability.give_up("the thread that asks the disk has ended");
            announced.awaiting.fail();
        }
    }

    /// Waits until everything handed in is durable.
    pub fn finish(mut self) {
        drop(self.commits.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has given up.
            let _ = thread.join();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        if self.commits.is_some() {
            self.durability.give_up("the writer has ended");
        }
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn run(durability: &Durability, log: &mut Log, commits: &mpsc::Receiver<Announced>) {
    let guard = GivesUp(durability);
    while let Ok(first) = commits.recv() {
        let taken: Vec<Announced> = std::iter::once(first).chain(commits.try_iter()).collect();
        if taken.iter().any(|commit| commit.wrote) {
            durability.pulse.begin();
            let synced = log.sync();
            durability.pulse.end();
            if synced.is_err() {
                durability.give_up("the disk refused the log");
            }
        }
        let newest = taken.last().map_or(0, |commit| commit.number);
        let given_up = durability.is_given_up();
        if !given_up {
            durability.reached.send_replace(newest);
        }
        let awaiting = taken.into_iter().map(|commit| commit.awaiting);
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

    #[tokio::test]
    async fn what_was_announced_is_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        std::fs::write(log_of(&database), b"log").unwrap();
        let durability = Arc::new(Durability::new());
        durability.reached().await.unwrap();
        let syncer = Syncer::start(&durability, database.clone()).unwrap();
        let number = syncer.announce();
        let early = tokio::time::timeout(Duration::from_millis(5), durability.reached()).await;
        assert!(early.is_err(), "not durable yet");
        let (done, chore) = oneshot::channel();
        syncer.wake_once_durable(number, true, Awaiting::Chore(done));
        chore.await.unwrap().unwrap();
        durability.reached().await.unwrap();
        syncer.finish();
        durability.reached().await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_writer_that_ended() {
        let folder = tempfile::tempdir().unwrap();
        let durability = Arc::new(Durability::new());
        let syncer = Syncer::start(&durability, folder.path().join("a.db")).unwrap();
        syncer.announce();
        drop(syncer);
        assert!(durability.reached().await.is_err() && durability.stalled(Duration::MAX));
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_believed_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let durability = Arc::new(Durability::new());
        let syncer = Syncer::start(&durability, database.clone()).unwrap();
        let ask = || {
            let (done, chore) = oneshot::channel();
            syncer.wake_once_durable(syncer.announce(), true, Awaiting::Chore(done));
            chore
        };
        assert!(ask().await.unwrap().is_err(), "there is no log");
        assert!(durability.reached().await.is_err() && durability.stalled(Duration::MAX));
        std::fs::write(log_of(&database), b"log").unwrap();
        assert!(ask().await.unwrap().is_err(), "what it has lost does not come back");
        syncer.finish();
    }
}
