//! A database that stalls, for a tenth of a second, for a second, for ever: starts are degraded
//! within their budget, ends are durable or refused, and afterwards everything goes on.
//!
//! PostgreSQL stalls behind a network, SQLite behind another connection's lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Executor as _};
use threadline::grpc::proto::EndInteractionResponse;
use threadline::server::Running;
use threadline::store::Engine;
use threadline::store::schedule::Point;
use tonic::{Code, Status};

use crate::budget::{comes_back_later, says_nothing};
use crate::database::Database;
use crate::instance::{Calls, Instance, OnItsWay, call, consistent};
use crate::keys::{new_key, settings};
use crate::proxy::Proxy;
use crate::serving::end;

/// The default budget of a start.
const BUDGET: Duration = Duration::from_millis(300);
/// One that a stall of a tenth of a second does not use up, however busy the machine is.
const AMPLE_BUDGET: Duration = Duration::from_secs(5);
/// What the way there and back may add to it on a machine that others use, too: whoever did wait would
/// wait for as long as the database stalls.
const TRANSPORT: Duration = Duration::from_secs(3);
/// Whoever is answered at once has waited for nothing; of several, one has a machine that is free.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How many are sent to see whether they are answered at once.
const SEVERAL: usize = 5;
/// A lock on SQLite is waited for so long, and a little more, before the batch is tried again.
const BUSY: Duration = Duration::from_secs(6);
/// How long the network is away. Others wait that long as well.
const AWAY: Duration = Duration::from_secs(4);
/// A batch that cannot even begin is given up after three seconds, and a new connection after five.
const RECOVERED_WITHIN: Duration = Duration::from_secs(8);

/// A commit speaks for a second, and the next one is waited for 800 ms.
const PROBED_WITHIN: Duration = Duration::from_millis(1_800);

/// What stands between the service and its database.
enum Between {
    Network(Proxy),
    Lock(Arc<Database>, Option<AnyConnection>),
}

impl Between {
    async fn on(database: &Arc<Database>) -> Self {
        match database.engine {
            Engine::Postgres => Self::Network(Proxy::before(&database.url).await),
            Engine::Sqlite => Self::Lock(Arc::clone(database), None),
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Network(proxy) => &proxy.url,
            Self::Lock(database, _) => &database.url,
        }
    }

    async fn stall(&mut self) {
        match self {
            Self::Network(proxy) => proxy.stall(),
            Self::Lock(database, held) => {
                let mut connection = database.connect().await;
                connection.execute("PRAGMA busy_timeout = 5000").await.expect("a setting");
                connection.execute("BEGIN IMMEDIATE").await.expect("a lock");
                *held = Some(connection);
            }
        }
    }

    async fn pass(&mut self) {
        match self {
            Self::Network(proxy) => proxy.pass(),
            Self::Lock(_, held) => {
                let mut connection = held.take().expect("it is held");
                connection.execute("ROLLBACK").await.expect("a lock that ends");
            }
        }
    }
}

struct Plant {
    between: Between,
    instance: Instance,
    customer: String,
}

impl Plant {
    /// An instance with the default budget. Customer 1 is in its cache and has two interactions
    /// open.
    async fn on(database: &Arc<Database>) -> Self {
        Self::with(database, BUDGET).await
    }

    /// The same with another budget.
    async fn with(database: &Arc<Database>, budget: Duration) -> Self {
        let key = new_key(database).await;
        let between = Between::on(database).await;
        let mut serve = settings(database);
        serve.configuration.database = between.url().to_owned();
        serve.configuration.start_budget = budget;
        let instance = Instance::with(serve, &key).await;
        let calls = &instance.calls;
        let customer = eventually(calls, "first", 1).await;
        calls.ended("first").await;
        for id in ["open", "open, too", "cached"] {
            assert_eq!(eventually(calls, id, 1).await, customer);
        }
        Self { between, instance, customer }
    }

    /// An end that the writer takes and cannot commit; since when.
    async fn taken(&mut self) -> (OnItsWay<EndInteractionResponse>, Instant) {
        let held = self.instance.wheel.hold(Point::Taken);
        let ending = self.instance.calls.end(end("open"));
        held.arrived().await;
        self.between.stall().await;
        held.release();
        (ending, Instant::now())
    }

    /// The writer has been busy for longer than a budget.
    async fn stalled(&self) {
        let begun = Instant::now();
        while !self.instance.running.service.store().stalled() {
            assert!(begun.elapsed() < BUDGET + TRANSPORT, "it does not notice that it has stalled");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts are degraded and ends are refused, without waiting for anything.
    async fn nobody_queues(&self, round: usize) {
        let (mut start, mut ending) = (Duration::MAX, Duration::MAX);
        for number in 0..SEVERAL {
            let id = format!("not queued {round} {number}");
            let begun = Instant::now();
            let answer = self.instance.calls.start(call(&id, 1)).await.expect("a call that ends");
            start = start.min(begun.elapsed());
            let answer = answer.expect("a start is always answered");
            says_nothing(&answer);
            assert_eq!(answer.degraded_reason, "STORE_UNAVAILABLE");
            let begun = Instant::now();
            let refused = self.instance.calls.end(end("open, too")).await;
            ending = ending.min(begun.elapsed());
            let refused = refused.expect("a call that ends").err().expect("it is not durable");
            comes_back_later(&refused, Code::Unavailable, "STORE_UNAVAILABLE");
        }
        assert!(start < AT_ONCE && ending < AT_ONCE, "at once: {start:?}, {ending:?}");
    }

    /// Everything that was asked for meanwhile is asked for again: once each, it takes place.
    async fn all_is_well(&self, database: &Database, rounds: usize) {
        let calls = &self.instance.calls;
        for id in ["open", "open, too"] {
            calls.ended(id).await;
        }
        assert_eq!(calls.person(&self.customer).await.contact_count, 3);
        assert_eq!(eventually(calls, "during", 1).await, self.customer);
        for round in 0..rounds {
            let id = format!("not queued {round} 0");
            let unknown = calls.get(&id).await.err().map(|status| status.code());
            assert_eq!(unknown, Some(Code::NotFound), "it was not even queued");
            assert_eq!(eventually(calls, &id, 1).await, self.customer);
        }
        assert!(!eventually(calls, "stranger", 2).await.is_empty());
        consistent(database).await;
    }
}

/// A start that is sent until it is decided; on a loaded machine the default budget may end now and
/// then. The customer.
pub(crate) async fn eventually(calls: &Calls, id: &str, number: u64) -> String {
    let begun = Instant::now();
    loop {
        let answer = calls.start(call(id, number)).await.expect("a call that ends");
        let answer = answer.expect("a start is always answered");
        if !answer.degraded {
            return answer.customer_ref;
        }
        assert!(begun.elapsed() < RECOVERED_WITHIN, "no start is decided: {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nobody is told of it: what waits goes on when it is over.
pub(crate) async fn a_database_that_stalls_for_100_ms(database: Arc<Database>) {
    let mut plant = Plant::with(&database, AMPLE_BUDGET).await;
    for round in 0..10 {
        plant.between.stall().await;
        let calls = &plant.instance.calls;
        let on_their_way = [
            calls.start(call(&format!("known {round}"), 1)),
            calls.start(call(&format!("unknown {round}"), 10 + round)),
        ];
        let mut request = end(&format!("end {round}"));
        request.identity_hints = call("", 1).identity_hints;
        let ending = calls.end(request);
        tokio::time::sleep(Duration::from_millis(100)).await;
        plant.between.pass().await;
        for start in on_their_way {
            let answer = start.await.expect("a call that ends").expect("no error");
            assert!(!answer.degraded, "in round {round}: {}", answer.degraded_reason);
        }
        ending.await.expect("a call that ends").expect("no error");
    }
    consistent(&database).await;
    plant.instance.stop().await;
}

pub(crate) async fn a_database_that_stalls_for_a_second(database: Arc<Database>) {
    let mut plant = Plant::on(&database).await;
    let (ending, since) = plant.taken().await;
    let answer = plant.instance.calls.start(call("during", 1)).await.expect("a call that ends");
    let waited = since.elapsed();
    says_nothing(&answer.expect("a start is always answered"));
    assert!(waited < BUDGET + TRANSPORT, "degraded within the budget: {waited:?}");
    plant.stalled().await;
    plant.nobody_queues(0).await;
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(since.elapsed())).await;
    plant.between.pass().await;
    let back = Instant::now();
    ending.await.expect("a call that ends").expect("what was taken is durable");
    eventually(&plant.instance.calls, "after", 1).await;
    eprintln!("after a second: a start and an end {} ms after it", back.elapsed().as_millis());
    plant.all_is_well(&database, 1).await;
    plant.instance.stop().await;
}

/// For ever, as far as the service can tell: everything that was connected is lost without a word,
/// and for a time nothing new can be connected either.
pub(crate) async fn a_database_that_stalls_for_ever(database: Arc<Database>) {
    let mut plant = Plant::on(&database).await;
    let (ending, since) = plant.taken().await;
    plant.stalled().await;
    plant.nobody_queues(0).await;
    let away = match &plant.between {
        Between::Network(proxy) => {
            proxy.silence();
            AWAY
        }
        Between::Lock(..) => BUSY,
    };
    while since.elapsed() < away {
        let begun = Instant::now();
        let answer = plant.instance.calls.start(call("meanwhile", 3)).await;
        let waited = begun.elapsed();
        says_nothing(&answer.expect("a call that ends").expect("a start is always answered"));
        assert!(waited < BUDGET + TRANSPORT, "degraded within the budget: {waited:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    plant.nobody_queues(1).await;
    plant.between.pass().await;
    let back = Instant::now();
    eventually(&plant.instance.calls, "after", 1).await;
    let a_start = back.elapsed();
    acknowledged_or_to_be_retried(ending.await.expect("a call that ends"));
    let an_end = back.elapsed();
    eprintln!(
        "stalled for {} ms: a start is decided {} ms, and what was taken is answered {} ms after it",
        back.duration_since(since).as_millis(),
        a_start.as_millis(),
        an_end.as_millis()
    );
    assert!(an_end < RECOVERED_WITHIN, "it recovers: {an_end:?}");
    plant.all_is_well(&database, 2).await;
    plant.instance.stop().await;
}

/// Whether it should be sent calls, asked over HTTP as a load balancer asks.
async fn ready(running: &Running) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("http://{}/readyz", running.address)).send().await;
    let answer = answer.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

pub(crate) async fn a_database_that_stalls_is_not_ready_until_it_answers(database: Arc<Database>) {
    let mut plant = Plant::on(&database).await;
    let (running, begun) = (&plant.instance.running, Instant::now());
    while ready(running).await != (200, "ready\n".to_owned()) {
        assert!(begun.elapsed() < RECOVERED_WITHIN, "it is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    plant.between.stall().await;
    // Nobody calls: only whoever asks finds out, within the time that a probe waits.
    let stalled = Instant::now();
    let mut told = Vec::new();
    while told.len() < 3 {
        let begun = Instant::now();
        let (code, why) = ready(running).await;
        assert!(begun.elapsed() < PROBED_WITHIN + TRANSPORT, "{:?}", begun.elapsed());
        match code {
            503 => told.push(why),
            _ => assert!(stalled.elapsed() < PROBED_WITHIN + TRANSPORT, "it does not notice"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let known = ["the store is stalled\n", "the store does not commit\n"];
    assert!(told.iter().all(|why| known.contains(&why.as_str())), "{told:?}");
    plant.between.pass().await;
    let back = Instant::now();
    while ready(running).await.0 != 200 {
        assert!(back.elapsed() < RECOVERED_WITHIN, "it does not become ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    plant.instance.stop().await;
}

/// Durable, or the caller is told to come again.
fn acknowledged_or_to_be_retried(ended: Result<EndInteractionResponse, Status>) {
    match ended {
        Ok(_) => {}
        Err(status) if status.code() == Code::DeadlineExceeded => {
            comes_back_later(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        }
        Err(status) => comes_back_later(&status, Code::Unavailable, "STORE_UNAVAILABLE"),
    }
}
