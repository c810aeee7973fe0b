//! Follows one tenant's journal for all who watch it live.
//!
//! It reads on when this instance has committed something, and now and then, since other instances
//! ring no bell here; what one page finds goes to everybody whose filter it fits. A watcher whose
//! queue is full is let go: they come back with their token and read on by themselves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::watching::Watching;
use crate::continuity::Service;
use crate::continuity::following::{Interest, Page, Since};
use crate::continuity::tenant::Tenant;

/// Between two looks for what other instances have committed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two pages, when commits come without end: many of them then are one page.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// After a look that failed.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// A store that has not answered for so long has interrupted everybody.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// One event on its way to one watcher.
pub(super) struct Delivery {
    /// The page it is on.
    pub page: Arc<Page>,
    /// Which event of it.
    pub index: usize,
}

/// Why a watcher hears no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Their queue was full.
    TooSlow,
    /// The customer is not there any more.
    Gone,
    /// The store does not answer.
    Silent,
    /// The store was put back to before what they were told.
    PutBack,
}

/// Somebody who has seen all up to a place and wants to hear the rest.
pub(super) struct Joining {
    pub from: i64,
    pub interest: Interest,
    pub queue: mpsc::Sender<Delivery>,
    pub ended: Arc<OnceLock<Ended>>,
    /// Told how far everything has been handed out; nothing when they are behind that.
    pub joined: oneshot::Sender<Option<Arc<AtomicI64>>>,
}

struct Watcher {
    from: i64,
    queue: mpsc::Sender<Delivery>,
    ended: Arc<OnceLock<Ended>>,
}

impl Watcher {
    /// The first reason stands.
    fn end(&self, why: Ended) {
        let _ = self.ended.set(why);
    }
}

/// Follows one tenant's journal.
pub(super) struct Follower {
    watching: Arc<Watching>,
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    mailbox: mpsc::UnboundedReceiver<Joining>,
    watchers: Vec<Watcher>,
    /// Those of the watchers, in their order.
    interests: Arc<[Interest]>,
    position: i64,
    /// The same, for watchers to see: whatever is up to there is in their queues.
    handed_out: Arc<AtomicI64>,
    silent_since: Option<Instant>,
}

impl Follower {
    /// A follower for whoever is in the mailbox, from this place on.
    pub fn new(
        watching: &Arc<Watching>,
        tenant: &Arc<Tenant>,
        mailbox: mpsc::UnboundedReceiver<Joining>,
        position: i64,
    ) -> Self {
        Self {
            service: Arc::clone(watching.service()),
            watching: Arc::clone(watching),
            tenant: Arc::clone(tenant),
            mailbox,
            watchers: Vec::new(),
            interests: Arc::new([]),
            position,
            handed_out: Arc::new(AtomicI64::new(position)),
            silent_since: None,
        }
    }

    /// Runs until nobody watches.
    pub async fn run(mut self) {
        let bell = self.service.store().listen(self.tenant.id);
        loop {
            while let Ok(joining) = self.mailbox.try_recv() {
                self.welcome(joining);
            }
            self.forget_those_who_left();
            if self.watchers.is_empty() && self.watching.retire(self.tenant.id, &self.mailbox) {
                return;
            }
            // The settings may have changed since. It is open, so that nothing is read for it.
            if let Ok(tenant) = self.service.tenant(self.tenant.id).await {
                self.tenant = tenant;
            }
            let begun = Instant::now();
            let found = self.service.follow(&self.tenant, self.position, &self.interests).await;
            let rest = match found {
                Ok(Since::Page(page)) => self.hand_out(page),
                Ok(Since::Nothing) => {
                    self.silent_since = None;
                    LOOK_EVERY
                }
                Ok(Since::PutBack) => self.put_back(),
                Err(error) => self.failed(&error),
            };
            if rest.is_zero() {
                continue;
            }
            tokio::time::sleep_until(begun + GATHERED_FOR).await;
            tokio::select! {
                () = bell.rung() => {}
                () = tokio::time::sleep(rest) => {}
                Some(joining) = self.mailbox.recv() => self.welcome(joining),
            }
        }
    }

    fn welcome(&mut self, joining: Joining) {
        let Joining { from, interest, queue, ended, joined } = joining;
        if from < self.position {
            // Whoever left meanwhile needs no answer.
            let _ = joined.send(None);
            return;
        }
        if joined.send(Some(Arc::clone(&self.handed_out))).is_ok() {
            self.watchers.push(Watcher { from, queue, ended });
            self.interests = self.interests.iter().cloned().chain([interest]).collect();
        }
    }

    fn forget_those_who_left(&mut self) {
        let gone = |it: &Watcher| it.queue.is_closed() || it.ended.get().is_some();
        if self.watchers.iter().any(gone) {
            let interests = self.watchers.iter().zip(self.interests.iter());
            let kept = interests.filter(|(watcher, _)| !gone(watcher));
            self.interests = kept.map(|(_, interest)| interest.clone()).collect();
            self.watchers.retain(|watcher| !gone(watcher));
        }
    }

    /// Everybody gets what is theirs; how long to rest until the next look.
    fn hand_out(&mut self, page: Page) -> Duration {
        let page = Arc::new(page);
        for (watcher, interest) in self.watchers.iter().zip(self.interests.iter()) {
            if page.is_gone(interest) {
                watcher.end(Ended::Gone);
            }
        }
        for (index, event) in page.events.iter().enumerate() {
            for fits in &event.fits {
                let watcher = &self.watchers[*fits];
                if event.position <= watcher.from || watcher.ended.get().is_some() {
                    continue;
                }
                let delivery = Delivery { page: Arc::clone(&page), index };
                if let Err(mpsc::error::TrySendError::Full(_)) = watcher.queue.try_send(delivery) {
                    watcher.end(Ended::TooSlow);
                }
            }
        }
        self.silent_since = None;
        self.position = page.position;
        self.handed_out.store(page.position, Ordering::Release);
        // Those whose queue was closed with a reason are let go before the next page.
        self.forget_those_who_left();
        if page.more { Duration::ZERO } else { LOOK_EVERY }
    }

    /// All who watch end. Whoever begins anew does so before the place that was reached here: they read by
    /// themselves until this follower, whom nobody needs any more, is gone.
    fn put_back(&mut self) -> Duration {
        tracing::warn!(tenant = self.tenant.id.0, "the store was put back: watchers begin anew");
        self.watchers.iter().for_each(|watcher| watcher.end(Ended::PutBack));
        self.forget_those_who_left();
        Duration::ZERO
    }

    fn failed(&mut self, error: &crate::continuity::Error) -> Duration {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= SILENT_FOR {
            tracing::warn!(%error, tenant = self.tenant.id.0, "watchers were interrupted");
            self.watchers.iter().for_each(|watcher| watcher.end(Ended::Silent));
            self.forget_those_who_left();
            self.silent_since = None;
        }
        AGAIN_AFTER
    }
}
