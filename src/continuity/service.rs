//! What all use cases share: the store, the cache, the keys, the tenants.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::certificates::{Certified, CertifiedCallers, CertifiedNames};
use super::change_policies::Tenants;
use super::counts::Counts;
use super::key_sets::KeySets;
use super::keyring::Keyring;
use super::known_keys::Callers;
use super::last_used::Uses;
use super::tenant::{Policies, Tenant, new_tenant, open_tenant};
use super::walks::Walks;
use crate::cache::Memory;
use crate::clock::Clock;
use crate::crypto::{DataKey, RootKeySource, Wrapped};
use crate::ids::{Entropy, TenantId};
use crate::meters::Meters;
use crate::store::gate::Gate;
use crate::store::root_keys::RootKeyState;
use crate::store::{self, Durable, Reads, Schedule, Store};

/// How often a new tenant is tried while others are made at the same time.
const TENANT_TRIES: usize = 8;

/// How to open the service.
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// Where the root keys come from.
    pub root_keys: Arc<dyn RootKeySource>,
    /// What the tenants chose.
    pub policies: Policies,
    /// Whom client certificates stand for.
    pub certified: CertifiedNames,
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
    /// Where everything counts.
    pub meters: Meters,
}

/// The service behind every transport.
pub struct Service {
    pub(super) store: Arc<Store>,
    pub(super) memory: Arc<Memory>,
    pub(super) keyring: Keyring,
    pub(super) entropy: Entropy,
    pub(super) clock: Clock,
    pub(super) budget: Duration,
    pub(super) tenants: Tenants,
    pub(super) callers: Callers,
    pub(super) certified: Certified,
    pub(super) uses: Uses,
    pub(super) walks: Walks,
    pub(super) key_sets: KeySets,
    meters: Meters,
    counts: Counts,
    /// People whose key is not there are worked on as if they had another one, which opens nothing:
    /// so whoever was erased after older rows were written can be taken out of them.
    pub(super) without_keys: bool,
}

impl Service {
    /// Opens the store and proves that the root key is the right one.
    ///
    /// # Errors
    /// [`Error::Sealed`] for a wrong root key, [`Error::RootKeyMissing`] for one that lacks a version
    /// the store needs; the source's and the store's own.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        Self::open_on(settings, false, Store::open).await
    }

    /// The same on a store into which a restore has not been completed, with people in it whose keys
    /// are not there: for the restore.
    pub(super) async fn open_unfinished(settings: Settings) -> Result<Arc<Self>, Error> {
        Self::open_on(settings, true, Store::open_unfinished).await
    }

    async fn open_on<F>(
        settings: Settings,
        without_keys: bool,
        open: impl FnOnce(store::Settings) -> F,
    ) -> Result<Arc<Self>, Error>
    where
        F: Future<Output = Result<Arc<Store>, store::Error>>,
    {
        let keyring = Keyring::open(settings.root_keys).await?;
        let gate = Arc::new(Gate::default());
        let memory =
            Arc::new(Memory::new(Arc::clone(&gate), settings.cache_bytes, &settings.meters));
        let store = open(store::Settings {
            url: settings.database,
            budget: settings.budget,
            clock: settings.clock.clone(),
            entropy: settings.entropy.clone(),
            listener: Arc::clone(&memory) as Arc<dyn store::gate::Listener>,
            gate,
            schedule: settings.schedule,
            durable: settings.durable,
            meters: settings.meters.clone(),
        })
        .await?;
        let service = Arc::new(Self {
            store,
            memory,
            keyring,
            entropy: settings.entropy,
            key_sets: KeySets::new(settings.clock.clone()),
            clock: settings.clock,
            budget: settings.budget,
            tenants: Tenants::new(settings.policies),
            callers: Callers::new(),
            certified: Certified::new(CertifiedCallers::new(settings.certified)),
            uses: Uses::default(),
            walks: Walks::default(),
            counts: Counts::new(&settings.meters),
            meters: settings.meters,
            without_keys,
        });
        if let Err(error) = service.check_root_key().await {
            service.store.close().await;
            return Err(error);
        }
        Ok(service)
    }

    async fn check_root_key(&self) -> Result<(), Error> {
        if self.store.root_keys().await?.is_empty() {
            let keys = self.keyring.keys();
            let check = keys.check_value(keys.first(), &self.entropy)?;
            self.store.add_root_key(check.version, check.bytes, RootKeyState::InUse).await?;
        }
        // Read again: somebody else may have come first, with another key.
        self.follow_root_keys().await.map(drop)
    }

    /// The store, for what counts and closes.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Where everything counts.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Looks at what is not counted as it happens.
    pub fn take_stock(&self) {
        self.store.take_stock();
        self.memory.take_stock();
    }

    /// The machine's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where randomness comes from.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
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
        if let Some(tenant) = self.tenants.get(id) {
            return Ok(tenant);
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
        let key = self.keyring.unwrap(id, key, &Wrapped { version, bytes }).await?;
        let name = row.name.clone();
        let counts = self.counts.of(&self.meters.tenant(&row.name, row.test));
        let open = |policy, round| open_tenant(row, key, policy, round, counts);
        Ok(self.tenants.open(id, &name, open)?)
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
            self.follow_root_keys().await?;
            let (keys, version) = (self.keyring.keys(), self.keyring.wraps());
            if !keys.has(version) {
                return Err(Error::RootKeyMissing(version));
            }
            let entropy = self.entropy.clone();
            // The version is there: these very keys have just been asked.
            let seal = move |tenant| {
                new_tenant(tenant, (&keys, version), &entropy).expect("the version is there")
            };
            match self.store.add_tenant(name, test, seal).await {
                Ok(row) => break row.tenant,
                // Somebody made one at the same moment: it may be this one.
                Err(_) if tries < TENANT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        self.tenant(id).await
    }

    /// A new data key under the version of the root key that wraps now.
    ///
    /// # Errors
    /// The store's "too old" when this instance does not have it.
    pub(super) fn wrap(&self, tenant: TenantId, key: &DataKey) -> Result<Wrapped, Error> {
        self.keyring.wrap(tenant, key, self.store.oldest_root_version(), &self.entropy)
    }
}
