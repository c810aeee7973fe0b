//! Budgets and back-pressure: an operation is waiting, then taken or abandoned; a start that cannot
//! be decided in time is degraded; what does not fit into the queue is refused at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use threadline::grpc::proto::{Recommendation, StartInteractionResponse};
use threadline::ids::TenantId;
use threadline::store::schedule::Point;
use threadline::store::{Error, Verdict};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::bench::Write;
use crate::database::Database;
use crate::instance::{Instance, call, consistent, decided, recommended, rows};
use crate::keys::new_key;
use crate::one_batch::Busy;
use crate::rows as row;
use crate::serving::end;

/// A budget that ends soon, for starts that are held up on purpose: long enough that a busy machine gets
/// them to where they are held, and shorter than PostgreSQL lets a transaction be idle.
const SHORT: Duration = Duration::from_secs(1);
/// What fits into the queue.
const QUEUE: u64 = 4_096;

/// A degraded answer is no decision: nobody is named, and nothing is disclosed.
pub(crate) fn says_nothing(answer: &StartInteractionResponse) {
    assert!(answer.degraded && !answer.degraded_reason.is_empty());
    assert_eq!(answer.customer_ref, "");
    assert!(!answer.new_customer);
    assert!(recommended(answer) == Recommendation::Ignore);
    let identity = answer.identity.as_ref().expect("an identity");
    assert!(identity.candidates.is_empty() && identity.confidence == 0.0);
    assert!(answer.variables.is_empty() && answer.withheld_variables.is_empty());
    assert!(answer.profile.is_empty() && answer.open_intents.is_empty());
    assert!(answer.recent_interactions.is_empty());
    assert_eq!((&*answer.brief, &*answer.last_agent_ref), ("", ""));
}

/// Try again, and when.
pub(crate) fn comes_back_later(status: &Status, code: Code, reason: &str) {
    let details = status.get_error_details();
    assert_eq!(status.code(), code, "{status:?}");
    assert_eq!(details.error_info().map(|info| &*info.reason), Some(reason));
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    assert!(delay.is_some_and(|delay| delay > Duration::ZERO), "it says when to come back");
}

/// A start with that budget, which must end before it is decided.
async fn degraded(instance: &Instance, id: &str, number: u64) {
    let mut request = tonic::Request::new(call(id, number));
    request.set_timeout(SHORT);
    match instance.calls.interactions.clone().start_interaction(request).await {
        Ok(answer) => {
            says_nothing(answer.get_ref());
            assert_eq!(answer.get_ref().degraded_reason, "BUDGET_EXHAUSTED");
        }
        // On a loaded machine the answer's ten milliseconds for the way home are not always enough.
        Err(status) => assert_eq!(status.code(), Code::Cancelled, "{status:?}"),
    }
}

pub(crate) async fn a_start_whose_budget_ends_while_waiting_is_never_run(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let busy = Busy::with(&instance, 900).await;
    degraded(&instance, "one", 1).await;
    busy.goes_on().await;
    instance.calls.started("stranger", 901).await;
    let unknown = instance.calls.get("one").await.err().map(|status| status.code());
    assert_eq!(unknown, Some(Code::NotFound), "it was abandoned");
    assert_eq!(rows(&database, "customer").await, 2, "the two strangers");
    // A retry decides afresh: by now somebody else has shown the same number.
    let first = instance.calls.started("other", 1).await;
    assert!(first.new_customer);
    let again = instance.calls.started("one", 1).await;
    assert!(!again.new_customer && again.customer_ref == first.customer_ref);
    consistent(&database).await;
    instance.stop().await;
}

pub(crate) async fn a_start_whose_budget_ends_while_taken_is_committed(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    for (number, point) in (1..).zip([Point::Taken, Point::Written, Point::Committed]) {
        let id = format!("one {number}");
        let held = instance.wheel.hold(point);
        degraded(&instance, &id, number).await;
        held.arrived().await;
        held.release();
        // The retry gets that decision, and nobody else is made.
        let again = instance.calls.started(&id, number).await;
        assert!(again.new_customer, "it was committed meanwhile, at {point:?}");
        assert_eq!(rows(&database, "customer").await, number as i64);
        assert_eq!(instance.calls.get(&id).await.expect("known").customer_ref, again.customer_ref);
        instance.calls.ended(&id).await;
        assert_eq!(instance.calls.person(&again.customer_ref).await.contact_count, 1);
    }
    consistent(&database).await;
    instance.stop().await;
}

/// A start's budget ends wherever it is: while it reads, and while it has decided.
pub(crate) async fn a_start_whose_budget_ends_before_it_is_queued(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    for (number, point) in (1..).zip([Point::Decide, Point::Loaded, Point::Proposed]) {
        let id = format!("one {number}");
        let held = instance.wheel.hold(point);
        degraded(&instance, &id, number).await;
        held.gave_up().await;
        held.release();
        assert_eq!(rows(&database, "customer").await, number as i64 - 1);
        assert!(instance.calls.started(&id, number).await.new_customer, "afresh, at {point:?}");
    }
    consistent(&database).await;
    instance.stop().await;
}

pub(crate) async fn a_full_queue_refuses_at_once(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    instance.calls.started("open", 1).await;
    let busy = Busy::with(&instance, 900).await;
    let (store, tenant) = (instance.running.service.store(), TenantId(1));
    let queued = instance.wheel.hold_every(Point::Queued);
    let filling = (0..QUEUE).map(|number| {
        let journal = vec![row::start(row::token(number))];
        let (store, write) = (Arc::clone(store), Write::of(tenant, row::effects(journal)));
        tokio::spawn(async move { store.run(Arc::new(write)).await })
    });
    let (begun_to_fill, filling) = (Instant::now(), filling.collect::<Vec<_>>());
    // A sweep of the instance's own may have taken a place.
    let all = || filling.iter().filter(|one| one.is_finished()).count() + queued.came();
    while all() < QUEUE as usize {
        assert!(begun_to_fill.elapsed() < Duration::from_secs(60), "{} of {QUEUE}", all());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(queued.came() + 8 >= QUEUE as usize, "{}", queued.came());
    queued.release();
    let begun = Instant::now();
    let start = instance.calls.start(call("one", 2)).await.expect("a call that ends");
    let refused = start.err().expect("there is no place for it");
    comes_back_later(&refused, Code::ResourceExhausted, "QUEUE_FULL");
    let refused = instance.calls.end(end("open")).await.expect("a call that ends");
    comes_back_later(&refused.err().expect("nor for this"), Code::ResourceExhausted, "QUEUE_FULL");
    // The writer takes nothing: whoever waited for it would wait for their budget of 30 s.
    assert!(begun.elapsed() < Duration::from_secs(5), "at once: {:?}", begun.elapsed());
    busy.goes_on().await;
    for one in join_all(filling).await {
        let written = one.expect("an operation that ends");
        let refused = matches!(written, Err(Error::QueueFull));
        let has_ended = refused || matches!(written, Ok(Verdict::Committed(_)));
        assert!(has_ended, "what had a place is written");
    }
    assert!(decided(instance.calls.start(call("one", 2)).await).new_customer);
    instance.calls.ended("open").await;
    crate::audit::verify(&mut database.connect().await, 1).await;
    instance.stop().await;
}
