//! Two instances on one database, each with a cache and a writer: whatever comes between, there is
//! one truth, and what one of them acknowledged the other one shows.

use std::sync::Arc;

use threadline::grpc::proto::update_interaction_request::IdentityFeedback;
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityRejected, Recommendation, UpdateInteractionRequest,
};
use threadline::store::schedule::Point;

use crate::database::Database;
use crate::instance::{Calls, Instance, call, consistent, decided, recommended, rows};
use crate::keys::new_key;
use crate::serving::end;

pub(crate) struct Pair {
    pub(crate) a: Instance,
    pub(crate) b: Instance,
}

impl Pair {
    pub(crate) async fn on(database: &Database) -> Self {
        let key = new_key(database).await;
        let a = Instance::on(database, &key).await;
        let b = Instance::on(database, &key).await;
        Self { a, b }
    }

    pub(crate) async fn stop(self, database: &Database) {
        consistent(database).await;
        self.a.stop().await;
        self.b.stop().await;
    }
}

/// Where a start has decided and nobody knows of it yet: before it is queued, and once it is taken.
pub(crate) const DECIDED: [Point; 2] = [Point::Proposed, Point::Taken];

pub(crate) async fn two_starts_at_once_for_one_unknown_number_on_two_instances(
    database: Arc<Database>,
) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let held = [pair.a.wheel.hold(point), pair.b.wheel.hold(point)];
        let first = pair.a.calls.start(call(&format!("a {number}"), number));
        held[0].arrived().await;
        let second = pair.b.calls.start(call(&format!("b {number}"), number));
        held[1].arrived().await;
        // Each has found nobody; now both want to make somebody.
        held.into_iter().for_each(|hold| hold.release());
        let (first, second) = (decided(first.await), decided(second.await));
        assert_eq!(rows(&database, "customer").await, number as i64, "one customer, at {point:?}");
        assert_eq!(first.customer_ref, second.customer_ref, "at {point:?}");
        assert!(first.new_customer != second.new_customer, "one made them, at {point:?}");
        for instance in [&pair.a, &pair.b] {
            let later = instance.calls.started(&format!("later {number}"), number).await;
            assert_eq!(later.customer_ref, first.customer_ref);
        }
    }
    pair.stop(&database).await;
}

/// Says that the caller of `id` is somebody who was not known: the number has another owner.
async fn somebody_else(calls: &Calls, id: &str) -> String {
    let feedback = IdentityFeedback::IdentityRejected(IdentityRejected { customer_ref: None });
    let request = UpdateInteractionRequest {
        interaction_id: id.into(),
        update_id: "somebody else".into(),
        identity_feedback: Some(feedback),
        ..UpdateInteractionRequest::default()
    };
    let answer = calls.interactions.clone().update_interaction(request).await.expect("an update");
    answer.into_inner().customer_ref
}

pub(crate) async fn a_new_second_owner_of_a_cached_identifier_on_the_other_instance(
    database: Arc<Database>,
) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let known = |answer| recommended(&answer) == Recommendation::Reuse;
        let id = |what: &str| format!("{what} {number}");
        let owner = pair.b.calls.started(&id("first"), number).await.customer_ref;
        pair.b.calls.ended(&id("first")).await;
        assert!(known(pair.b.calls.started(&id("cached"), number).await), "one owner is enough");
        // On A somebody calls by the same number, and it turns out who they are while B has
        // decided from its cache, and written nothing.
        pair.a.calls.started(&id("other"), number).await;
        let held = pair.b.wheel.hold(point);
        let deciding = pair.b.calls.start(call(&id("between"), number));
        held.arrived().await;
        let other = somebody_else(&pair.a.calls, &id("other")).await;
        held.release();
        assert_ne!(other, owner);
        let between = decided(deciding.await);
        assert!(recommended(&between) == Recommendation::Confirm, "whose is it, at {point:?}?");
        assert!(between.variables.is_empty(), "nothing is disclosed");
        for instance in [&pair.b, &pair.a] {
            let later = instance.calls.started(&id("later"), number).await;
            assert!(recommended(&later) == Recommendation::Confirm, "nor later, at {point:?}");
        }
    }
    pair.stop(&database).await;
}

pub(crate) async fn an_end_on_a_between_decide_and_commit_on_b(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    pair.b.calls.started("first", 1).await;
    pair.b.calls.ended("first").await;
    for (round, point) in DECIDED.into_iter().enumerate() {
        let on_a = format!("on a {round}");
        pair.a.calls.started(&on_a, 1).await;
        // B has this customer in its cache from here on.
        pair.b.calls.started(&format!("cached {round}"), 1).await;
        let held = pair.b.wheel.hold(point);
        let deciding = pair.b.calls.start(call(&format!("on b {round}"), 1));
        held.arrived().await;
        pair.a.calls.ended(&on_a).await;
        held.release();
        let answer = decided(deciding.await);
        assert_eq!(answer.variables["last"].value, format!("of {on_a}"), "at {point:?}");
        assert_eq!(answer.recent_interactions[0].summary, format!("summary of {on_a}"));
        assert_eq!(answer.open_intents[0].attempt_count, 2 + round as i32);
    }
    pair.stop(&database).await;
}

/// What is loaded while it changes is not kept: neither owners (the first load of a start) nor
/// people (the second), whoever writes.
pub(crate) async fn a_load_that_overlaps_a_write(database: Arc<Database>) {
    let key = new_key(&database).await;
    let a = Instance::on(&database, &key).await;
    let mut number = 0;
    for by_another in [false, true] {
        for loads_before in 0..2 {
            number += 1;
            let id = |what: &str| format!("{what} {number}");
            a.calls.started(&id("first"), number).await;
            a.calls.ended(&id("first")).await;
            a.calls.started(&id("open"), number).await;
            // A fresh instance has nothing in its cache.
            let b = Instance::on(&database, &key).await;
            b.calls.started(&id("of a stranger"), 900 + number).await;
            let writes = if by_another { &a.calls } else { &b.calls };
            let mut held = b.wheel.hold(Point::Loaded);
            let loading = b.calls.start(call(&id("loading"), number));
            held.arrived().await;
            for _ in 0..loads_before {
                let next = b.wheel.hold(Point::Loaded);
                held.release();
                next.arrived().await;
                held = next;
            }
            writes.ended(&id("open")).await;
            held.release();
            let overlapping = decided(loading.await);
            let later = decided(b.calls.start(call(&id("later"), number)).await);
            for (answer, which) in [(overlapping, "overlapping"), (later, "later")] {
                let what = format!("{which}, load {loads_before}, by another: {by_another}");
                assert_eq!(answer.variables["last"].value, id("of open"), "{what}");
                assert_eq!(answer.open_intents[0].attempt_count, 2, "{what}");
            }
            b.stop().await;
        }
    }
    consistent(&database).await;
    a.stop().await;
}

pub(crate) async fn two_ends_of_one_customer_at_once(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    pair.a.calls.started("first", 1).await;
    pair.a.calls.ended("first").await;
    let mut ends = 1;
    for (round, point) in DECIDED.into_iter().enumerate() {
        let (on_a, on_b) = (format!("on a {round}"), format!("on b {round}"));
        let customer = pair.a.calls.started(&on_a, 1).await.customer_ref;
        assert_eq!(pair.b.calls.started(&on_b, 1).await.customer_ref, customer);
        let naming = |id: &str, name: &str| {
            let mut request = end(id);
            let value = request.variables.remove("last").expect("it says one");
            request.variables.insert(format!("{name}_{round}"), value);
            request
        };
        let held = [pair.a.wheel.hold(point), pair.b.wheel.hold(point)];
        let first = pair.a.calls.end(naming(&on_a, "a"));
        held[0].arrived().await;
        let second = pair.b.calls.end(naming(&on_b, "b"));
        held[1].arrived().await;
        held.into_iter().for_each(|hold| hold.release());
        for answer in [first.await, second.await] {
            answer.expect("a call that ends").expect("an end that is acknowledged");
        }
        ends += 2;
        for instance in [&pair.a, &pair.b] {
            let known = instance.calls.person(&customer).await;
            assert_eq!(known.contact_count, ends, "each is counted once, at {point:?}");
            assert_eq!(known.identifiers[0].contact_count, ends);
            let later = instance.calls.started(&format!("later {round}"), 1).await;
            assert_eq!(later.open_intents[0].attempt_count, ends);
            for (name, id) in [("a", &on_a), ("b", &on_b)] {
                let kept = &later.variables[&format!("{name}_{round}")];
                assert_eq!(kept.value, format!("of {id}"));
            }
        }
        pair.a.calls.ended(&format!("later {round}")).await;
        ends += 1;
    }
    pair.stop(&database).await;
}

/// Each instance remembers the interaction as it left it; a newer end has come elsewhere.
pub(crate) async fn an_amendment_on_b_of_what_a_remembers(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    let amended = |revision: i64, summary: &str| EndInteractionRequest {
        revision: Some(revision),
        summary: summary.into(),
        ..end("one")
    };
    let ended = async |instance: &Instance, revision, summary| {
        let answer = instance.calls.end(amended(revision, summary)).await;
        answer.expect("a call that ends").expect("an end that is acknowledged");
    };
    let customer = pair.a.calls.started("one", 1).await.customer_ref;
    for (round, point) in (0..).zip(DECIDED) {
        ended(&pair.a, 10 * round + 1, "first").await;
        // B decides on the first; before it has written that, A has amended again.
        let held = pair.b.wheel.hold(point);
        let amending = pair.b.calls.end(amended(10 * round + 2, "second"));
        held.arrived().await;
        ended(&pair.a, 10 * round + 3, "third").await;
        held.release();
        amending.await.expect("a call that ends").expect("acknowledged, and ignored");
        // A lower one that B has not seen is ignored, a higher one of B's is seen by A.
        let later = pair.b.calls.started(&format!("later {round}"), 1).await;
        assert_eq!(later.recent_interactions[0].summary, "third", "at {point:?}");
        ended(&pair.b, 10 * round + 5, "fifth").await;
        ended(&pair.a, 10 * round + 4, "fourth").await;
        let later = pair.a.calls.started(&format!("later still {round}"), 1).await;
        assert_eq!(later.recent_interactions[0].summary, "fifth", "at {point:?}");
        assert_eq!(later.open_intents[0].attempt_count, 1, "it is one contact");
        assert_eq!(pair.b.calls.person(&customer).await.contact_count, 1);
    }
    pair.stop(&database).await;
}
