//! What the writer puts into one batch, and what the journal lets through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{AnyConnection, Executor as _, Row as _};
use threadline::ids::{CustomerId, KeyId};
use threadline::store::rows::Verb;
use threadline::store::{Effects, Engine, Error, Verdict, history, read};

use crate::bench::{Bench, Seen, Write};
use crate::database::Database;
use crate::rows::{
    block, contact, customer, customer_id, data_key, effects, fact, journal, label, link, start,
    token,
};

/// The writer's lock, held from a second connection: the writer waits for it.
pub(crate) struct Held(AnyConnection);

impl Held {
    pub(crate) async fn by(database: &Database) -> Self {
        let mut connection = database.connect().await;
        match database.engine {
            Engine::Sqlite => connection.execute("BEGIN IMMEDIATE").await.expect("a lock"),
            Engine::Postgres => {
                connection.execute("BEGIN").await.expect("a transaction");
                connection.execute("SELECT * FROM tenant_head FOR UPDATE").await.expect("a lock")
            }
        };
        Self(connection)
    }

    pub(crate) async fn release(mut self) {
        self.0.execute("ROLLBACK").await.expect("a lock that ends");
    }
}

/// The result of an operation, on its way.
pub(crate) type Running = tokio::task::JoinHandle<Result<Verdict<Seen>, Error>>;

/// Runs an operation, which is queued when this returns, while the writer is held up.
pub(crate) async fn queued(bench: &Bench, operation: &Arc<Write>) -> Running {
    let (store, own) = (Arc::clone(&bench.store), Arc::clone(operation));
    let mut running = Box::pin(async move { store.run(own).await });
    // Between what it proposes and its place in the queue it waits for nothing: whoever has seen it wait
    // after it had proposed has seen it queued.
    while operation.proposed.load(Ordering::SeqCst) == 0 {
        tokio::select! {
            biased;
            _ = &mut running => panic!("it ends, and the writer is held up"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    tokio::spawn(running)
}

/// Gives the writer something that it takes and waits with, while the lock is held.
pub(crate) async fn occupy(bench: &Bench) -> tokio::task::JoinHandle<()> {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    let own = token(NEXT.fetch_add(1, Ordering::Relaxed));
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(own)])));
    let running = queued(bench, &operation).await;
    // An idle writer takes at once what is queued: it has only to be woken.
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::spawn(async move {
        let written = running.await.expect("an operation that ends");
        written.expect("it is written once the lock is free");
    })
}

/// Runs these operations in one batch: they all wait while the writer is held up.
pub(crate) async fn in_one_batch(
    database: &Database,
    bench: &Bench,
    operations: &[Arc<Write>],
) -> Vec<Result<Verdict<Seen>, Error>> {
    let held = Held::by(database).await;
    let occupied = occupy(bench).await;
    let mut running = Vec::new();
    for operation in operations {
        // In the order given.
        running.push(queued(bench, operation).await);
    }
    held.release().await;
    occupied.await.expect("the first is written");
    let mut results = Vec::new();
    for one in running {
        results.push(one.await.expect("an operation that ends"));
    }
    results
}

async fn entries(database: &Database) -> Vec<i64> {
    let mut connection = database.connect().await;
    let sql = "SELECT entries FROM audit_link ORDER BY position";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("links");
    rows.iter().map(|row| row.get(0)).collect()
}

pub(crate) async fn the_journal_guards_all_effects(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let effects = |uses: i64| {
        let mut link = link(1, 50);
        link.uses = uses;
        Effects {
            journal: vec![journal(token(1), Verb::Update, b"u1")],
            heads: vec![token(50)],
            customers: vec![customer(1)],
            data_keys: vec![data_key(1)],
            links: vec![link],
            ..Effects::default()
        }
    };
    bench.write(Write::of(bench.tenant, effects(5))).await;
    let look = || Write::of(bench.tenant, crate::rows::effects(vec![start(token(2))]));
    let before = bench.write(look().reading(&[token(50)], &[customer_id(1)])).await;
    let again = bench.run(&Arc::new(Write::of(bench.tenant, effects(99)))).await;
    assert!(matches!(again, Verdict::Replay));
    let look = Write::of(bench.tenant, crate::rows::effects(vec![start(token(3))]));
    let after = bench.write(look.reading(&[token(50)], &[customer_id(1)])).await;
    assert_eq!(after.people[&customer_id(1)].links[0].uses, 5, "a replay writes nothing");
    assert_eq!(after.people[&customer_id(1)].row.stamp, before.people[&customer_id(1)].row.stamp);
    assert_eq!(after.owners[&token(50)].stamp, before.owners[&token(50)].stamp);
    // Another part, verb or interaction is another operation.
    for row in [
        journal(token(1), Verb::Update, b"u2"),
        journal(token(1), Verb::End, b"u1"),
        journal(token(4), Verb::Update, b"u1"),
    ] {
        bench.write(Write::of(bench.tenant, crate::rows::effects(vec![row]))).await;
    }
    crate::audit::verify(&mut database.connect().await, bench.tenant.0).await;
}

pub(crate) async fn equal_operations_of_one_batch_are_one(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let equal = || Arc::new(Write::of(bench.tenant, effects(vec![start(token(1))])));
    let operations: Vec<_> = (0..4).map(|_| equal()).collect();
    let results = in_one_batch(&database, &bench, &operations).await;
    let committed = |it: &&Result<_, _>| matches!(it, Ok(Verdict::Committed(_)));
    assert_eq!(results.iter().filter(committed).count(), 1);
    assert!(results.iter().all(Result::is_ok), "the others are replays");
    crate::audit::verify(&mut database.connect().await, bench.tenant.0).await;
}

pub(crate) async fn two_operations_on_one_key_do_not_share_a_batch(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let raise = |number: u64| {
        let write = Write::with(bench.tenant, move |seen: &Seen| {
            let mut row = customer(1);
            row.contacts = seen.people.get(&customer_id(1)).map_or(0, |it| it.row.contacts) + 1;
            let journal = vec![start(token(number))];
            Effects { journal, customers: vec![row], ..Effects::default() }
        });
        Arc::new(write.reading(&[token(50)], &[customer_id(1)]))
    };
    let first = customer(1);
    let made = Effects { customers: vec![first], ..effects(vec![start(token(9))]) };
    bench.write(Write::of(bench.tenant, made)).await;
    let operations = [raise(1), raise(2)];
    let results = in_one_batch(&database, &bench, &operations).await;
    assert!(results.iter().all(|it| matches!(it, Ok(Verdict::Committed(_)))));
    assert_eq!(operations[0].decided.load(Ordering::SeqCst), 1, "the first is written as it was");
    assert_eq!(operations[1].decided.load(Ordering::SeqCst), 2, "the second is decided again");
    let look = Write::of(bench.tenant, effects(vec![start(token(8))]));
    let seen = bench.write(look.reading(&[], &[customer_id(1)])).await;
    assert_eq!(seen.people[&customer_id(1)].row.contacts, 5, "neither was lost: 3 + 1 + 1");
}

pub(crate) async fn strangers_share_a_batch(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let operations: Vec<_> = (1..=5)
        .map(|number| {
            let own = Effects {
                heads: vec![token(100 + number)],
                customers: vec![customer(number)],
                ..effects(vec![start(token(number))])
            };
            Arc::new(Write::of(bench.tenant, own))
        })
        .collect();
    let results = in_one_batch(&database, &bench, &operations).await;
    assert!(results.iter().all(|it| matches!(it, Ok(Verdict::Committed(_)))));
    assert!(operations.iter().all(|it| it.decided.load(Ordering::SeqCst) == 1));
    assert!(entries(&database).await.contains(&5), "one link for all five");
    crate::audit::verify(&mut database.connect().await, bench.tenant.0).await;
}

/// On SQLite in one transaction, with a head and a chain for each.
pub(crate) async fn tenants_wait_together(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let seal = |_| ((KeyId(8), 1, vec![1; 48]), vec![2; 16]);
    let other = bench.store.add_tenant("other", false, seal).await.expect("a tenant").tenant;
    let operations: Vec<_> = [(bench.tenant, 1), (other, 1), (bench.tenant, 2), (other, 3)]
        .into_iter()
        .map(|(tenant, number)| {
            let own =
                Effects { labels: vec![label(number)], ..effects(vec![start(token(number))]) };
            Arc::new(Write::of(tenant, own))
        })
        .collect();
    let results = in_one_batch(&database, &bench, &operations).await;
    assert!(results.iter().all(|it| matches!(it, Ok(Verdict::Committed(_)))));
    let mut connection = database.connect().await;
    for (tenant, labels) in [(bench.tenant, [1, 2]), (other, [1, 3])] {
        let tokens = labels.map(token);
        let found = read::labels(&mut connection, tenant, &tokens).await.expect("labels");
        assert_eq!(found.len(), 2);
        crate::audit::verify(&mut connection, tenant.0).await;
    }
    // One of them has nothing new to write: its chain ends where it did.
    let again = |tenant, number| Arc::new(Write::of(tenant, effects(vec![start(token(number))])));
    let operations = [again(other, 1), again(bench.tenant, 4)];
    let results = in_one_batch(&database, &bench, &operations).await;
    let [Ok(Verdict::Replay), Ok(Verdict::Committed(_))] = &results[..] else {
        panic!("a replay beside something new")
    };
    for tenant in [bench.tenant, other] {
        crate::audit::verify(&mut connection, tenant.0).await;
    }
    bench.store.close().await;
}

/// As many as no text has: the last one is written twice, and is there once.
pub(crate) async fn many_of_one_shape_share_a_batch(database: Arc<Database>) {
    const MANY: u64 = 29;
    let bench = Bench::open(&database).await;
    let operations: Vec<_> = (1..=MANY)
        .map(|number| {
            let own = Effects {
                data_keys: vec![data_key(number)],
                customers: vec![customer(number)],
                heads: vec![token(100 + number)],
                // One that is made (its token is among the heads), and one that is only used.
                links: vec![link(number, 100 + number), link(number, 200 + number)],
                interactions: vec![contact(number, number)],
                facts: vec![fact(number, number)],
                blocks: vec![block(number, number)],
                labels: vec![label(number)],
                ..effects(vec![start(token(number))])
            };
            Arc::new(Write::of(bench.tenant, own))
        })
        .collect();
    let results = in_one_batch(&database, &bench, &operations).await;
    assert!(results.iter().all(|it| matches!(it, Ok(Verdict::Committed(_)))));
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    let own = &mut connection;
    let ids: Vec<CustomerId> = (1..=MANY).map(customer_id).collect();
    let people = read::people(own, tenant, &ids).await.expect("people");
    assert!(people.len() == MANY as usize && people.values().all(|it| it.links.len() == 2));
    let keys: Vec<_> = people.values().map(|it| it.row.data_key).collect();
    assert_eq!(read::data_keys(own, tenant, &keys).await.expect("keys").len(), keys.len());
    for id in ids {
        assert_eq!(history::whole_file(own, tenant, id).await.expect("a file").len(), 1);
        assert_eq!(history::facts(own, tenant, id, None).await.expect("facts").len(), 1);
        assert_eq!(history::blocks_of(own, tenant, id, None).await.expect("blocks").len(), 1);
    }
    crate::audit::verify(own, tenant.0).await;
}

/// An end without a start keeps the start's place in the journal; the start itself, or an end of
/// other content, may be in the same batch. None of them may be taken for a replay of another.
pub(crate) async fn what_repeats_in_part_is_decided_again(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let starting =
        |number: u64| Arc::new(Write::of(bench.tenant, effects(vec![start(token(number))])));
    let ending = |number: u64, print: u8| {
        let write = Write::with(bench.tenant, move |seen: &Seen| {
            let known = seen.entries.values().flatten().next().is_some();
            let mut end = journal(token(number), Verb::End, &[print]);
            end.fingerprint = vec![print; 16];
            effects(if known { vec![end] } else { vec![start(token(number)), end] })
        });
        Arc::new(write.reading_interaction(token(number)))
    };
    let operations = [starting(1), ending(1, 7), ending(2, 7), ending(2, 8)];
    let results = in_one_batch(&database, &bench, &operations).await;
    for (index, result) in results.iter().enumerate() {
        assert!(matches!(result, Ok(Verdict::Committed(_))), "number {index} is written");
    }
    let tries = operations.each_ref().map(|it| it.decided.load(Ordering::SeqCst));
    assert_eq!(tries, [1, 2, 1, 2]);
    assert_eq!(crate::audit::verify(&mut database.connect().await, bench.tenant.0).await, 7);
}
