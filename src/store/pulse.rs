//! Since when something has been going on, for requests that must not queue behind it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
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
        self.begin_after(Duration::ZERO);
    }

    /// Something begins that somebody else may hold up for so long: that time is not its own.
    pub fn begin_after(&self, wait: Duration) {
        let since = self.born.elapsed() + wait;
        self.since.store(since.as_millis() as i64, Ordering::Release);
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
    /// Operations of theirs that the writer has put aside.
    operations: AtomicUsize,
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

    /// This tenant waits no more; since when it did.
    pub fn end(&self, tenant: TenantId) -> Option<Instant> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut tenants = self.tenants();
        let at = tenants.iter().position(|(known, _)| *known == tenant);
        let since = at.map(|at| tenants.swap_remove(at).1);
        self.any.store(!tenants.is_empty(), Ordering::Release);
        since
    }

    /// Whether this tenant waits.
    pub fn waits(&self, tenant: TenantId) -> bool {
        self.any.load(Ordering::Acquire) && self.tenants().iter().any(|(known, _)| *known == tenant)
    }

    /// So many operations have been put aside.
    pub fn put_aside(&self, operations: usize) {
        self.operations.store(operations, Ordering::Relaxed);
    }

    /// How many operations have been put aside.
    pub fn operations(&self) -> usize {
        self.operations.load(Ordering::Relaxed)
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
        assert!(held_up.waits(ours) && !held_up.waits(theirs));
        assert_eq!(held_up.end(theirs), None);
        assert!(held_up.stalled(ours, Duration::ZERO));
        assert_eq!(held_up.end(ours), Some(since), "when it began to wait");
        assert!(!held_up.stalled(ours, Duration::ZERO) && !held_up.waits(ours));
    }

    #[test]
    fn what_somebody_else_holds_up_has_not_stalled() {
        let pulse = Pulse::new();
        pulse.begin_after(Duration::from_secs(3_600));
        std::thread::sleep(Duration::from_millis(3));
        assert!(!pulse.stalled(Duration::ZERO));
        pulse.begin();
        std::thread::sleep(Duration::from_millis(3));
        assert!(pulse.stalled(Duration::ZERO));
        pulse.end();
        assert!(!pulse.stalled(Duration::ZERO));
    }
}
