//! The server is killed at random moments under load; clients send again what was not answered, to
//! the server that comes after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadline::cli::client::{Interactions, connect};
use threadline::grpc::proto::{EndInteractionRequest, GetInteractionRequest};
use tokio::sync::watch;
use tonic::Code;

use crate::check;
use crate::clients::{AGAIN_AFTER, Crowd, Manner};
use crate::database::Database;
use crate::keys::new_key;
use crate::ledger::{Figures, Ledger};
use crate::plan::{self, BUDGET, HANGS, READY_WITHIN, START_TAKES, below};
use crate::rows;
use crate::spawned::Spawned;
use crate::story::{PEOPLE, Story};

/// Ends between two kills: from the least to the least and this many more.
const MORE_ENDS: u64 = 180;
const LEAST_ENDS: u64 = 40;
/// After the last of them, the kill comes within so many microseconds: several batches long.
const MICROSECONDS: u64 = 20_000;
/// One in so many kills hits a server that has not begun to listen.
const KILLED_STARTING: u64 = 8;
/// One in so many kills is followed by a look at the rows before the next server repairs anything.
const LOOKED_AT: usize = 4;
/// The number for the long form.
const ENDS_OF_THE_LONG_FORM: usize = 20_000;

pub(crate) async fn survived(database: &Database, kills: usize) {
    let entropy = plan::entropy(0);
    let key = new_key(database).await;
    let mut server = Spawned::serve(database, "info", "log-first").await;
    let ledger = Arc::new(acquainted(&server.url, &key).await);
    server.kill();
    let url = watch::Sender::new(String::new());
    let crowd = Crowd::gather(&ledger, &key, &url, |_| Manner::Insistent);
    let mut ready = Vec::new();
    for kill in 0..kills {
        let begun = Instant::now();
        let mut server = Spawned::begin(database, BUDGET, "info", "log");
        if below(&entropy, KILLED_STARTING) == 0 {
            let moment = Duration::from_millis(below(&entropy, START_TAKES));
            tokio::time::sleep(moment).await;
        } else {
            first_answer(&mut server, &key).await;
            ready.push(begun.elapsed());
            url.send_replace(server.url.clone());
            ledger.more_ends((LEAST_ENDS + below(&entropy, MORE_ENDS)) as usize).await;
            tokio::time::sleep(Duration::from_micros(below(&entropy, MICROSECONDS))).await;
        }
        server.kill();
        url.send_replace(String::new());
        if kill % LOOKED_AT == 0 {
            rows::are_whole(database).await;
        }
    }
    let server = Spawned::serve(database, "info", "log-last").await;
    url.send_replace(server.url.clone());
    crowd.finish().await;
    let findings = check::compare(database, &ledger, &server.url, &key).await;
    let slowest = ready.iter().max().copied().unwrap_or_default();
    report(database, kills, &ledger, &findings, slowest);
    assert!(findings.none(), "seed {}: {findings:#?}", plan::seed());
    assert!(slowest <= READY_WITHIN, "{slowest:?} until it answered again");
    let acknowledged = ledger.figures();
    assert!(acknowledged.unanswered >= kills / 2, "kills hit calls: {acknowledged:?}");
    assert!(kills < 200 || acknowledged.ends >= ENDS_OF_THE_LONG_FORM, "{}", acknowledged.ends);
}

/// Tells the first story of everybody: from then on all of them are known.
pub(crate) async fn acquainted(url: &str, key: &str) -> Ledger {
    let connection = connect(url, Some(key)).await.expect("it answers");
    let mut service = Interactions::new(connection);
    // A look at a key that nobody knows yet may take longer than a start has: a read waits for it.
    let nobodys = GetInteractionRequest {
        interaction_id: "nobody's".into(),
        ..GetInteractionRequest::default()
    };
    let unknown = service.get_interaction(nobodys).await.err().map(|status| status.code());
    assert_eq!(unknown, Some(Code::NotFound));
    let (mut people, mut told) = (Vec::new(), Vec::new());
    for person in 0..PEOPLE {
        let story = Story::first_of(person);
        let customer = decided(&mut service, &story).await;
        acknowledged(&mut service, &story.end(&customer)).await;
        people.push(customer);
        told.push(story);
    }
    Ledger::new(people, told)
}

/// A start of somebody new that is sent until it is decided: a busy machine does not keep the default
/// budget for all of two hundred. The customer.
async fn decided(service: &mut Interactions, story: &Story) -> String {
    let begun = Instant::now();
    loop {
        let answer = service.start_interaction(story.start()).await.expect("a start").into_inner();
        if !answer.degraded {
            assert!(answer.new_customer, "{}", story.id);
            return answer.customer_ref;
        }
        assert!(begun.elapsed() < HANGS, "{} is not decided", story.id);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// An end that is sent until it is durable.
async fn acknowledged(service: &mut Interactions, end: &EndInteractionRequest) {
    let begun = Instant::now();
    while let Err(status) = service.end_interaction(end.clone()).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(begun.elapsed() < HANGS, "{status:?}");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Waits until the server has answered a call that reads the store.
async fn first_answer(server: &mut Spawned, key: &str) {
    server.listens().await;
    let connection = connect(&server.url, Some(key)).await.expect("it listens");
    let interaction_id = Story::first_of(0).id;
    let request = GetInteractionRequest { interaction_id, ..GetInteractionRequest::default() };
    let answered = Interactions::new(connection).get_interaction(request).await;
    answered.expect("who listens is ready to answer");
}

fn report(
    database: &Database,
    kills: usize,
    ledger: &Ledger,
    findings: &check::Findings,
    slowest: Duration,
) {
    let Figures { starts, ends, further_ends, degraded, unanswered, .. } = ledger.figures();
    eprintln!(
        "{:?}: {kills} kills (seed {}): {starts} starts, {ends} ends and {further_ends} further ends \
         acknowledged ({degraded} starts degraded first, {unanswered} calls sent again): {} lost, {} twice, {} half; ready \
         again within {} ms",
        database.engine,
        plan::seed(),
        findings.lost.len(),
        findings.twice.len(),
        findings.half.len(),
        slowest.as_millis(),
    );
}
