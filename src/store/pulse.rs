//! Since when something has been going on, for requests that must not queue behind it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::TenantId;

/// One thing after another, each with a beginning and an end.
pub(super) struct Pulse {
    born: Instant,
    since: AtomicI64,
}

impl Pulse {
    pub fn new() -> Self {
        Self { born: Instant::now(), since: AtomicI64::new(-1) }
    }

    pub fn begin(&self) {
        self.since.store(self.born.elapsed().as_millis() as i64, Ordering::Release);
    }

    pub fn end(&self) {
        self.since.store(-1, Ordering::Release);
    }

    /// Whether what goes on has been going on for longer than `budget`.
    pub fn stalled(&self, budget: Duration) -> bool {
        let since = self.since.load(Ordering::Acquire);
        since >= 0 && self.born.elapsed().as_millis() as i64 - since > budget.as_millis() as i64
    }
}

/// Tenants whose batches wait for another instance, and since when.
#[derive(Default)]
pub(super) struct HeldUp {
    /// Whether there are any: most likely not, and every request asks.
    any: AtomicBool,
    since: Mutex<Vec<(TenantId, Instant)>>,
}

impl HeldUp {
    fn tenants(&self) -> MutexGuard<'_, Vec<(TenantId, Instant)>> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This tenant waits, since then if it has not waited before.
    pub fn begin(&self, tenant: TenantId, since: Instant) {
        let mut tenants = self.tenants();
        if tenants.iter().all(|(known, _)| *known != tenant) {
            tenants.push((tenant, since));
        }
        self.any.store(true, Ordering::Release);
    }

    pub fn end(&self, tenant: TenantId) {
        if self.any.load(Ordering::Acquire) {
            let mut tenants = self.tenants();
            tenants.retain(|(known, _)| *known != tenant);
            self.any.store(!tenants.is_empty(), Ordering::Release);
        }
    }

    /// Whether this tenant has been waiting for longer than `budget`.
    pub fn stalled(&self, tenant: TenantId, budget: Duration) -> bool {
        let waits =
            |(known, since): &(TenantId, Instant)| *known == tenant && since.elapsed() > budget;
        self.any.load(Ordering::Acquire) && self.tenants().iter().any(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_held_up_keeps_nobody_else() {
        let (held_up, ours, theirs) = (HeldUp::default(), TenantId(1), TenantId(2));
        let since = Instant::now();
        assert!(!held_up.stalled(ours, Duration::ZERO));
        held_up.begin(ours, since);
        std::thread::sleep(Duration::from_millis(2));
        held_up.begin(ours, Instant::now());
        assert!(held_up.stalled(ours, Duration::from_millis(1)), "since it began to wait");
        assert!(!held_up.stalled(ours, Duration::from_secs(3_600)), "not for so long");
        assert!(!held_up.stalled(theirs, Duration::ZERO));
        held_up.end(theirs);
        assert!(held_up.stalled(ours, Duration::ZERO));
        held_up.end(ours);
        assert!(!held_up.stalled(ours, Duration::ZERO));
    }
}
