//! The store itself: its connections, its clock, and the way from a decision to a durable write.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::AnyPool;
use tokio::sync::{mpsc, oneshot};

use super::audit::traces::Waiting;
use super::backup::loading::unfinished;
use super::bell::Bell;
use super::counts::Counts;
use super::durability::{Durability, Durable, Syncer};
use super::gate::{Gate, Listener};
use super::gathering::Gatherings;
use super::operation::Verdict;
use super::pending::{Finished, Pending};
use super::pulse::{HeldUp, Pulse};
use super::reads::Load;
use super::schedule::Point;
use super::timekeeping::Timekeeper;
use super::witness::Witness;
use super::writer::{self, Chore, Item, QUEUE};
use super::{Engine, Error, Operation, Proposed, Reads, Refusal, Schedule};
use crate::clock::{Clock, Time};
use crate::ids::Entropy;
use crate::meters::Meters;

/// How to open a store.
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Requests do not queue behind a batch that has been committing for longer.
    pub budget: Duration,
    /// The machine's clock.
    pub clock: Clock,
    /// Where stamps come from.
    pub entropy: Entropy,
    /// Told about every change before anybody can read it: the cache.
    pub listener: Arc<dyn Listener>,
    /// The order of commits, shared with the listener.
    pub gate: Arc<Gate>,
    /// How the steps of requests and writer follow each other.
    pub schedule: Schedule,
    /// When SQLite's commits become durable.
    pub durable: Durable,
    /// Where the store counts.
    pub meters: Meters,
}

/// One database, one writer.
pub struct Store {
    pub(super) engine: Engine,
    pub(super) url: String,
    pub(super) readers: AnyPool,
    /// Who looks up what others look up at the same time.
    pub(super) gatherings: Gatherings,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) gate: Arc<Gate>,
    pub(super) schedule: Schedule,
    pub(super) pulse: Pulse,
    /// Tenants whose heads other instances hold.
    pub(super) held_up: HeldUp,
    pub(super) durability: Arc<Durability>,
    pub(super) counts: Arc<Counts>,
    pub(super) witness: OnceLock<Arc<dyn Witness>>,
    /// The newest that a tenant's head has said of root keys.
    pub(super) oldest_root_version: AtomicI64,
    /// Reads whose journal rows wait.
    pub(super) traces: Waiting,
    /// Rung after each commit.
    pub(super) bell: Bell,
    budget: Duration,
    /// What is known of store time.
    time: Timekeeper,
    queue: RwLock<Option<mpsc::Sender<Item>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// However small the budget, a batch that takes no longer than this is at work and not stalled.
const LEAST_STALL: Duration = Duration::from_millis(100);
/// Decisions that were stale this often are made inside the transaction.
const TRIES_OUTSIDE: usize = 2;

impl Store {
    /// Connects, migrates, and starts the writer.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a URL or schema that cannot work, and for a database into which a
    /// restore was not completed; [`Error::Unavailable`] when the database does not answer.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        let store = Self::open_unfinished(settings).await?;
        let mut connection = store.readers.acquire().await?;
        let (restoring, _) = unfinished(&mut connection).await?;
        drop(connection);
        if restoring.is_empty() {
            return Ok(store);
        }
        store.close().await;
        Err(Error::Configuration(
            "a restore into this database was not completed: run `threadline restore` again with the \
             same files"
                .into(),
        ))
    }

    /// The same, also while a restore is going on: for the restore.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_unfinished(settings: Settings) -> Result<Arc<Self>, Error> {
        let engine = Engine::of(&settings.url)?;
        let readers = engine.readers(&settings.url).await?;
        engine.migrate(&readers).await?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let store = Arc::new(Self {
            engine,
            url: settings.url,
            readers,
            gatherings: Gatherings::default(),
            clock: settings.clock,
            entropy: settings.entropy,
            listener: settings.listener,
            gate: settings.gate,
            schedule: settings.schedule,
            pulse: Pulse::new(),
            held_up: HeldUp::default(),
            durability: Arc::new(Durability::new()),
            counts: Arc::new(Counts::new(&settings.meters)),
            witness: OnceLock::new(),
            oldest_root_version: AtomicI64::new(0),
            traces: Waiting::default(),
            bell: Bell::default(),
            budget: settings.budget,
            time: Timekeeper::of(engine),
            queue: RwLock::new(Some(sender)),
            thread: Mutex::new(None),
        });
        let mut connection = store.readers.acquire().await?;
        store.saw_store_time(engine.store_time(&mut connection).await?);
        let file = engine.file(&mut connection).await?;
        drop(connection);
        // Steered, one party moves at a time: the disk is waited for where SQLite does so itself.
        let free = matches!(store.schedule, Schedule::Free);
        let apart = settings.durable == Durable::AfterCommit && free;
        store.start_writer(queue, file.filter(|_| apart))?;
        Ok(store)
    }

    /// The writer has a thread of its own: it must not wait for the server's work.
    fn start_writer(
        self: &Arc<Self>,
        queue: mpsc::Receiver<Item>,
        file: Option<PathBuf>,
    ) -> Result<(), Error> {
        let failed = |_| Error::Configuration("the writer's thread cannot be started".into());
        let counts = &self.counts;
        let syncer = file.map(|file| Syncer::start(&self.durability, counts, file)).transpose();
        let syncer = syncer
            .map_err(|_| Error::Configuration("the log cannot be brought to the disk".into()))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let store = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || runtime.block_on(writer::run(store, queue, syncer)))
            .map_err(failed)?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Which database this is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// How the steps of requests and writer follow each other.
    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The order of commits.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How many snapshots were read so far: a start from the cache reads none.
    pub fn snapshots_read(&self) -> u64 {
        self.counts.snapshots.get()
    }

    /// The version of the root key that a tenant's head said new keys must be wrapped with at least, as
    /// far as batches of this process have seen; zero before any rotation.
    pub fn oldest_root_version(&self) -> i64 {
        self.oldest_root_version.load(Ordering::Relaxed)
    }

    /// Store time: the database's clock on PostgreSQL, as far as this process has seen it.
    pub fn now(&self) -> Time {
        self.time.at(self.clock.now())
    }

    pub(super) fn saw_store_time(&self, now: Time) {
        self.time.heard(now, self.clock.now());
    }

    /// From now on somebody sees the writer commit; the first who comes.
    pub fn is_seen_by(&self, witness: Arc<dyn Witness>) {
        // A second one would see half.
        let _ = self.witness.set(witness);
    }

    /// What waits for the writer, and what it has put aside.
    pub(super) fn queued(&self) -> usize {
        let queued = self.queue().as_ref().map_or(0, |queue| QUEUE - queue.capacity());
        queued + self.held_up.operations()
    }

    /// Whether the writer has been busy with one batch, or the disk with what was committed, for
    /// longer than the budget (at least 100 ms). A head that another instance holds is nobody's fault
    /// here: the time for which it is waited for does not count.
    pub fn stalled(&self) -> bool {
        let budget = self.patience();
        self.pulse.stalled(budget) || self.durability.stalled(budget)
    }

    fn patience(&self) -> Duration {
        self.budget.max(LEAST_STALL)
    }

    /// Decides, writes, and gives the answer once it is durable. Stale decisions are made again,
    /// in the end inside the transaction. Dropping the future gives the operation up if the writer
    /// has not taken it yet.
    ///
    /// # Errors
    /// The operation's own refusals, and the store's errors as such.
    pub async fn run<O: Operation>(
        self: &Arc<Self>,
        operation: Arc<O>,
    ) -> Result<Verdict<O::Answer>, O::Refusal> {
        let mut tries = 0;
        loop {
            if self.stalled() || self.held_up.stalled(operation.tenant(), self.patience()) {
                return Err(Error::Stalled.into());
            }
            let proposal = if tries < TRIES_OUTSIDE {
                self.schedule.at(Point::Decide).await?;
                Some(self.decide(&operation).await?)
            } else {
                None
            };
            self.schedule.at(Point::Proposed).await?;
            let (pending, result, _waiting) = Pending::new(Arc::clone(&operation), proposal);
            self.submit(Item::Operation(pending))?;
            self.schedule.at(Point::Queued).await?;
            match result.await.unwrap_or(Finished::Failed(Error::Unavailable)) {
                Finished::Committed(proposal) => return Ok(Verdict::Committed(proposal.answer)),
                Finished::Replay => return Ok(Verdict::Replay),
                Finished::Failed(error) => return Err(error.into()),
                Finished::Refused(refusal) => return Err(refusal),
                Finished::Stale => tries += 1,
            }
        }
    }

    async fn decide<O: Operation>(
        self: &Arc<Self>,
        operation: &Arc<O>,
    ) -> Result<Proposed<O::Answer>, O::Refusal> {
        let mut sequence = self.gate.sequence();
        let mut decided = operation.decide(&mut Reads::Outside(Arc::clone(self))).await;
        if decided.as_ref().is_err_and(Refusal::rests_on_reads) {
            sequence = self.gate.sequence();
            // No commit will check it: all of it is read of one moment.
            let own = Arc::clone(operation);
            let mut fresh = Reads::Fresh(Arc::clone(self));
            let deciding = fresh.load(Box::new(move |connection| {
                Box::pin(async move { Ok(own.decide(&mut Reads::Inside(connection)).await) })
            }));
            decided = deciding.await?;
        }
        let mut proposal = decided?;
        proposal.read.sequence = sequence;
        Ok(proposal)
    }

    /// Does housekeeping in a small transaction on the writer's connection.
    pub(super) async fn chore<T: Send + 'static>(&self, work: Load<T>) -> Result<T, Error> {
        let (done, finished) = oneshot::channel();
        let (give, made) = oneshot::channel();
        let work: writer::Work = Box::new(move |connection| {
            Box::pin(async move {
                // The receiver lives until the result is there, unless nobody wants it any more.
                let _ = give.send(work(connection).await?);
                Ok(())
            })
        });
        self.submit(Item::Chore(Chore { work, done }))?;
        finished.await.unwrap_or(Err(Error::Unavailable))?;
        made.await.map_err(|_| Error::Unavailable)
    }

    /// Gone once the store closes.
    fn queue(&self) -> RwLockReadGuard<'_, Option<mpsc::Sender<Item>>> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        self.queue.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn submit(&self, item: Item) -> Result<(), Error> {
        let queue = self.queue();
        let sent = queue.as_ref().ok_or(Error::Unavailable)?.try_send(item);
        drop(queue);
        sent.map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Error::Unavailable,
        })
    }

    /// Lets the writer finish what is queued, then closes every connection.
    pub async fn close(&self) {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A writer that panicked has nothing left to finish.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.readers.close().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Only whole values are put behind these locks: a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
