//! What those who read beside the writer may rely on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::Row as _;
use threadline::store::{Effects, Reads, read};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{customer, customer_id, effects, link, start, token};

/// Who follows the journal by position misses nothing, whichever instance wrote it.
pub(crate) async fn positions_grow_in_commit_order(database: Arc<Database>) {
    let one = Arc::new(Bench::open(&database).await);
    let two = Arc::new(Bench::again(&database).await);
    let done = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn({
        let (database, done) = (Arc::clone(&database), Arc::clone(&done));
        async move {
            let mut connection = database.connect().await;
            let mut seen = BTreeSet::new();
            loop {
                let last_look = done.load(Ordering::SeqCst);
                let sql = "SELECT position FROM journal";
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("positions");
                let now: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
                assert_eq!(now.len(), rows.len(), "positions are unique");
                let newest = seen.last().copied().unwrap_or(0);
                let late = now.difference(&seen).find(|position| **position <= newest);
                assert_eq!(late, None, "a row appeared behind what was already seen");
                seen = now;
                if last_look {
                    return seen.len();
                }
            }
        }
    });
    let mut writers = Vec::new();
    for task in 0..8u64 {
        let bench = Arc::clone(if task % 2 == 0 { &one } else { &two });
        writers.push(tokio::spawn(async move {
            for number in 0..40 {
                let row = start(token(1_000 * (task + 1) + number));
                bench.write(Write::of(bench.tenant, effects(vec![row]))).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer that ends");
    }
    done.store(true, Ordering::SeqCst);
    assert_eq!(follower.await.expect("nothing came late"), 8 * 40 + 2);
    crate::audit::verify(&mut database.connect().await, one.tenant.0).await;
}

pub(crate) async fn a_load_sees_one_moment(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let own = |row: u64, more: u64| Effects {
        heads: vec![token(50)],
        customers: vec![customer(more)],
        links: vec![link(more, 50)],
        ..effects(vec![start(token(row))])
    };
    bench.write(Write::of(bench.tenant, own(1, 1))).await;
    let (began, wait) = tokio::sync::oneshot::channel::<()>();
    let (written, resume) = tokio::sync::oneshot::channel::<()>();
    let tenant = bench.tenant;
    let reading = tokio::spawn({
        let store = Arc::clone(&bench.store);
        async move {
            let mut reads = Reads::Outside(store);
            let loading = reads.load(Box::new(move |connection| {
                Box::pin(async move {
                    let before = read::owners(connection, tenant, &[token(50)]).await?;
                    began.send(()).expect("somebody waits");
                    resume.await.expect("somebody writes");
                    let after = read::owners(connection, tenant, &[token(50)]).await?;
                    let ids = [customer_id(1), customer_id(2)];
                    let people = read::people(connection, tenant, &ids).await?;
                    Ok((before, after, people))
                })
            }));
            loading.await
        }
    });
    wait.await.expect("it reads");
    bench.write(Write::of(tenant, own(2, 2))).await;
    written.send(()).expect("it waits");
    let (before, after, people) = reading.await.expect("a load").expect("what it read");
    assert_eq!(before[&token(50)].stamp, after[&token(50)].stamp);
    assert_eq!(before[&token(50)].customers, after[&token(50)].customers);
    assert_eq!(people.len(), 1, "the customer made meanwhile belongs to a later moment");
}
