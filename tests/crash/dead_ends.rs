//! Every connection to PostgreSQL falls silent at once, as when the machine behind it is gone and
//! nobody says so: calls that wait on them must not wait for ever, nor hold their places.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::Row as _;
use threadline::cli::client::{Interactions, connect, reason};
use threadline::grpc::proto::GetInteractionRequest;
use tonic::Code;

use crate::check;
use crate::cluster::Cluster;
use crate::database::Database;
use crate::keys::new_key;
use crate::kills::acquainted;
use crate::plan::{BUDGET, SILENCE_ENDS_WITHIN, TRANSPORT};
use crate::spawned::Spawned;
use crate::story::{PEOPLE, Story};

/// Keys that call.
const KEYS: usize = 5;
/// Connections that read.
const READERS: u64 = 8;
/// How long the service trusts a key that it has looked at, and a little more.
const TRUSTED_FOR: Duration = Duration::from_millis(1_100);
/// A caller that calls again and again leaves the machine some time.
const BETWEEN_STARTS: Duration = Duration::from_millis(20);
/// How long a start waits for another look at its key.
const LOOK_WITHIN: Duration = Duration::from_millis(100);

pub(crate) async fn survived(database: &Database, cluster: &mut Cluster) {
    let mut keys = Vec::new();
    for _ in 0..KEYS {
        keys.push(new_key(database).await);
    }
    let (key, unseen) = (keys[0].clone(), new_key(database).await);
    let mut server = Spawned::begin(database, BUDGET, "info", "log");
    server.listens().await;
    let told = acquainted(&server.url, &key).await.told();
    let connection = connect(&server.url, Some(&key)).await.expect("it answers");
    check::eight_read_at_once(&connection, &told).await;
    for (number, key) in (0..).zip(&keys) {
        is_seen(&server.url, key).await;
        start_of_a_stranger(&server.url, key, number).await;
    }
    let mut service = Interactions::new(connection.clone());
    // From here on this person is in the cache: their starts wait for the writer alone.
    service.start_interaction(story("warm").start()).await.expect("a start");
    let (silent, postmaster) = processes(database).await;
    assert!(silent.len() >= 9, "eight readers and a writer: {silent:?}");
    cluster.signal("STOP", &silent);
    cluster.signal("STOP", &[postmaster]);
    a_key_that_nobody_has_seen_is_refused_in_time(&server.url, &unseen).await;
    the_look_at_a_key_is_part_of_the_budget(&server.url, &keys).await;
    // From here on new connections are answered; the old ones stay silent.
    cluster.signal("CONT", &[postmaster]);
    let begun = Instant::now();
    let mut starts = Vec::new();
    for number in 0.. {
        let sent = Instant::now();
        let answer = service.start_interaction(story(&format!("silent-{number}")).start()).await;
        starts.push(sent.elapsed());
        if !answer.expect("decided or degraded").into_inner().degraded {
            break;
        }
        assert!(begun.elapsed() < SILENCE_ENDS_WITHIN, "no start is decided any more");
        tokio::time::sleep(BETWEEN_STARTS).await;
    }
    let (tries, recovered) = (starts.len(), begun.elapsed());
    check::eight_read_at_once(&connection, &told).await;
    cluster.signal("CONT", &silent);
    let slowest = starts.iter().max().copied().unwrap_or_default();
    eprintln!(
        "{} silent connections: a start again after {} ms and {tries} tries; slowest start {} ms",
        silent.len(),
        recovered.as_millis(),
        slowest.as_millis()
    );
    assert!(slowest <= BUDGET + TRANSPORT, "{slowest:?} until a start was answered");
    assert!(tries > 1, "the silence was noticed");
}

/// Another one of the first person's.
fn story(id: &str) -> Story {
    Story { id: id.to_owned(), ..Story::first_of(0) }
}

/// While nobody answers, not even a new connection, a key that was trusted long enough is looked at
/// again, in vain, and after that its start waits in vain. The machine may be slow now and then, but
/// not for every key.
async fn the_look_at_a_key_is_part_of_the_budget(url: &str, keys: &[String]) {
    let (begun, mut strangers) = (Instant::now(), KEYS as u64..);
    let mut next = || strangers.next().expect("there is no last number");
    while begun.elapsed() < TRUSTED_FOR {
        start_of_a_stranger(url, &keys[0], next()).await;
    }
    let mut fastest = Duration::MAX;
    for key in &keys[1..] {
        fastest = fastest.min(start_of_a_stranger(url, key, next()).await);
    }
    assert!(
        fastest < BUDGET + LOOK_WITHIN / 2,
        "{fastest:?} for a start with a key not seen lately"
    );
}

/// A start by a key that this server has never looked at cannot even be degraded: it is told to come
/// again, within its budget. So many come at once that each reader is asked and given up, and what
/// comes later must find none of them taken. The machine may be slow now and then, but not always.
async fn a_key_that_nobody_has_seen_is_refused_in_time(url: &str, key: &str) {
    join_all((0..READERS).map(|number| refused_start(url, key, number))).await;
    let mut fastest = Duration::MAX;
    for number in READERS..READERS + 4 {
        fastest = fastest.min(refused_start(url, key, number).await);
    }
    assert!(
        fastest < BUDGET + LOOK_WITHIN / 2,
        "{fastest:?} for a start with a key that nobody has seen"
    );
}

/// How long a start takes until it is refused.
async fn refused_start(url: &str, key: &str, number: u64) -> Duration {
    let connection = connect(url, Some(key)).await.expect("it answers");
    let (mut service, sent) = (Interactions::new(connection), Instant::now());
    let answer = service.start_interaction(story(&format!("unseen-{number}")).start()).await;
    let took = sent.elapsed();
    let status = answer.err().expect("nobody knows who calls");
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unavailable, "STORE_UNAVAILABLE".to_owned())
    );
    took
}

/// From here on the server has looked at this key. Whoever only reads waits for that as long as it
/// takes.
async fn is_seen(url: &str, key: &str) {
    let connection = connect(url, Some(key)).await.expect("it answers");
    let nobodys = GetInteractionRequest {
        interaction_id: "nobody's".into(),
        ..GetInteractionRequest::default()
    };
    let answer = Interactions::new(connection).get_interaction(nobodys).await;
    assert_eq!(answer.err().map(|status| status.code()), Some(Code::NotFound));
}

/// How long a start takes about somebody whom nobody has seen: it must read.
async fn start_of_a_stranger(url: &str, key: &str, number: u64) -> Duration {
    let story = Story { id: format!("stranger-{number}"), ..Story::first_of(PEOPLE + number) };
    let connection = connect(url, Some(key)).await.expect("it answers");
    let sent = Instant::now();
    let answer = Interactions::new(connection).start_interaction(story.start()).await;
    answer.expect("decided or degraded");
    sent.elapsed()
}

/// The processes of PostgreSQL that serve this database's connections, and the one that takes new
/// ones.
async fn processes(database: &Database) -> (Vec<i64>, i64) {
    let mut connection = database.connect().await;
    let sql = "SELECT CAST(pid AS BIGINT) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a list");
    let sql = "SELECT CAST(split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS BIGINT)";
    let postmaster = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
    (rows.iter().map(|row| row.get(0)).collect(), postmaster.expect("its own file"))
}
