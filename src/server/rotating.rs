//! What a serving instance does for the root key's rotation, by itself: it says which versions it reads,
//! follows what the store says of them, and, if it is the one whose turn it is, wraps keys anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::continuity::rotate_root_key::Rewrapped;
use crate::continuity::{Error, Service};
use crate::store::Error::Busy;
use crate::store::root_keys::{RootKeyRow, RootKeyState};

/// How often the store is asked which version wraps.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often an instance says that it serves; the store forgets it after four times that.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// How long a store may be too busy for an instance that begins.
const BUSY_FOR: Duration = Duration::from_secs(15);
/// When it is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Keys that did not open are tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// An instance that serves, as the others see it.
pub(super) struct Attendance {
    service: Arc<Service>,
    instance: i64,
    versions: Vec<i64>,
    said: Instant,
}

impl Attendance {
    /// Says that it serves, and then looks whether it may: who announces a version looks at who serves
    /// after announcing it, so that one of the two sees the other.
    ///
    /// # Errors
    /// A version of the root key that is missing; the store's, when it has been busy for long.
    pub async fn begin(service: &Arc<Service>, instance: i64) -> Result<Self, Error> {
        let begun = Instant::now();
        while let Err(error) = service.note_instance(instance).await {
            // Others that write to the same file are no reason not to serve.
            let passes = matches!(error, Error::Store(Busy)) && begun.elapsed() < BUSY_FOR;
            if !passes {
                return Err(error);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let rows = service.follow_root_keys().await;
        if rows.is_err() {
            // It does not serve after all.
            let _ = service.store().forget_instance(instance).await;
        }
        rows?;
        let versions = service.root_key_versions();
        Ok(Self { service: Arc::clone(service), instance, versions, said: Instant::now() })
    }

    /// Goes on until it is aborted.
    pub async fn keep(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut told, mut turn) = (None, Turn::default());
        loop {
            ticks.tick().await;
            let rows = match self.service.follow_root_keys().await {
                Ok(rows) => rows,
                Err(error) => {
                    // Said once, and as loud as it gets: sooner or later something does not open.
                    let saying = Some(error.to_string());
                    if told != saying && !matches!(error, Error::Store(_)) {
                        tracing::error!(%error, "the root key's versions cannot be followed");
                        told = saying;
                    }
                    continue;
                }
            };
            told = None;
            if let Err(error) = self.say().await {
                tracing::debug!(%error, "it was not noted that this instance serves");
            }
            turn.take(&self, &rows).await;
        }
    }

    /// Says that it serves: often enough, and at once when it reads other versions than before.
    async fn say(&mut self) -> Result<(), Error> {
        let versions = self.service.root_key_versions();
        if self.said.elapsed() < SAY_EVERY && versions == self.versions {
            return Ok(());
        }
        self.service.note_instance(self.instance).await?;
        (self.versions, self.said) = (versions, Instant::now());
        Ok(())
    }
}

/// Wrapping anew, beside everything else.
#[derive(Default)]
struct Turn {
    running: Option<JoinHandle<Result<Rewrapped, Error>>>,
    /// The version that everything is wrapped by.
    through: i64,
    /// Not before.
    again: Option<Instant>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

impl Turn {
    /// Begins where older versions may still wrap something and no other instance's turn comes first.
    async fn take(&mut self, own: &Attendance, rows: &[RootKeyRow]) {
        let in_use = rows.iter().filter(|row| row.state == RootKeyState::InUse);
        let versions: Vec<i64> = in_use.map(|row| row.version).collect();
        let newest = versions.iter().copied().max().unwrap_or_default();
        if let Some(running) = self.running.take_if(|running| running.is_finished()) {
            self.ended(running.await, newest);
        }
        let waits = self.again.is_some_and(|again| Instant::now() < again);
        if self.running.is_some() || versions.len() < 2 || self.through == newest || waits {
            return;
        }
        match own.service.store().instances().await {
            Ok(all) if all.first().is_some_and(|first| first.instance == own.instance) => {
                let service = Arc::clone(&own.service);
                self.running = Some(tokio::spawn(async move { service.rewrap_keys().await }));
            }
            _ => {}
        }
    }

    fn ended(
        &mut self,
        ended: Result<Result<Rewrapped, Error>, tokio::task::JoinError>,
        version: i64,
    ) {
        match ended {
            Ok(Ok(Rewrapped { done, left: 0 })) => {
                self.through = version;
                tracing::info!(
                    version,
                    keys = done,
                    "every data key is wrapped by this version of the root key"
                );
            }
            Ok(Ok(Rewrapped { left, .. })) => {
                self.again = Some(Instant::now() + TRY_AGAIN);
                tracing::error!(
                    left,
                    "data keys do not open, and keep their version of the root key"
                );
            }
            Ok(Err(error)) => tracing::warn!(%error, "wrapping data keys anew goes on later"),
            Err(_) => self.again = Some(Instant::now() + TRY_AGAIN),
        }
    }
}
