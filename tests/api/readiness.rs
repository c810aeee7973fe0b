//! Alive from the first moment, ready once it can commit, and not ready while it drains.

use std::time::{Duration, Instant};

use threadline::clock::Clock;
use threadline::grpc::proto::{ImportCustomersRequest, ImportRow};
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Serve, serve};
use threadline::store::Schedule;
use tokio::net::{TcpListener, TcpStream};

use super::customers::mail;
use super::metrics::{scraped, world};
use crate::support::web::Web;
use crate::support::{Engine, ROOT_KEY, each_engine};

each_engine!(it_is_not_ready_while_it_drains, it_says_the_same_to_many_at_once);

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it says that it is ready, and so will for a second: the first commit may take longer than
/// whoever asks waits for it.
pub(super) async fn until_ready(operators: &Web) {
    let begun = Instant::now();
    loop {
        let told = operators.get("/readyz").await;
        if told.code == 200 {
            assert_eq!(told.text, "ready\n");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it is not ready: {}", told.text);
    }
}

async fn it_is_not_ready_while_it_drains(engine: Engine) {
    let world = world(engine).await;
    let admin = world.role("admin").await;
    let operators = Web::new(world.running.operations.expect("an address"), None);
    until_ready(&operators).await;
    // A call that goes on for as long as it likes keeps the server draining.
    let (rows, coming) = tokio::sync::mpsc::channel(1);
    let coming = tokio_stream::wrappers::ReceiverStream::new(coming);
    let mut customers = admin.customers.clone();
    let import = tokio::spawn(async move { customers.import_customers(coming).await });
    let row =
        ImportRow { row_number: 1, identifiers: vec![mail("a@example.com")], ..Default::default() };
    let message = ImportCustomersRequest { settings: None, rows: vec![row] };
    rows.send(message).await.expect("it is listened to");
    let begun = Instant::now();
    while scraped(&world).await.sum("threadline_writer_operations_total", &[]) == 0.0 {
        assert!(begun.elapsed() < PATIENCE, "the row is not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let closing = tokio::spawn(world.close());
    let begun = Instant::now();
    loop {
        let ready = operators.get("/readyz").await;
        if ready.text == "draining\n" {
            assert_eq!(ready.code, 503);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it never drains");
    }
    assert_eq!(operators.get("/healthz").await.text, "alive\n");
    assert!(!import.is_finished(), "its call goes on");
    drop(rows);
    import.await.expect("it ends").expect("what began before is answered");
    closing.await.expect("it ends");
}

/// Many who ask cost one commit a second.
async fn it_says_the_same_to_many_at_once(engine: Engine) {
    let world = world(engine).await;
    let operators = Web::new(world.running.operations.expect("an address"), None);
    let begun = Instant::now();
    until_ready(&operators).await;
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let operators = operators.clone();
            tokio::spawn(async move { operators.get("/readyz").await.text })
        })
        .collect();
    for answer in asking {
        assert_eq!(answer.await.expect("it ends"), "ready\n");
    }
    let most = 1.0 + begun.elapsed().as_secs_f64();
    let scrape = scraped(&world).await;
    let committed = [("outcome", "committed")];
    let tried = scrape.sum("threadline_readiness_commits_total", &committed);
    assert!((1.0..=most).contains(&tried), "{tried} commits in {most} s");
    world.close().await;
}

/// While the database does not answer, the process is alive and not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_before_its_database_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let own = free.local_addr().expect("it has an address");
    drop(free);
    let settings = format!("[server.operations]\nlisten = \"{own}\"\n");
    let database = format!("postgres://nobody@{}/x", silent.local_addr().expect("an address"));
    let layers = Layers { database: Some(database), ..Layers::default() };
    let serving = tokio::spawn(serve(Serve {
        configuration: Configuration::parse(&settings, &layers).expect("valid settings"),
        root_key: Some(ROOT_KEY.into()),
        clock: Clock::System,
        entropy: Entropy::System,
        schedule: Schedule::Free,
    }));
    let begun = Instant::now();
    while TcpStream::connect(own).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let operators = Web::new(own, None);
    assert_eq!(operators.get("/healthz").await.text, "alive\n");
    for path in ["/readyz", "/metrics"] {
        let told = operators.get(path).await;
        assert_eq!((told.code, told.text.as_str()), (503, "starting\n"));
    }
    assert!(serving.await.expect("it ends").is_err(), "there is no database");
    let ended = Instant::now();
    while TcpStream::connect(own).await.is_ok() {
        assert!(ended.elapsed() < PATIENCE, "nor anything that lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
