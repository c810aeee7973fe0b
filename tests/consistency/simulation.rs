//! The real writer, cache and store, played move by move: a seeded scheduler lets exactly one
//! request or writer go on from one point to the next, and sometimes lets something go wrong.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use threadline::clock::{Clock, DAY, Time};
use threadline::continuity::Service;
use threadline::grpc::proto::GetInteractionRequest;
use threadline::grpc::proto::customer_service_server::CustomerService as _;
use threadline::grpc::proto::interaction_service_server::InteractionService as _;
use threadline::grpc::{Customers, Interactions};
use threadline::ids::Entropy;
use threadline::store::schedule::Point;
use threadline::store::{Engine, Schedule};
use tokio::task::JoinHandle;

use super::calls::{Asked, Output, ServiceCall};
use super::ground::{self, Ground};
use super::recording::{Moment, Recording};
use super::steering::{Order, Party, Stage, Standing, Steered, Watched};
use super::wire::{Request, Response};
use super::workload::Plan;

/// Instances of one database.
const INSTANCES: usize = 2;

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
    Pass,
}

struct Play<'g> {
    ground: &'g Ground,
    url: String,
    random: StdRng,
    entropy: Entropy,
    clock: Clock,
    stage: Arc<Stage>,
    services: Vec<Arc<Service>>,
    /// Another process, which sweeps.
    sweeper: Option<Arc<Service>>,
    recording: Recording,
    waiting: Vec<Vec<Asked>>,
    flights: Vec<Flight>,
    faults: Faults,
    key: String,
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
        let exact = plan.shape.exact;
        let clock = if exact { Clock::manual(ground::MORNING) } else { Clock::System };
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
            stage: Arc::new(Stage::default()),
            services: Vec::new(),
            sweeper: None,
            recording: Recording::of(partition, !exact),
            waiting,
            flights: Vec::new(),
            faults,
            key: format!("Bearer {}", ground.keys[usize::from(plan.shape.purges)]),
            step: 0,
            requests: 0,
        };
        for instance in 0..INSTANCES {
            let service = play.service(instance).await;
            play.services.push(service);
        }
        if plan.shape.purges {
            let (clock, entropy) = (play.clock.clone(), play.entropy.clone());
            play.sweeper = Some(ground::open(&play.url, clock, entropy, Schedule::Free).await);
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
        let looked = send(Arc::clone(&service), Request::Get(anything), self.key.clone()).await;
        assert_eq!(looked.err().map(|it| it.code()), Some(tonic::Code::NotFound));
        service
    }

    fn at(&self) -> Moment {
        Moment { step: self.step, clock: self.clock.now().0 }
    }

    /// What may happen next; one of it. None when all is asked and answered.
    fn choose(&mut self) -> Option<Move> {
        let mut moves = Vec::new();
        for client in 0..self.waiting.len() {
            let busy = self.flights.iter().any(|flight| flight.client == client);
            if let Some(asked) = self.waiting[client].last().filter(|_| !busy) {
                let alone = matches!(asked, Asked::Age | Asked::Sweep);
                if !alone || self.nobody_writes_but(None) {
                    moves.push(Move::Ask(client));
                }
            }
        }
        let requests = self.flights.iter().map(|flight| Party::Request(flight.request));
        let held = |party: &Party| matches!(self.stage.standing(*party), Standing::Held(_));
        moves.extend(requests.filter(held).map(Move::LetGo));
        let may_go = |instance: &usize| self.writer_may_go(*instance);
        let writers = (0..INSTANCES).filter(may_go).map(|it| Move::LetGo(Party::Writer(it)));
        moves.extend(writers);
        let stuck = moves.is_empty() && !self.flights.is_empty();
        assert!(!stuck, "somebody waits for ever: {}", self.stage.describe());
        if moves.is_empty() {
            return None;
        }
        let fault = if self.random.random_bool(0.08) { self.fault() } else { None };
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
            3 if self.faults.passed > 0 => {
                self.faults.passed -= 1;
                Some(Move::Pass)
            }
            _ => None,
        }
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
            Move::Pass => {
                let later = self.clock.now().plus(self.random.random_range(1_000..40_000));
                self.clock.set(later);
            }
        }
        self.stage.settle().await;
        self.take_answers().await;
    }

    async fn ask(&mut self, client: usize) {
        let Some(asked) = self.waiting[client].pop() else { return };
        let instance = self.random.random_range(0..INSTANCES);
        // No two requests are made in one moment.
        self.clock.set(self.clock.now().plus(1));
        let at = self.at();
        let Some((call, request)) = self.recording.invoke(asked.clone(), (client, instance), at)
        else {
            return;
        };
        let Some(request) = request else { return self.housekeep(call, &asked).await };
        self.requests += 1;
        let number = self.requests;
        let sending = send(Arc::clone(&self.services[instance]), request, self.key.clone());
        let watched = Watched::new(Arc::clone(&self.stage), number, sending);
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
            _ => {
                let sweeper = self.sweeper.as_ref().expect("one where customers are purged");
                sweeper.sweep().await.expect("a sweep");
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
        self.stage.order(Party::Writer(instance), Order::Die);
        self.services[instance].store().close().await;
        self.services[instance] = self.service(instance).await;
    }

    async fn close(&mut self) {
        self.stage.end();
        for service in self.services.drain(..).chain(self.sweeper.take()) {
            service.store().close().await;
        }
    }
}

/// The request, through the API but for the network.
async fn send(
    service: Arc<Service>,
    request: Request,
    key: String,
) -> Result<Response, tonic::Status> {
    let customers = Customers::new(Arc::clone(&service));
    let interactions = Interactions::new(service);
    let key: tonic::metadata::MetadataValue<_> = key.parse().expect("a key in ASCII");
    fn with<T>(
        message: T,
        key: tonic::metadata::MetadataValue<tonic::metadata::Ascii>,
    ) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", key);
        request
    }
    Ok(match request {
        Request::Start(it) => Response::Context(Box::new(
            interactions.start_interaction(with(it, key)).await?.into_inner(),
        )),
        Request::Update(it) => Response::Context(Box::new(
            interactions.update_interaction(with(it, key)).await?.into_inner(),
        )),
        Request::End(it) => {
            Response::Ended(interactions.end_interaction(with(*it, key)).await?.into_inner())
        }
        Request::Get(it) => {
            Response::Got(Box::new(interactions.get_interaction(with(it, key)).await?.into_inner()))
        }
        Request::Reassign(it) => Response::Reassigned(
            interactions.reassign_interaction(with(it, key)).await?.into_inner(),
        ),
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
    })
}
