//! Store time: what retention and expiry go by.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;
use threadline::clock::{DAY, Time};
use threadline::store::Engine;

use crate::bench::{Bench, NOON, Write};
use crate::database::Database;
use crate::rows::{effects, start, token};

async fn received(database: &Database) -> Vec<i64> {
    let mut connection = database.connect().await;
    let sql = "SELECT received FROM journal ORDER BY position";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a journal");
    rows.iter().map(|row| row.get(0)).collect()
}

/// A machine whose clock is set back a day, while serving and over a restart.
pub(crate) async fn store_time_never_goes_back(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let write = async |bench: &Bench, number: u64| {
        bench.write(Write::of(bench.tenant, effects(vec![start(token(number))]))).await;
    };
    bench.clock.set(NOON.plus(DAY));
    write(&bench, 1).await;
    let mark = bench.store.now();
    bench.clock.set(NOON);
    write(&bench, 2).await;
    assert!(bench.store.now() >= mark, "not after a batch");
    bench.store.close().await;
    let bench = Bench::on(&database, NOON, Duration::from_secs(60)).await;
    let reopened = bench.store.now();
    write(&bench, 3).await;
    let times = received(&database).await;
    assert!(times.is_sorted(), "rows are received in the order of the journal: {times:?}");
    match database.engine {
        Engine::Sqlite => assert_eq!(times[1..], [NOON.plus(DAY).0; 3]),
        // The database's clock decides, whatever the machine's says.
        Engine::Postgres => assert!(times[0] > NOON.plus(30 * DAY).0),
    }
    assert!(reopened >= mark.plus(-1_000), "nor when it is opened again");
    // The clock moves on: store time follows it again.
    if database.engine == Engine::Sqlite {
        bench.clock.set(NOON.plus(2 * DAY));
        write(&bench, 4).await;
        assert_eq!(received(&database).await.last(), Some(&NOON.plus(2 * DAY).0));
        bench.clock.set(Time(NOON.0));
        assert!(bench.store.now() >= NOON.plus(2 * DAY), "nor before the next batch");
    }
}
