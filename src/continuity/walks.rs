//! How far the journal was walked for whom, from one request to the next: a preview walks for the
//! erasure that follows, and a request whose time has ended for the one that asks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::erase_customer::PREVIEW_KEPT;
use super::theirs::Walked;
use crate::clock::Time;
use crate::ids::TenantId;

/// People for whom a walk is remembered at once; the one that waits longest makes room.
const MOST_WALKS: usize = 64;

/// Walks by the ref that was asked for. Each is remembered for as long as a preview is good.
#[derive(Default)]
pub(super) struct Walks(Mutex<Vec<Walk>>);

struct Walk {
    tenant: TenantId,
    customer_ref: String,
    asked: Time,
    walked: Arc<Mutex<Walked>>,
}

impl Walks {
    /// The walk for whom this ref names; one that has not begun, if there is none.
    pub fn of(&self, tenant: TenantId, customer_ref: &str, now: Time) -> Arc<Mutex<Walked>> {
        let mut walks = self.lock();
        walks.retain(|walk| now.since(walk.asked) < PREVIEW_KEPT);
        let known = walks.iter().position(|it| it.is_for(tenant, customer_ref));
        let walked = known.map(|index| walks.remove(index).walked).unwrap_or_default();
        if walks.len() >= MOST_WALKS {
            walks.remove(0);
        }
        let (customer_ref, kept) = (customer_ref.to_owned(), Arc::clone(&walked));
        walks.push(Walk { tenant, customer_ref, asked: now, walked: kept });
        walked
    }

    /// Nobody asks for them any more.
    pub fn forget(&self, tenant: TenantId, customer_ref: &str) {
        self.lock().retain(|walk| !walk.is_for(tenant, customer_ref));
    }

    /// What was found in a tenant's journal is not there any more.
    pub fn forget_all(&self, tenant: TenantId) {
        self.lock().retain(|walk| walk.tenant != tenant);
    }

    /// What nobody has asked for lately goes.
    pub fn forget_old(&self, now: Time) {
        self.lock().retain(|walk| now.since(walk.asked) < PREVIEW_KEPT);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Walk>> {
        // Only whole walks are put behind this lock: a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Walk {
    fn is_for(&self, tenant: TenantId, customer_ref: &str) -> bool {
        self.tenant == tenant && self.customer_ref == customer_ref
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TenantId = TenantId(1);
    const OTHER: TenantId = TenantId(2);

    #[test]
    fn a_walk_is_for_one_ref_of_one_tenant_until_it_is_old() {
        let walks = Walks::default();
        let first = walks.of(ONE, "cus_1", Time(0));
        assert!(Arc::ptr_eq(&first, &walks.of(ONE, "cus_1", Time(PREVIEW_KEPT - 1))));
        assert!(!Arc::ptr_eq(&first, &walks.of(ONE, "cus_2", Time(PREVIEW_KEPT - 1))));
        assert!(!Arc::ptr_eq(&first, &walks.of(OTHER, "cus_1", Time(PREVIEW_KEPT - 1))));
        let old = Time(3 * PREVIEW_KEPT);
        assert!(
            !Arc::ptr_eq(&first, &walks.of(ONE, "cus_1", old)),
            "a preview is not good so long"
        );
        walks.forget(ONE, "cus_1");
        assert!(walks.lock().is_empty());
        let kept = walks.of(OTHER, "cus_1", old);
        walks.of(ONE, "cus_1", old);
        walks.forget_all(ONE);
        assert_eq!(walks.lock().len(), 1);
        assert!(Arc::ptr_eq(&kept, &walks.of(OTHER, "cus_1", old)), "another tenant's");
    }

    #[test]
    fn so_many_are_remembered_and_those_last_asked_for() {
        let walks = Walks::default();
        let asked = |number: usize| walks.of(ONE, &number.to_string(), Time(0));
        let first = asked(0);
        let others: Vec<_> = (1..MOST_WALKS).map(asked).collect();
        assert!(Arc::ptr_eq(&first, &asked(0)));
        asked(MOST_WALKS);
        assert_eq!(walks.lock().len(), MOST_WALKS);
        assert!(Arc::ptr_eq(&first, &asked(0)));
        assert!(!Arc::ptr_eq(&others[0], &asked(1)), "it waited longest");
    }
}
