//! Which keys changed when: lets this process know, without reading, whether a decision is stale.
//!
//! Every commit has a sequence number. A decision names the sequence it began to read at; it is
//! stale when one of its keys changed in a later commit. Entries are kept in two generations; the
//! older one is forgotten when the younger is full, and with it the right to judge decisions as old
//! as its entries: those count as stale.

use std::sync::{Mutex, MutexGuard};

use rustc_hash::FxHashMap;

use super::{Effects, ReadSet};
use crate::ids::{CustomerId, TenantId, Token};

/// Entries of one generation; about 60 bytes each.
const MOST_ENTRIES: usize = 100_000;

/// Something whose change makes decisions stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Who owns an identifier.
    Head(TenantId, Token),
    /// A customer's standing and context.
    Customer(TenantId, CustomerId),
    /// An interaction's journal rows.
    Interaction(TenantId, Token),
}

/// Told about commits while nobody can read in between: the cache.
pub trait Listener: Send + Sync {
    /// These keys have changed.
    fn changed(&self, keys: &[Key]);
    /// Anything may have changed.
    fn changed_unseen(&self);
    /// An operation was committed. Who does not go on with what it wrote forgets what it changed.
    fn committed(&self, tenant: TenantId, operation: Committed<'_>) {
        self.changed(&operation.effects.changes(tenant).collect::<Vec<_>>());
    }
}

/// One committed operation.
#[derive(Clone, Copy)]
pub struct Committed<'a> {
    /// What it rested on, and what held until it was written.
    pub read: &'a ReadSet,
    /// What it wrote, with positions and stamps.
    pub effects: &'a Effects,
}

/// The order of commits, seen from this process.
#[derive(Default)]
pub struct Gate {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sequence: u64,
    floor: u64,
    /// The newest commit of the older generation.
    older_until: u64,
    changed: FxHashMap<Key, u64>,
    older: FxHashMap<Key, u64>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that runs under this lock leaves it half changed, so a poisoned one is whole.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The newest commit. Read it before anything that a decision rests on.
    pub fn sequence(&self) -> u64 {
        self.lock().sequence
    }

    /// A commit changed these keys: remembered, told to the listener, then numbered.
    pub fn commit(&self, keys: &[Key], listener: &dyn Listener) {
        let mut inner = self.lock();
        let next = inner.sequence + 1;
        inner.changed.extend(keys.iter().map(|key| (*key, next)));
        listener.changed(keys);
        inner.sequence = next;
        inner.forget_old();
    }

    /// A batch of operations was committed: what is remembered may go on with what they wrote.
    pub fn commit_batch(&self, operations: &[(TenantId, Committed<'_>)], listener: &dyn Listener) {
        let mut inner = self.lock();
        let next = inner.sequence + 1;
        for (tenant, operation) in operations {
            inner.changed.extend(operation.effects.changes(*tenant).map(|key| (key, next)));
            listener.committed(*tenant, *operation);
        }
        inner.sequence = next;
        inner.forget_old();
    }

    /// Somebody else wrote: whatever was read before now is stale.
    pub fn commit_unseen(&self, listener: &dyn Listener) {
        let mut inner = self.lock();
        inner.sequence += 1;
        inner.floor = inner.sequence;
        inner.changed.clear();
        inner.older.clear();
        listener.changed_unseen();
    }

    /// Whether none of the decision's keys has changed since it began to read.
    pub fn holds(&self, tenant: TenantId, read: &ReadSet) -> bool {
        let inner = self.lock();
        let heads = read.heads.iter().map(|(token, _)| Key::Head(tenant, *token));
        let customers = read.customers.iter().map(|(id, _)| Key::Customer(tenant, *id));
        let interactions =
            read.interactions.iter().map(|(token, _)| Key::Interaction(tenant, *token));
        let mut keys = heads.chain(customers).chain(interactions);
        inner.judges(read.sequence) && keys.all(|key| inner.unchanged(key, read.sequence))
    }

    /// Runs `keep` if `key` has not changed since `sequence`, while no commit can come between.
    pub fn if_unchanged(&self, key: Key, sequence: u64, keep: impl FnOnce()) {
        let inner = self.lock();
        if inner.judges(sequence) && inner.unchanged(key, sequence) {
            keep();
        }
    }
}

impl Inner {
    fn judges(&self, sequence: u64) -> bool {
        sequence >= self.floor
    }

    fn unchanged(&self, key: Key, sequence: u64) -> bool {
        // A key in both generations changed last in the younger.
        let changed = self.changed.get(&key).or_else(|| self.older.get(&key));
        changed.is_none_or(|changed| *changed <= sequence)
    }

    /// Begins a new generation when the younger one is full; decisions that only the forgotten one
    /// could have judged become stale.
    fn forget_old(&mut self) {
        if self.changed.len() <= MOST_ENTRIES {
            return;
        }
        self.floor = self.floor.max(self.older_until);
        self.older_until = self.sequence;
        self.older = std::mem::take(&mut self.changed);
        self.changed.reserve(MOST_ENTRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;
    impl Listener for Nobody {
        fn changed(&self, _: &[Key]) {}
        fn changed_unseen(&self) {}
    }

    const TENANT: TenantId = TenantId(1);

    fn reading(sequence: u64, token: u8) -> ReadSet {
        ReadSet { sequence, heads: vec![(Token([token; 16]), None)], ..ReadSet::default() }
    }

    #[test]
    fn a_decision_is_stale_once_its_key_changes() {
        let gate = Gate::default();
        let before = gate.sequence();
        gate.commit(&[Key::Head(TENANT, Token([1; 16]))], &Nobody);
        assert!(!gate.holds(TENANT, &reading(before, 1)));
        assert!(gate.holds(TENANT, &reading(before, 2)));
        assert!(gate.holds(TENANT, &reading(gate.sequence(), 1)));
        assert!(
            gate.holds(TenantId(2), &reading(before, 1)),
            "another tenant's key is another key"
        );
    }

    #[test]
    fn an_unseen_write_makes_everything_stale() {
        let gate = Gate::default();
        let before = gate.sequence();
        gate.commit_unseen(&Nobody);
        assert!(!gate.holds(TENANT, &reading(before, 9)));
        let mut kept = false;
        gate.if_unchanged(Key::Head(TENANT, Token([9; 16])), before, || kept = true);
        assert!(!kept);
        assert!(gate.holds(TENANT, &reading(gate.sequence(), 9)));
    }

    #[test]
    fn what_is_forgotten_is_not_judged() {
        let gate = Gate::default();
        let before = gate.sequence();
        for number in 0..=2 * MOST_ENTRIES as u128 + 1 {
            gate.commit(&[Key::Head(TENANT, Token(number.to_be_bytes()))], &Nobody);
        }
        let unrelated = ReadSet { sequence: before, ..ReadSet::default() };
        assert!(!gate.holds(TENANT, &unrelated));
    }
}
