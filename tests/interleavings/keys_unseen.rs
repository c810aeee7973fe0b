//! A key that was revoked while the store is too slow, or too far, to be asked for it: nothing is done
//! for it, whoever of the instance's callers waits how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadline::cli::keys::create;
use threadline::crypto::ApiKey;
use threadline::store::schedule::Point;
use tonic::{Code, Status};

use crate::budget::{comes_back_later, says_nothing};
use crate::database::Database;
use crate::instance::{Calls, Instance, call, consistent};
use crate::keys::{anything, new_key, settings};
use crate::serving::end;

/// The default budget of a start.
const BUDGET: Duration = Duration::from_millis(300);
/// What the way there and back may add to it on a machine that others use, too: whoever did wait would
/// wait for as long as the key is held.
const TRANSPORT: Duration = Duration::from_secs(3);
/// A store that answers shows a key by then, however loaded the machine is.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// So long a key is trusted that was looked at.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

#[track_caller]
fn not_let_in<T>(answer: Result<T, Status>) {
    let status = answer.err().expect("a refusal");
    assert_eq!(threadline::cli::client::reason(&status), "INVALID_API_KEY", "{status:?}");
}

pub(crate) async fn a_revoked_key_that_cannot_be_looked_at(database: Arc<Database>) {
    let lasting = new_key(&database).await;
    let mut serve = settings(&database);
    serve.configuration.start_budget = BUDGET;
    let instance = Instance::with(serve, &lasting).await;
    let service = &instance.running.service;
    let text = create(service, &anything()).await.expect("a key");
    let revocable = Calls::to(&instance.running, &text).await;
    // The first look at a key may take longer than a start has: a read waits for it.
    assert!(revocable.get("nobody's").await.is_err());
    let customer = crate::stalls::eventually(&revocable, "open", 1).await;
    let key = ApiKey::parse(&text).expect("our own form");
    service.store().revoke_api_key(key.tenant, &key.id).await.expect("the store");
    // What is waited for here is time itself.
    tokio::time::sleep(TRUSTED_FOR).await;
    let held = instance.wheel.hold_every(Point::KeyRead);
    for round in 0..2 {
        let begun = Instant::now();
        let start = revocable.start(call(&format!("start {round}"), 1)).await;
        says_nothing(&start.expect("a call that ends").expect("a start is always answered"));
        assert!(begun.elapsed() < BUDGET + TRANSPORT, "within its budget: {:?}", begun.elapsed());
        let ended = revocable.end(end("open")).await.expect("a call that ends");
        let refused = ended.err().expect("nothing is done");
        comes_back_later(&refused, Code::Unavailable, "STORE_UNAVAILABLE");
        let refused = revocable.get("open").await.err().expect("nothing is shown");
        comes_back_later(&refused, Code::Unavailable, "STORE_UNAVAILABLE");
    }
    held.release();
    // Nobody waits for the look that begins now.
    let back = Instant::now();
    while let Ok(answer) = revocable.start(call("start 0", 1)).await.expect("a call that ends") {
        says_nothing(&answer);
        assert!(back.elapsed() < SEEN_WITHIN, "it is seen once the store answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    not_let_in(revocable.start(call("start 0", 1)).await.expect("a call that ends"));
    not_let_in(revocable.end(end("open")).await.expect("a call that ends"));
    // Nothing of it was done, then or later.
    let person = instance.calls.person(&customer).await;
    assert_eq!(person.contact_count, 0);
    let unknown = instance.calls.get("start 0").await.err().map(|status| status.code());
    assert_eq!(unknown, Some(Code::NotFound));
    consistent(&database).await;
    instance.stop().await;
}

/// One that stands is used on once the store has said so.
pub(crate) async fn a_key_that_is_looked_at_slowly(database: Arc<Database>) {
    let lasting = new_key(&database).await;
    let instance = Instance::on(&database, &lasting).await;
    let customer = instance.calls.started("open", 1).await.customer_ref;
    tokio::time::sleep(TRUSTED_FOR).await;
    let held = instance.wheel.hold(Point::KeyRead);
    let ending = instance.calls.end(end("open"));
    let start = instance.calls.start(call("another", 1));
    held.arrived().await;
    tokio::time::sleep(TRUSTED_FOR / 2).await;
    held.release();
    let ended = ending.await.expect("a call that ends").expect("it is durable");
    assert_eq!(ended.customer_ref, customer);
    let started = start.await.expect("a call that ends").expect("a start is answered");
    assert!(!started.degraded, "its budget was ample: {}", started.degraded_reason);
    instance.stop().await;
}
