//! What this instance remembers: who owns an identifier, each customer with what is known of them,
//! what the journal holds of an interaction, and labels. Bounded by weight; told of every commit
//! before anybody can read in between.
//!
//! "Nobody" is never remembered: the next start of an unknown number must look. An entry that was
//! loaded while its key changed is not kept.

mod counts;
mod going_on;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use counts::{Counts, Lookups};
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use rustc_hash::FxBuildHasher;

use crate::context::Context;
use crate::crypto::DataKey;
use crate::ids::{CustomerId, Stamp, TenantId, Token};
use crate::meters::Meters;
use crate::store::gate::{Committed, Gate, Key, Listener};
use crate::store::read::{JournalEntry, Owners, Person};
use crate::store::rows::{CustomerRow, LinkRow, TieRow, Verb};

pub use going_on::News;

/// A key of a tenant, shared values. Keys are keyed hashes or random: there is nothing for a slow
/// hash to protect.
type Cache<K, V> = QuickCache<(TenantId, K), Arc<V>, Bytes, FxBuildHasher, Lifecycle<K, V>>;
type Lifecycle<K, V> = DefaultLifecycle<(TenantId, K), Arc<V>>;

/// How much of a cache may belong to entries that were asked for again and again. What is asked for
/// once, some minutes after it came, must not be pushed out by them.
const OFTEN: f64 = 0.5;
/// A contact is asked for once more: when it ends. (One that is larger than this part of a shard is
/// not remembered.)
const OFTEN_CONTACTS: f64 = 0.05;

/// A cache of so many bytes, whose entries have about `usual` bytes.
fn cache_of<K: Eq + Hash, V: Weight + ?Sized>(bytes: u64, usual: u64, often: f64) -> Cache<K, V> {
    let items = usize::try_from(bytes / usual).unwrap_or(usize::MAX);
    let mut options = OptionsBuilder::new();
    options.estimated_items_capacity(items).weight_capacity(bytes).hot_allocation(often);
    // It fails only where one of the two capacities was not given.
    let options = options.build().expect("capacities that were given");
    QuickCache::with_options(options, Bytes, FxBuildHasher, DefaultLifecycle::default())
}

/// What a value takes, roughly, in bytes.
trait Weight {
    fn weight(&self) -> u64;
}

/// Weighs entries by what their values say.
#[derive(Clone)]
struct Bytes;

impl<K, V: Weight + ?Sized> Weighter<(TenantId, K), Arc<V>> for Bytes {
    fn weight(&self, _: &(TenantId, K), value: &Arc<V>) -> u64 {
        value.weight()
    }
}

impl Weight for Owners {
    fn weight(&self) -> u64 {
        128 + 24 * self.customers.len() as u64
    }
}

impl Weight for str {
    fn weight(&self) -> u64 {
        96 + self.len() as u64
    }
}

impl Weight for JournalEntry {
    fn weight(&self) -> u64 {
        (192 + 96 * self.guards.len() + self.state.len()) as u64
    }
}

/// A customer as remembered.
pub struct Remembered {
    /// The customer's own row.
    pub row: CustomerRow,
    /// Their identifiers.
    pub links: Vec<LinkRow>,
    /// What was said of their ties beside any contact.
    pub ties: Vec<TieRow>,
    /// The key that seals what is theirs.
    pub key: Arc<DataKey>,
    /// Their context, where it was asked for, as it was before the news.
    pub context: Option<Arc<Context>>,
    /// What was added to their context since, oldest first.
    pub news: Vec<Arc<News>>,
    /// All members of the set they belong to, themselves too; none while alone.
    pub members: Vec<CustomerId>,
}

impl Remembered {
    /// A customer as they were read, with their key opened; without a context.
    pub fn unopened(person: Person, key: Arc<DataKey>) -> Self {
        let Person { row, links, ties, members, .. } = person;
        Self { row, links, ties, key, context: None, news: Vec::new(), members }
    }

    /// What the set they belong to is called: its oldest member; themselves while alone.
    pub fn set_name(&self) -> CustomerId {
        self.row.set_name.unwrap_or(self.row.customer)
    }

    /// Whether all of the context is there.
    pub fn is_opened(&self) -> bool {
        self.context.is_some() && self.news.is_empty()
    }
}

impl Weight for Remembered {
    fn weight(&self) -> u64 {
        let links: usize = self.links.iter().map(|link| 96 + link.identifier.len()).sum();
        let context = self.context.as_ref().map_or(0, |context| context.approximate_bytes());
        let news: usize = self.news.iter().map(|news| news.weight()).sum();
        let beside = 16 * self.members.len() + 64 * self.ties.len();
        (256 + links + news + beside) as u64 + u64::from(context)
    }
}

/// The cache of one instance.
pub struct Memory {
    gate: Arc<Gate>,
    counts: Counts,
    owners: Cache<Token, Owners>,
    people: Cache<CustomerId, Remembered>,
    labels: Cache<Token, str>,
    interactions: Cache<Token, JournalEntry>,
}

impl Memory {
    /// An empty cache of so many bytes at most, roughly.
    pub fn new(gate: Arc<Gate>, bytes: u64, meters: &Meters) -> Self {
        Self {
            gate,
            counts: Counts::new(meters),
            owners: cache_of(bytes / 8, 160, OFTEN),
            people: cache_of(bytes / 8 * 5, 4_096, OFTEN),
            labels: cache_of(bytes / 8, 128, OFTEN),
            interactions: cache_of(bytes / 8, 1_024, OFTEN_CONTACTS),
        }
    }

    /// Who owns an identifier, if remembered.
    pub fn owners(&self, tenant: TenantId, token: Token) -> Option<Arc<Owners>> {
        self.counts.owners.of(self.owners.get(&(tenant, token)))
    }

    /// Remembers owners that were loaded after `sequence`.
    pub fn keep_owners(&self, tenant: TenantId, token: Token, owners: &Arc<Owners>, sequence: u64) {
        if owners.customers.is_empty() {
            return;
        }
        self.gate.if_unchanged(Key::Head(tenant, token), sequence, || {
            self.owners.insert((tenant, token), Arc::clone(owners));
        });
    }

    /// A customer, if remembered.
    pub fn person(&self, tenant: TenantId, customer: CustomerId) -> Option<Arc<Remembered>> {
        self.counts.people.of(self.people.get(&(tenant, customer)))
    }

    /// Remembers a customer that was loaded after `sequence`.
    pub fn keep_person(&self, tenant: TenantId, person: &Arc<Remembered>, sequence: u64) {
        let customer = person.row.customer;
        self.gate.if_unchanged(Key::Customer(tenant, customer), sequence, || {
            self.people.insert((tenant, customer), Arc::clone(person));
        });
    }

    /// Every customer that is remembered, with the stamp that they are remembered under.
    pub fn remembered(&self) -> BTreeMap<TenantId, Vec<(CustomerId, Stamp)>> {
        let mut all: BTreeMap<TenantId, Vec<(CustomerId, Stamp)>> = BTreeMap::new();
        for ((tenant, customer), person) in self.people.iter() {
            all.entry(tenant).or_default().push((customer, person.row.stamp));
        }
        all
    }

    /// What the journal holds of an interaction, if remembered.
    pub fn interaction(&self, tenant: TenantId, token: Token) -> Option<Arc<JournalEntry>> {
        self.counts.interactions.of(self.interactions.get(&(tenant, token)))
    }

    /// Remembers an interaction that was loaded after `sequence`.
    pub fn keep_interaction(
        &self,
        tenant: TenantId,
        token: Token,
        entry: &Arc<JournalEntry>,
        sequence: u64,
    ) {
        self.gate.if_unchanged(Key::Interaction(tenant, token), sequence, || {
            self.interactions.insert((tenant, token), Arc::clone(entry));
        });
    }

    /// A label's text, if remembered. Labels never change.
    pub fn label(&self, tenant: TenantId, token: Token) -> Option<Arc<str>> {
        self.counts.labels.of(self.labels.get(&(tenant, token)))
    }

    /// Remembers a label that is durable.
    pub fn keep_label(&self, tenant: TenantId, token: Token, text: Arc<str>) {
        self.labels.insert((tenant, token), text);
    }

    /// Looks at what is not counted as it happens.
    pub fn take_stock(&self) {
        let weigh = |lookups: &Lookups, bytes: u64| {
            lookups.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        };
        weigh(&self.counts.owners, self.owners.weight());
        weigh(&self.counts.people, self.people.weight());
        weigh(&self.counts.labels, self.labels.weight());
        weigh(&self.counts.interactions, self.interactions.weight());
    }
}

impl Listener for Memory {
    fn changed(&self, keys: &[Key]) {
        for key in keys {
            match key {
                Key::Head(tenant, token) => drop(self.owners.remove(&(*tenant, *token))),
                Key::Customer(tenant, customer) => drop(self.people.remove(&(*tenant, *customer))),
                Key::Interaction(tenant, token) => {
                    drop(self.interactions.remove(&(*tenant, *token)))
                }
            }
        }
    }

    fn changed_unseen(&self) {
        self.owners.clear();
        self.people.clear();
        self.interactions.clear();
        // A label never changes, but its row may be gone: a failover loses commits, and a file may be put
        // back. What is believed to be in the dictionary is not written into it again.
        self.labels.clear();
    }

    /// What is remembered goes on with what was written, where it is what the decision rested on.
    fn committed(&self, tenant: TenantId, operation: Committed<'_>) {
        let effects = operation.effects;
        for token in &effects.heads {
            let key = (tenant, *token);
            match going_on::owners(self.owners.get(&key), *token, &operation) {
                Some(owners) => self.owners.insert(key, Arc::new(owners)),
                None => drop(self.owners.remove(&key)),
            }
        }
        for row in &effects.customers {
            let key = (tenant, row.customer);
            match going_on::person(self.people.get(&key), row, &operation) {
                Some(person) => self.people.insert(key, Arc::new(person)),
                None => drop(self.people.remove(&key)),
            }
        }
        effects.removed().for_each(|customer| drop(self.people.remove(&(tenant, customer))));
        self.interaction_goes_on(tenant, operation);
        effects.places().for_each(|row| drop(self.interactions.remove(&(tenant, row.interaction))));
    }
}

impl Memory {
    /// An interaction is known from its first row on, and goes on where what is known of it ends.
    fn interaction_goes_on(&self, tenant: TenantId, operation: Committed<'_>) {
        let rows = &operation.effects.journal;
        let Some(first) = rows.first() else { return };
        let mut read = operation.read.interactions.iter();
        let after = read.find(|(token, _)| *token == first.interaction).map(|it| it.1);
        let key = (tenant, first.interaction);
        let begins = first.verb == Verb::Start && after.unwrap_or(0) == 0;
        let before = if begins { None } else { self.interactions.get(&key) };
        let goes_on = before.as_ref().and_then(|entry| entry.newest()).map(|it| it.position);
        if begins || (goes_on.is_some() && goes_on == after) {
            let entry = JournalEntry::extended(before.as_deref(), rows);
            self.interactions.insert(key, Arc::new(entry));
        } else {
            self.interactions.remove(&key);
        }
        let others = rows.iter().filter(|row| row.interaction != first.interaction);
        others.for_each(|row| drop(self.interactions.remove(&(tenant, row.interaction))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_commit_that_nobody_saw_no_label_is_believed_to_be_there() {
        let (tenant, token) = (TenantId(1), Token([1; 16]));
        let memory = Memory::new(Arc::default(), 1 << 26, &Meters::default());
        memory.keep_label(tenant, token, "billing".into());
        memory.changed(&[Key::Head(tenant, token)]);
        assert_eq!(memory.label(tenant, token).as_deref(), Some("billing"));
        memory.changed_unseen();
        assert_eq!(memory.label(tenant, token), None);
    }
}
