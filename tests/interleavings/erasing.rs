//! An erasure between what others do at the same moment, on two instances: whoever comes first, the
//! other one is decided on what that left, and of the person nothing stays.

use std::sync::Arc;

use sqlx::Row as _;
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::grpc::proto::{
    EraseCustomerRequest, ErasureReceipt, GetCustomerRequest, IdentityHints, MergeCustomersRequest,
    MergeCustomersResponse,
};
use threadline::ids::CustomerId;
use threadline::store::schedule::Point;
use tonic::Status;

use crate::database::Database;
use crate::instance::{Calls, OnItsWay, call, decided};
use crate::serving::{end, start};
use crate::two_instances::{DECIDED, Pair};

pub(crate) async fn token(calls: &Calls, customer: &str) -> String {
    let request = EraseCustomerRequest { customer_ref: customer.into(), ..Default::default() };
    let answer = calls.customers.clone().erase_customer(request).await.expect("a preview");
    calls.traced().await;
    match answer.into_inner().outcome {
        Some(Outcome::Preview(preview)) => preview.preview_token,
        _ => panic!("nothing may be erased without a token"),
    }
}

pub(crate) fn erase(
    calls: &Calls,
    customer: &str,
    token: &str,
    id: &str,
) -> OnItsWay<ErasureReceipt> {
    let mut client = calls.customers.clone();
    let request = EraseCustomerRequest {
        customer_ref: customer.into(),
        preview_token: token.into(),
        request_id: id.into(),
        ..Default::default()
    };
    tokio::spawn(async move {
        match client.erase_customer(request).await?.into_inner().outcome {
            Some(Outcome::Receipt(receipt)) => Ok(receipt),
            _ => panic!("a token is to erase"),
        }
    })
}

fn merge(calls: &Calls, one: &str, other: &str, id: &str) -> OnItsWay<MergeCustomersResponse> {
    let mut client = calls.customers.clone();
    let request = MergeCustomersRequest {
        request_id: id.into(),
        customer_ref: one.into(),
        other_customer_ref: other.into(),
        reason: "one person".into(),
        ..Default::default()
    };
    tokio::spawn(async move { Ok(client.merge_customers(request).await?.into_inner()) })
}

pub(crate) async fn done<T>(call: OnItsWay<T>) -> Result<T, Status> {
    call.await.expect("a call that ends")
}

#[track_caller]
fn refused<T>(answer: Result<T, Status>, reason: &str) {
    let status = answer.err().expect("a refusal");
    assert_eq!(threadline::cli::client::reason(&status), reason, "{}", status.message());
}

/// Rows of the journal that name the customer.
async fn named(database: &Database, customer: &str) -> i64 {
    let id = CustomerId::parse_ref(customer).expect("our own form").0.to_vec();
    let sql = "SELECT COUNT(*) FROM journal WHERE customer = $1";
    let mut connection = database.connect().await;
    sqlx::query(sql).bind(id).fetch_one(&mut connection).await.expect("a count").get(0)
}

/// Nobody knows them any more, on neither instance.
pub(crate) async fn is_gone(pair: &Pair, database: &Database, customer: &str) {
    for instance in [&pair.a, &pair.b] {
        let whom = GetCustomerRequest { customer_ref: customer.into(), ..Default::default() };
        let answer = instance.calls.customers.clone().get_customer(whom).await;
        refused(answer, "ERASED");
        instance.calls.traced().await;
    }
    assert_eq!(named(database, customer).await, 0);
}

/// Somebody with a contact, whom both instances remember.
pub(crate) async fn somebody(pair: &Pair, number: u64) -> String {
    let id = |what: &str| format!("{what} {number}");
    let customer = pair.a.calls.started(&id("first"), number).await.customer_ref;
    pair.a.calls.ended(&id("first")).await;
    for (instance, what) in [(&pair.a, "warm"), (&pair.b, "cold")] {
        let known = instance.calls.started(&id(what), number).await;
        assert_eq!(known.customer_ref, customer);
    }
    customer
}

pub(crate) async fn an_erasure_between_decide_and_commit_of_a_start(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let token = token(&pair.a.calls, &dana).await;
        let held = pair.b.wheel.hold(point);
        let known = pair.b.calls.start(call(&id("between"), number));
        held.arrived().await;
        done(erase(&pair.a.calls, &dana, &token, &id("e"))).await.expect("a receipt");
        held.release();
        let anew = decided(known.await);
        assert!(anew.new_customer && anew.customer_ref != dana, "at {point:?}");
        assert!(anew.variables.is_empty() && anew.recent_interactions.is_empty());
        is_gone(&pair, &database, &dana).await;
        let seen = pair.a.calls.started(&id("seen"), number).await;
        assert_eq!(seen.customer_ref, anew.customer_ref);
    }
    pair.stop(&database).await;
}

/// A start that rests on nothing but the customer: it names them, and shows no identifier.
pub(crate) async fn an_erasure_between_decide_and_commit_of_a_start_by_ref(
    database: Arc<Database>,
) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        for own in [false, true] {
            let number = number + 10 * u64::from(own);
            let id = |what: &str| format!("{what} {number}");
            let dana = somebody(&pair, number).await;
            let token = token(&pair.a.calls, &dana).await;
            // On one instance the writer is held with whatever comes: there only before it is queued.
            let (starter, point) = if own { (&pair.a, Point::Proposed) } else { (&pair.b, point) };
            let held = starter.wheel.hold(point);
            let hints = IdentityHints { customer_ref: dana.clone(), ..Default::default() };
            let named = starter.calls.start(start(&id("between"), hints));
            held.arrived().await;
            done(erase(&pair.a.calls, &dana, &token, &id("e"))).await.expect("a receipt");
            held.release();
            let anew = decided(named.await);
            assert!(anew.new_customer && anew.customer_ref != dana, "at {point:?}, own: {own}");
            assert_eq!(anew.warnings[0].code, "unknown_customer_ref");
            is_gone(&pair, &database, &dana).await;
        }
    }
    pair.stop(&database).await;
}

pub(crate) async fn a_start_between_decide_and_commit_of_an_erasure(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let before = token(&pair.a.calls, &dana).await;
        let held = pair.a.wheel.hold(point);
        let erasing = erase(&pair.a.calls, &dana, &before, &id("e"));
        held.arrived().await;
        // It writes nothing but its row of the journal.
        let known = pair.b.calls.started(&id("between"), number).await;
        assert_eq!(known.customer_ref, dana);
        held.release();
        refused(done(erasing).await, "PREVIEW_OUTDATED");
        let now = token(&pair.a.calls, &dana).await;
        done(erase(&pair.a.calls, &dana, &now, &id("e2"))).await.expect("a receipt");
        for what in ["first", "warm", "cold", "between"] {
            refused(done(pair.b.calls.start(call(&id(what), number))).await, "ERASED");
            refused(done(pair.b.calls.end(end(&id(what)))).await, "ERASED");
        }
        is_gone(&pair, &database, &dana).await;
    }
    pair.stop(&database).await;
}

pub(crate) async fn an_erasure_between_decide_and_commit_of_an_end(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let token = token(&pair.a.calls, &dana).await;
        let held = pair.b.wheel.hold(point);
        // Of an interaction that it remembers, and of one that it has never heard of.
        let ending = pair.b.calls.end(end(&id("cold")));
        held.arrived().await;
        done(erase(&pair.a.calls, &dana, &token, &id("e"))).await.expect("a receipt");
        held.release();
        refused(done(ending).await, "ERASED");
        refused(done(pair.b.calls.end(end(&id("warm")))).await, "ERASED");
        is_gone(&pair, &database, &dana).await;
    }
    pair.stop(&database).await;
}

pub(crate) async fn an_end_between_decide_and_commit_of_an_erasure(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let before = token(&pair.a.calls, &dana).await;
        let held = pair.a.wheel.hold(point);
        let erasing = erase(&pair.a.calls, &dana, &before, &id("e"));
        held.arrived().await;
        pair.b.calls.ended(&id("cold")).await;
        held.release();
        refused(done(erasing).await, "PREVIEW_OUTDATED");
        assert_eq!(pair.a.calls.person(&dana).await.contact_count, 2, "nothing went");
    }
    pair.stop(&database).await;
}

pub(crate) async fn an_erasure_and_a_merge_at_once(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let ira = somebody(&pair, number + 100).await;
        let before = token(&pair.a.calls, &dana).await;
        // The merge first.
        let held = pair.a.wheel.hold(point);
        let erasing = erase(&pair.a.calls, &dana, &before, &id("e"));
        held.arrived().await;
        done(merge(&pair.b.calls, &dana, &ira, &id("m"))).await.expect("a merge");
        held.release();
        refused(done(erasing).await, "PREVIEW_OUTDATED");
        // The erasure of both first, while somebody else is joined to one of them.
        let nora = somebody(&pair, number + 200).await;
        let both = token(&pair.a.calls, &ira).await;
        let held = pair.b.wheel.hold(point);
        let merging = merge(&pair.b.calls, &nora, &dana, &id("m2"));
        held.arrived().await;
        done(erase(&pair.a.calls, &ira, &both, &id("e2"))).await.expect("a receipt");
        held.release();
        refused(done(merging).await, "ERASED");
        is_gone(&pair, &database, &dana).await;
        is_gone(&pair, &database, &ira).await;
        let left = pair.b.calls.person(&nora).await;
        assert!(left.member_refs.is_empty() && left.merges.is_empty());
    }
    pair.stop(&database).await;
}

/// What was shown before is written down after: it must not name them any more.
pub(crate) async fn a_read_that_is_written_after_the_erasure(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, own) in (1..).zip([false, true]) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let token = token(&pair.a.calls, &dana).await;
        // On the other instance, or in the very batch that erases them.
        let reader = if own { &pair.a } else { &pair.b };
        let held = reader.wheel.hold(Point::Idle);
        // Whoever looks gives the writer something to do; then it is held with that in its queue.
        pair.b.calls.person_meanwhile(&dana).await;
        pair.a.calls.person_meanwhile(&dana).await;
        held.arrived().await;
        reader.calls.person_meanwhile(&dana).await;
        let erasing = erase(&pair.a.calls, &dana, &token, &id("e"));
        if own {
            while pair.a.running.service.store().traces_waiting() == 0 {
                tokio::task::yield_now().await;
            }
            held.release();
            done(erasing).await.expect("a receipt");
        } else {
            done(erasing).await.expect("a receipt");
            held.release();
        }
        reader.calls.traced().await;
        assert_eq!(reader.running.service.store().traces_waiting(), 0);
        is_gone(&pair, &database, &dana).await;
    }
    pair.stop(&database).await;
}

/// Somebody is looked at again and again while they are being erased: it is decided in the
/// transaction in the end.
pub(crate) async fn an_erasure_of_somebody_who_is_looked_at(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    let dana = somebody(&pair, 1).await;
    let token = token(&pair.a.calls, &dana).await;
    let mut held = pair.a.wheel.hold(Point::Taken);
    let erasing = erase(&pair.a.calls, &dana, &token, "e");
    for _ in 0..2 {
        held.arrived().await;
        let next = pair.a.wheel.hold(Point::Taken);
        pair.b.calls.person(&dana).await;
        std::mem::replace(&mut held, next).release();
    }
    held.arrived().await;
    held.release();
    let receipt = done(erasing).await.expect("a receipt");
    assert!(receipt.counts.expect("counts").journal_entry_count >= 7);
    is_gone(&pair, &database, &dana).await;
    pair.stop(&database).await;
}

pub(crate) async fn the_same_erasure_twice_at_once(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (number, point) in (1..).zip(DECIDED) {
        let id = |what: &str| format!("{what} {number}");
        let dana = somebody(&pair, number).await;
        let token = token(&pair.a.calls, &dana).await;
        let held = [pair.a.wheel.hold(point), pair.b.wheel.hold(point)];
        let first = erase(&pair.a.calls, &dana, &token, &id("e"));
        let second = erase(&pair.b.calls, &dana, &token, &id("e"));
        for hold in &held {
            hold.arrived().await;
        }
        held.into_iter().for_each(|hold| hold.release());
        let (first, second) = (done(first).await, done(second).await);
        assert!(first.expect("a receipt") == second.expect("a receipt"), "at {point:?}");
        is_gone(&pair, &database, &dana).await;
        // Another one of the same person comes too late.
        refused(done(erase(&pair.b.calls, &dana, &token, &id("e2"))).await, "ERASED");
    }
    pair.stop(&database).await;
}
