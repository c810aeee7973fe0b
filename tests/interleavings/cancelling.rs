//! Callers who hang up: a request that goes away leaves nothing, or everything.

use std::sync::Arc;

use threadline::store::schedule::Point;
use tonic::Code;

use crate::database::Database;
use crate::instance::{Calls, Instance, OnItsWay, call, consistent, decided, rows};
use crate::keys::new_key;
use crate::one_batch::Busy;
use crate::serving::end;

pub(crate) async fn a_request_cancelled_while_queued(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let known = instance.calls.started("open", 2).await.customer_ref;
    let busy = Busy::with(&instance, 900).await;
    let customers = rows(&database, "customer").await;
    cancelled(&instance, |calls| calls.start(call("one", 1))).await;
    cancelled(&instance, |calls| calls.end(end("open"))).await;
    busy.goes_on().await;
    // What was queued before this one has been dealt with once this one is written.
    instance.calls.started("stranger", 901).await;
    let unknown = instance.calls.get("one").await.err().map(|status| status.code());
    assert_eq!(unknown, Some(Code::NotFound), "nothing of it is there");
    assert_eq!(rows(&database, "customer").await, customers + 1, "only the stranger came");
    assert_eq!(instance.calls.person(&known).await.contact_count, 0, "nor has anything ended");
    // A retry decides.
    assert!(instance.calls.started("one", 1).await.new_customer);
    instance.calls.ended("open").await;
    assert_eq!(instance.calls.person(&known).await.contact_count, 1);
    consistent(&database).await;
    instance.stop().await;
}

/// Calls, hangs up once the call is queued, and waits until the server has noticed.
async fn cancelled<T>(instance: &Instance, call: impl FnOnce(&Calls) -> OnItsWay<T>) {
    let queued = instance.wheel.hold(Point::Queued);
    let call = call(&instance.calls);
    queued.arrived().await;
    call.abort();
    queued.gave_up().await;
}

pub(crate) async fn a_request_cancelled_while_taken(database: Arc<Database>) {
    cancelled_with_the_writer_at(&database, Point::Taken).await;
    cancelled_with_the_writer_at(&database, Point::Written).await;
}

pub(crate) async fn a_request_cancelled_after_commit(database: Arc<Database>) {
    cancelled_with_the_writer_at(&database, Point::Committed).await;
    cancelled_with_the_writer_at(&database, Point::Told).await;
}

/// The caller hangs up while the writer is there with what they asked for: it is written, and a
/// retry is answered with that.
async fn cancelled_with_the_writer_at(database: &Database, point: Point) {
    let key = new_key(database).await;
    let instance = Instance::on(database, &key).await;
    let number = 10 + point as u64;
    let id = format!("one {point:?}");
    // The first batch of a connection trusts nothing that was decided before it.
    instance.calls.started(&format!("stranger {point:?}"), 900 + number).await;
    let customers = rows(database, "customer").await;
    let there = instance.wheel.hold(point);
    let queued = instance.wheel.hold(Point::Queued);
    let start = instance.calls.start(call(&id, number));
    // First, since the writer may come there with what others left behind, before this one is queued.
    queued.arrived().await;
    there.arrived().await;
    start.abort();
    queued.gave_up().await;
    there.release();
    // Whether or not the first one is committed by the time that this one decides.
    let again = decided(instance.calls.start(call(&id, number)).await);
    assert!(again.new_customer, "it is that decision, at {point:?}");
    assert_eq!(rows(database, "customer").await, customers + 1, "one customer, at {point:?}");
    let there = instance.wheel.hold(point);
    let queued = instance.wheel.hold(Point::Queued);
    let ending = instance.calls.end(end(&id));
    queued.arrived().await;
    there.arrived().await;
    ending.abort();
    queued.gave_up().await;
    there.release();
    instance.calls.ended(&id).await;
    let person = instance.calls.person(&again.customer_ref).await;
    assert_eq!(person.contact_count, 1, "the end is counted once, at {point:?}");
    consistent(database).await;
    instance.stop().await;
}
