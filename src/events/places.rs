//! So many streams and no more: of a key, of a tenant, of this instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::continuity::{Caller, Error};
use crate::ids::TenantId;

/// Streams of one API key that may be open at one instance.
const OF_A_KEY: usize = 200;
/// Streams of all keys of one tenant.
const OF_A_TENANT: usize = 1_000;
/// Streams of all tenants.
const OF_AN_INSTANCE: usize = 5_000;

/// Who has how many streams open.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    all: usize,
    tenants: HashMap<TenantId, usize>,
    keys: HashMap<(TenantId, Arc<str>), usize>,
}

/// One stream's place; free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    tenant: TenantId,
    key: Arc<str>,
}

impl Places {
    /// A place for one more stream.
    ///
    /// # Errors
    /// [`Error::TooManyWatchers`] when there is none.
    pub fn take(self: &Arc<Self>, caller: &Caller) -> Result<Place, Error> {
        let (tenant, key) = (caller.tenant.id, Arc::clone(&caller.key_id));
        let mut taken = self.lock();
        let of_tenant = taken.tenants.get(&tenant).copied().unwrap_or(0);
        let of_key = taken.keys.get(&(tenant, Arc::clone(&key))).copied().unwrap_or(0);
        if taken.all >= OF_AN_INSTANCE || of_tenant >= OF_A_TENANT || of_key >= OF_A_KEY {
            return Err(Error::TooManyWatchers);
        }
        taken.all += 1;
        *taken.tenants.entry(tenant).or_default() += 1;
        *taken.keys.entry((tenant, Arc::clone(&key))).or_default() += 1;
        Ok(Place { places: Arc::clone(self), tenant, key })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Counts are changed together, and nothing between can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        give_back(&mut taken.tenants, &self.tenant);
        give_back(&mut taken.keys, &(self.tenant, Arc::clone(&self.key)));
    }
}

fn give_back<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
