//! A network that cuts connections to PostgreSQL, and loses the answer to a commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadline::store::Engine;
use threadline::store::schedule::Point;

use crate::database::Database;
use crate::instance::{Instance, call, consistent, decided, rows};
use crate::keys::{new_key, settings};
use crate::losing::Story;
use crate::one_batch::Busy;
use crate::proxy::Proxy;
use crate::serving::end;
use crate::stalls::eventually;

/// Connections that read.
const READERS: usize = 8;
/// A budget that a loaded machine keeps.
const PATIENCE: Duration = Duration::from_secs(30);
/// The default budget of a start.
const BUDGET: Duration = Duration::from_millis(300);
/// A batch that is silent in its middle is given up after fifteen seconds.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(19);
/// A caller who was not served leaves the machine some time.
const BETWEEN_STARTS: Duration = Duration::from_millis(20);
/// The writer gives up a connection that does not answer after three seconds, a reader after one;
/// a loaded machine may need many tries more, of which it keeps the budget for few.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

async fn behind(database: &Database, budget: Duration) -> Option<(Proxy, Instance)> {
    if database.engine == Engine::Sqlite {
        return None; // Nothing can be cut between a process and its file.
    }
    let key = new_key(database).await;
    let proxy = Proxy::before(&database.url).await;
    let mut serve = settings(database);
    serve.configuration.database.clone_from(&proxy.url);
    serve.configuration.start_budget = budget;
    Some((proxy, Instance::with(serve, &key).await))
}

/// So many answers to GetInteraction at once, each read past the cache.
async fn read_at_once(instance: &Instance, id: &str) {
    let reading = (0..READERS).map(|_| {
        let (calls, id) = (instance.calls.clone(), id.to_owned());
        tokio::spawn(async move { calls.get(&id).await.map(drop) })
    });
    for one in reading.collect::<Vec<_>>() {
        one.await.expect("a call that ends").expect("a known interaction");
    }
}

pub(crate) async fn idle_connections_that_were_cut_fail_nobody(database: Arc<Database>) {
    let Some((proxy, instance)) = behind(&database, PATIENCE).await else { return };
    let customer = instance.calls.started("one", 1).await.customer_ref;
    while proxy.connections() <= READERS as u64 {
        read_at_once(&instance, "one").await;
    }
    proxy.cut();
    read_at_once(&instance, "one").await;
    proxy.cut();
    assert!(instance.calls.started("stranger", 2).await.new_customer);
    proxy.cut();
    instance.calls.ended("one").await;
    proxy.cut();
    assert_eq!(instance.calls.person(&customer).await.contact_count, 1);
    consistent(&database).await;
    instance.stop().await;
}

pub(crate) async fn connections_cut_within_a_batch_fail_nobody(database: Arc<Database>) {
    let Some((proxy, instance)) = behind(&database, PATIENCE).await else { return };
    for (number, point) in (1..).zip([Point::Locked, Point::Written, Point::Committed]) {
        let id = format!("one {number}");
        let held = instance.wheel.hold(point);
        let starting = instance.calls.start(call(&id, number));
        held.arrived().await;
        proxy.cut();
        held.release();
        let customer = decided(starting.await).customer_ref;
        assert_eq!(rows(&database, "customer").await, number as i64, "at {point:?}");
        let held = instance.wheel.hold(point);
        let ending = instance.calls.end(end(&id));
        held.arrived().await;
        proxy.cut();
        held.release();
        ending.await.expect("a call that ends").expect("an end that is acknowledged");
        assert_eq!(instance.calls.person(&customer).await.contact_count, 1, "at {point:?}");
    }
    consistent(&database).await;
    instance.stop().await;
}

pub(crate) async fn an_answer_to_a_commit_that_the_network_loses(database: Arc<Database>) {
    let Some((proxy, instance)) = behind(&database, PATIENCE).await else { return };
    for (round, number) in (1..).zip([10, 20, 30]) {
        let story = Story::begun(&instance.calls, number).await;
        let customers = rows(&database, "customer").await;
        let busy = Busy::with(&instance, 900 + number).await;
        story.goes_on(&instance, busy, || proxy.lose_a_commit()).await;
        assert_eq!(proxy.lost(), round, "one answer was lost");
        assert_eq!(rows(&database, "customer").await, customers + 2);
    }
    consistent(&database).await;
    instance.stop().await;
}

/// Idle connections hear nothing any more, as behind a firewall that has forgotten them. The writer
/// and the readers find out by themselves, and soon.
pub(crate) async fn idle_connections_that_fell_silent(database: Arc<Database>) {
    let Some((proxy, instance)) = behind(&database, BUDGET).await else { return };
    eventually(&instance.calls, "one", 1).await;
    while proxy.connections() <= READERS as u64 {
        read_at_once(&instance, "one").await;
    }
    proxy.silence();
    let (begun, mut degraded, mut decided) = (Instant::now(), 0, 0);
    for stranger in 100.. {
        let answer = instance.calls.start(call(&format!("stranger {stranger}"), stranger)).await;
        if answer.expect("a call that ends").expect("a start is always answered").degraded {
            degraded += 1;
            tokio::time::sleep(BETWEEN_STARTS).await;
        } else {
            decided += 1;
        }
        // In all, and not in a row: one of them may be late by itself.
        if decided == READERS + 2 {
            break;
        }
        assert!(begun.elapsed() < NOTICED_WITHIN, "{degraded} starts were degraded by now");
    }
    eprintln!("silence: {degraded} starts degraded in {} ms", begun.elapsed().as_millis());
    assert!(degraded > 0, "the silence was noticed");
    read_at_once(&instance, "one").await;
    instance.calls.ended("one").await;
    consistent(&database).await;
    instance.stop().await;
}

/// The connection falls silent in the middle of a batch. PostgreSQL holds the tenant's head for it
/// until it has been idle for ten seconds, and the writer hopes for fifteen; then it is run again.
pub(crate) async fn a_batch_that_falls_silent_in_the_middle(database: Arc<Database>) {
    let Some((proxy, instance)) = behind(&database, PATIENCE).await else { return };
    let customer = instance.calls.started("one", 1).await.customer_ref;
    let held = instance.wheel.hold(Point::Written);
    let ending = instance.calls.end(end("one"));
    held.arrived().await;
    let again = instance.wheel.hold(Point::Taken);
    proxy.silence();
    held.release();
    let begun = Instant::now();
    again.arrived().await;
    again.release();
    ending.await.expect("a call that ends").expect("an end that is acknowledged");
    let recovered = begun.elapsed();
    eprintln!("silence within a batch: acknowledged after {} ms", recovered.as_millis());
    assert!(recovered < GIVEN_UP_WITHIN, "not for a minute: {recovered:?}");
    assert_eq!(instance.calls.person(&customer).await.contact_count, 1, "it is counted once");
    assert!(instance.calls.started("stranger", 2).await.new_customer);
    consistent(&database).await;
    instance.stop().await;
}
