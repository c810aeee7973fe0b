//! The root keys of a running service: read from their source, read again when the store names a version
//! that was not there, and only ever wrapping with the one that the store says.
//!
//! The store decides which version wraps because it is what all instances share: the list of each may
//! be older or newer than another's, and nothing may be wrapped that somebody who serves cannot open.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Error;
use crate::crypto::{DataKey, RootKeySource, RootKeys, Wrapped};
use crate::ids::{Entropy, KeyId, TenantId};
use crate::store;
use crate::store::root_keys::{RootKeyRow, RootKeyState};

/// Between two readings of the source: whatever the store says, a command is not run all the time.
const READ_AGAIN: Duration = Duration::from_secs(2);

/// The root keys, as they are now.
pub struct Keyring {
    source: Arc<dyn RootKeySource>,
    keys: RwLock<Arc<RootKeys>>,
    /// The version that wraps; only ever a newer one.
    wraps: AtomicI64,
    /// The newest that the store knows.
    newest: AtomicI64,
    /// When the source was last read for a version that was missing.
    read: Mutex<Option<Instant>>,
}

impl Keyring {
    /// Reads the source.
    ///
    /// # Errors
    /// The source's.
    pub async fn open(source: Arc<dyn RootKeySource>) -> Result<Self, Error> {
        let keys = read(&source).await?;
        let (wraps, newest) = (AtomicI64::new(0), AtomicI64::new(0));
        let keys = RwLock::new(Arc::new(keys));
        Ok(Self { source, keys, wraps, newest, read: Mutex::default() })
    }

    /// All that were read and are not retired.
    pub fn keys(&self) -> Arc<RootKeys> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The version that wraps; zero until the store was asked.
    pub fn wraps(&self) -> i64 {
        self.wraps.load(Ordering::Relaxed)
    }

    /// Wraps a data key. `at_least` is what the store said to a batch a moment ago, and may be newer
    /// than what this instance has looked up.
    ///
    /// # Errors
    /// [`store::Error::RootKeyTooOld`] when the version that wraps is not there.
    pub fn wrap(
        &self,
        tenant: TenantId,
        key: &DataKey,
        at_least: i64,
        entropy: &Entropy,
    ) -> Result<Wrapped, Error> {
        let version = self.wraps().max(at_least);
        let wrapped = self.keys().wrap(version, tenant, key, entropy);
        wrapped.map_err(|_| store::Error::RootKeyTooOld.into())
    }

    /// Unwraps a data key; by a version that is not there, after reading the source again.
    ///
    /// # Errors
    /// [`store::Error::RootKeyTooOld`] when this instance lacks a version that the store knows;
    /// [`Error::Sealed`] for everything else.
    pub async fn unwrap(
        &self,
        tenant: TenantId,
        id: KeyId,
        wrapped: &Wrapped,
    ) -> Result<DataKey, Error> {
        let known = wrapped.version <= self.newest.load(Ordering::Relaxed);
        if known
            && !self.keys().has(wrapped.version)
            && let Err(error) = self.read_for(wrapped.version).await
        {
            tracing::error!(%error, "this instance cannot open what others have wrapped");
            return Err(store::Error::RootKeyTooOld.into());
        }
        Ok(self.keys().unwrap(tenant, id, wrapped)?)
    }

    /// The check value of a version, read from the source if it is new.
    ///
    /// # Errors
    /// [`Error::RootKeyMissing`] when it is not there.
    pub async fn check_value(&self, version: i64, entropy: &Entropy) -> Result<Wrapped, Error> {
        if !self.keys().has(version) {
            self.read_for(version).await?;
        }
        self.keys().check_value(version, entropy).map_err(|_| Error::RootKeyMissing(version))
    }

    /// Takes note of what the store says: reads the source again for a version that is missing, opens
    /// every check value, lets go of what is retired.
    ///
    /// # Errors
    /// [`Error::RootKeyMissing`], or [`Error::Sealed`] for a key that is another one than the store's.
    pub async fn follow(&self, rows: &[RootKeyRow]) -> Result<(), Error> {
        let known = rows.iter().map(|row| row.version).max().unwrap_or_default();
        self.newest.fetch_max(known, Ordering::Relaxed);
        let needed = || rows.iter().filter(|row| row.state != RootKeyState::Retired);
        for row in needed() {
            if !self.keys().has(row.version) {
                self.read_for(row.version).await?;
            }
            let check = Wrapped { version: row.version, bytes: row.check_value.clone() };
            self.keys().opens_check(&check)?;
        }
        let in_use = needed().filter(|row| row.state == RootKeyState::InUse);
        let newest = in_use.map(|row| row.version).max().unwrap_or_default();
        let at_start = self.wraps.fetch_max(newest, Ordering::Relaxed) == 0;
        self.let_go(rows, at_start);
        Ok(())
    }

    /// What is retired opens nothing any more, and is wiped.
    fn let_go(&self, rows: &[RootKeyRow], at_start: bool) {
        let retired = |number| {
            rows.iter().any(|row| row.version == number && row.state == RootKeyState::Retired)
        };
        let keys = self.keys();
        let gone: Vec<i64> = keys.versions().into_iter().filter(|it| retired(*it)).collect();
        let Some(left) = keys.without(retired).filter(|_| !gone.is_empty()) else { return };
        if at_start {
            tracing::warn!(versions = ?gone, "retired versions of the root key are still listed");
        } else {
            tracing::info!(versions = ?gone, "retired versions of the root key are let go");
        }
        self.replace(left);
    }

    /// Reads the source again, because the store names this version. What was read before stays until
    /// the store has retired it: a list that lost a version by mistake closes nothing at once.
    async fn read_for(&self, version: i64) -> Result<(), Error> {
        let mut last = self.read.lock().await;
        if self.keys().has(version) {
            return Ok(());
        }
        if last.is_some_and(|read| read.elapsed() < READ_AGAIN) {
            return Err(Error::RootKeyMissing(version));
        }
        let found = read(&self.source).await;
        *last = Some(Instant::now());
        let found = found?;
        if !found.has(version) {
            return Err(Error::RootKeyMissing(version));
        }
        self.replace(found.and(&self.keys()));
        tracing::info!(version, "a new version of the root key was read");
        Ok(())
    }

    fn replace(&self, keys: RootKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// Reads a source, which may wait for a disk or another program.
async fn read(source: &Arc<dyn RootKeySource>) -> Result<RootKeys, Error> {
    let source = Arc::clone(source);
    let reading = tokio::task::spawn_blocking(move || source.read());
    let panicked = |_| Error::Sealed;
    Ok(reading.await.map_err(panicked)??)
}
