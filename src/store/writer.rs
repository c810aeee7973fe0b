//! The one writer: takes what is queued, commits it in one batch, wakes those who wait.
//!
//! A request never owns a transaction. It hands over an operation and awaits its own result
//! (`pending.rs`).

mod beside;
mod held;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};

use super::audit::traces::Trace;
use super::batch::{self, Outcome, Written};
use super::checkpoint::{self, Checkpoints, Readers};
use super::durability::{Awaiting, Syncer};
use super::head::Session;
use super::operation::Boxed;
use super::pending::Queued;
use super::schedule::Point;
use super::statement::{self, scoped};
use super::wake::{Results, wake_all};
use super::{Engine, Error, Store, witness};
use crate::ids::TenantId;
use held::Held;

/// Operations of one batch at most.
const MOST_OPERATIONS: usize = 256;
/// Operations that may wait; more are refused at once.
pub(super) const QUEUE: usize = 4_096;
/// A batch that takes longer has lost its connection.
const BATCH_WITHIN: Duration = Duration::from_secs(15);
/// Traces that a batch failed to write are tried again after so long, if nothing comes before.
const TRACES_AGAIN: Duration = Duration::from_secs(1);
/// A log that somebody read from when it was to be emptied is tried again after so long.
const EMPTIED_AGAIN: Duration = Duration::from_secs(1);
/// How often a batch is tried again when another transaction is in its way.
const TRIES: usize = 5;
/// A transaction that failed is ended within this, or with its connection.
const ENDED_WITHIN: Duration = Duration::from_secs(3);

/// What waits for the writer.
pub(super) enum Item {
    /// A decision to be written.
    Operation(Box<dyn Queued>),
    /// Housekeeping that no decision rests on: keys, marks, rows that have expired.
    Chore(Chore),
    /// Reads that took place, for the journal; nobody waits for them.
    Traces(Vec<Trace>),
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

/// Runs until every sender is gone and the queue is empty. With a `syncer` commits become durable
/// after they were made, else in being made.
pub(super) async fn run(
    store: Arc<Store>,
    mut queue: mpsc::Receiver<Item>,
    syncer: Option<Syncer>,
) {
    let checkpoints = syncer.as_ref().map(|syncer| Checkpoints::of(syncer.database.clone()));
    let (connection, session, held) = (None, Session::default(), Held::default());
    let (traces, aside, to_empty) = (BTreeMap::new(), FxHashMap::default(), None);
    let mut writer =
        Writer { store, connection, session, syncer, checkpoints, traces, aside, to_empty, held };
    let mut drained = Vec::with_capacity(MOST_OPERATIONS);
    loop {
        // A steered writer is held here, and cannot fail before it has anything to do.
        let _ = writer.store.schedule.at(Point::Idle).await;
        if !writer.receive(&mut queue, &mut drained).await {
            break;
        }
        // Where every core is busy, those who are about to queue go first: fewer, larger batches.
        // Where one is idle, this takes no time.
        std::thread::yield_now();
        while drained.len() < MOST_OPERATIONS {
            match writer.held.take_next().or_else(|| queue.try_recv().ok()) {
                Some(item) => drained.push(item),
                None => break,
            }
        }
        let (mut taken, mut chores) = (Vec::with_capacity(drained.len()), Vec::new());
        for item in drained.drain(..) {
            match item {
                Item::Operation(operation) => {
                    taken.extend(writer.held.passes(operation).filter(|it| it.take()));
                }
                Item::Chore(chore) => chores.push(chore),
                Item::Traces(traces) => writer.take_traces(traces),
            }
        }
        for batch in writer.split(taken) {
            let tenant = batch.first().map(|operation| operation.tenant());
            if let Some(tenant) = tenant {
                writer.commit_or_hold(batch, tenant).await;
            }
        }
        writer.commit_traces().await;
        for chore in chores {
            writer.chore(chore).await;
        }
        writer.try_held().await;
        writer.empty_log_again().await;
    }
    // Once more, whatever was in their way.
    writer.aside.clear();
    writer.commit_traces().await;
    writer.finish_held().await;
    writer.empty_log(Readers::WaitedFor).await;
    writer.close().await;
}

type Operations = Vec<Box<dyn Queued>>;

/// Whether it erases somebody.
fn erases(operation: &dyn Queued) -> bool {
    operation.proposal().is_some_and(|(_, effects)| effects.erasure.is_some())
}

struct Writer {
    store: Arc<Store>,
    connection: Option<AnyConnection>,
    session: Session,
    syncer: Option<Syncer>,
    checkpoints: Option<Checkpoints>,
    /// Reads that are to be written with the next batch of their tenant: those that wait for long are in
    /// no other batch's way.
    traces: BTreeMap<TenantId, Vec<Trace>>,
    /// Tenants whose reads the database would not take, and since when: they are left alone for a while.
    aside: FxHashMap<TenantId, Instant>,
    /// When SQLite's log was last tried to be emptied, if somebody was erased since it was.
    to_empty: Option<Instant>,
    /// What waits for another instance.
    held: Held,
}

/// PostgreSQL's classes of errors that data make: exceptions, and violated constraints.
const OF_DATA: [&str; 2] = ["22", "23"];

impl Writer {
    /// Batches: operations that decide inside or erase stand alone; PostgreSQL takes one tenant a batch.
    fn split(&self, operations: Operations) -> Vec<Operations> {
        let mut batches: Vec<(Option<TenantId>, Operations)> = Vec::new();
        let mut alone = Vec::new();
        for operation in operations {
            if operation.decides_inside() || erases(&*operation) {
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

    /// Commits one batch, of that tenant if of one; what data makes fail is found by halving. What is
    /// left when another instance holds the tenant's head.
    async fn commit(
        &mut self,
        batch: Operations,
        tenant: TenantId,
    ) -> Option<VecDeque<Operations>> {
        let mut rest = VecDeque::from([batch]);
        while let Some(mut batch) = rest.pop_front() {
            let mut traces = self.traces_beside(&batch, tenant);
            let Some(result) = self.watched(&mut batch, &mut traces, tenant).await else {
                self.keep_traces(traces);
                rest.push_front(batch);
                return Some(rest);
            };
            let beside = if result.is_ok() { traces.len() as u64 } else { 0 };
            match beside {
                0 => self.keep_traces(traces),
                _ => self.traces_written(&traces),
            }
            let erased = result.is_ok() && batch.iter().any(|it| erases(&**it));
            if erased && self.store.engine == Engine::Sqlite {
                // Who is told that somebody was erased finds nothing in the log, unless it is read from.
                self.to_empty = Some(Instant::now());
                self.empty_log(Readers::WaitedFor).await;
            }
            let (results, rows, wrote) = match result {
                Ok(Written { outcomes, rows }) => {
                    if rows > 0 {
                        self.store.bell.ring(batch.iter().map(|operation| operation.tenant()));
                    }
                    let rows = rows + beside;
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
                    self.set_aside(&batch, tenant, &error);
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
                    if !ended.is_empty() || rows > 0 {
                        syncer.wake_once_durable(wrote, Awaiting::Batch(ended));
                    }
                }
                None => wake_all(results.into_iter()),
            }
            self.wrote(rows).await;
        }
        None
    }

    /// Tries to commit one batch, while others see how long that takes.
    async fn watched(
        &mut self,
        batch: &mut Operations,
        traces: &mut [Trace],
        tenant: TenantId,
    ) -> Option<Result<Written, Error>> {
        // Whoever has the head may take the time for which it is waited for.
        self.store.pulse.begin_after(self.session.patience(self.store.engine));
        let (begun, seen) = (Instant::now(), witness::begins(&self.store, batch));
        let result = self.try_commit(batch, traces).await.transpose();
        seen.into_iter().for_each(|seen| seen.ended(matches!(result, Some(Ok(_)))));
        match &result {
            Some(result) => {
                let begun = self.store.held_up.end(tenant).unwrap_or(begun);
                self.store.counts.batch(batch.len(), begun.elapsed(), result);
            }
            None => self.store.held_up.begin(tenant, begun),
        }
        self.store.pulse.end();
        result
    }

    fn has_nothing_left(&self) -> bool {
        self.traces.is_empty() && self.to_empty.is_none()
    }

    /// After somebody was erased SQLite's log holds what was overwritten in the file.
    async fn empty_log(&mut self, readers: Readers) {
        if let (Some(_), Some(connection)) = (self.to_empty, &mut self.connection) {
            self.store.pulse.begin();
            let emptying = checkpoint::empty(&self.store, connection, readers);
            let emptied = tokio::time::timeout(BATCH_WITHIN, emptying).await;
            self.store.pulse.end();
            self.to_empty = (emptied != Ok(true)).then(Instant::now);
            if emptied.is_err() {
                self.forget_connection();
            }
        }
    }

    /// Where somebody read from it, it is tried again each second. A backup reads for minutes: nobody
    /// else waits for that.
    async fn empty_log_again(&mut self) {
        if self.to_empty.is_some_and(|tried| tried.elapsed() >= EMPTIED_AGAIN) {
            self.empty_log(Readers::LeftAlone).await;
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

    async fn try_commit(
        &mut self,
        batch: &mut Operations,
        traces: &mut [Trace],
    ) -> Result<Option<Written>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let attempt = tokio::time::timeout(BATCH_WITHIN, self.attempt(batch, traces)).await;
            match attempt.unwrap_or(Err(Error::Unavailable)) {
                Ok(written) => return Ok(written),
                Err(error) => {
                    // Where nobody said why, the commit may have happened: run again on a new connection,
                    // where the journal decides.
                    self.end_failed(&error).await;
                    let of_data = matches!(error, Error::Refused { .. } | Error::Damaged { .. });
                    if of_data || tries >= TRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        batch: &mut Operations,
        traces: &mut [Trace],
    ) -> Result<Option<Written>, Error> {
        self.store.schedule.at(Point::Taken).await?;
        self.connect().await?;
        let connection = self.connection.as_mut().ok_or(Error::Unavailable)?;
        batch::commit(&self.store, connection, &mut self.session, batch, traces).await
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if self.connection.is_none() {
            self.session.seen = None;
            let engine = self.store.engine;
            let synced_apart = self.syncer.is_some();
            self.connection = Some(engine.writer(&self.store.url, synced_apart).await?);
        }
        Ok(())
    }

    async fn close(self) {
        if !self.traces.is_empty() {
            let reads: usize = self.traces.values().map(Vec::len).sum();
            tracing::error!(reads, "reads could not be written to the journal");
        }
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

    /// Ends a transaction that failed. A PostgreSQL that says why is the one that there was: its connection
    /// is kept, and what is remembered with it; so is SQLite's where a row was not as it should be, and no
    /// statement failed. Any other is forgotten.
    async fn end_failed(&mut self, error: &Error) {
        let on_postgres = self.store.engine == Engine::Postgres;
        let is_good = match error {
            Error::Damaged { .. } => true,
            Error::Busy => on_postgres,
            // Of data; what else it refuses, a new connection may mend.
            Error::Refused { code } if on_postgres => {
                OF_DATA.iter().any(|class| code.starts_with(class))
            }
            _ => false,
        };
        let ended = match &mut self.connection {
            Some(connection) if is_good => {
                let ending = statement::command(connection, scoped!("ROLLBACK"));
                matches!(tokio::time::timeout(ENDED_WITHIN, ending).await, Ok(Ok(())))
            }
            _ => false,
        };
        if !ended {
            self.forget_connection();
        }
    }

    /// It may hang on a dead network: closing is not waited for.
    fn forget_connection(&mut self) {
        drop(self.connection.take());
    }
}
