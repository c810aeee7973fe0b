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

/// How far the disk has come. Without a [`Syncer`] nothing is ever announced, and all is durable.
pub(super) struct Durability {
    /// Commits that were begun so far: each of them may be seen.
    announced: AtomicU64,
    /// The newest of them that is durable, with all before it; all there can be once it is given up.
    reached: watch::Sender<u64>,
    /// Since when the disk is asked.
    pulse: Pulse,
    /// The disk has refused. What it has lost may be read as if it were there: nothing is
    /// acknowledged any more until the process is started again and reads what is really there.
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
    /// [`Error::Unavailable`] when the disk has refused.
    pub async fn reached(&self) -> Result<(), Error> {
        let seen = self.announced.load(Ordering::Acquire);
        let mut reached = self.reached.subscribe();
        // The sender lives as long as this does.
        let _ = reached.wait_for(|reached| *reached >= seen).await;
        if self.given_up.load(Ordering::Acquire) { Err(Error::Unavailable) } else { Ok(()) }
    }

    /// Whether the disk has been asked for longer than `budget`, or has refused.
    pub fn stalled(&self, budget: Duration) -> bool {
        self.pulse.stalled(budget) || self.given_up.load(Ordering::Acquire)
    }
}

/// Who waits for the disk.
pub(super) enum Awaiting {
    /// A batch.
    Batch(Results),
    /// A chore that went well.
    Chore(oneshot::Sender<Result<(), Error>>),
}

impl Awaiting {
    fn wake(self) {
        match self {
            Self::Batch(results) => wake_all(results.into_iter()),
            // Whoever asked may be gone; the work is done all the same.
            Self::Chore(done) => drop(done.send(Ok(()))),
        }
    }

    /// Whether it happened is not known.
    fn fail(self) {
        match self {
            Self::Batch(results) => wake_all(results.into_iter().map(|(operation, outcome)| {
                let kept = matches!(outcome, Outcome::Stale | Outcome::Failed(_));
                let failed = Outcome::Failed(Error::Unavailable);
                (operation, if kept { outcome } else { failed })
            })),
            Self::Chore(done) => drop(done.send(Err(Error::Unavailable))),
        }
    }
}

struct Committed {
    number: u64,
    waiting: Option<Awaiting>,
}

/// The thread that asks the disk.
pub(super) struct Syncer {
    /// The file whose log it is.
    pub database: PathBuf,
    durability: Arc<Durability>,
    commits: mpsc::Sender<Committed>,
    thread: JoinHandle<()>,
}

impl Syncer {
    /// Starts the thread; `database` is the file whose log it is.
    pub fn start(durability: &Arc<Durability>, database: PathBuf) -> io::Result<Self> {
        let (commits, receiver) = mpsc::channel();
        let (own, log) = (Arc::clone(durability), log_of(&database));
        let work = move || run(&own, &log, &receiver);
        let thread = std::thread::Builder::new().name("syncer".into()).spawn(work)?;
        Ok(Self { database, durability: Arc::clone(durability), commits, thread })
    }

    /// A commit is about to be made: from now on it may be seen. Its number is to be handed in.
    pub fn announce(&self) -> u64 {
        self.durability.announced.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The commit of that number was made, or will not be: wakes `waiting` once it is durable.
    pub fn wake_once_durable(&self, number: u64, waiting: Option<Awaiting>) {
        if let Err(mpsc::SendError(committed)) = self.commits.send(Committed { number, waiting }) {
            // It has panicked: nobody knows what the disk has.
            self.durability.given_up.store(true, Ordering::Release);
            committed.waiting.into_iter().for_each(Awaiting::fail);
        }
    }

    /// Waits until everything handed in is durable.
    pub fn finish(self) {
        drop(self.commits);
        // One that panicked has nothing left to finish.
        let _ = self.thread.join();
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn run(durability: &Durability, log: &Path, commits: &mpsc::Receiver<Committed>) {
    let mut open = None;
    while let Ok(first) = commits.recv() {
        let taken: Vec<Committed> = std::iter::once(first).chain(commits.try_iter()).collect();
        durability.pulse.begin();
        let synced = sync(&mut open, log);
        durability.pulse.end();
        if let Err(error) = &synced {
            tracing::error!(kind = ?error.kind(), "the disk refused: nothing is acknowledged until a restart");
            durability.given_up.store(true, Ordering::Release);
        }
        let given_up = durability.given_up.load(Ordering::Acquire);
        let newest = taken.last().map_or(0, |commit| commit.number);
        durability.reached.send_replace(if given_up { u64::MAX } else { newest });
        let waiting = taken.into_iter().filter_map(|commit| commit.waiting);
        waiting.for_each(if given_up { Awaiting::fail } else { Awaiting::wake });
    }
}

/// Brings all that was written to the log to the disk. The file stays open, so that no failure to
/// write it goes unnoticed, and is opened anew when SQLite has made another one.
fn sync(open: &mut Option<File>, log: &Path) -> io::Result<()> {
    let present = std::fs::metadata(log)?.ino();
    let file = match open.take() {
        Some(file) if file.metadata()?.ino() == present => file,
        _ => File::open(log)?,
    };
    file.sync_data()?;
    *open = Some(file);
    Ok(())
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
        syncer.wake_once_durable(number, Some(Awaiting::Chore(done)));
        chore.await.unwrap().unwrap();
        durability.reached().await.unwrap();
        syncer.finish();
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_believed_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let durability = Arc::new(Durability::new());
        let syncer = Syncer::start(&durability, database.clone()).unwrap();
        let ask = || {
            let (done, chore) = oneshot::channel();
            syncer.wake_once_durable(syncer.announce(), Some(Awaiting::Chore(done)));
            chore
        };
        assert!(ask().await.unwrap().is_err(), "there is no log");
        assert!(durability.reached().await.is_err() && durability.stalled(Duration::MAX));
        std::fs::write(log_of(&database), b"log").unwrap();
        assert!(ask().await.unwrap().is_err(), "what it has lost does not come back");
        syncer.finish();
    }
}
