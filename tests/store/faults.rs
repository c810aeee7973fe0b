//! What goes wrong, and how little goes wrong with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Executor as _};
use threadline::ids::KeyId;
use threadline::store::rows::Verb;
use threadline::store::{Effects, Engine, Error, Reads, Verdict, read};

use crate::batches::{Held, in_one_batch, occupy, queued};
use crate::bench::{Bench, NOON, Write};
use crate::database::Database;
use crate::rows::{effects, label, start, token};

/// A head that somebody holds is waited for for twice as long; a busy machine needs less.
const QUICK: Duration = Duration::from_secs(5);

/// An operation whose values no statement can take.
async fn impossible(database: &Database) -> Effects {
    let mut bad = Effects { labels: vec![label(66)], ..effects(vec![start(token(66))]) };
    match database.engine {
        // Text with a NUL; at the edge it is refused, here it must do no harm.
        Engine::Postgres => bad.journal[0].channel = "a\0b".into(),
        // SQLite takes everything: a trigger refuses this one value.
        Engine::Sqlite => {
            let sql = "CREATE TRIGGER refuse BEFORE INSERT ON label WHEN NEW.content = X'BAD0' \
                       BEGIN SELECT RAISE(ABORT, 'refused'); END";
            database.connect().await.execute(sql).await.expect("a trigger");
            bad.labels[0].content = vec![0xba, 0xd0];
        }
    }
    bad
}

pub(crate) async fn what_data_makes_fail_fails_alone(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let bad = impossible(&database).await;
    let operations: Vec<_> = (1..=9u64)
        .map(|number| {
            let good = effects(vec![start(token(number))]);
            let own = if number == 4 { bad.clone() } else { good };
            Arc::new(Write::of(bench.tenant, own))
        })
        .collect();
    let results = in_one_batch(&database, &bench, &operations).await;
    for (index, result) in results.iter().enumerate() {
        if index == 3 {
            assert!(matches!(result, Err(Error::Refused { .. })), "the bad one is told so");
        } else {
            assert!(matches!(result, Ok(Verdict::Committed(_))), "number {} is written", index + 1);
        }
    }
    // The writer goes on.
    bench.write(Write::of(bench.tenant, effects(vec![start(token(20))]))).await;
    let mut connection = database.connect().await;
    crate::audit::verify(&mut connection, bench.tenant.0).await;
    let sql = "SELECT COUNT(*) FROM label";
    let labels: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count");
    assert_eq!(labels, 0, "nothing of the bad one is there");
}

pub(crate) async fn a_full_queue_refuses_at_once(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let held = Held::by(&database).await;
    let occupied = occupy(&bench).await;
    let flood = (0..6_000u64).map(|number| {
        let row = start(token(10_000 + number));
        let operation = Arc::new(Write::of(bench.tenant, effects(vec![row])));
        bench.store.run(operation)
    });
    let release = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        held.release().await;
    };
    let (results, ()) = tokio::join!(join_all(flood), release);
    occupied.await.expect("the first is written");
    let written = results.iter().filter(|it| matches!(it, Ok(Verdict::Committed(_)))).count();
    let refused = results.iter().filter(|it| matches!(it, Err(Error::QueueFull))).count();
    assert_eq!(written + refused, 6_000, "nothing else happens");
    assert!(refused > 0, "what does not fit is refused");
    assert!(written >= 4_096, "what fits is written: {written}");
}

pub(crate) async fn a_stalled_writer_refuses_at_once(database: Arc<Database>) {
    Bench::open(&database).await.store.close().await;
    let bench = Bench::on(&database, NOON, Duration::from_millis(50)).await;
    let held = Held::by(&database).await;
    let occupied = occupy(&bench).await;
    match database.engine {
        Engine::Sqlite => {
            let begun = Instant::now();
            while !bench.store.stalled() {
                assert!(begun.elapsed() < QUICK, "it does not notice that it has stalled");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Engine::Postgres => others_go_on(&bench).await,
    }
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(1))])));
    let refused = bench.store.run(operation).await;
    assert!(matches!(refused, Err(Error::Stalled)));
    held.release().await;
    occupied.await.expect("what was taken is written");
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(1))])));
    let after = bench.run(&operation).await;
    assert!(matches!(after, Verdict::Committed(_)), "and then it goes on");
}

/// PostgreSQL has a head for each tenant. Where one is held, it is asked for again and again, and all
/// others' requests are taken meanwhile.
async fn others_go_on(bench: &Bench) {
    let mut stalled = 0;
    for _ in 0..100 {
        stalled += u32::from(bench.store.stalled());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(stalled < 20, "stalled at {stalled} of a hundred looks");
}

/// Another instance has stopped inside a batch of one tenant: nobody else's batches wait for that, and
/// nothing that is remembered is forgotten.
pub(crate) async fn a_held_head_keeps_no_other_tenant_waiting(database: Arc<Database>) {
    if database.engine == Engine::Sqlite {
        return; // It has one lock for all of them.
    }
    let bench = Bench::open(&database).await;
    let seal = |_| ((KeyId(8), 1, vec![1; 48]), vec![2; 16]);
    let other = bench.store.add_tenant("other", false, seal).await.expect("a tenant").tenant;
    let mut stopped = database.connect().await;
    stopped.execute("BEGIN").await.expect("a transaction");
    let head = format!("SELECT * FROM tenant_head WHERE tenant = {} FOR UPDATE", bench.tenant.0);
    stopped.execute(AssertSqlSafe(head)).await.expect("a lock");
    let unseen = bench.heard.unseen.load(Ordering::SeqCst);
    let first = occupy(&bench).await;
    let behind = (1..=5).map(|number| {
        let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(number))])));
        let store = Arc::clone(&bench.store);
        tokio::spawn(async move { store.run(operation).await })
    });
    let behind: Vec<_> = behind.collect();
    for number in 1..=10 {
        let begun = Instant::now();
        bench.write(Write::of(other, effects(vec![start(token(number))]))).await;
        assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let noted = bench.store.note(bench.tenant, "somebody", Verb::TestWebhook).await;
    assert!(matches!(noted, Err(Error::Busy)), "it is not waited for twice");
    assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
    bench.store.note(other, "somebody", Verb::TestWebhook).await.expect("of nobody who waits");
    assert!(!first.is_finished() && behind.iter().all(|one| !one.is_finished()), "they wait");
    stopped.execute("ROLLBACK").await.expect("a lock that ends");
    first.await.expect("what was taken is written");
    for one in behind {
        let written = one.await.expect("it ends").expect("it is written");
        assert!(matches!(written, Verdict::Committed(_)));
    }
    assert_eq!(bench.heard.unseen.load(Ordering::SeqCst), unseen, "the cache is kept");
    let mut connection = database.connect().await;
    for tenant in [bench.tenant, other] {
        crate::audit::verify(&mut connection, tenant.0).await;
    }
    bench.store.close().await;
}

pub(crate) async fn closing_finishes_what_waits(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let held = Held::by(&database).await;
    let occupied = occupy(&bench).await;
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(1))])));
    let running = queued(&bench, &operation).await;
    let closing = tokio::spawn({
        let store = Arc::clone(&bench.store);
        async move { store.close().await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.release().await;
    closing.await.expect("it closes");
    occupied.await.expect("the first is written");
    let written = running.await.expect("it ends").expect("it is written");
    assert!(matches!(written, Verdict::Committed(_)));
    let late = Arc::new(Write::of(bench.tenant, effects(vec![start(token(2))])));
    assert!(matches!(bench.store.run(late).await, Err(Error::Unavailable)));
}

/// As when PostgreSQL restarts: all connections that are idle are broken, and nobody has said so.
pub(crate) async fn a_look_goes_on_past_broken_connections(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let look = || async {
        let (mut reads, tenant) = (Reads::Outside(Arc::clone(&bench.store)), bench.tenant);
        let looking = reads.look(Box::new(move |connection| {
            Box::pin(async move { read::owners(connection, tenant, &[token(1)]).await })
        }));
        looking.await.map(|found| found.len())
    };
    let all_at_once = join_all((0..16).map(|_| look())).await;
    assert!(all_at_once.iter().all(Result::is_ok), "several connections are idle now");
    if database.engine == Engine::Postgres {
        let ended = break_all(&database).await;
        assert!(ended > 1, "{ended} connections");
    }
    for _ in 0..16 {
        assert!(matches!(look().await, Ok(1)), "no look meets a broken connection");
    }
    if database.engine == Engine::Postgres {
        for number in [1, 2] {
            a_broken_connection_takes_along_what_is_remembered(&bench, &database, number).await;
        }
    }
    bench.store.close().await;
}

/// Ends all connections to this database; how many there were.
async fn break_all(database: &Database) -> usize {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.connect().await.fetch_all(sql).await.expect("they end").len()
}

/// After a failover commits are gone, labels among them, which are in no read set: whoever notices that
/// the connection is lost, what was decided before is decided again. Every second time housekeeping
/// is the first to notice.
async fn a_broken_connection_takes_along_what_is_remembered(
    bench: &Bench,
    database: &Arc<Database>,
    number: u64,
) {
    let (database, store) = (Arc::clone(database), Arc::clone(&bench.store));
    let operation = Write::of(bench.tenant, effects(vec![start(token(30 + number))]));
    let operation = Arc::new(operation.between(move |attempt| {
        let (database, store) = (Arc::clone(&database), Arc::clone(&store));
        Box::pin(async move {
            if attempt > 1 {
                return;
            }
            break_all(&database).await;
            if number.is_multiple_of(2) {
                let noted = store.note_uses(Vec::new()).await;
                assert!(matches!(noted, Err(Error::Unavailable)), "it meets what is broken");
            }
        })
    }));
    let unseen = bench.heard.unseen.load(Ordering::SeqCst);
    assert!(matches!(bench.run(&operation).await, Verdict::Committed(_)));
    assert_eq!(operation.decided.load(Ordering::SeqCst), 2, "it is decided again, once");
    assert_eq!(bench.heard.unseen.load(Ordering::SeqCst), unseen + 1, "all is forgotten, once");
}
