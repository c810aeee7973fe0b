//! What failed while a receiver was down is sent soon after it is back, also by whoever delivers only since
//! then; what fails by itself keeps its own time through that.

use std::time::{Duration, Instant};

use threadline::clock::SECOND;
use threadline::continuity::webhooks::named;
use threadline::store::webhooks::DeliveryRow;

use super::ground::{Hooked, QUICK, is_let_go, number, whole_call};
use super::receiver::Manner;
use crate::support::requests::call;
use crate::support::{Engine, World, each_engine};

each_engine!(
    what_failed_before_a_restart_is_sent_soon,
    what_was_refused_before_a_restart_is_sent_soon,
    what_failed_before_a_change_is_sent_soon,
    a_backlog_looks_nobody_up_for_each_attempt,
    what_fails_by_itself_keeps_its_time_through_a_restart,
    that_it_was_hastened_is_stored,
);

/// What was not accepted is tried again in ten minutes by itself.
fn seldom() -> String {
    QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [600, 1")
}

/// Three events have failed: the receiver is down.
async fn in_an_outage(engine: Engine) -> Hooked {
    let hooked = Hooked::with(engine, &seldom()).await;
    hooked.receiver.goes_down(true);
    for of in 0..3 {
        hooked.client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    hooked.until_rows("all three failed", |rows| rows == (3, 0)).await;
    hooked
}

/// What waits for an endpoint.
async fn waiting(world: &World, name: &str) -> Vec<DeliveryRow> {
    let (tenant, number) = named(name).expect("a name");
    let store = world.running.service.store();
    store.waiting_deliveries(tenant, number, 0, 100).await.expect("the store")
}

async fn what_failed_before_a_restart_is_sent_soon(engine: Engine) {
    let Hooked { world, receiver, .. } = in_an_outage(engine).await;
    let world = world.again_with(&seldom()).await;
    receiver.goes_down(false);
    let client = world.client(&World::new_key(&["telephony"])).await;
    client.start(call("3-0", &number(3))).await.expect("a start");
    receiver.until_accepted(4).await;
    world.close().await;
}

/// By something that answers for the receiver while it is down, and does not ask for time.
async fn what_was_refused_before_a_restart_is_sent_soon(engine: Engine) {
    let hooked = Hooked::with(engine, &seldom()).await;
    hooked.receiver.answers(|_| Manner::Status(502));
    for of in 0..3 {
        hooked.client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    hooked.until_rows("all three failed", |rows| rows == (3, 0)).await;
    let Hooked { world, receiver, .. } = hooked;
    let world = world.again_with(&seldom()).await;
    // It is back for one of them only, so that they are tried before their time, and for nothing.
    receiver.answers(|one| match one.of("interaction_id").as_str() {
        "3-0" => Manner::Status(200),
        _ => Manner::Status(502),
    });
    let tried = receiver.all().len();
    let client = world.client(&World::new_key(&["telephony"])).await;
    client.start(call("3-0", &number(3))).await.expect("a start");
    receiver.until("all three were tried again", |it| it.all().len() >= tried + 4).await;
    let world = world.again_with(&seldom()).await;
    receiver.answers(|_| Manner::Status(200));
    let client = world.client(&World::new_key(&["telephony"])).await;
    client.start(call("4-0", &number(4))).await.expect("a start");
    receiver.until_accepted(5).await;
    world.close().await;
}

async fn what_failed_before_a_change_is_sent_soon(engine: Engine) {
    let hooked = in_an_outage(engine).await;
    let service = &hooked.world.running.service;
    service.rotate_webhook_secret(&hooked.name, 0).await.expect("another secret");
    // Whoever delivered until now has seen that it is down.
    is_let_go(&hooked.world, &hooked.name, Duration::from_secs(10)).await;
    hooked.receiver.goes_down(false);
    hooked.client.start(call("3-0", &number(3))).await.expect("a start");
    hooked.receiver.until_accepted(4).await;
    hooked.world.close().await;
}

async fn what_fails_by_itself_keeps_its_time_through_a_restart(engine: Engine) {
    let hooked = Hooked::with(engine, &seldom()).await;
    hooked.receiver.answers(|one| match one.of("interaction_id").as_str() {
        "0-0" => Manner::Drops,
        _ => Manner::Status(200),
    });
    hooked.client.start(call("0-0", &number(0))).await.expect("a start");
    hooked.until_rows("it was not accepted", |rows| rows == (1, 0)).await;
    let Hooked { world, receiver, name, .. } = hooked;
    let before = waiting(&world, &name).await.remove(0);
    let world = world.again_with(&seldom()).await;
    let client = world.client(&World::new_key(&["telephony"])).await;
    client.start(call("1-0", &number(1))).await.expect("a start");
    receiver.until_accepted(1).await;
    let begun = Instant::now();
    let after = loop {
        let row = waiting(&world, &name).await.remove(0);
        if row.failed > before.failed {
            break row;
        }
        assert!(begun.elapsed().as_secs() < 60, "it is tried once more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((after.attempts, after.due), (before.attempts, before.due), "for nothing");
    world.close().await;
}

/// It asked for a while, so that what is hastened is not sent at once; by itself it would be in ten minutes.
async fn that_it_was_hastened_is_stored(engine: Engine) {
    let hooked = Hooked::with(engine, &seldom()).await;
    hooked.receiver.answers(|_| Manner::Later(500, 90));
    for of in 0..3 {
        hooked.client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    hooked.until_rows("all three failed", |rows| rows == (3, 0)).await;
    hooked.receiver.answers(|_| Manner::Status(200));
    hooked.client.start(call("3-0", &number(3))).await.expect("a start");
    hooked.receiver.until_accepted(1).await;
    let soon = hooked.world.now().plus(200 * SECOND);
    let begun = Instant::now();
    while waiting(&hooked.world, &hooked.name).await.iter().any(|row| row.due > soon) {
        assert!(begun.elapsed().as_secs() < 30, "whoever takes over would wait for ten minutes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    hooked.world.close().await;
}

/// One customer's events are sent one after the other, and after a restart each is read again before. What
/// those who wait are called is not asked each time as well: with a long backlog that is a lot.
async fn a_backlog_looks_nobody_up_for_each_attempt(engine: Engine) {
    const CALLS: usize = 30;
    const EVENTS: usize = 3 * CALLS;
    let hooked = Hooked::with(engine, &seldom()).await;
    hooked.receiver.goes_down(true);
    for of in 0..CALLS {
        whole_call(&hooked.client, &format!("0-{of}"), 0).await;
    }
    hooked.until_rows("all wait for the first", |rows| rows == (EVENTS as i64, 0)).await;
    let Hooked { world, receiver, .. } = hooked;
    let world = world.again_with(&seldom()).await;
    let client = world.client(&World::new_key(&["telephony"])).await;
    let read = || world.running.service.store().snapshots_read() as usize;
    let (before, begun) = (read(), Instant::now());
    receiver.goes_down(false);
    client.start(call("1-0", &number(1))).await.expect("a start");
    receiver.until_accepted(EVENTS + 1).await;
    let read = read() - before;
    // One for each, some for looks at what is new, and not two for each.
    let most = EVENTS + EVENTS / 2 + 5 * begun.elapsed().as_secs() as usize;
    assert!((EVENTS..=most).contains(&read), "{read} reads for {EVENTS} events");
    world.close().await;
}
