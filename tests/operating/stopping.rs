//! SIGTERM: readiness goes first, calls that run finish, what was decided is written, and it ends in
//! bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection as _, Row as _};
use threadline::cli::client::{Customers, Interactions};
use threadline::grpc::proto::{
    GetInteractionRequest, Identifier, ImportCustomersRequest, ImportCustomersResponse, ImportRow,
    StartInteractionRequest,
};
use threadline::store::Engine;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::database::Database;
use crate::each_engine;
use crate::keys::new_key;
use crate::served::{PATIENCE, Served};

each_engine!(
    readiness_goes_first_and_what_runs_finishes,
    what_never_ends_is_cut_off_in_time,
    nothing_that_was_answered_is_lost,
);

/// All that it may take beside what the settings allow: the writer's end, and a busy machine.
const BESIDE: Duration = Duration::from_secs(20);
/// Answers that say something.
const ENOUGH: usize = 20;

fn start(id: &str) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: id.into(),
        channel: "voice".into(),
        ..Default::default()
    }
}

/// An import that goes on as long as rows are sent.
struct Import {
    rows: mpsc::Sender<ImportCustomersRequest>,
    answer: JoinHandle<Result<Response<ImportCustomersResponse>, Status>>,
}

impl Import {
    /// Its first row has been written when this returns.
    async fn begin(served: &Served, database: &Database, key: &str) -> Self {
        let before = customers(database).await;
        let mut importing = Customers::new(served.connect(key).await.expect("it listens"));
        let (rows, sent) = mpsc::channel(8);
        let answer =
            tokio::spawn(
                async move { importing.import_customers(ReceiverStream::new(sent)).await },
            );
        let import = Self { rows, answer };
        import.send(before + 1).await;
        let begun = Instant::now();
        while customers(database).await == before {
            assert!(begun.elapsed() < PATIENCE, "nothing is imported: {}", served.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        import
    }

    async fn send(&self, row_number: i64) {
        let value = format!("+1415555{row_number:04}");
        let identifier = Identifier { kind: "phone".into(), value, ..Default::default() };
        let row = ImportRow { row_number, identifiers: vec![identifier], ..Default::default() };
        let message = ImportCustomersRequest { settings: None, rows: vec![row] };
        self.rows.send(message).await.expect("it is taken");
    }
}

async fn customers(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let row = sqlx::query("SELECT COUNT(*) FROM customer").fetch_one(&mut connection).await;
    let count = row.expect("a table").get(0);
    connection.close().await.expect("it closes");
    count
}

/// What a load balancer is told, on a connection of its own.
async fn readiness(served: &Served, key: &str, service: &str) -> ServingStatus {
    let mut health = HealthClient::new(served.connect(key).await.expect("it listens"));
    let request = HealthCheckRequest { service: service.into() };
    health.check(request).await.expect("an answer").into_inner().status()
}

async fn readiness_goes_first_and_what_runs_finishes(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let settings = "[server]\nunready_seconds = 10\ndrain_seconds = 60\nstart_budget_ms = 30000\n";
    let mut served = Served::with(&database, settings).await;
    let services = ["", "threadline.v1.InteractionService", "threadline.v1.CustomerService"];
    for service in services {
        assert_eq!(readiness(&served, &key, service).await, ServingStatus::Serving, "{service}");
    }
    let import = Import::begin(&served, &database, &key).await;
    served.signal(Signal::TERM);
    served.told("\"stopping\"").await;
    // Not ready, and still there for whoever has not seen it yet.
    let begun = Instant::now();
    while readiness(&served, &key, "").await == ServingStatus::Serving {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is said to be ready");
    }
    for service in services {
        assert_eq!(readiness(&served, &key, service).await, ServingStatus::NotServing, "{service}");
    }
    let mut late = Interactions::new(served.connect(&key).await.expect("it listens"));
    late.start_interaction(start("late")).await.expect("it still serves");
    // Then nobody new is let in, and what runs goes on.
    let begun = Instant::now();
    while served.connect(&key).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it takes connections");
    }
    import.send(2).await;
    import.send(3).await;
    let Import { rows, answer } = import;
    drop(rows);
    let answer = answer.await.expect("it ran").expect("an answer").into_inner();
    assert_eq!(answer.created_count, 3);
    let (status, took) = served.ended().await;
    assert!(status.success(), "{status}: {}", served.log());
    assert!(took < BESIDE, "{took:?} after its last call");
    assert!(served.log().contains("\"stopped\"") && !served.log().contains("cut off"));
    drop(served);
    database.remove().await;
}

async fn what_never_ends_is_cut_off_in_time(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let settings = "[server]\nunready_seconds = 0\ndrain_seconds = 1\n";
    let mut served = Served::with(&database, settings).await;
    let import = Import::begin(&served, &database, &key).await;
    // A connection on which nothing is asked is nobody to wait for.
    let _idle = served.connect(&key).await.expect("it listens");
    served.signal(Signal::TERM);
    let (status, took) = served.ended().await;
    assert!(status.success(), "{status}: {}", served.log());
    assert!(took < Duration::from_secs(1) + BESIDE, "{took:?}");
    assert!(served.log().contains("cut off"), "{}", served.log());
    assert!(import.answer.await.expect("it ran").is_err(), "nobody answers");
    // And whoever asks twice does not wait at all.
    let settings = "[server]\nunready_seconds = 300\ndrain_seconds = 3600\n";
    let mut served = Served::with(&database, settings).await;
    let _import = Import::begin(&served, &database, &key).await;
    served.signal(Signal::TERM);
    served.told("\"stopping\"").await;
    served.signal(Signal::TERM);
    let (status, took) = served.ended().await;
    assert!(status.success() && took < BESIDE, "{status} {took:?}: {}", served.log());
    drop(served);
    database.remove().await;
}

async fn nothing_that_was_answered_is_lost(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let settings = "[server]\nunready_seconds = 1\nstart_budget_ms = 30000\n";
    let mut served = Served::with(&database, settings).await;
    let (leaving, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for caller in 0..4 {
        let connection = served.connect(&key).await.expect("it listens");
        let mut interactions = Interactions::new(connection);
        let (leaving, count) = (Arc::clone(&leaving), Arc::clone(&count));
        callers.push(tokio::spawn(async move {
            let mut answered = Vec::new();
            loop {
                let id = format!("{caller}-{}", answered.len());
                match interactions.start_interaction(start(&id)).await {
                    Ok(answer) => {
                        assert!(!answer.into_inner().degraded, "{id} was put off");
                        answered.push(id);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(_) if leaving.load(Ordering::SeqCst) => return answered,
                    Err(refused) => panic!("{id}: {refused}"),
                }
            }
        }));
    }
    // Some have been answered when it is told.
    let begun = Instant::now();
    while count.load(Ordering::SeqCst) <= ENOUGH {
        assert!(begun.elapsed() < PATIENCE, "too few are answered: {}", served.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    leaving.store(true, Ordering::SeqCst);
    served.signal(Signal::TERM);
    served.told("\"stopping\"").await;
    let mut answered = Vec::new();
    for caller in callers {
        answered.extend(caller.await.expect("it ran"));
    }
    let (status, _) = served.ended().await;
    assert!(status.success(), "{}", served.log());
    assert!(answered.len() > ENOUGH, "{} are too few to say anything", answered.len());
    let served = Served::with(&database, settings).await;
    let mut interactions = Interactions::new(served.connect(&key).await.expect("it listens"));
    for id in &answered {
        let request = GetInteractionRequest { interaction_id: id.clone(), ..Default::default() };
        interactions.get_interaction(request).await.unwrap_or_else(|it| panic!("{id}: {it}"));
    }
    drop(served);
    database.remove().await;
}
