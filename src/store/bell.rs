//! Rung after each commit of this process, for those who follow a tenant's journal.
//!
//! While nobody follows, a commit looks at one number and goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::Store;
use crate::ids::TenantId;

/// Who listens, by tenant.
#[derive(Default)]
pub(super) struct Bell {
    listeners: AtomicUsize,
    tenants: Mutex<FxHashMap<TenantId, Vec<Arc<Notify>>>>,
}

impl Bell {
    /// Something of these tenants was committed. Durable it may become later.
    pub fn ring(&self, tenants: impl Iterator<Item = TenantId>) {
        if self.listeners.load(Ordering::Acquire) == 0 {
            return;
        }
        let (listeners, mut last) = (self.lock(), None);
        for tenant in tenants.filter(|tenant| last.replace(*tenant) != Some(*tenant)) {
            // Who is not waiting just now will not wait the next time.
            listeners.get(&tenant).into_iter().flatten().for_each(|listener| listener.notify_one());
        }
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<TenantId, Vec<Arc<Notify>>>> {
        // Only whole entries are put behind this lock: a poisoned one is still whole.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears of this process's commits of one tenant, until it is dropped.
pub struct Listener {
    store: Arc<Store>,
    tenant: TenantId,
    own: Arc<Notify>,
}

impl Listener {
    /// Waits for the next commit; one since the last call counts.
    pub async fn rung(&self) {
        self.own.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let bell = &self.store.bell;
        let mut tenants = bell.lock();
        if let Some(listeners) = tenants.get_mut(&self.tenant) {
            listeners.retain(|one| !Arc::ptr_eq(one, &self.own));
            if listeners.is_empty() {
                tenants.remove(&self.tenant);
            }
        }
        bell.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Store {
    /// Listens for this process's commits of one tenant. Other processes' are not heard.
    pub fn listen(self: &Arc<Self>, tenant: TenantId) -> Listener {
        let own = Arc::new(Notify::new());
        self.bell.lock().entry(tenant).or_default().push(Arc::clone(&own));
        self.bell.listeners.fetch_add(1, Ordering::AcqRel);
        Listener { store: Arc::clone(self), tenant, own }
    }
}
