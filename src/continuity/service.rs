//! What all use cases share: the store, the cache, the keys, the tenants.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::Error;
use super::key_sets::KeySets;
use super::known_keys::Callers;
use super::last_used::Uses;
use super::tenant::{Policies, Tenant, new_tenant, open_tenant};
use crate::cache::Memory;
use crate::clock::Clock;
use crate::crypto::{RootKeys, Wrapped};
use crate::ids::{Entropy, KeyId, TenantId};
use crate::store::gate::Gate;
use crate::store::{self, Durable, Reads, Schedule, Store};

/// How often a new tenant is tried while others are made at the same time.
const TENANT_TRIES: usize = 8;

/// How to open the service.
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The root keys.
    pub root_keys: RootKeys,
    /// What the tenants chose.
    pub policies: Policies,
    /// The machine's clock.
    pub clock: Clock,
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// A start answers within this.
    pub budget: Duration,
    /// The cache's bound.
    pub cache_bytes: u64,
    /// How the steps of requests and writer follow each other.
    pub schedule: Schedule,
    /// When SQLite's commits become durable.
    pub durable: Durable,
}

/// The service behind every transport.
pub struct Service {
    pub(super) store: Arc<Store>,
    pub(super) memory: Arc<Memory>,
    pub(super) root_keys: Arc<RootKeys>,
    pub(super) entropy: Entropy,
    pub(super) clock: Clock,
    pub(super) budget: Duration,
    policies: Policies,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    pub(super) callers: Callers,
    pub(super) uses: Uses,
    pub(super) key_sets: KeySets,
}

impl Service {
    /// Opens the store and proves that the root key is the right one.
    ///
    /// # Errors
    /// [`Error::Sealed`] for a wrong root key; the store's own errors.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        let gate = Arc::new(Gate::default());
        let memory = Arc::new(Memory::new(Arc::clone(&gate), settings.cache_bytes));
        let store = Store::open(store::Settings {
            url: settings.database,
            budget: settings.budget,
            clock: settings.clock.clone(),
            entropy: settings.entropy.clone(),
            listener: Arc::clone(&memory) as Arc<dyn store::gate::Listener>,
            gate,
            schedule: settings.schedule,
            durable: settings.durable,
        })
        .await?;
        let service = Arc::new(Self {
            store,
            memory,
            root_keys: Arc::new(settings.root_keys),
            entropy: settings.entropy,
            key_sets: KeySets::new(settings.clock.clone()),
            clock: settings.clock,
            budget: settings.budget,
            policies: settings.policies,
            tenants: RwLock::default(),
            callers: Callers::new(),
            uses: Uses::default(),
        });
        service.check_root_key().await?;
        Ok(service)
    }

    async fn check_root_key(&self) -> Result<(), Error> {
        let checks = self.store.root_key_checks().await?;
        let current = self.root_keys.current_version();
        for (version, bytes) in &checks {
            self.root_keys.opens_check(&Wrapped { version: *version, bytes: bytes.clone() })?;
        }
        if !checks.iter().any(|(version, _)| *version == current) {
            let check = self.root_keys.check_value(&self.entropy);
            self.store.add_root_key_check(check.version, check.bytes).await?;
        }
        Ok(())
    }

    /// The store, for what counts and closes.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The machine's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The default budget of a start.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// The tenant of that number.
    ///
    /// # Errors
    /// [`Error::InvalidApiKey`] when there is none; [`Error::Sealed`] when it does not open.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<Tenant>, Error> {
        if let Some(tenant) = read_lock(&self.tenants).get(&id) {
            return Ok(Arc::clone(tenant));
        }
        let row = self.store.tenant(id).await?.ok_or(Error::InvalidApiKey)?;
        let key = row.data_key;
        let mut reads = Reads::Outside(Arc::clone(&self.store));
        let wrapped = reads
            .load(Box::new(move |connection| {
                Box::pin(async move { store::read::data_keys(connection, id, &[key]).await })
            }))
            .await?;
        let (_, version, bytes) = wrapped.into_iter().next().ok_or(Error::Sealed)?;
        let policy = self.policies.of(&row.name);
        let opened = open_tenant(row, &Wrapped { version, bytes }, &self.root_keys, policy)?;
        let tenant = Arc::new(opened);
        let mut tenants = self.tenants.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(tenants.entry(id).or_insert(tenant)))
    }

    /// The tenant of that name, made if there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn tenant_named(&self, name: &str, test: bool) -> Result<Arc<Tenant>, Error> {
        let mut tries = 0;
        let id = loop {
            let known = self.store.tenants().await?;
            if let Some(row) = known.iter().find(|row| row.name == name && row.test == test) {
                break row.tenant;
            }
            let (keys, entropy) = (Arc::clone(&self.root_keys), self.entropy.clone());
            let seal = move |tenant| new_tenant(tenant, &keys, &entropy);
            match self.store.add_tenant(name, test, seal).await {
                Ok(row) => break row.tenant,
                // Somebody made one at the same moment: it may be this one.
                Err(_) if tries < TENANT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        self.tenant(id).await
    }

    /// A name for a new data key's wrapping: the key under the current root key.
    pub(super) fn wrap(&self, tenant: TenantId, key: &crate::crypto::DataKey) -> (KeyId, Wrapped) {
        (key.id(), self.root_keys.wrap(tenant, key, &self.entropy))
    }
}

fn read_lock<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    // Only whole entries are put behind this lock: a poisoned one is still whole.
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}
