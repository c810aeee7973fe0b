//! A server that listens: what it is told while it does, and how it ends. Readiness goes first, then
//! no connection is taken any more, open calls end, the writer finishes, and all of it in bounded time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::beside::Beside;
use super::hook_secrets::{self, HookSettings};
use super::listen::note_uses;
use super::operating::Operating;
use super::tls::Certificates;
use super::workers::{Phase, Worker};
use super::{Configuration, ConfigurationError};
use crate::continuity::Service;
use crate::events::webhooks::Webhooks;
use crate::http::hooks::Hooks;
use crate::ids::Entropy;

/// How long the writer may take for what is queued, and connections to the database to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// How long the threads may take to end once nothing needs them.
const THREADS_WITHIN: Duration = Duration::from_secs(2);

/// A server that is listening.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// Where operators ask, if they have an address of their own.
    pub operations: Option<SocketAddr>,
    /// The service behind it.
    pub service: Arc<Service>,
    /// The web-hooks that it delivers.
    pub webhooks: Arc<Webhooks>,
    /// What it began with; some of it has changed since.
    pub(super) configuration: Configuration,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) workers: Vec<Worker>,
    pub(super) accepting: JoinHandle<()>,
    /// How helpdesks are let in and read.
    pub(super) hooks: watch::Sender<Arc<Hooks>>,
    pub(super) entropy: Entropy,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) beside: Beside,
    pub(super) operating: Operating,
    /// Its name among those that serve the same database.
    pub(super) instance: i64,
}

impl Running {
    /// From now on other settings are in force, as far as they can be while it serves: what tenants
    /// chose, their hooks and these hooks' secrets, and certificates. Gives the names of those that take a start. Open calls end by what
    /// they began with.
    ///
    /// # Errors
    /// Secrets of hooks and certificates that cannot be used; then nothing has changed.
    pub async fn reload(&self, new: Configuration) -> Result<Vec<String>, ConfigurationError> {
        // Opened before anything changes, and the certificates changed before what cannot fail.
        let hooks = self.opened(new.hooks.clone()).await?;
        if let (Some(certificates), Some(tls)) = (&self.certificates, &new.tls) {
            let (certificates, tls) = (Arc::clone(certificates), tls.clone());
            // The files may be on a disk that does not answer.
            let changed = tokio::task::spawn_blocking(move || certificates.change(tls)).await;
            match changed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    return Err(ConfigurationError(vec![format!("server.tls: {error}")]));
                }
                Err(_) => {
                    return Err(ConfigurationError(vec!["server.tls: cannot be read".into()]));
                }
            }
        }
        let waits = self.configuration.differs(&new);
        hooks.goes_on_from(&self.hooks.borrow(), |tenant| new.policies.of(tenant).key_calls);
        self.service.change_policies(new.policies, new.certified);
        self.hooks.send_replace(Arc::new(hooks));
        Ok(waits)
    }

    async fn opened(&self, hooks: Vec<HookSettings>) -> Result<Hooks, ConfigurationError> {
        let entropy = self.entropy.clone();
        // Their secrets may be on a disk that does not answer, or a command's to print.
        let opened = tokio::task::spawn_blocking(move || hook_secrets::open(hooks, &entropy)).await;
        let unread = || ConfigurationError(vec!["the secrets of hooks cannot be read".into()]);
        opened.map_err(|_| unread())?.map_err(ConfigurationError)
    }

    /// Says that it is not ready, and serves on for a while: whoever sends calls here has time to see
    /// it.
    pub async fn leave(&self) {
        self.enter(Phase::Leaving);
        tokio::time::sleep(self.configuration.unready_for).await;
    }

    /// Takes no new connections and waits until open calls have ended, or their time is over.
    ///
    /// # Errors
    /// When serving had failed before.
    pub async fn drain(&mut self) -> anyhow::Result<()> {
        self.enter(Phase::Draining);
        self.accepting.abort();
        self.webhooks.stop();
        match tokio::time::timeout(self.configuration.drain_within, self.ended()).await {
            Ok(served) => served,
            Err(_) => {
                tracing::warn!("open calls did not end in time and were cut off");
                self.enter(Phase::Cut);
                self.ended().await
            }
        }
    }

    /// Stops: no new connections, open calls may end, what was decided is written, then everything is
    /// closed.
    ///
    /// # Errors
    /// When serving had failed before.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let served = self.drain().await;
        self.close().await;
        served
    }

    /// Closes everything, when nothing is served any more.
    pub async fn close(mut self) {
        self.enter(Phase::Cut);
        self.webhooks.stop();
        self.beside.stop(CLOSE_WITHIN).await;
        let closing = async {
            note_uses(&self.service).await;
            // Forgotten by itself when it is not heard of any more.
            let _ = self.service.store().forget_instance(self.instance).await;
            self.service.store().close().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, closing).await.is_err() {
            tracing::warn!("the store did not close in time");
        }
        self.operating.end().await;
        self.enter(Phase::Over);
        let threads: Vec<_> = self.workers.into_iter().map(Worker::into_thread).collect();
        let joined = tokio::task::spawn_blocking(move || {
            // A thread that panicked has nothing left to wait for.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        if tokio::time::timeout(THREADS_WITHIN, joined).await.is_err() {
            tracing::warn!("a thread that serves did not end in time");
        }
    }

    fn enter(&self, phase: Phase) {
        // There is no way back from any phase.
        self.operating.operations.drain();
        // It goes on only: who hurries is not sent back.
        self.phase.send_if_modified(|now| {
            let on = *now < phase;
            *now = (*now).max(phase);
            on
        });
    }

    /// Waits until serving ends.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let mut served = Ok(());
        for worker in &mut self.workers {
            served = served.and(worker.served().await);
        }
        served
    }
}
