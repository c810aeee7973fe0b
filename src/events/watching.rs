//! All streams of this instance: who follows which tenant, and how they end when it stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};

use super::follower::{Follower, Joining};
use super::places::Places;
use super::told::Request;
use super::watch::Watch;
use crate::continuity::tenant::Tenant;
use crate::continuity::{Caller, Credential, Error, Service};
use crate::ids::TenantId;

/// Streams that catch up at once; the others wait, so that calls find a connection free.
const CATCHING_UP: usize = 4;

/// All streams of this instance.
pub struct Watching {
    service: Arc<Service>,
    followers: Mutex<HashMap<TenantId, mpsc::UnboundedSender<Joining>>>,
    pub(super) places: Arc<Places>,
    pub(super) catching_up: Semaphore,
    stopping: watch::Sender<bool>,
}

impl Watching {
    /// Nobody watches yet.
    pub fn new(service: Arc<Service>) -> Arc<Self> {
        Arc::new(Self {
            service,
            followers: Mutex::default(),
            places: Arc::default(),
            catching_up: Semaphore::new(CATCHING_UP),
            stopping: watch::Sender::new(false),
        })
    }

    /// Opens a stream. The stream ends with the key or certificate that was shown.
    ///
    /// # Errors
    /// Those of [`Service::watch`], [`Error::ResumeTokenRefused`], [`Error::TooManyWatchers`].
    pub async fn open(
        self: &Arc<Self>,
        caller: Caller,
        shown: Credential,
        request: Request,
    ) -> Result<Watch, Error> {
        Watch::open(self, caller, shown, request).await
    }

    /// Ends all streams: each is told where to go on, elsewhere.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// The service whose journal is watched.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Takes somebody to whoever follows their tenant's journal; to somebody new, if nobody does.
    pub(super) fn join(self: &Arc<Self>, tenant: &Arc<Tenant>, joining: Joining) {
        let mut followers = self.lock();
        let mut joining = joining;
        if let Some(mailbox) = followers.get(&tenant.id) {
            match mailbox.send(joining) {
                Ok(()) => return,
                // Its thread has ended, or it has panicked.
                Err(mpsc::error::SendError(returned)) => joining = returned,
            }
        }
        let (mailbox, letters) = mpsc::unbounded_channel();
        let follower = Follower::new(self, tenant, letters, joining.from);
        // The other end is the follower's, which is not started yet.
        let _ = mailbox.send(joining);
        followers.insert(tenant.id, mailbox);
        tokio::spawn(follower.run());
    }

    /// Whether a follower may end: nobody came meanwhile.
    pub(super) fn retire(
        &self,
        tenant: TenantId,
        mailbox: &mpsc::UnboundedReceiver<Joining>,
    ) -> bool {
        let mut followers = self.lock();
        let nobody = mailbox.is_empty();
        if nobody {
            followers.remove(&tenant);
        }
        nobody
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, mpsc::UnboundedSender<Joining>>> {
        // Only whole entries are put behind this lock: a poisoned one is still whole.
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
