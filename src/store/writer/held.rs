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

/// What waits for the head of one tenant.
struct Waiting {
    tenant: TenantId,
    since: Instant,
    tried: Instant,
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
}

impl Held {
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
        let (since, tried, behind) = (Instant::now(), Instant::now(), VecDeque::new());
        self.tenants.push(Waiting { tenant, since, tried, batches, behind });
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
        &self,
        queue: &mut mpsc::Receiver<Item>,
        drained: &mut Vec<Item>,
    ) -> bool {
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
        while let Some(batch) = waiting.batches.pop_front() {
            if let Some(mut left) = self.commit(batch, waiting.tenant).await {
                left.append(&mut waiting.batches);
                (waiting.batches, waiting.tried) = (left, Instant::now());
                if waiting.since.elapsed() < TRIED_FOR {
                    self.held.tenants.push(waiting);
                } else {
                    self.give_up(waiting);
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

    fn give_up(&self, waiting: Waiting) {
        let taken = waiting.batches.into_iter().flatten();
        let behind = waiting.behind.into_iter().filter(|operation| operation.take());
        let failed = taken.chain(behind).map(|it| (it, Outcome::Failed(Error::Busy)));
        let failed: Results = failed.collect();
        let (error, operations) = (Error::Busy, failed.len());
        tracing::error!(%error, operations, "a batch was not committed");
        self.store.counts.batch(operations, waiting.since.elapsed(), &Err(error));
        self.store.held_up.end(waiting.tenant);
        wake_all(failed.into_iter());
    }
}
