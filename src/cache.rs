//! What this instance remembers: who owns an identifier, and each customer with what is known of
//! them. Bounded by weight; told of every commit before anybody can read in between.
//!
//! "Nobody" is never remembered: the next start of an unknown number must look. An entry that was
//! loaded while its key changed is not kept.

mod going_on;

use std::sync::Arc;

use moka::sync::Cache as MokaCache;
use rustc_hash::FxBuildHasher;

use crate::context::Context;
use crate::crypto::DataKey;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::gate::{Committed, Gate, Key, Listener};
use crate::store::read::{JournalEntry, Owners};
use crate::store::rows::{CustomerRow, LinkRow, Verb};

pub use going_on::News;

/// Keys are keyed hashes or random: there is nothing for a slow hash to protect.
type Cache<K, V> = MokaCache<K, V, FxBuildHasher>;

/// A customer as remembered.
pub struct Remembered {
    /// The customer's own row.
    pub row: CustomerRow,
    /// Their identifiers.
    pub links: Vec<LinkRow>,
    /// The key that seals what is theirs.
    pub key: Arc<DataKey>,
    /// Their context, where it was asked for, as it was before the news.
    pub context: Option<Arc<Context>>,
    /// What was added to their context since, oldest first.
    pub news: Vec<Arc<News>>,
}

impl Remembered {
    /// Whether all of the context is there.
    pub fn is_opened(&self) -> bool {
        self.context.is_some() && self.news.is_empty()
    }

    fn weight(&self) -> u32 {
        let links: usize = self.links.iter().map(|link| 96 + link.identifier.len()).sum();
        let context = self.context.as_ref().map_or(0, |context| context.approximate_bytes());
        let news: usize = self.news.iter().map(|news| news.weight()).sum();
        u32::try_from(256 + links + news).unwrap_or(u32::MAX).saturating_add(context)
    }
}

/// The cache of one instance.
pub struct Memory {
    gate: Arc<Gate>,
    owners: Cache<(TenantId, Token), Arc<Owners>>,
    people: Cache<(TenantId, CustomerId), Arc<Remembered>>,
    labels: Cache<(TenantId, Token), Arc<str>>,
    interactions: Cache<(TenantId, Token), Arc<JournalEntry>>,
}

impl Memory {
    /// An empty cache of so many bytes at most, roughly.
    pub fn new(gate: Arc<Gate>, bytes: u64) -> Self {
        let owners = MokaCache::builder()
            .weigher(|_, owners: &Arc<Owners>| 128 + 24 * owners.customers.len() as u32)
            .max_capacity(bytes / 8);
        let people = MokaCache::builder()
            .weigher(|_, person: &Arc<Remembered>| person.weight())
            .max_capacity(bytes / 8 * 5);
        let labels = MokaCache::builder()
            .weigher(|_, text: &Arc<str>| 96 + text.len() as u32)
            .max_capacity(bytes / 8);
        let interactions = MokaCache::builder()
            .weigher(|_, entry: &Arc<JournalEntry>| {
                u32::try_from(192 + 96 * entry.guards.len() + entry.state.len()).unwrap_or(u32::MAX)
            })
            .max_capacity(bytes / 8);
        Self {
            gate,
            owners: owners.build_with_hasher(FxBuildHasher),
            people: people.build_with_hasher(FxBuildHasher),
            labels: labels.build_with_hasher(FxBuildHasher),
            interactions: interactions.build_with_hasher(FxBuildHasher),
        }
    }

    /// Who owns an identifier, if remembered.
    pub fn owners(&self, tenant: TenantId, token: Token) -> Option<Arc<Owners>> {
        self.owners.get(&(tenant, token))
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
        self.people.get(&(tenant, customer))
    }

    /// Remembers a customer that was loaded after `sequence`.
    pub fn keep_person(&self, tenant: TenantId, person: &Arc<Remembered>, sequence: u64) {
        let customer = person.row.customer;
        self.gate.if_unchanged(Key::Customer(tenant, customer), sequence, || {
            self.people.insert((tenant, customer), Arc::clone(person));
        });
    }

    /// What the journal holds of an interaction, if remembered.
    pub fn interaction(&self, tenant: TenantId, token: Token) -> Option<Arc<JournalEntry>> {
        self.interactions.get(&(tenant, token))
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
        self.labels.get(&(tenant, token))
    }

    /// Remembers a label that is durable.
    pub fn keep_label(&self, tenant: TenantId, token: Token, text: Arc<str>) {
        self.labels.insert((tenant, token), text);
    }
}

impl Listener for Memory {
    fn changed(&self, keys: &[Key]) {
        for key in keys {
            match key {
                Key::Head(tenant, token) => self.owners.invalidate(&(*tenant, *token)),
                Key::Customer(tenant, customer) => self.people.invalidate(&(*tenant, *customer)),
                Key::Interaction(tenant, token) => self.interactions.invalidate(&(*tenant, *token)),
            }
        }
    }

    fn changed_unseen(&self) {
        self.owners.invalidate_all();
        self.people.invalidate_all();
        self.interactions.invalidate_all();
    }

    /// What is remembered goes on with what was written, where it is what the decision rested on.
    fn committed(&self, tenant: TenantId, operation: Committed<'_>) {
        let effects = operation.effects;
        for token in &effects.heads {
            let key = (tenant, *token);
            match going_on::owners(self.owners.get(&key), *token, &operation) {
                Some(owners) => self.owners.insert(key, Arc::new(owners)),
                None => self.owners.invalidate(&key),
            }
        }
        for row in &effects.customers {
            let key = (tenant, row.customer);
            match going_on::person(self.people.get(&key), row, &operation) {
                Some(person) => self.people.insert(key, Arc::new(person)),
                None => self.people.invalidate(&key),
            }
        }
        effects.removed().for_each(|customer| self.people.invalidate(&(tenant, customer)));
        self.interaction_goes_on(tenant, operation);
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
            self.interactions.invalidate(&key);
        }
    }
}
