//! A store on the bench: opened with a clock of its own and a listener that remembers, and an
//! operation that does what a case tells it to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use threadline::clock::{Clock, Time};
use threadline::ids::{CustomerId, Entropy, KeyId, TenantId, Token};
use threadline::meters::Meters;
use threadline::store::gate::{Gate, Key, Listener};
use threadline::store::read::{self, JournalEntry, Owners, Person};
use threadline::store::{
    Boxed, Durable, Effects, Error, Operation, Proposal, Proposed, ReadSet, Reads, Schedule,
    Settings, Store, Verdict,
};

use crate::database::Database;
use crate::rows::{effects, start, token};

/// When every store on the bench begins.
pub(crate) const NOON: Time = Time(1_700_000_000_000);

/// What the cache would be told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) changed: Mutex<Vec<Key>>,
    pub(crate) unseen: AtomicU64,
}

impl Listener for Heard {
    fn changed(&self, keys: &[Key]) {
        self.changed.lock().expect("nobody panics holding it").extend(keys);
    }

    fn changed_unseen(&self) {
        self.unseen.fetch_add(1, Ordering::SeqCst);
    }
}

impl Heard {
    pub(crate) fn of(&self, key: Key) -> bool {
        self.changed.lock().expect("nobody panics holding it").contains(&key)
    }
}

pub(crate) struct Bench {
    pub(crate) store: Arc<Store>,
    pub(crate) tenant: TenantId,
    pub(crate) clock: Clock,
    pub(crate) heard: Arc<Heard>,
}

impl Bench {
    /// Opens the store and makes a tenant.
    pub(crate) async fn open(database: &Database) -> Self {
        let mut bench = Self::on(database, NOON, Duration::from_secs(60)).await;
        let seal = |_| ((KeyId(7), 1, vec![1; 48]), vec![2; 16]);
        bench.tenant = bench.store.add_tenant("acme", false, seal).await.expect("a tenant").tenant;
        // The first batch of a connection trusts nothing that was read before it.
        bench.write(Write::of(bench.tenant, effects(vec![start(token(0xffff))]))).await;
        bench
    }

    /// Another instance on the same database, for the tenant that is there.
    pub(crate) async fn again(database: &Database) -> Self {
        let bench = Self::on(database, NOON, Duration::from_secs(60)).await;
        bench.write(Write::of(bench.tenant, effects(vec![start(token(0xfffe))]))).await;
        bench
    }

    /// A store for tenant 1, whose machine has that time.
    pub(crate) async fn on(database: &Database, now: Time, budget: Duration) -> Self {
        Self::steered(database, now, budget, Schedule::Free).await
    }

    /// The same, whose steps follow each other as somebody says.
    pub(crate) async fn steered(
        database: &Database,
        now: Time,
        budget: Duration,
        schedule: Schedule,
    ) -> Self {
        let clock = Clock::manual(now);
        let heard = Arc::new(Heard::default());
        let store = Store::open(Settings {
            url: database.url.clone(),
            budget,
            clock: clock.clone(),
            entropy: Entropy::System,
            listener: Arc::clone(&heard) as Arc<dyn Listener>,
            gate: Arc::new(Gate::default()),
            schedule,
            durable: Durable::AfterCommit,
            meters: Meters::default(),
        });
        let store = store.await.expect("a store that opens");
        Self { store, tenant: TenantId(1), clock, heard }
    }

    /// Runs an operation that must not fail.
    pub(crate) async fn run(&self, operation: &Arc<Write>) -> Verdict<Seen> {
        self.store.run(Arc::clone(operation)).await.expect("an operation that is written")
    }

    /// Runs an operation that must be committed; what it had read at last.
    pub(crate) async fn write(&self, operation: Write) -> Seen {
        match self.run(&Arc::new(operation)).await {
            Verdict::Committed(seen) => seen,
            Verdict::Replay => panic!("the journal already held it"),
        }
    }
}

/// What an operation has read.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) owners: HashMap<Token, Owners>,
    pub(crate) people: HashMap<CustomerId, Person>,
    pub(crate) entries: HashMap<Token, Option<JournalEntry>>,
}

type Hook = Box<dyn Fn(usize) -> Boxed<'static, ()> + Send + Sync>;

/// An operation that reads what it is told to and writes what it is told to.
pub(crate) struct Write {
    tenant: TenantId,
    tokens: Vec<Token>,
    customers: Vec<CustomerId>,
    interactions: Vec<Token>,
    effects: Box<dyn Fn(&Seen) -> Effects + Send + Sync>,
    between: Option<Hook>,
    pub(crate) decided: AtomicUsize,
    /// How often it has decided to the end: what comes next is that it is queued.
    pub(crate) proposed: AtomicUsize,
    pub(crate) inside: AtomicUsize,
}

impl Write {
    /// Reads nothing, writes this.
    pub(crate) fn of(tenant: TenantId, effects: Effects) -> Self {
        Self::with(tenant, move |_| effects.clone())
    }

    /// Writes what comes of what it has read.
    pub(crate) fn with(
        tenant: TenantId,
        effects: impl Fn(&Seen) -> Effects + Send + Sync + 'static,
    ) -> Self {
        Self {
            tenant,
            tokens: Vec::new(),
            customers: Vec::new(),
            interactions: Vec::new(),
            effects: Box::new(effects),
            between: None,
            decided: AtomicUsize::new(0),
            proposed: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
        }
    }

    pub(crate) fn reading(mut self, tokens: &[Token], customers: &[CustomerId]) -> Self {
        self.tokens = tokens.to_vec();
        self.customers = customers.to_vec();
        self
    }

    pub(crate) fn reading_interaction(mut self, interaction: Token) -> Self {
        self.interactions = vec![interaction];
        self
    }

    /// Calls `hook` with the number of the try, after reading and before proposing; not inside
    /// the transaction, where nobody else can write.
    pub(crate) fn between(
        mut self,
        hook: impl Fn(usize) -> Boxed<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.between = Some(Box::new(hook));
        self
    }

    async fn read(&self, reads: &mut Reads<'_>) -> Result<Seen, Error> {
        if self.tokens.len() + self.customers.len() + self.interactions.len() == 0 {
            return Ok(Seen::default());
        }
        let (tenant, tokens, customers, interactions) =
            (self.tenant, self.tokens.clone(), self.customers.clone(), self.interactions.clone());
        let loading = reads.load(Box::new(move |connection| {
            Box::pin(async move {
                let mut seen = Seen {
                    owners: read::owners(connection, tenant, &tokens).await?,
                    people: read::people(connection, tenant, &customers).await?,
                    entries: HashMap::new(),
                };
                for interaction in interactions {
                    let entry = read::journal(connection, tenant, interaction).await?;
                    seen.entries.insert(interaction, entry);
                }
                Ok(seen)
            })
        }));
        loading.await
    }
}

impl Operation for Write {
    type Answer = Seen;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<Seen>, Error>> {
        Box::pin(async move {
            let attempt = self.decided.fetch_add(1, Ordering::SeqCst) + 1;
            let outside = reads.uses_cache();
            if !outside {
                self.inside.fetch_add(1, Ordering::SeqCst);
            }
            let seen = self.read(reads).await?;
            if let (true, Some(between)) = (outside, &self.between) {
                between(attempt).await;
            }
            let position = |entry: &Option<JournalEntry>| {
                entry.as_ref().and_then(|entry| entry.newest()).map_or(0, |newest| newest.position)
            };
            let read = ReadSet {
                sequence: 0,
                heads: seen.owners.iter().map(|(token, owners)| (*token, owners.stamp)).collect(),
                customers: seen.people.iter().map(|(id, person)| (*id, person.row.stamp)).collect(),
                interactions: seen.entries.iter().map(|(id, it)| (*id, position(it))).collect(),
            };
            let proposal = Proposal { read, effects: (self.effects)(&seen), answer: seen };
            self.proposed.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(proposal))
        })
    }
}
