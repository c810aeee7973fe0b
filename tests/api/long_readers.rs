//! Somebody reads from SQLite's file for long, as a backup does: nobody else waits for that.

use std::time::{Duration, Instant};

use sqlx::Executor as _;

use super::erasing::gone;
use super::settling::{NUMBER, somebody, staff};
use crate::support::requests::{call, number_hint};
use crate::support::{Client, Engine, World};

/// After an erasure the log is emptied as soon as nobody reads from it, and starts go on until then.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_while_somebody_reads_holds_nobody_up() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let usual = ten_starts(&client, "before").await;
    let mut reader = world.connect().await;
    reader.execute("BEGIN").await.expect("a transaction");
    reader.execute("SELECT COUNT(*) FROM journal").await.expect("a snapshot");
    gone(&client, &known, "erase").await;
    let took = ten_starts(&client, "meanwhile").await;
    // Each would wait for a fifth of a second, twice; a slow machine is slow in any case.
    assert!(took < 2 * usual + Duration::from_secs(2), "{took:?}, and without a reader {usual:?}");
    reader.execute("ROLLBACK").await.expect("its end");
    let log = format!("{}-wal", world.database.strip_prefix("sqlite:").expect("a file"));
    let ended = Instant::now();
    while std::fs::metadata(&log).expect("the log").len() > 0 {
        assert!(ended.elapsed() < Duration::from_secs(30), "what was overwritten is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.close().await;
}

/// How long ten starts take, one after the other.
async fn ten_starts(client: &Client, when: &str) -> Duration {
    let begun = Instant::now();
    for number in 0..10 {
        let id = format!("{when} {number}");
        let answer = client.start(call(&id, "+14155550177")).await.expect("a start");
        assert!(!answer.degraded, "{id}");
    }
    begun.elapsed()
}
