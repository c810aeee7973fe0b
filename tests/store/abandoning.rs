//! Requests that go away while their operation waits, or after it was taken.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;

use crate::batches::{Held, occupy};
use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{effects, start, token};

async fn journal_has(database: &Database, number: u64) -> bool {
    let mut connection = database.connect().await;
    let sql = "SELECT interaction FROM journal";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a journal");
    rows.iter().any(|row| row.get::<Vec<u8>, _>(0) == token(number).0)
}

pub(crate) async fn an_abandoned_operation_never_runs(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let held = Held::by(&database).await;
    let occupied = occupy(&bench).await;
    for number in 1..=20 {
        let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(number))])));
        let within = tokio::time::timeout(Duration::from_millis(10), bench.store.run(operation));
        assert!(within.await.is_err(), "the writer is held up");
    }
    held.release().await;
    occupied.await.expect("the first is written");
    // Whatever is queued before this one has been dealt with once this one is written.
    bench.write(Write::of(bench.tenant, effects(vec![start(token(99))]))).await;
    for number in 1..=20 {
        assert!(!journal_has(&database, number).await, "number {number} was given up");
    }
    assert!(journal_has(&database, 99).await);
}

pub(crate) async fn a_taken_operation_is_written_all_the_same(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let held = Held::by(&database).await;
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(1))])));
    // The writer is idle: it takes this one at once, and waits with it for the lock.
    let within = tokio::time::timeout(Duration::from_millis(500), bench.store.run(operation));
    assert!(within.await.is_err(), "the writer is held up");
    held.release().await;
    bench.write(Write::of(bench.tenant, effects(vec![start(token(2))]))).await;
    assert!(journal_has(&database, 1).await, "a commit is never cancelled");
}
