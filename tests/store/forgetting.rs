//! An erasure of much: what it costs grows with what is erased.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Executor as _, Row as _};
use threadline::store::erasing::Erasure;
use threadline::store::rows::Verb;
use threadline::store::{Effects, Engine};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{journal, token};

/// Rows of the journal: on PostgreSQL, where what it looks at is counted, fewer are enough.
fn rows(engine: Engine) -> i64 {
    match engine {
        Engine::Sqlite => 40_000,
        Engine::Postgres => 10_000,
    }
}

/// Where they begin.
const FIRST: i64 = 1_000;
/// How often PostgreSQL may look at each: it is found, read, found again, taken away.
const LOOKS: i64 = 10;
/// The writer gives a batch up that takes longer.
const WITHIN: Duration = Duration::from_secs(15);
/// A backend that has ended has said by then how much it has read.
const SAID_WITHIN: Duration = Duration::from_secs(60);

/// As many rows as nobody has analysed yet.
async fn load(connection: &mut AnyConnection, engine: Engine) {
    let statements = match engine {
        Engine::Sqlite => [
            "INSERT INTO journal (tenant, interaction, verb, part, position, fingerprint, received, \
             time, channel, customer, caller, outcome, state, digest) \
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers \
             WHERE n < 39999) SELECT 1, randomblob(16), 1, X'', 1000 + n, X'', 1, 1, 'voice', X'', \
             'key', 1, randomblob(200), X'' FROM numbers",
            "UPDATE tenant_head SET position = 100000",
        ],
        Engine::Postgres => [
            "INSERT INTO journal (tenant, interaction, verb, part, position, fingerprint, received, \
             time, channel, customer, caller, outcome, state, digest) \
             SELECT 1, decode(md5(n::text), 'hex'), 1, '', 1000 + n, '', 1, 1, 'voice', '', 'key', \
             1, decode(repeat(md5(n::text), 12), 'hex'), '' FROM generate_series(0, 9999) n",
            "UPDATE tenant_head SET position = 100000",
        ],
    };
    for sql in statements {
        sqlx::query(sql).execute(&mut *connection).await.expect("rows");
    }
}

async fn erase(bench: &Bench, number: u64, forgets: Vec<i64>) {
    let erasure = Erasure { forgets, until: i64::MAX, ..Erasure::default() };
    let erasure = Some(Box::new(erasure));
    let journal = vec![journal(token(number), Verb::Erase, b"")];
    bench.write(Write::of(bench.tenant, Effects { journal, erasure, ..Effects::default() })).await;
}

pub(crate) async fn much_is_forgotten_in_one_batch(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let mut connection = database.connect().await;
    if database.engine == Engine::Postgres {
        let unknown = "ALTER TABLE journal SET (autovacuum_enabled = false)";
        connection.execute(unknown).await.expect("the schema's owner may do this");
    }
    // What PostgreSQL plans for a journal of a few rows must not be what it does with many.
    erase(&bench, 1, vec![1]).await;
    load(&mut connection, database.engine).await;
    let (rows, begun) = (rows(database.engine), Instant::now());
    erase(&bench, 2, (FIRST..FIRST + rows).collect()).await;
    let took = begun.elapsed();
    eprintln!("{rows} rows are forgotten in {} ms", took.as_millis());
    assert!(took < WITHIN, "at the first try: {took:?}");
    bench.store.close().await;
    let sql = "SELECT COUNT(*) FROM journal WHERE position >= 1000 AND LENGTH(hash) > 0 \
               AND LENGTH(state) = 0";
    let forgotten: i64 = connection.fetch_one(sql).await.expect("a count").get(0);
    assert_eq!(forgotten, rows);
    if database.engine == Engine::Postgres {
        let looks = looks(&mut connection, rows).await;
        assert!(looks < LOOKS * rows, "a look for each row, and not at all for each: {looks}");
    }
}

/// How many entries of the journal's indexes were read. Backends say so when they end.
async fn looks(connection: &mut AnyConnection, rows: i64) -> i64 {
    let sql = "SELECT CAST(SUM(idx_tup_read) AS BIGINT) FROM pg_stat_user_indexes \
               WHERE relname = 'journal'";
    let begun = Instant::now();
    loop {
        let row = sqlx::query(sql).fetch_one(&mut *connection).await.expect("statistics");
        let looks: i64 = row.get(0);
        if looks >= rows {
            return looks;
        }
        assert!(begun.elapsed() < SAID_WITHIN, "nobody has said how much was read: {looks}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
