//! Whether this instance should be sent calls: it is not draining, its writer is not stalled, and a
//! commit of a row of its own was durable a moment ago.
//!
//! Whoever asks may be anybody, so asking costs little: a commit is tried once a second at most, by
//! one at a time, and whoever asks meanwhile is told what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Service;
use crate::meters::Counter;

/// An answer is given within this, whatever the store does: what probes wait for is often a second.
const ANSWERED_WITHIN: Duration = Duration::from_millis(800);
/// How long the last commit speaks for the next.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why an instance should not be sent calls now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It is being opened: migrated, warmed.
    #[error("starting")]
    Starting,
    /// It was told to stop.
    #[error("draining")]
    Draining,
    /// A batch, or the disk, takes longer than a start's budget.
    #[error("the store is stalled")]
    Stalled,
    /// A commit failed, or took too long.
    #[error("the store does not commit")]
    CannotCommit,
}

/// What is known of one instance's readiness.
pub struct Readiness {
    service: Arc<Service>,
    instance: i64,
    draining: AtomicBool,
    tried: Arc<Mutex<Option<Tried>>>,
    committed: Counter,
    failed: Counter,
}

/// A commit that was tried.
struct Tried {
    ended: Instant,
    committed: bool,
}

impl Readiness {
    /// Of an instance that serves under that number (`note_instance`); one for each service.
    pub fn of(service: &Arc<Service>, instance: i64) -> Self {
        let commits = service.meters().counters(
            "threadline_readiness_commits_total",
            "Commits that were tried since somebody asked whether this instance is ready.",
            &["outcome"],
        );
        Self {
            service: Arc::clone(service),
            instance,
            draining: AtomicBool::new(false),
            tried: Arc::default(),
            committed: commits.of(&["committed"]),
            failed: commits.of(&["failed"]),
        }
    }

    /// From now on it should not be sent calls, whatever its store does.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether it should be sent calls; known within 800 ms.
    ///
    /// # Errors
    /// Why not.
    pub async fn look(&self) -> Result<(), NotReady> {
        if self.draining.load(Ordering::Acquire) {
            return Err(NotReady::Draining);
        }
        // Nothing more is queued behind a batch that does not end.
        if self.service.store().stalled() {
            return Err(NotReady::Stalled);
        }
        match tokio::time::timeout(ANSWERED_WITHIN, self.commits()).await {
            Ok(true) => Ok(()),
            _ => Err(NotReady::CannotCommit),
        }
    }

    /// What became of the last commit, or becomes of the next.
    async fn commits(&self) -> bool {
        let mut tried = Arc::clone(&self.tried).lock_owned().await;
        if let Some(last) = tried.as_ref().filter(|it| it.ended.elapsed() < TRIED_AGAIN_AFTER) {
            return last.committed;
        }
        let (service, instance) = (Arc::clone(&self.service), self.instance);
        let (committed, failed) = (self.committed.clone(), self.failed.clone());
        // Whoever asked may give up; the commit goes on, and nobody tries another before it ends.
        let trying = tokio::spawn(async move {
            let well = service.store().touch_instance(instance).await.is_ok();
            if well {
                committed.inc()
            } else {
                failed.inc()
            };
            *tried = Some(Tried { ended: Instant::now(), committed: well });
            well
        });
        trying.await.unwrap_or(false)
    }
}
