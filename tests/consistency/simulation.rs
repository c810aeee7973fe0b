//! The real writer, cache and store, played move by move: a seeded scheduler lets exactly one
//! request or writer go on from one point to the next, and sometimes lets something go wrong.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use threadline::clock::{Clock, DAY, Time};
use threadline::continuity::Service;
use threadline::grpc::proto::GetInteractionRequest;
use threadline::ids::Entropy;
use threadline::store::schedule::Point;
use threadline::store::{Engine, Schedule};
use tokio::task::JoinHandle;

use super::calls::{Asked, Output, ServiceCall};
use super::direct::send;
use super::ground::{self, Ground};
use super::recording::{By, Moment, Recording};
use super::steering::{Order, Party, Stage, Standing, Steered, Watched};
use super::wire::{Request, Response};
use super::workload::Plan;

/// Instances of one database.
const INSTANCES: usize = 2;

/// How often time passes where keys are revoked.
const PAUSES: f64 = 0.1;
/// A look at a key takes less than that, in milliseconds: for more the service would not wait.
const LOOKS_WITHIN: i64 = 80;

/// How often each thing may go wrong in one play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) cancelled: usize,
    pub(crate) failed: usize,
    pub(crate) killed: usize,
    pub(crate) passed: usize,
}

impl Faults {
    /// As many as leave something to be done.
    pub(crate) const SOME: Self = Self { cancelled: 2, failed: 2, killed: 1, passed: 4 };
}

/// A request under way.
struct Flight {
    call: usize,
    request: usize,
    instance: usize,
    client: usize,
    /// Something failed at its instance meanwhile: its answer may have been lost on the way, and
    /// looked for again.
    retried: bool,
    task: JoinHandle<Result<Response, tonic::Status>>,
}

/// One move.
#[derive(Clone, Copy, Debug)]
enum Move {
    Ask(usize),
    LetGo(Party),
    Cancel(usize),
    Fail(usize),
    Kill(usize),
    Pass(i64),
}

struct Play<'g> {
    ground: &'g Ground,
    url: String,
    random: StdRng,
    entropy: Entropy,
    clock: Clock,
    stage: Arc<Stage>,
    services: Vec<Arc<Service>>,
    /// Another process, which sweeps, and revokes keys.
    other: Option<Arc<Service>>,
    recording: Recording,
    waiting: Vec<Vec<Asked>>,
    flights: Vec<Flight>,
    faults: Faults,
    /// By number; all but the first may be revoked.
    keys: Vec<String>,
    revokes: bool,
    /// When a key was revoked for the last time, by the stopwatch.
    revoked: Option<i64>,
    step: u64,
    requests: usize,
}

/// Plays a plan; the same plan, faults and seed give the same history.
pub(crate) async fn play(
    ground: &Ground,
    plan: &Plan,
    faults: Faults,
    seed: u64,
) -> Vec<ServiceCall> {
    let (url, _folder) = ground.copy();
    let mut play = Play::open(ground, url, plan, faults, seed).await;
    while let Some(next) = play.choose() {
        play.make(next).await;
    }
    play.keys.truncate(1);
    for asked in plan.closing() {
        play.waiting[0].push(asked);
        while let Some(next) = play.choose() {
            play.make(next).await;
        }
    }
    play.close().await;
    play.recording.history()
}

impl<'g> Play<'g> {
    async fn open(ground: &'g Ground, url: String, plan: &Plan, faults: Faults, seed: u64) -> Self {
        let own = ground.database.engine == Engine::Sqlite;
        let clock = if own { Clock::manual(ground::MORNING) } else { Clock::System };
        let entropy = Entropy::seeded(seed);
        let partition = format!("{}-{:x}", plan.seed, Entropy::System.positive());
        let mut waiting = plan.clients.clone();
        waiting.iter_mut().for_each(|client| client.reverse());
        let mut play = Self {
            ground,
            url,
            random: StdRng::seed_from_u64(seed),
            entropy,
            clock,
            stage: Arc::new(Stage::new()),
            services: Vec::new(),
            other: None,
            recording: Recording::of(partition, !plan.shape.exact),
            waiting,
            flights: Vec::new(),
            faults,
            keys: ground.keys(plan.shape.purges, plan.shape.revokes),
            revokes: plan.shape.revokes,
            revoked: None,
            step: 0,
            requests: 0,
        };
        if plan.shape.revokes {
            ground.renew_keys().await;
        }
        for instance in 0..INSTANCES {
            let service = play.service(instance).await;
            play.services.push(service);
        }
        if plan.shape.purges || plan.shape.revokes {
            let (clock, entropy) = (play.clock.clone(), play.entropy.clone());
            play.other = Some(ground::open(&play.url, clock, entropy, Schedule::Free).await);
        }
        play.stage.settle().await;
        play
    }

    async fn service(&self, instance: usize) -> Arc<Service> {
        self.stage.expect_writer(instance);
        let steered = Steered { stage: Arc::clone(&self.stage), instance };
        let schedule = Schedule::Steered(Arc::new(steered));
        let opening = ground::open(&self.url, self.clock.clone(), self.entropy.clone(), schedule);
        let service = opening.await;
        // The first call looks for its key in the store: no part of the play.
        let anything = GetInteractionRequest { interaction_id: "-".into(), ..Default::default() };
        let looked = send(Arc::clone(&service), Request::Get(anything), &self.keys[0]).await;
        assert_eq!(looked.err().map(|it| it.code()), Some(tonic::Code::NotFound));
        service
    }

    fn at(&self) -> Moment {
        let elapsed = self.stage.elapsed().as_millis() as i64;
        Moment { step: self.step, clock: self.clock.now().0, elapsed }
    }

    /// Time passes, in milliseconds. Where no key is revoked, none has to be looked at again.
    fn pass(&self, by: i64) {
        self.clock.set(self.clock.now().plus(by));
        if self.revokes {
            self.stage.pass(Duration::from_millis(by.unsigned_abs()));
        }
    }

    /// What may happen next; one of it. None when all is asked and answered.
    fn choose(&mut self) -> Option<Move> {
        let mut moves = Vec::new();
        for client in 0..self.waiting.len() {
            let busy = self.flights.iter().any(|flight| flight.client == client);
            if let Some(asked) = self.waiting[client].last().filter(|_| !busy) {
                let alone = matches!(asked, Asked::Age | Asked::Sweep | Asked::Revoke { .. });
                if !alone || self.nobody_writes_but(None) {
                    moves.push(Move::Ask(client));
                }
            }
        }
        let requests = self.flights.iter().map(|flight| Party::Request(flight.request));
        let held = |party: &Party| matches!(self.stage.standing(*party), Standing::Held(_));
        let requests = requests.filter(held).chain(self.stage.looks().0);
        moves.extend(requests.map(Move::LetGo));
        let may_go = |instance: &usize| self.writer_may_go(*instance);
        let writers = (0..INSTANCES).filter(may_go).map(|it| Move::LetGo(Party::Writer(it)));
        moves.extend(writers);
        let stuck = moves.is_empty() && !self.flights.is_empty();
        assert!(!stuck, "somebody waits for ever: {}", self.stage.describe());
        if moves.is_empty() {
            return None;
        }
        let fault = if self.random.random_bool(0.08) { self.fault() } else { None };
        let fault = fault.or_else(|| self.pause());
        fault.or_else(|| Some(moves[self.random.random_range(0..moves.len())]))
    }

    fn writer_may_go(&self, instance: usize) -> bool {
        match self.stage.standing(Party::Writer(instance)) {
            // It would wait for something to be queued, and nothing else would ever happen.
            Standing::Held(Point::Idle) => self.stage.has_work(instance),
            // It would wait for the database's lock.
            Standing::Held(Point::Taken) => self.nobody_writes_but(Some(instance)),
            Standing::Held(_) => true,
            _ => false,
        }
    }

    /// Whether no other writer is in the middle of a transaction.
    fn nobody_writes_but(&self, instance: Option<usize>) -> bool {
        (0..INSTANCES).filter(|other| Some(*other) != instance).all(|other| {
            let standing = self.stage.standing(Party::Writer(other));
            !matches!(standing, Standing::Held(Point::Locked | Point::Written))
        })
    }

    /// Something that goes wrong, if anything may.
    fn fault(&mut self) -> Option<Move> {
        let (kind, number) = (self.random.random_range(0..4), self.random.random_range(0..1_000));
        let instance = number % INSTANCES;
        let standing = self.stage.standing(Party::Writer(instance));
        let under_way = self.flights.len();
        match kind {
            0 if self.faults.cancelled > 0 && under_way > 0 => {
                self.faults.cancelled -= 1;
                Some(Move::Cancel(number % under_way))
            }
            1 if self.faults.failed > 0
                && matches!(standing, Standing::Held(point) if point != Point::Idle) =>
            {
                self.faults.failed -= 1;
                Some(Move::Fail(instance))
            }
            2 if self.faults.killed > 0
                && matches!(standing, Standing::Held(_))
                && self.nobody_writes_but(Some(instance)) =>
            {
                self.faults.killed -= 1;
                Some(Move::Kill(instance))
            }
            3 if self.faults.passed > 0 && self.stage.looks().1.is_none() => {
                self.faults.passed -= 1;
                Some(Move::Pass(self.random.random_range(1_000..40_000)))
            }
            _ => None,
        }
    }

    /// Where keys are revoked, some time passes now and then: most of all until what is known of a
    /// key is looked at again, or is not good any more. The database always answers in time.
    fn pause(&mut self) -> Option<Move> {
        if !self.revokes || !self.random.random_bool(PAUSES) {
            return None;
        }
        let now = self.at().elapsed;
        let over = self.revoked.map_or(1_000, |at| at + 1_001 - now);
        let over = if over > 0 { over } else { 1_000 };
        let by = match self.random.random_range(0..4) {
            0 => self.random.random_range(1..LOOKS_WITHIN),
            1 => self.random.random_range(450..600),
            _ => over + self.random.random_range(0..LOOKS_WITHIN),
        };
        let begun = self.stage.looks().1.map(|begun| begun.as_millis() as i64);
        let most = begun.map_or(i64::MAX, |begun| begun + LOOKS_WITHIN - now);
        Some(Move::Pass(by.min(most))).filter(|_| most > 0)
    }

    async fn make(&mut self, next: Move) {
        self.step += 1;
        match next {
            Move::Ask(client) => self.ask(client).await,
            Move::LetGo(party) => self.stage.order(party, Order::Go),
            Move::Cancel(index) => self.cancel(index).await,
            Move::Fail(instance) => {
                let own = self.flights.iter_mut().filter(|it| it.instance == instance);
                own.for_each(|flight| flight.retried = true);
                self.stage.order(Party::Writer(instance), Order::Fail);
            }
            Move::Kill(instance) => self.kill(instance).await,
            Move::Pass(by) => self.pass(by),
        }
        self.stage.settle().await;
        self.take_answers().await;
    }

    async fn ask(&mut self, client: usize) {
        let Some(asked) = self.waiting[client].pop() else { return };
        let instance = self.random.random_range(0..INSTANCES);
        // No two requests are made in one moment.
        self.pass(1);
        let at = self.at();
        let others = (1..self.keys.len()).collect::<Vec<_>>();
        let other = others.choose(&mut self.random).filter(|_| self.random.random_bool(0.5));
        let key = other.copied().unwrap_or_default();
        let by = By { client, instance, key: key as u8 };
        let Some((call, request)) = self.recording.invoke(asked.clone(), by, at) else { return };
        let Some(request) = request else { return self.housekeep(call, &asked).await };
        self.requests += 1;
        let number = self.requests;
        let (service, key) = (Arc::clone(&self.services[instance]), self.keys[key].clone());
        let sending = async move { send(service, request, &key).await };
        let watched = Watched::request(Arc::clone(&self.stage), number, sending);
        let task = tokio::spawn(watched);
        self.flights.push(Flight { call, request: number, instance, client, retried: false, task });
    }

    /// What another process does, while all others stand still.
    async fn housekeep(&mut self, call: usize, asked: &Asked) {
        match asked {
            Asked::Age if self.ground.database.engine == Engine::Postgres => {
                self.ground.age().await
            }
            Asked::Age => self.clock.set(Time(self.clock.now().0 + 8 * DAY)),
            Asked::Revoke { key } => {
                let other = self.other.as_ref().expect("one where keys are revoked");
                ground::revoke(other, &self.keys[usize::from(*key)]).await;
                self.revoked = Some(self.at().elapsed);
            }
            _ => {
                let other = self.other.as_ref().expect("one where customers are purged");
                other.sweep().await.expect("a sweep");
            }
        }
        self.recording.returned(call, Output::Done, self.at());
    }

    async fn take_answers(&mut self) {
        let mut index = 0;
        while index < self.flights.len() {
            let party = Party::Request(self.flights[index].request);
            if self.stage.standing(party) != Standing::Ended {
                index += 1;
                continue;
            }
            let flight = self.flights.remove(index);
            let answer = flight.task.await.expect("a request that does not panic");
            self.recording.answered(flight.call, answer, self.at(), flight.retried);
        }
    }

    async fn cancel(&mut self, index: usize) {
        let flight = self.flights.remove(index);
        flight.task.abort();
        // Cancelled, or ended in this very moment: in both cases nobody hears of it.
        let _ = flight.task.await;
        self.stage.gone(flight.request);
    }

    /// The instance is gone from one moment to the next, and comes up again.
    async fn kill(&mut self, instance: usize) {
        while let Some(index) = self.flights.iter().position(|it| it.instance == instance) {
            self.cancel(index).await;
        }
        self.stage.end_looks(instance);
        self.stage.order(Party::Writer(instance), Order::Die);
        self.services[instance].store().close().await;
        self.services[instance] = self.service(instance).await;
    }

    async fn close(&mut self) {
        self.stage.end();
        for service in self.services.drain(..).chain(self.other.take()) {
            service.store().close().await;
        }
    }
}
