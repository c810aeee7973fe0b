//! What waits for a tenant's head that another instance holds. It is tried again until its time is over,
//! and between two tries all other tenants go on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Item, MOST_OPERATIONS, Operations, QUEUE, TRACES_AGAIN, Writer};
use crate::ids::TenantId;
use crate::store::batch::Outcome;
use crate::store::pending::Queued;
use crate::store::wake::{Results, wake_all};
use crate::store::{Error, Schedule};

/// A head that was not free is asked for again after so long: the others' turn.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// And for so long in all.
const TRIED_FOR: Duration = Duration::from_secs(10);
/// Once nothing more comes, for so long: whoever stops the process does not wait for long.
const TRIED_AT_CLOSE: Duration = Duration::from_secs(3);
/// Every so many tries it is waited for as long as the first time: who only looks in never comes to their
/// turn where others queue for it.
const LONG_EVERY: u32 = 10;

/// What waits for the head of one tenant.
struct Waiting {
    tenant: TenantId,
    since: Instant,
    tried: Instant,
    tries: u32,
    /// Batches that were taken, in order; an empty one stands for reads.
    batches: VecDeque<Operations>,
    /// What came after them and may still be given up.
    behind: VecDeque<Box<dyn Queued>>,
}

/// All that waits so.
#[derive(Default)]
pub(super) struct Held {
    tenants: Vec<Waiting>,
    /// What came behind batches that have been committed since.
    next: VecDeque<Item>,
    /// Since when nothing more comes.
    closing: Option<Instant>,
}

impl Held {
    /// Operations that wait here.
    fn operations(&self) -> usize {
        let of = |waiting: &Waiting| {
            waiting.batches.iter().map(Vec::len).sum::<usize>() + waiting.behind.len()
        };
        self.tenants.iter().map(of).sum::<usize>() + self.next.len()
    }

    /// Whether it was tried for long enough.
    fn is_over(&self, waiting: &Waiting) -> bool {
        let closing = self.closing.is_some_and(|since| since.elapsed() >= TRIED_AT_CLOSE);
        closing || waiting.since.elapsed() >= TRIED_FOR
    }

    /// What has come before anything that is queued.
    pub fn take_next(&mut self) -> Option<Item> {
        self.next.pop_front()
    }

    /// The operation, unless its tenant's head is held: then it waits behind those that came before it.
    pub fn passes(&mut self, operation: Box<dyn Queued>) -> Option<Box<dyn Queued>> {
        let tenant = operation.tenant();
        if !self.waits(tenant) {
            return Some(operation);
        }
        let behind: usize = self.tenants.iter().map(|waiting| waiting.behind.len()).sum();
        if behind >= QUEUE {
            wake_all(std::iter::once((operation, Outcome::Failed(Error::QueueFull))));
        } else if let Some(waiting) = self.of(tenant) {
            waiting.behind.push_back(operation);
        }
        None
    }

    /// Whether this tenant's head is held.
    pub fn waits(&self, tenant: TenantId) -> bool {
        self.tenants.iter().any(|waiting| waiting.tenant == tenant)
    }

    fn of(&mut self, tenant: TenantId) -> Option<&mut Waiting> {
        self.tenants.iter_mut().find(|waiting| waiting.tenant == tenant)
    }

    /// Keeps batches of a tenant whose head is held.
    fn keep(&mut self, tenant: TenantId, batches: VecDeque<Operations>) {
        if let Some(waiting) = self.of(tenant) {
            waiting.batches.extend(batches);
            return;
        }
        tracing::warn!(
            tenant = tenant.0,
            "another instance holds a tenant's head: it is waited for"
        );
        let (since, tries, behind) = (Instant::now(), 0, VecDeque::new());
        self.tenants.push(Waiting { tenant, since, tried: since, tries, batches, behind });
    }

    /// After how long something is to be tried again; `None` when nothing waits.
    fn due_in(&self) -> Option<Duration> {
        let tried = self.tenants.iter().map(|waiting| waiting.tried).min()?;
        Some(AGAIN_AFTER.saturating_sub(tried.elapsed()))
    }

    /// What is to be tried now.
    fn due(&mut self) -> Option<Waiting> {
        let waiting = self.tenants.iter().enumerate();
        let (at, tried) = waiting.map(|(at, one)| (at, one.tried)).min_by_key(|it| it.1)?;
        (tried.elapsed() >= AGAIN_AFTER).then(|| self.tenants.swap_remove(at))
    }
}

impl Writer {
    /// Waits for something to do, or until something that was kept is due; whether there may be more.
    /// What a failed batch has kept, and a log that could not be emptied, is tried again also when
    /// nothing comes.
    pub(super) async fn receive(
        &mut self,
        queue: &mut mpsc::Receiver<Item>,
        drained: &mut Vec<Item>,
    ) -> bool {
        self.store.held_up.put_aside(self.held.operations());
        if !self.held.next.is_empty() {
            return true;
        }
        let receiving = queue.recv_many(drained, MOST_OPERATIONS);
        let wait = match self.held.due_in() {
            Some(wait) => wait,
            None if self.has_nothing_left() => return receiving.await > 0,
            None => TRACES_AGAIN,
        };
        let closed = matches!(tokio::time::timeout(wait, receiving).await, Ok(0));
        if closed {
            self.held.closing.get_or_insert_with(Instant::now);
        }
        if closed && !self.held.tenants.is_empty() {
            // Nothing more comes; what waits is finished first.
            tokio::time::sleep(wait).await;
            return true;
        }
        !closed
    }

    /// Commits a batch of this tenant, or of several on SQLite, where no head is held apart from all
    /// others. If its head is held, it waits for that and nobody waits for it.
    pub(super) async fn commit_or_hold(&mut self, batch: Operations, tenant: TenantId) {
        let left = match self.held.waits(tenant) {
            true => Some(VecDeque::from([batch])),
            false => self.commit(batch, tenant).await,
        };
        if let Some(left) = left {
            self.held.keep(tenant, left);
        }
    }

    /// Tries again what is due, of one tenant. A steered writer has answered everybody before it is
    /// idle again.
    pub(super) async fn try_held(&mut self) {
        match self.store.schedule {
            Schedule::Free => self.try_due().await,
            Schedule::Steered(_) => self.finish_held().await,
        }
    }

    async fn try_due(&mut self) {
        let Some(mut waiting) = self.held.due() else { return };
        waiting.tries += 1;
        while let Some(batch) = waiting.batches.pop_front() {
            // Everybody else waits meanwhile.
            self.session.was_held = !waiting.tries.is_multiple_of(LONG_EVERY);
            let left = self.commit(batch, waiting.tenant).await;
            self.session.was_held = false;
            if let Some(mut left) = left {
                left.append(&mut waiting.batches);
                (waiting.batches, waiting.tried) = (left, Instant::now());
                match self.held.is_over(&waiting) {
                    true => self.give_up(waiting),
                    false => self.held.tenants.push(waiting),
                }
                return;
            }
        }
        self.held.next.extend(waiting.behind.into_iter().map(Item::Operation));
    }

    /// As long as anything waits: nothing more is queued.
    pub(super) async fn finish_held(&mut self) {
        while let Some(wait) = self.held.due_in() {
            tokio::time::sleep(wait).await;
            self.try_due().await;
        }
    }

    /// Reads are not given up: they wait as all that no batch has taken along.
    fn give_up(&self, waiting: Waiting) {
        let (counts, time) = (&self.store.counts, waiting.since.elapsed());
        for batch in waiting.batches.iter().filter(|batch| !batch.is_empty()) {
            counts.batch(batch.len(), time, &Err(Error::Busy));
        }
        let behind: Operations = waiting.behind.into_iter().filter(|it| it.take()).collect();
        counts.failed_in_no_batch(behind.len());
        let failed = waiting.batches.into_iter().flatten().chain(behind);
        let failed: Results = failed.map(|it| (it, Outcome::Failed(Error::Busy))).collect();
        if !failed.is_empty() {
            let (error, operations) = (Error::Busy, failed.len());
            tracing::error!(%error, operations, "what waited for a tenant's head was not committed");
        }
        self.store.held_up.end(waiting.tenant);
        wake_all(failed.into_iter());
    }
}
