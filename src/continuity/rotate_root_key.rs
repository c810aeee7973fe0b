//! Rotating the root key: what every instance does of it by itself, and what the command asks for.
//!
//! A new version is announced; whoever serves reads it; from then on it wraps. Every tenant is closed to
//! older ones, at its head, which every batch holds; then the keys that older ones wrap are wrapped
//! anew, a few at a time. Each step is done again without harm, so that a kill anywhere loses nothing.
//! ADR 0042 says why nothing can be forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Error;
use super::service::Service;
use crate::crypto::Wrapped;
use crate::ids::{KeyId, TenantId};
use crate::store;
use crate::store::root_keys::{Instance, Rewrap, RootKeyRow, RootKeyState, WrappedRow};
use crate::store::rows::Verb;

/// Who the audit says it was.
const BY: &str = "rotate-keys";
/// Keys wrapped anew in one transaction: few, since everybody else's writes wait for it.
const STEP: i64 = 32;
/// Keys opened at once when it is proven that all of them open.
const OPENED_AT_ONCE: i64 = 256;
/// Between two of those transactions.
const PAUSE: Duration = Duration::from_millis(10);

/// How far wrapping anew has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys wrapped anew.
    pub done: u64,
    /// Keys that do not open, and stay as they are.
    pub left: u64,
}

/// Where a rotation stands.
pub struct Standing {
    /// The versions, by number.
    pub versions: Vec<RootKeyRow>,
    /// How many keys each version wraps.
    pub keys: BTreeMap<i64, i64>,
    /// Who serves.
    pub instances: Vec<Instance>,
}

impl Standing {
    /// The version that wraps.
    pub fn wraps(&self) -> i64 {
        let in_use = self.versions.iter().filter(|row| row.state == RootKeyState::InUse);
        in_use.map(|row| row.version).max().unwrap_or_default()
    }

    /// Keys that versions older than that one wrap.
    pub fn keys_below(&self, version: i64) -> i64 {
        self.keys.range(..version).map(|(_, count)| count).sum()
    }
}

/// Why a version is not retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillNeeded {
    /// It is the one that wraps, or a newer one.
    Wraps,
    /// The store knows no such version.
    Unknown,
    /// So many keys are wrapped by it, or by one still older.
    Keys(u64),
    /// A tenant is not closed to it yet: the rotation is not through.
    Open,
    /// So many keys do not open with the versions that stay.
    Unopened(u64),
}

impl Service {
    /// Takes note of the root key's versions as the store has them. Every instance does so every
    /// second.
    ///
    /// # Errors
    /// A version that is missing or another one than the store's; the store's own.
    pub async fn follow_root_keys(&self) -> Result<Vec<RootKeyRow>, Error> {
        let rows = self.store.root_keys().await?;
        self.keyring.follow(&rows).await?;
        Ok(rows)
    }

    /// The versions that this instance reads.
    pub fn root_key_versions(&self) -> Vec<i64> {
        self.keyring.keys().versions()
    }

    /// Says that this instance serves, and which versions it reads.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_instance(&self, instance: i64) -> Result<(), Error> {
        Ok(self.store.note_instance(instance, &self.root_key_versions()).await?)
    }

    /// Makes a version known that was read from the source: from now on nobody starts to serve without
    /// it.
    ///
    /// # Errors
    /// [`Error::RootKeyMissing`] when it was not read; [`Error::Sealed`] when the store knows another
    /// key under this number.
    pub async fn announce_root_key(&self, version: i64) -> Result<(), Error> {
        let check = self.keyring.check_value(version, &self.entropy).await?;
        if !self.store.root_keys().await?.iter().any(|row| row.version == version) {
            self.store.note_in_each(BY, Verb::RotateRootKey).await?;
        }
        self.store.add_root_key(version, check.bytes, RootKeyState::Announced).await?;
        self.follow_root_keys().await.map(drop)
    }

    /// Where a rotation stands.
    ///
    /// # Errors
    /// The store's.
    pub async fn root_key_standing(&self) -> Result<Standing, Error> {
        let mut keys = BTreeMap::new();
        for row in self.store.tenants().await? {
            for (version, count) in self.store.keys_by_version(row.tenant).await? {
                *keys.entry(version).or_default() += count;
            }
        }
        let versions = self.store.root_keys().await?;
        Ok(Standing { versions, keys, instances: self.store.instances().await? })
    }

    /// Wraps anew whatever older versions still wrap, after closing every tenant to them.
    ///
    /// # Errors
    /// The store's; what was done stays done.
    pub async fn rewrap_keys(&self) -> Result<Rewrapped, Error> {
        self.follow_root_keys().await?;
        let version = self.keyring.wraps();
        let mut rewrapped = Rewrapped::default();
        for (tenant, oldest) in self.store.oldest_versions().await? {
            if oldest < version {
                self.store.close_to_older(tenant, version).await?;
            }
            self.rewrap_tenant(tenant, version, &mut rewrapped).await?;
        }
        Ok(rewrapped)
    }

    async fn rewrap_tenant(
        &self,
        tenant: TenantId,
        version: i64,
        rewrapped: &mut Rewrapped,
    ) -> Result<(), Error> {
        let mut after = KeyId(i64::MIN);
        loop {
            let rows = self.store.wrapped_below(tenant, after, version, STEP).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.key;
            let mut anew = Vec::with_capacity(rows.len());
            for row in rows {
                match self.wrapped_anew(tenant, version, row).await {
                    Ok(key) => anew.push(key),
                    // One that does not open must not keep the others from it.
                    Err(Error::Sealed | Error::Store(store::Error::RootKeyTooOld)) => {
                        rewrapped.left += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
            rewrapped.done += self.store.rewrap(tenant, version, anew).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wrapped_anew(
        &self,
        tenant: TenantId,
        version: i64,
        row: WrappedRow,
    ) -> Result<Rewrap, Error> {
        let before = Wrapped { version: row.version, bytes: row.wrapped };
        let key = self.keyring.unwrap(tenant, row.key, &before).await;
        let key = key.inspect_err(|error| {
            tracing::error!(%error, tenant = tenant.0, key = row.key.0, version = row.version, "a data key does not open");
        })?;
        let after = self.keyring.wrap(tenant, &key, version, &self.entropy)?;
        Ok(Rewrap { key: row.key, before: before.bytes, after: after.bytes })
    }

    /// Retires a version after proving that nothing needs it: no tenant can get a key that it wraps, no
    /// key is wrapped by it, and every key opens with a newer one. A version that is retired already
    /// stays so.
    ///
    /// # Errors
    /// The store's. Inside: why it is still needed.
    pub async fn retire_root_key(&self, version: i64) -> Result<Result<u64, StillNeeded>, Error> {
        let rows = self.follow_root_keys().await?;
        let Some(row) = rows.iter().find(|row| row.version == version) else {
            return Ok(Err(StillNeeded::Unknown));
        };
        if version >= self.keyring.wraps() {
            return Ok(Err(StillNeeded::Wraps));
        }
        // Closed first, counted then: what is counted cannot become more.
        let tenants = self.store.oldest_versions().await?;
        if tenants.iter().any(|(_, oldest)| *oldest <= version) {
            return Ok(Err(StillNeeded::Open));
        }
        let (mut opened, mut needed, mut unopened) = (0, 0, 0);
        for (tenant, _) in tenants {
            let mut after = KeyId(i64::MIN);
            loop {
                let page = self.store.wrapped_below(tenant, after, i64::MAX, OPENED_AT_ONCE);
                let page = page.await?;
                let Some(last) = page.last() else { break };
                after = last.key;
                for row in page {
                    let wrapped = Wrapped { version: row.version, bytes: row.wrapped };
                    match self.keyring.keys().unwrap(tenant, row.key, &wrapped) {
                        _ if row.version <= version => needed += 1,
                        Ok(_) => opened += 1,
                        Err(_) => unopened += 1,
                    }
                }
            }
        }
        if needed > 0 {
            return Ok(Err(StillNeeded::Keys(needed)));
        }
        if unopened > 0 {
            return Ok(Err(StillNeeded::Unopened(unopened)));
        }
        if row.state != RootKeyState::Retired {
            // Before it is done: after a kill in between an entry is there twice, and never missing.
            self.store.note_in_each(BY, Verb::RetireRootKey).await?;
            if !self.store.retire_root_key(version).await? {
                return Ok(Err(StillNeeded::Open));
            }
        }
        self.follow_root_keys().await?;
        Ok(Ok(opened))
    }
}
