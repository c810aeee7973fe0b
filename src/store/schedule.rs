//! The interleaving as a parameter, as time and randomness are.
//!
//! Between two steps of the write path another request, instance or process may come. Served, all
//! of them run freely; a test holds each at its [`Point`]s and chooses who goes on, so that an
//! interleaving that happens once in a year happens when it is asked for.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Error;
use super::operation::Boxed;

/// A place where somebody else may come between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// A request is about to decide: it has read nothing yet.
    Decide,
    /// A request has loaded something; nothing of it is in the cache yet.
    Loaded,
    /// A request has decided and is about to queue what it decided.
    Proposed,
    /// A request's operation is queued: from now on the writer may take it.
    Queued,
    /// The writer is about to take what is queued, or to wait for something.
    Idle,
    /// The writer has taken a batch; no transaction is open.
    Taken,
    /// The writer holds the tenant's head; it has read no stamp.
    Locked,
    /// The writer has written everything and is about to commit.
    Written,
    /// The writer has committed; neither gate nor cache knows.
    Committed,
    /// Gate and cache know; nobody who waits has been woken.
    Told,
    /// An API key has been read; nobody trusts what was read yet.
    KeyRead,
    /// A request waits until somebody has read its key.
    KeyAwaited,
}

/// Who holds requests and writer at their points.
pub trait Steering: Send + Sync {
    /// Completes when whoever has come to `point` may go on.
    ///
    /// # Errors
    /// What is to go wrong there, as if the database had failed in that moment.
    fn at(&self, point: Point) -> Boxed<'static, Result<(), Error>>;

    /// The moment it is, for whatever is good for so long.
    fn moment(&self) -> Instant {
        Instant::now()
    }

    /// Completes when somebody has waited so long.
    fn passed(&self, duration: Duration) -> Boxed<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    /// Runs what goes on beside the request that began it.
    fn beside(&self, work: Boxed<'static, ()>) {
        tokio::spawn(work);
    }
}

/// How the steps of requests and writer follow each other.
#[derive(Clone, Default)]
pub enum Schedule {
    /// As they come.
    #[default]
    Free,
    /// As a test says.
    Steered(Arc<dyn Steering>),
}

impl Schedule {
    pub(crate) async fn at(&self, point: Point) -> Result<(), Error> {
        match self {
            Self::Free => Ok(()),
            Self::Steered(steering) => steering.at(point).await,
        }
    }

    /// The moment it is, for whatever is good for so long.
    pub(crate) fn moment(&self) -> Instant {
        match self {
            Self::Free => Instant::now(),
            Self::Steered(steering) => steering.moment(),
        }
    }

    /// What comes of `work` within `duration`; `None` when nothing does.
    pub(crate) async fn within<T>(
        &self,
        duration: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match self {
            Self::Free => tokio::time::timeout(duration, work).await.ok(),
            Self::Steered(steering) => tokio::select! {
                biased;
                done = work => Some(done),
                () = steering.passed(duration) => None,
            },
        }
    }

    /// Runs `work` beside the request that began it.
    pub(crate) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Free => drop(tokio::spawn(work)),
            Self::Steered(steering) => steering.beside(Box::pin(work)),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "Schedule::Free",
            Self::Steered(_) => "Schedule::Steered",
        })
    }
}
