//! The one writer: takes what is queued, commits it in one batch, wakes those who wait.
//!
//! A request never owns a transaction. It hands over an operation and awaits its own result; a
//! ticket says, in one compare-and-swap, whether the writer took it or the request gave it up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::batch::{self, Outcome, Written};
use super::checkpoint::{Checkpoints, ROWS_OF_A_CHORE};
use super::durability::{Awaiting, Syncer};
use super::operation::Boxed;
use super::schedule::Point;
use super::wake::{Results, Waker, wake_all};
use super::{Effects, Engine, Error, Operation, Proposal, ReadSet, Reads, Store};
use crate::ids::TenantId;

/// Operations of one batch at most.
const MOST_OPERATIONS: usize = 256;
/// Operations that may wait; more are refused at once.
pub(super) const QUEUE: usize = 4_096;
/// A batch that takes longer has lost its connection.
const BATCH_WITHIN: Duration = Duration::from_secs(15);
/// How often a batch is tried again when another transaction is in its way.
const TRIES: usize = 5;

/// How an operation ended, as its request sees it.
pub(super) enum Finished<O: Operation> {
    Committed(O::Answer),
    Replay,
    Stale,
    Failed(Error),
    Refused(O::Refusal),
}

/// An operation in the queue, whatever its type.
pub(super) trait Queued: Send {
    fn tenant(&self) -> TenantId;
    fn take(&self) -> bool;
    fn waker(&self) -> &Waker;
    fn proposal(&self) -> Option<(&ReadSet, &Effects)>;
    fn proposed(&mut self) -> Option<(&ReadSet, &mut Effects)>;
    fn decides_inside(&self) -> bool;
    fn decide_inside<'a>(&'a mut self, connection: &'a mut AnyConnection) -> Boxed<'a, bool>;
    fn finish(self: Box<Self>, outcome: Outcome);
}

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const ABANDONED: u8 = 2;

/// What waits for the writer.
pub(super) enum Item {
    /// A decision to be written.
    Operation(Box<dyn Queued>),
    /// Housekeeping that no decision rests on: keys, marks, rows that have expired.
    Chore(Chore),
}

/// A small transaction of its own on the writer's connection: written elsewhere, it would look like
/// another process's write and empty the cache.
pub(super) struct Chore {
    pub work: Work,
    pub done: oneshot::Sender<Result<(), Error>>,
}

/// What a chore does.
pub(super) type Work =
    Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Boxed<'c, Result<(), Error>> + Send>;

/// Whether an operation still waits, was taken, or was given up.
pub(super) struct Ticket(AtomicU8);

impl Ticket {
    fn moves_to(&self, state: u8) -> bool {
        self.0.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Gives the operation up when the request is dropped before the writer took it.
pub(super) struct Waiting(Arc<Ticket>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.moves_to(ABANDONED);
    }
}

pub(super) struct Pending<O: Operation> {
    operation: Arc<O>,
    proposal: Option<Proposal<O::Answer>>,
    refusal: Option<O::Refusal>,
    inside: bool,
    reply: oneshot::Sender<Finished<O>>,
    ticket: Arc<Ticket>,
    waker: Waker,
}

impl<O: Operation> Pending<O> {
    /// An operation to queue, where its result arrives, and the guard that gives it up.
    /// Without a proposal it is decided inside the transaction.
    pub(super) fn new(
        operation: Arc<O>,
        proposal: Option<Proposal<O::Answer>>,
    ) -> (Box<Self>, oneshot::Receiver<Finished<O>>, Waiting) {
        let (reply, result) = oneshot::channel();
        let ticket = Arc::new(Ticket(AtomicU8::new(WAITING)));
        let inside = proposal.is_none();
        let waiting = Waiting(Arc::clone(&ticket));
        let waker = Waker::of_this_thread();
        let pending = Self { operation, proposal, refusal: None, inside, reply, ticket, waker };
        (Box::new(pending), result, waiting)
    }
}

impl<O: Operation> Queued for Pending<O> {
    fn tenant(&self) -> TenantId {
        self.operation.tenant()
    }

    fn take(&self) -> bool {
        self.ticket.moves_to(TAKEN)
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }

    fn proposal(&self) -> Option<(&ReadSet, &Effects)> {
        self.proposal.as_ref().map(|proposal| (&proposal.read, &proposal.effects))
    }

    fn proposed(&mut self) -> Option<(&ReadSet, &mut Effects)> {
        self.proposal.as_mut().map(|proposal| (&proposal.read, &mut proposal.effects))
    }

    fn decides_inside(&self) -> bool {
        self.inside
    }

    fn decide_inside<'a>(&'a mut self, connection: &'a mut AnyConnection) -> Boxed<'a, bool> {
        Box::pin(async move {
            // An earlier attempt at this batch may have left either behind.
            (self.proposal, self.refusal) = (None, None);
            let operation = Arc::clone(&self.operation);
            match operation.decide(&mut Reads::Inside(connection)).await {
                Ok(proposal) => self.proposal = Some(proposal),
                Err(refusal) => self.refusal = Some(refusal),
            }
            self.proposal.is_some()
        })
    }

    fn finish(self: Box<Self>, outcome: Outcome) {
        let finished = match (outcome, self.refusal, self.proposal) {
            (Outcome::Failed(error), ..) => Finished::Failed(error),
            (_, Some(refusal), _) => Finished::Refused(refusal),
            (Outcome::Committed, None, Some(proposal)) => Finished::Committed(proposal.answer),
            (Outcome::Replay, ..) => Finished::Replay,
            (Outcome::Stale | Outcome::Committed, ..) => Finished::Stale,
        };
        // The request may be gone; what it asked for is durable all the same.
        let _ = self.reply.send(finished);
    }
}

/// Runs until every sender is gone and the queue is empty. With a `syncer` commits become durable
/// after they were made, else in being made.
pub(super) async fn run(
    store: Arc<Store>,
    mut queue: mpsc::Receiver<Item>,
    syncer: Option<Syncer>,
) {
    let checkpoints = syncer.as_ref().map(|syncer| Checkpoints::of(syncer.database.clone()));
    let mut writer = Writer { store, connection: None, foreign: None, syncer, checkpoints };
    let mut drained = Vec::with_capacity(MOST_OPERATIONS);
    loop {
        // A steered writer is held here, and cannot fail before it has anything to do.
        let _ = writer.store.schedule.at(Point::Idle).await;
        if queue.recv_many(&mut drained, MOST_OPERATIONS).await == 0 {
            break;
        }
        // Where every core is busy, those who are about to queue go first: fewer, larger batches.
        // Where one is idle, this takes no time.
        std::thread::yield_now();
        while drained.len() < MOST_OPERATIONS {
            match queue.try_recv() {
                Ok(item) => drained.push(item),
                Err(_) => break,
            }
        }
        let (mut taken, mut chores) = (Vec::with_capacity(drained.len()), Vec::new());
        for item in drained.drain(..) {
            match item {
                Item::Operation(operation) if operation.take() => taken.push(operation),
                Item::Operation(_) => {}
                Item::Chore(chore) => chores.push(chore),
            }
        }
        for batch in writer.split(taken) {
            writer.commit(batch).await;
        }
        for chore in chores {
            writer.chore(chore).await;
        }
    }
    writer.close().await;
}

type Operations = Vec<Box<dyn Queued>>;

struct Writer {
    store: Arc<Store>,
    connection: Option<AnyConnection>,
    foreign: Option<i64>,
    syncer: Option<Syncer>,
    checkpoints: Option<Checkpoints>,
}

impl Writer {
    /// Batches: operations that decide inside stand alone; PostgreSQL takes one tenant a batch.
    fn split(&self, operations: Operations) -> Vec<Operations> {
        let mut batches: Vec<(Option<TenantId>, Operations)> = Vec::new();
        let mut alone = Vec::new();
        for operation in operations {
            if operation.decides_inside() {
                alone.push(vec![operation]);
                continue;
            }
            let tenant = (self.store.engine == Engine::Postgres).then(|| operation.tenant());
            match batches.iter_mut().find(|(of, _)| *of == tenant) {
                Some((_, batch)) => batch.push(operation),
                None => batches.push((tenant, vec![operation])),
            }
        }
        batches.into_iter().map(|(_, batch)| batch).chain(alone).collect()
    }

    /// Commits one batch; what data makes fail is found by halving.
    async fn commit(&mut self, batch: Operations) {
        let mut rest = VecDeque::from([batch]);
        while let Some(mut batch) = rest.pop_front() {
            self.store.pulse.begin();
            let result = self.try_commit(&mut batch).await;
            self.store.pulse.end();
            let (results, rows, wrote) = match result {
                Ok(Written { outcomes, rows }) => {
                    // What is refused inside tells of what others have written.
                    let wrote = rows > 0 || batch.iter().any(|it| it.decides_inside());
                    (batch.into_iter().zip(outcomes).collect(), rows, wrote)
                }
                Err(Error::Refused { .. } | Error::Damaged { .. }) if batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    rest.push_front(second);
                    rest.push_front(batch);
                    (Results::new(), 0, false)
                }
                Err(error) => {
                    tracing::error!(%error, operations = batch.len(), "a batch was not committed");
                    let failed = |operation| (operation, Outcome::Failed(error.again()));
                    // It may have been committed all the same.
                    (batch.into_iter().map(failed).collect(), 0, true)
                }
            };
            match &self.syncer {
                Some(syncer) => {
                    // Who decides again has nothing to wait for.
                    let again = |one: &(Box<dyn Queued>, Outcome)| {
                        matches!(one.1, Outcome::Stale) && !one.0.decides_inside()
                    };
                    let (stale, ended): (Results, Results) = results.into_iter().partition(again);
                    wake_all(stale.into_iter());
                    if !ended.is_empty() {
                        syncer.wake_once_durable(wrote, Awaiting::Batch(ended));
                    }
                }
                None => wake_all(results.into_iter()),
            }
            self.wrote(rows).await;
        }
    }

    /// Between two batches the log is kept short.
    async fn wrote(&mut self, rows: u64) {
        if let (Some(checkpoints), Some(connection)) = (&mut self.checkpoints, &mut self.connection)
        {
            self.store.pulse.begin();
            let moving = checkpoints.wrote(rows, &self.store, connection);
            let moved = tokio::time::timeout(BATCH_WITHIN, moving).await;
            self.store.pulse.end();
            if moved.is_err() {
                self.forget_connection();
            }
        }
    }

    async fn try_commit(&mut self, batch: &mut Operations) -> Result<Written, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let attempt = tokio::time::timeout(BATCH_WITHIN, self.attempt(batch)).await;
            match attempt.unwrap_or(Err(Error::Unavailable)) {
                Ok(written) => return Ok(written),
                Err(error @ (Error::Refused { .. } | Error::Damaged { .. })) => {
                    self.forget_connection();
                    return Err(error);
                }
                Err(error) => {
                    // The commit may have happened: run again on a new connection, where the
                    // journal decides.
                    self.forget_connection();
                    self.store.gate.commit_unseen(&*self.store.listener);
                    if tries >= TRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
            }
        }
    }

    async fn attempt(&mut self, batch: &mut Operations) -> Result<Written, Error> {
        self.store.schedule.at(Point::Taken).await?;
        self.connect().await?;
        let connection = self.connection.as_mut().ok_or(Error::Unavailable)?;
        batch::commit(&self.store, connection, &mut self.foreign, batch).await
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if self.connection.is_none() {
            self.foreign = None;
            let engine = self.store.engine;
            let synced_apart = self.syncer.is_some();
            self.connection = Some(engine.writer(&self.store.url, synced_apart).await?);
        }
        Ok(())
    }

    async fn chore(&mut self, Chore { work, done }: Chore) {
        self.store.pulse.begin();
        let finished = tokio::time::timeout(BATCH_WITHIN, self.try_chore(work)).await;
        self.store.pulse.end();
        let finished = finished.unwrap_or(Err(Error::Unavailable));
        if finished.is_err() {
            self.forget_connection();
        }
        match &self.syncer {
            Some(syncer) if finished.is_ok() => {
                syncer.wake_once_durable(true, Awaiting::One(done));
            }
            // Whoever asked may be gone; the work is done all the same.
            _ => drop(done.send(finished)),
        }
        self.wrote(ROWS_OF_A_CHORE).await;
    }

    async fn try_chore(&mut self, work: Work) -> Result<(), Error> {
        self.connect().await?;
        let begin = self.store.engine.begin_write();
        let connection = self.connection.as_mut().ok_or(Error::Unavailable)?;
        connection.execute(begin).await?;
        work(connection).await?;
        connection.execute("COMMIT").await?;
        Ok(())
    }

    async fn close(self) {
        if let Some(syncer) = self.syncer {
            syncer.finish();
        }
        if let Some(checkpoints) = self.checkpoints {
            checkpoints.finish().await;
        }
        if let Some(connection) = self.connection {
            // The rows are durable; a connection that closes badly changes nothing.
            let _ = connection.close().await;
        }
    }

    /// It may hang on a dead network: closing is not waited for.
    fn forget_connection(&mut self) {
        drop(self.connection.take());
    }
}
