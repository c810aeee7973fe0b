//! Two instances on one database, each the real binary in a process of its own, that are killed
//! and started again while many clients ask them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use threadline::cli::client::{Connection, Interactions, connect};
use threadline::cli::keys::create;
use threadline::continuity::Service;
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use super::direct::with;
use super::ground::{BEARER, revoke};
use super::wire::{Request, Response};
use crate::database::Database;
use crate::keys::{anything, settings};
use crate::spawned::Spawned;

/// Instances of one database.
pub(crate) const INSTANCES: usize = 2;
/// Connections to each: they are dealt to its threads.
const CONNECTIONS: usize = 4;
/// Between two kills, in milliseconds.
const BETWEEN_KILLS: std::ops::Range<u64> = 500..4_000;
/// How long a killed instance stays away, in milliseconds.
const AWAY: std::ops::Range<u64> = 0..200;
/// Whatever takes longer hangs.
const HANGS: Duration = Duration::from_secs(120);

type Customers = CustomerServiceClient<Connection>;

/// Both instances, and how they are reached.
pub(crate) struct Served {
    database: Arc<Database>,
    /// The header of the key that lasts.
    key: String,
    /// Makes and revokes keys beside the instances, as `threadline keys` does.
    beside: Arc<Service>,
    lines: [RwLock<Vec<(Interactions, Customers)>>; INSTANCES],
    stop: AtomicBool,
    kills: AtomicU64,
}

impl Served {
    /// Begins to serve; from then on instances are killed, if that is asked for, until
    /// [`Keeper::stop`].
    pub(crate) async fn begin(
        database: Database,
        key: String,
        kills_by: Option<u64>,
    ) -> (Arc<Self>, Keeper) {
        let beside = settings(&database).open().await.expect("a service");
        let key = format!("{BEARER}{key}");
        let (database, lines) = (Arc::new(database), Default::default());
        let (stop, kills) = (AtomicBool::new(false), AtomicU64::new(0));
        let served = Arc::new(Self { database, key, beside, lines, stop, kills });
        let mut instances = Vec::new();
        for instance in 0..INSTANCES {
            instances.push(served.start(instance).await);
        }
        let own = Arc::clone(&served);
        let keeping = tokio::spawn(async move {
            match kills_by {
                Some(seed) => own.kill_now_and_then(&mut instances, seed).await,
                None => own.stopped().await,
            }
            instances.iter_mut().for_each(Spawned::kill);
        });
        (Arc::clone(&served), Keeper { served, keeping })
    }

    async fn start(&self, instance: usize) -> Spawned {
        let logs = format!("log-{instance}");
        let server = Spawned::serve(&self.database, "info", &logs).await;
        let mut line = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = connect(&server.url, None).await.expect("it listens");
            line.push((Interactions::new(connection.clone()), Customers::new(connection)));
        }
        *self.lines[instance].write().unwrap_or_else(PoisonError::into_inner) = line;
        server
    }

    async fn stopped(&self) {
        while !self.stop.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn kill_now_and_then(&self, instances: &mut [Spawned], seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let pause = Duration::from_millis(random.random_range(BETWEEN_KILLS));
            if tokio::time::timeout(pause, self.stopped()).await.is_ok() {
                return;
            }
            let instance = random.random_range(0..INSTANCES);
            instances[instance].kill();
            self.kills.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(random.random_range(AWAY))).await;
            instances[instance] = self.start(instance).await;
        }
    }

    /// Asks an instance with the key that lasts, on one of its connections.
    pub(crate) async fn ask(
        &self,
        instance: usize,
        connection: usize,
        request: Request,
    ) -> Result<Response, Status> {
        self.ask_with(&self.key, (instance, connection), request).await
    }

    /// Asks an instance with a key, on one of its connections.
    pub(crate) async fn ask_with(
        &self,
        key: &str,
        (instance, connection): (usize, usize),
        request: Request,
    ) -> Result<Response, Status> {
        let (client, customers) = self.client(instance, connection);
        let asking = send(client, customers, request, key);
        let asked = tokio::time::timeout(HANGS, asking).await;
        asked.unwrap_or_else(|_| Err(Status::new(Code::Internal, "no answer in two minutes")))
    }

    fn client(&self, instance: usize, connection: usize) -> (Interactions, Customers) {
        let line = self.lines[instance].read().unwrap_or_else(PoisonError::into_inner);
        line[connection % CONNECTIONS].clone()
    }

    /// The header of the key that lasts.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The header of another key, that may be revoked.
    pub(crate) async fn another_key(&self) -> String {
        // Two instances write as fast as they can: the lock is not always free in time.
        loop {
            if let Ok(key) = create(&self.beside, &anything()).await {
                return format!("{BEARER}{key}");
            }
        }
    }

    /// Revokes the key of that header.
    pub(crate) async fn revoke(&self, header: &str) {
        revoke(&self.beside, header).await;
    }

    /// How often an instance was killed.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }
}

/// Whoever keeps the instances.
pub(crate) struct Keeper {
    served: Arc<Served>,
    keeping: JoinHandle<()>,
}

impl Keeper {
    /// Ends both instances, and takes their database away.
    pub(crate) async fn stop(self) {
        let Self { served, keeping } = self;
        served.stop.store(true, Ordering::Release);
        keeping.await.expect("instances that can be started again");
        served.beside.store().close().await;
        // Clients are done: nobody else holds it.
        if let Some(served) = Arc::into_inner(served)
            && let Some(database) = Arc::into_inner(served.database)
        {
            database.remove().await;
        }
    }
}

async fn send(
    mut client: Interactions,
    mut customers: Customers,
    request: Request,
    key: &str,
) -> Result<Response, Status> {
    Ok(match request {
        Request::Start(it) => {
            Response::Context(Box::new(client.start_interaction(with(it, key)).await?.into_inner()))
        }
        Request::Update(it) => Response::Context(Box::new(
            client.update_interaction(with(it, key)).await?.into_inner(),
        )),
        Request::End(it) => {
            Response::Ended(client.end_interaction(with(*it, key)).await?.into_inner())
        }
        Request::Get(it) => {
            Response::Got(Box::new(client.get_interaction(with(it, key)).await?.into_inner()))
        }
        Request::Reassign(it) => {
            Response::Reassigned(client.reassign_interaction(with(it, key)).await?.into_inner())
        }
        Request::Merge(it) => {
            Response::Merged(customers.merge_customers(with(it, key)).await?.into_inner())
        }
        Request::Unmerge(it) => {
            Response::Unmerged(customers.unmerge_customers(with(it, key)).await?.into_inner())
        }
        Request::Link(it) => {
            Response::Linked(customers.link_identifier(with(it, key)).await?.into_inner())
        }
        Request::Unlink(it) => {
            Response::Unlinked(customers.unlink_identifier(with(it, key)).await?.into_inner())
        }
        Request::Look(it) => {
            Response::Looked(Box::new(customers.get_customer(with(it, key)).await?.into_inner()))
        }
        Request::Erase(it) => {
            Response::Erased(Box::new(customers.erase_customer(with(it, key)).await?.into_inner()))
        }
    })
}
