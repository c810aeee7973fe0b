//! People call, write and call again while the root key is rotated: nobody is refused, nobody waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use threadline::cli::client::{Connection, Interactions};
use threadline::crypto::RootKeySource as _;
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityHints, LineType, Recommendation, StartInteractionRequest, Telco,
    VariableInput,
};
use threadline::ids::Entropy;
use threadline::server::root_key::KeyFile;
use threadline::store::Engine;
use tokio::task::JoinSet;

use crate::binary::{From, Server, succeed};
use crate::chosen;
use crate::database::Database;
use crate::vault::{below, fill};

/// Who calls at once.
const CLIENTS: usize = 4;
/// Between two contacts of one client, as long as it keeps up.
const EVERY: Duration = Duration::from_millis(20);
/// However busy the machine is, nobody waits longer for a rotation than this.
const STALL: Duration = Duration::from_secs(5);

fn start(id: &str, person: usize) -> StartInteractionRequest {
    let number = format!("+1415555{person:04}");
    StartInteractionRequest {
        interaction_id: id.into(),
        channel: "voice".into(),
        identity_hints: Some(IdentityHints { caller_number: number, ..Default::default() }),
        telco: Some(Telco { line_type: LineType::Mobile as i32, ..Default::default() }),
        ..Default::default()
    }
}

fn end(id: &str, person: usize) -> EndInteractionRequest {
    let input = VariableInput { value: format!("order of {person}"), ..Default::default() };
    EndInteractionRequest {
        interaction_id: id.into(),
        summary: "asked for the order".into(),
        variables: BTreeMap::from([("order".to_owned(), input)]),
        ..Default::default()
    }
}

/// So many customers, each with an order.
pub(crate) async fn acquaint(server: &Server, key: &str, people: usize) -> Vec<usize> {
    let mut service = Interactions::new(server.connect(key).await);
    for person in 0..people {
        let id = format!("first-{person}");
        service.start_interaction(start(&id, person)).await.expect("a start");
        service.end_interaction(end(&id, person)).await.expect("an end");
    }
    (0..people).collect()
}

/// Fails unless each of them is known again, with the order.
pub(crate) async fn remembers(server: &Server, key: &str, people: &[usize]) {
    let mut service = Interactions::new(server.connect(key).await);
    for person in people {
        let id = format!("again-{person}-{}", Entropy::System.positive());
        let answer = service.start_interaction(start(&id, *person)).await.expect("a start");
        let answer = answer.into_inner();
        assert!(!answer.degraded && !answer.new_customer, "{person}: {}", answer.degraded_reason);
        let identity = answer.identity.as_ref().expect("an identity");
        assert_eq!(identity.recommendation, Recommendation::Reuse as i32);
        assert_eq!(answer.variables["order"].value, format!("order of {person}"));
    }
}

/// What the calls of one stretch of time took.
pub(crate) struct Stretch {
    pub(crate) latencies: Histogram<u64>,
    pub(crate) failed: Vec<String>,
}

impl Stretch {
    fn new() -> Self {
        // Up to a minute, to three digits, in microseconds.
        let latencies = Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds");
        Self { latencies, failed: Vec::new() }
    }

    fn and(&mut self, other: Self) {
        self.latencies.add(other.latencies).expect("the same bounds");
        self.failed.extend(other.failed);
    }

    fn percentile(&self, part: f64) -> f64 {
        self.latencies.value_at_quantile(part) as f64 / 1_000.0
    }
}

/// Clients that call until they are told to stop.
struct Callers {
    work: JoinSet<Stretch>,
    stop: Arc<AtomicBool>,
}

impl Callers {
    fn begin(connections: &[Connection], people: &[usize], next: &Arc<AtomicUsize>) -> Self {
        let (mut work, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for client in 0..CLIENTS {
            let connection = connections[client % connections.len()].clone();
            let (people, next, stop) = (people.to_vec(), Arc::clone(next), Arc::clone(&stop));
            work.spawn(async move { call(connection, client, people, next, stop).await });
        }
        Self { work, stop }
    }

    async fn end(mut self) -> Stretch {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Stretch::new();
        while let Some(stretch) = self.work.join_next().await {
            all.and(stretch.expect("a client that ends well"));
        }
        all
    }
}

/// Contact after contact: one in four is somebody new, whose key is wrapped at that moment.
async fn call(
    connection: Connection,
    client: usize,
    people: Vec<usize>,
    next: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Stretch {
    let mut service = Interactions::new(connection);
    let (mut stretch, mut ticks) = (Stretch::new(), tokio::time::interval(EVERY));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let contact = next.fetch_add(1, Ordering::Relaxed);
        let new = contact.is_multiple_of(4);
        let person = if new { 1_000 + contact } else { people[contact % people.len()] };
        let id = format!("call-{client}-{contact}");
        let begun = Instant::now();
        match service.start_interaction(start(&id, person)).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                if answer.degraded {
                    stretch.failed.push(format!("{id}: degraded: {}", answer.degraded_reason));
                }
            }
            Err(status) => stretch.failed.push(format!("{id}: {status}")),
        }
        stretch.latencies.saturating_record(begun.elapsed().as_micros() as u64);
        let begun = Instant::now();
        if let Err(status) = service.end_interaction(end(&id, person)).await {
            stretch.failed.push(format!("{id}: {status}"));
        }
        stretch.latencies.saturating_record(begun.elapsed().as_micros() as u64);
    }
    stretch
}

/// Rotates under load, so often as was chosen, and holds the stretches in which nothing is rotated
/// against those in which something is.
pub(crate) async fn rotated(database: &Database) {
    let rounds = chosen("THREADLINE_ROTATIONS", 2);
    let keys = chosen("THREADLINE_ROTATION_KEYS", 1_500);
    let file = KeyFile::at(database.folder().join("root.key"));
    file.create(&Entropy::System).expect("a key file");
    let from = From::File(file.path().to_owned());
    let key =
        succeed(database, &from, &["keys", "create", "--tenant", "acme", "--role", "telephony"]);
    let key = key.trim();
    let mut servers = vec![Server::start(database, &from, "one.log").await];
    if database.engine == Engine::Postgres {
        servers.push(Server::start(database, &from, "two.log").await);
    }
    let people = acquaint(&servers[0], key, 40).await;
    fill(database, &file.read().expect("a key"), 1, keys).await;
    let mut connections = Vec::new();
    for server in &servers {
        connections.push(server.connect(key).await);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let (mut quiet, mut rotating) = (Stretch::new(), Stretch::new());
    for round in 0..rounds {
        let version = round as i64 + 2;
        let callers = Callers::begin(&connections, &people, &next);
        let begun = Instant::now();
        rotate(database, &from, version).await;
        let took = begun.elapsed();
        rotating.and(callers.end().await);
        assert_eq!(below(database, version).await, 0, "a key of an older version was written");
        let callers = Callers::begin(&connections, &people, &next);
        tokio::time::sleep(took).await;
        quiet.and(callers.end().await);
    }
    report(database, rounds, keys, &quiet, &rotating);
    for stretch in [&quiet, &rotating] {
        assert!(stretch.failed.is_empty(), "failed: {:#?}", stretch.failed);
        assert!(stretch.latencies.len() > 50, "hardly anybody called");
    }
    let longest = Duration::from_micros(rotating.latencies.max());
    assert!(longest < STALL, "somebody waited for {longest:?}");
    for server in &servers {
        remembers(server, key, &people).await;
    }
    if rounds > 2 {
        let (before, during) = (quiet.percentile(0.99), rotating.percentile(0.99));
        assert!(during <= 1.2 * before, "p99 {during:.1} ms while rotating, {before:.1} ms else");
    }
}

/// One whole rotation: a new version, everything wrapped by it, the old one retired.
async fn rotate(database: &Database, from: &From, version: i64) {
    let old = (version - 1).to_string();
    let rotate = |arguments: &[&str]| {
        let mut command = crate::binary::threadline(database, from, arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the binary starts"))
    };
    for arguments in [&["rotate-keys"][..], &["rotate-keys", "--retire", &old]] {
        let output = rotate(arguments).await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{log}");
    }
}

fn report(database: &Database, rounds: usize, keys: usize, quiet: &Stretch, rotating: &Stretch) {
    let figures = |stretch: &Stretch| {
        let at = |part| stretch.percentile(part);
        format!(
            "{} calls, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.1} ms, {} failed",
            stretch.latencies.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            stretch.latencies.max() as f64 / 1_000.0,
            stretch.failed.len()
        )
    };
    eprintln!(
        "{:?}, {rounds} rotations of {keys} keys and more\n  else:     {}\n  rotating: {}\n  p99 {:.2}×",
        database.engine,
        figures(quiet),
        figures(rotating),
        rotating.percentile(0.99) / quiet.percentile(0.99)
    );
}
