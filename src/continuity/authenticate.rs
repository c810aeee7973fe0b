//! Who calls with this key?
//!
//! A key that was read is trusted for a second, so that revoking takes effect within that; while
//! the store does not answer it is trusted longer, so that starts are degraded and not refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::Error;
use super::caller::{Caller, Role};
use super::service::Service;
use super::tenant::Tenant;
use crate::crypto::ApiKey;
use crate::identity::Assurance;
use crate::store::admin::ApiKeyRow;

/// How long a key is trusted without looking again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long it is trusted when looking again fails.
const TRUSTED_IN_NEED: Duration = Duration::from_secs(300);
/// Looking again may take so long.
const LOOK_WITHIN: Duration = Duration::from_millis(100);
/// Keys remembered at most; unknown ones have a place of their own, so that guesses evict nobody.
const MOST_KEYS: usize = 10_000;

/// The keys that were seen lately.
pub(super) struct Callers {
    known: Cache<String, Arc<KnownKey>>,
    /// Keys that did not exist when they were looked for.
    unknown: Cache<String, Instant>,
}

struct KnownKey {
    hash: Vec<u8>,
    caller: Caller,
    looked: Instant,
    looking: AtomicBool,
}

impl Callers {
    pub fn new() -> Self {
        Self { known: Cache::new(MOST_KEYS), unknown: Cache::new(MOST_KEYS) }
    }
}

impl Callers {
    fn is_unknown(&self, name: &str) -> bool {
        self.unknown.get(name).is_some_and(|looked| looked.elapsed() < TRUSTED_FOR)
    }
}

impl Service {
    /// Who calls with this key. The key is found by its public part and compared in constant time.
    ///
    /// # Errors
    /// [`Error::MissingApiKey`] for another form, [`Error::InvalidApiKey`] for an unknown or
    /// revoked key: which of the two is not said; the store's when it was never seen before.
    pub async fn authenticate(self: &Arc<Self>, text: &str) -> Result<Caller, Error> {
        let key = ApiKey::parse(text).ok_or(Error::MissingApiKey)?;
        let name = format!("{}_{}", key.tenant.0, key.id);
        let known = self.callers.known.get(&name);
        let known = match known.filter(|known| known.looked.elapsed() < TRUSTED_IN_NEED) {
            Some(known) if known.looked.elapsed() < TRUSTED_FOR => Some(known),
            // One request looks again, the others go on meanwhile.
            Some(known) if known.looking.swap(true, Ordering::AcqRel) => Some(known),
            Some(known) => self.look_again(&name, &key, known).await,
            None if self.callers.is_unknown(&name) => None,
            None => self.look(&name, &key).await?,
        };
        match known {
            Some(known) if key.matches(&known.hash) => Ok(known.caller.clone()),
            _ => Err(Error::InvalidApiKey),
        }
    }

    /// A store that does not answer in time leaves the key trusted for now; the look goes on in a
    /// task of its own.
    async fn look_again(
        self: &Arc<Self>,
        name: &str,
        key: &ApiKey,
        known: Arc<KnownKey>,
    ) -> Option<Arc<KnownKey>> {
        let (service, name, id) = (Arc::clone(self), name.to_owned(), key.id.clone());
        let (tenant, before) = (key.tenant, Arc::clone(&known));
        let looking = tokio::spawn(async move {
            let looked = service.load_key(&name, tenant, &id).await;
            before.looking.store(false, Ordering::Release);
            looked
        });
        match tokio::time::timeout(LOOK_WITHIN, looking).await {
            Ok(Ok(Ok(looked))) => looked,
            _ => Some(known),
        }
    }

    async fn look(&self, name: &str, key: &ApiKey) -> Result<Option<Arc<KnownKey>>, Error> {
        self.load_key(name, key.tenant, &key.id).await
    }

    async fn load_key(
        &self,
        name: &str,
        tenant: crate::ids::TenantId,
        id: &str,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        // What is read was true when the look began: trust counts from there.
        let looked = Instant::now();
        let row = self.store.api_key(tenant, id).await?;
        let Some(row) = row.filter(|row| row.revoked.0 == 0) else {
            self.callers.known.remove(name);
            self.callers.unknown.insert(name.to_owned(), looked);
            return Ok(None);
        };
        let tenant = self.tenant(row.tenant).await?;
        let known = Arc::new(KnownKey {
            hash: row.hash.clone(),
            caller: caller(tenant, row),
            looked,
            looking: AtomicBool::new(false),
        });
        self.callers.known.insert(name.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }
}

fn caller(tenant: Arc<Tenant>, row: ApiKeyRow) -> Caller {
    let roles = row.roles.split(',').filter_map(Role::parse);
    Caller {
        tenant,
        key_id: row.id.into(),
        roles: roles.fold(0, |sum, role| sum | role as u32),
        source: row.source.into(),
        may_address: row
            .may_address
            .split(',')
            .filter(|source| !source.is_empty())
            .map(str::to_owned)
            .collect(),
        max_assurance: Assurance::from_code(row.max_assurance),
    }
}
