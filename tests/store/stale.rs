//! Decisions that rest on what has changed meanwhile are made again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::Executor as _;
use threadline::ids::TenantId;
use threadline::store::gate::Key;
use threadline::store::rows::Verb;
use threadline::store::{
    Boxed, Effects, Engine, Error, Operation, Proposal, Proposed, Reads, Store,
};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{customer, customer_id, effects, journal, link, start, token};

/// While an operation that reads decides for the first time, another one is written.
async fn decided_again(bench: &Bench, read: Write, meanwhile: Effects) -> Arc<Write> {
    let (store, tenant) = (Arc::clone(&bench.store), bench.tenant);
    let operation = Arc::new(read.between(move |attempt| {
        let other = (attempt == 1).then(|| Write::of(tenant, meanwhile.clone()));
        let store = Arc::clone(&store);
        Box::pin(async move {
            if let Some(other) = other {
                store.run(Arc::new(other)).await.expect("written meanwhile");
            }
        })
    }));
    bench.run(&operation).await;
    assert_eq!(operation.decided.load(Ordering::SeqCst), 2, "decided again, once");
    assert_eq!(operation.inside.load(Ordering::SeqCst), 0, "and not yet inside");
    operation
}

fn owned(number: u64, row: u64) -> Effects {
    let row = start(token(row));
    Effects {
        heads: vec![token(number)],
        customers: vec![customer(1)],
        links: vec![link(1, number)],
        ..effects(vec![row])
    }
}

pub(crate) async fn a_changed_head_is_decided_again(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, owned(50, 1))).await;
    let read = Write::of(bench.tenant, effects(vec![start(token(2))])).reading(&[token(50)], &[]);
    let meanwhile = Effects { heads: vec![token(50)], ..effects(vec![start(token(3))]) };
    decided_again(&bench, read, meanwhile).await;
}

pub(crate) async fn a_token_seen_meanwhile_is_decided_again(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let read = Write::of(bench.tenant, effects(vec![start(token(2))])).reading(&[token(50)], &[]);
    decided_again(&bench, read, owned(50, 3)).await;
    // What nobody touched holds.
    let read = Write::of(bench.tenant, effects(vec![start(token(4))])).reading(&[token(51)], &[]);
    let read = Arc::new(read);
    bench.run(&read).await;
    assert_eq!(read.decided.load(Ordering::SeqCst), 1);
}

pub(crate) async fn a_changed_customer_is_decided_again(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, owned(50, 1))).await;
    let read = Write::of(bench.tenant, effects(vec![start(token(2))]));
    let read = read.reading(&[token(50)], &[customer_id(1)]);
    let meanwhile = Effects { customers: vec![customer(1)], ..effects(vec![start(token(3))]) };
    decided_again(&bench, read, meanwhile).await;
}

pub(crate) async fn a_changed_interaction_is_decided_again(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, effects(vec![start(token(1))]))).await;
    let end = effects(vec![journal(token(1), Verb::End, b"")]);
    let read = Write::of(bench.tenant, end).reading_interaction(token(1));
    let update = effects(vec![journal(token(1), Verb::Update, b"u")]);
    decided_again(&bench, read, update).await;
}

/// Whatever a decision meets outside, inside the transaction nothing can change any more.
pub(crate) async fn the_third_decision_is_made_inside(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, owned(50, 1))).await;
    let (store, tenant) = (Arc::clone(&bench.store), bench.tenant);
    let read = Write::of(bench.tenant, effects(vec![start(token(2))]));
    let operation = Arc::new(read.reading(&[token(50)], &[]).between(move |attempt| {
        let mut row = link(2, 50);
        row.customer = customer_id(1 + attempt as u64);
        let own = start(token(10 + attempt as u64));
        let more = Effects { heads: vec![token(50)], links: vec![row], ..effects(vec![own]) };
        let store = Arc::clone(&store);
        Box::pin(async move {
            store.run(Arc::new(Write::of(tenant, more))).await.expect("written meanwhile");
        })
    }));
    let threadline::store::Verdict::Committed(seen) = bench.run(&operation).await else {
        panic!("a replay of nothing")
    };
    assert_eq!(operation.decided.load(Ordering::SeqCst), 3);
    assert_eq!(operation.inside.load(Ordering::SeqCst), 1);
    assert_eq!(seen.owners[&token(50)].customers.len(), 3, "it saw both that came meanwhile");
}

/// An operation that cannot be decided: always stale, and inside it refuses.
struct Refuses(Arc<Store>, TenantId);

impl Operation for Refuses {
    type Answer = ();
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.1
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<()>, Error>> {
        Box::pin(async move {
            if !reads.uses_cache() {
                return Err(Error::Damaged { table: "refused" });
            }
            let mut read = threadline::store::ReadSet::default();
            // No customer has such a stamp; and what is written meanwhile is stale on SQLite.
            read.customers.push((customer_id(77), threadline::ids::Stamp(1)));
            let next = self.0.gate().sequence();
            let row = start(token(1_000_000 + next));
            let meanwhile = Effects { customers: vec![customer(77)], ..effects(vec![row]) };
            self.0.run(Arc::new(Write::of(self.1, meanwhile))).await?;
            Ok(Box::new(Proposal { read, effects: effects(vec![start(token(5))]), answer: () }))
        })
    }
}

pub(crate) async fn a_refusal_inside_is_handed_over(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let operation = Arc::new(Refuses(Arc::clone(&bench.store), bench.tenant));
    let refused = bench.store.run(operation).await.err();
    assert!(matches!(refused, Some(Error::Damaged { table: "refused" })), "{refused:?}");
    // The writer goes on, and nothing of it was written.
    bench.write(Write::of(bench.tenant, effects(vec![start(token(5))]))).await;
}

pub(crate) async fn two_instances_see_each_other(database: Arc<Database>) {
    let one = Bench::open(&database).await;
    let two = Bench::again(&database).await;
    one.write(Write::of(one.tenant, owned(50, 1))).await;
    let read = Write::of(two.tenant, effects(vec![start(token(2))]));
    let (store, tenant) = (Arc::clone(&one.store), one.tenant);
    let operation = read.reading(&[token(50)], &[customer_id(1)]).between(move |attempt| {
        let more = (attempt == 1).then(|| owned(50, 3));
        let store = Arc::clone(&store);
        Box::pin(async move {
            if let Some(more) = more {
                store.run(Arc::new(Write::of(tenant, more))).await.expect("written by the other");
            }
        })
    });
    let operation = Arc::new(operation);
    let unseen = two.heard.unseen.load(Ordering::SeqCst);
    two.run(&operation).await;
    assert_eq!(operation.decided.load(Ordering::SeqCst), 2);
    let forgot = match database.engine {
        Engine::Postgres => {
            two.heard.of(Key::Head(two.tenant, token(50)))
                && two.heard.of(Key::Customer(two.tenant, customer_id(1)))
        }
        Engine::Sqlite => two.heard.unseen.load(Ordering::SeqCst) > unseen,
    };
    assert!(forgot, "what the other instance changed is forgotten here");
    crate::audit::verify(&mut database.connect().await, one.tenant.0).await;
}

/// A local command writes the database directly.
pub(crate) async fn a_write_past_the_writer_is_noticed(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, owned(50, 1))).await;
    let read = Write::of(bench.tenant, effects(vec![start(token(2))]));
    let elsewhere = Arc::clone(&database);
    let operation = Arc::new(read.reading(&[token(50)], &[]).between(move |attempt| {
        let database = Arc::clone(&elsewhere);
        Box::pin(async move {
            if attempt == 1 {
                let mut connection = database.connect().await;
                connection.execute("UPDATE head SET stamp = 12345").await.expect("a write");
            }
        })
    }));
    let unseen = bench.heard.unseen.load(Ordering::SeqCst);
    let threadline::store::Verdict::Committed(seen) = bench.run(&operation).await else {
        panic!("a replay of nothing")
    };
    assert_eq!(operation.decided.load(Ordering::SeqCst), 2);
    assert_eq!(seen.owners[&token(50)].stamp, Some(threadline::ids::Stamp(12_345)));
    if database.engine == Engine::Sqlite {
        let now = bench.heard.unseen.load(Ordering::SeqCst);
        assert_eq!(now, unseen + 1, "what was in memory is dropped, once");
    }
    // Arc<Database> is still held by the operation's hook.
    drop(operation);
}
