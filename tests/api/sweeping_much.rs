//! Sweeps of many interactions: in small steps beside starts, at once, cut and taken up again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use sqlx::{Executor as _, Row as _};

use super::retention::{KEPT, Passing, sealed, told};
use super::settling::staff;
use crate::support::requests::{number_hint, start, start_with};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    two_sweeps_at_once_do_no_harm,
    a_sweep_that_is_cut_goes_on,
    starts_go_on_while_much_is_swept,
);

/// So many people with a contact each, past retention.
async fn many(engine: Engine, people: usize) -> (Passing, Client) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    for number in 0..people {
        let id = format!("old {number}");
        let hints = number_hint(&format!("+1415555{number:04}"));
        client.start(start_with(&id, "voice", hints)).await.expect("a start");
        client.end(told(&id, "billing")).await.expect("an end");
    }
    passing.days(KEPT + 1).await;
    (passing, client)
}

/// How many journal rows say that an interaction went.
async fn expired(world: &World) -> i64 {
    let mut connection = world.connect().await;
    let sql = "SELECT COUNT(*) FROM journal WHERE verb = 11";
    connection.fetch_one(sql).await.expect("a count").get(0)
}

async fn two_sweeps_at_once_do_no_harm(engine: Engine) {
    const PEOPLE: usize = 60;
    let (passing, _) = many(engine, PEOPLE).await;
    let another = match engine {
        // Two serve one PostgreSQL; a file has one server, which a command may sweep beside.
        Engine::Postgres => Some(passing.world.beside("").await),
        Engine::Sqlite => None,
    };
    let one = &passing.world.running.service;
    let other = another.as_ref().map_or(one, |running| &running.service);
    let now = passing.world.now();
    let (first, second) = tokio::join!(one.sweep_as_of(now), other.sweep_as_of(now));
    // A server sweeps by itself when it starts, too.
    first.expect("a sweep");
    second.expect("a sweep");
    assert_eq!(sealed(&passing.world).await, (0, 0));
    assert_eq!(expired(&passing.world).await, PEOPLE as i64, "each went once");
    if let Some(running) = another {
        running.stop().await.expect("an orderly stop");
    }
    passing.close().await;
}

async fn a_sweep_that_is_cut_goes_on(engine: Engine) {
    const PEOPLE: usize = 150;
    let (passing, client) = many(engine, PEOPLE).await;
    let service = std::sync::Arc::clone(&passing.world.running.service);
    let sweeping = tokio::spawn(async move { service.sweep().await });
    // As soon as some have gone.
    let mut left = PEOPLE as i64;
    while left >= PEOPLE as i64 {
        let mut connection = passing.world.connect().await;
        let sql = "SELECT COUNT(*) FROM interaction";
        left = connection.fetch_one(sql).await.expect("a count").get(0);
    }
    sweeping.abort();
    assert!(sweeping.await.is_err(), "it was cut");
    let rest = passing.swept().await;
    assert!(0 < rest && rest < PEOPLE as u64, "{rest} were left");
    assert_eq!(sealed(&passing.world).await, (0, 0));
    assert_eq!(expired(&passing.world).await, PEOPLE as i64, "each went once");
    assert!(client.start(start("new", "web_chat")).await.is_ok());
    passing.close().await;
}

async fn starts_go_on_while_much_is_swept(engine: Engine) {
    let (passing, client) = many(engine, 300).await;
    let service = std::sync::Arc::clone(&passing.world.running.service);
    let sweeping = tokio::spawn(async move { service.sweep().await });
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    while !sweeping.is_finished() {
        let id = format!("meanwhile {answered}");
        let begun = Instant::now();
        let answer = client.start(start(&id, "web_chat")).await.expect("a start");
        slowest = slowest.max(begun.elapsed());
        assert!(!answer.degraded);
        answered += 1;
    }
    let swept = sweeping.await.expect("no panic").expect("a sweep");
    assert_eq!(swept.forgotten, 300);
    // A figure to look at and not to fail on: other tests run beside this one.
    drop(writeln!(std::io::stderr(), "{engine:?}: {answered} starts, the slowest {slowest:?}"));
    // Had the sweep held the writer, one would have been answered after the other end of it.
    assert!(answered >= 10, "{answered} starts meanwhile");
    passing.close().await;
}
