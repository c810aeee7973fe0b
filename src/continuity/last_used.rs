//! When a key was last used, roughly.
//!
//! A request leaves the time in memory, once until it is noted; a server notes them all, many in one
//! small transaction, once a minute. What is on file is therefore never later than the last use, and at most that much
//! earlier.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;
use super::known_keys::KnownKey;
use super::service::Service;
use crate::clock::Time;
use crate::ids::TenantId;

/// Keys that wait to be noted at most. What has no place is noted after its next use.
const MOST_WAITING: usize = 10_000;

/// Keys noted in one transaction at most: requests wait for it.
const MOST_AT_ONCE: usize = 50;

/// A key that was used, and when first since it was noted.
type Used = (TenantId, Arc<str>, Arc<AtomicI64>);

/// The keys that were used and not noted yet.
#[derive(Default)]
pub(super) struct Uses(Mutex<Vec<Used>>);

impl Uses {
    /// A key is used. Costs one read of one number, but for the first time after it was noted.
    pub fn note(&self, key: &KnownKey, now: impl FnOnce() -> Time) {
        let (unused, relaxed) = (0, Ordering::Relaxed);
        if key.used.load(relaxed) != unused {
            return;
        }
        let first = key.used.compare_exchange(unused, now().0, relaxed, relaxed).is_ok();
        if first {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < MOST_WAITING {
                let caller = &key.caller;
                let (tenant, id) = (caller.tenant.id, Arc::clone(&caller.key_id));
                waiting.push((tenant, id, Arc::clone(&key.used)));
            } else {
                key.used.store(unused, relaxed);
            }
        }
    }
}

impl Service {
    /// Notes in the store which keys were used since this was last done; how many.
    ///
    /// # Errors
    /// The store's; then the rest of these uses is not noted, and the next ones will be.
    pub async fn note_uses(&self) -> Result<usize, Error> {
        let waiting =
            std::mem::take(&mut *self.uses.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses: Vec<_> = waiting
            .into_iter()
            .map(|(tenant, id, used)| {
                (tenant, id.to_string(), Time(used.swap(0, Ordering::Relaxed)))
            })
            .collect();
        // Two instances that note the same keys take their locks in the same order.
        uses.sort();
        for some in uses.chunks(MOST_AT_ONCE) {
            self.store.note_uses(some.to_vec()).await?;
        }
        Ok(uses.len())
    }
}
