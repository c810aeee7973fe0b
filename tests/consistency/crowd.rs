//! Many people at once, each with three clients that ask two served instances about them; every
//! person's history is checked when it is complete.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use threadline::clock::Clock;
use threadline::store::Engine;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::calls::{Asked, Output};
use super::ground::REVOCABLE;
use super::printing::{Rare, print};
use super::recording::{By, Moment, Recording};
use super::served::{INSTANCES, Served};
use super::shrink::{breaks, setting, without_reads};
use super::workload::{Plan, Shape};
use crate::database::Database;
use crate::keys::new_key;

/// People whose contacts go on at the same time.
const AT_ONCE: usize = 160;
/// Answered calls in the short form.
const CALLS: u64 = 4_000;
/// One person in so many is asked about for some seconds, so that what expires does.
const SLOW: u64 = 8;
/// A client gives up one request in so many after some milliseconds.
const IMPATIENT: u32 = 40;
/// Between two tries of what was not answered.
const AGAIN_AFTER: Duration = Duration::from_millis(3);
/// What was not answered by then never will be.
const MOST_TRIES: usize = 20_000;

/// Plays until enough calls were answered; panics with the first history that breaks the contract.
pub(crate) async fn served(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let seed = setting("THREADLINE_CHECK_SEED").unwrap_or(0);
    let wanted = setting("THREADLINE_CHECK_CALLS").unwrap_or(CALLS);
    let key = new_key(&database).await;
    let (served, keeper) = Served::begin(database, key, Some(seed)).await;
    let tally = Arc::new(Tally::new());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut people = JoinSet::new();
    for number in 0.. {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        while let Some(finished) = people.try_join_next() {
            finished.expect("a history that keeps the contract");
        }
        // However fast the machine is, something is killed.
        if tally.answered.load(Ordering::Relaxed) >= wanted && served.kills() > 0 {
            break;
        }
        let plan = Plan::new(seed.wrapping_mul(1_000_003).wrapping_add(number), shape(number));
        let mut keys = vec![served.key().to_owned()];
        for _ in (0..REVOCABLE).filter(|_| plan.shape.revokes) {
            keys.push(served.another_key().await);
        }
        let person = Person::new(plan, keys, Arc::clone(&served), Arc::clone(&tally));
        people.spawn(async move {
            person.play().await;
            drop(place);
        });
    }
    while let Some(finished) = people.join_next().await {
        finished.expect("a history that keeps the contract");
    }
    let (answered, lost) = (&tally.answered, &tally.lost);
    eprintln!(
        "{engine:?}, two instances: {} calls answered ({}), {} not, of {} people, {} kills, in {:.0} s (seed {seed}): 0 violations",
        answered.load(Ordering::Relaxed),
        tally.rare(),
        lost.load(Ordering::Relaxed),
        tally.people.load(Ordering::Relaxed),
        served.kills(),
        tally.begun.elapsed().as_secs_f64(),
    );
    drop(served);
    keeper.stop().await;
}

/// Of eight people, four are erased, and the keys with which one is asked about are revoked.
fn shape(number: u64) -> Shape {
    let (erases, revokes) = (number % 2 == 1, number % SLOW == 4);
    Shape {
        clients: 3,
        operations: 16,
        purges: false,
        erases,
        revokes,
        exact: false,
        short_ttl: (1, 3),
    }
}

/// What all clients count together, and the order of all their calls.
struct Tally {
    begun: Instant,
    steps: AtomicU64,
    answered: AtomicU64,
    lost: AtomicU64,
    people: AtomicU64,
    rare: Mutex<Rare>,
}

impl Tally {
    fn new() -> Self {
        let [steps, answered, lost, people] = Default::default();
        Self { begun: Instant::now(), steps, answered, lost, people, rare: Mutex::default() }
    }

    fn rare(&self) -> MutexGuard<'_, Rare> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        // Between any two moments of one client lies an answer that travelled over a socket.
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        let elapsed = self.begun.elapsed().as_millis() as i64;
        Moment { step, clock: Clock::System.now().0, elapsed }
    }
}

/// One person's contacts.
struct Person {
    plan: Plan,
    /// By number; all but the first may be revoked.
    keys: Vec<String>,
    served: Arc<Served>,
    tally: Arc<Tally>,
    recording: Mutex<Recording>,
}

impl Person {
    fn new(plan: Plan, keys: Vec<String>, served: Arc<Served>, tally: Arc<Tally>) -> Arc<Self> {
        let recording = Mutex::new(Recording::of(format!("p{}", plan.seed), true));
        Arc::new(Self { plan, keys, served, tally, recording })
    }

    async fn play(self: Arc<Self>) {
        let mut clients = JoinSet::new();
        for client in 0..self.plan.clients.len() {
            let person = Arc::clone(&self);
            clients.spawn(async move { person.tell(client).await });
        }
        while let Some(finished) = clients.join_next().await {
            finished.expect("a client that ends well");
        }
        let mut random = StdRng::seed_from_u64(self.plan.seed);
        for asked in self.plan.closing() {
            self.ask((0, 0), &asked, &mut random).await;
        }
        self.check();
    }

    async fn tell(&self, client: usize) {
        let mut random = StdRng::seed_from_u64(self.plan.seed ^ (client as u64) << 32);
        for asked in &self.plan.clients[client] {
            let slow = self.plan.seed.is_multiple_of(SLOW) || self.plan.shape.revokes;
            if slow && random.random_bool(0.3) {
                tokio::time::sleep(Duration::from_millis(random.random_range(0..2_000))).await;
            }
            let last = self.keys.len() - 1;
            let key = if random.random_bool(0.5) { random.random_range(0..=last) } else { 0 };
            self.ask((client, key), asked, &mut random).await;
        }
    }

    /// Asks until there is an answer, now here and now there. The effect may be that of any of the
    /// tries, the answer is that of the last.
    async fn ask(&self, (client, key): (usize, usize), asked: &Asked, random: &mut StdRng) {
        let mut call = None;
        for _ in 0..MOST_TRIES {
            let instance = random.random_range(0..INSTANCES);
            let retried = call.is_some();
            let (index, request) = match call {
                Some(index) => {
                    (index, self.recording().invoke_again(index, instance, self.tally.now()))
                }
                None => {
                    let at = self.tally.now();
                    let by = By { client, instance, key: key as u8 };
                    match self.recording().invoke(asked.clone(), by, at) {
                        Some(made) => made,
                        None => return,
                    }
                }
            };
            call = Some(index);
            let Some(request) = request else { return self.revoke(index, asked).await };
            let place = (instance, self.plan.seed as usize);
            let asking = self.served.ask_with(&self.keys[key], place, request);
            let patience = match random.random_ratio(1, IMPATIENT) {
                true => Duration::from_micros(random.random_range(0..8_000)),
                false => Duration::MAX,
            };
            if let Ok(answer) = tokio::time::timeout(patience, asking).await
                && self.recording().answered(index, answer, self.tally.now(), retried)
            {
                self.tally.answered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.tally.lost.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        panic!("{asked} is never answered");
    }

    async fn revoke(&self, call: usize, asked: &Asked) {
        let Asked::Revoke { key } = asked else { panic!("{asked} is asked of no instance") };
        self.served.revoke(&self.keys[usize::from(*key)]).await;
        self.recording().returned(call, Output::Done, self.tally.now());
    }

    fn check(&self) {
        self.tally.people.fetch_add(1, Ordering::Relaxed);
        let history = self.recording().history();
        self.tally.rare().count(&history);
        if breaks(&self.plan, &history) {
            let kept = without_reads(&self.plan, history);
            panic!(
                "person {}: no order of these {} calls keeps the contract\n{}",
                self.plan.seed,
                kept.len(),
                print(&kept)
            );
        }
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
