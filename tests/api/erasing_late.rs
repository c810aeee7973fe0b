//! Erasing after other things have gone: by time, or to somebody else.

use threadline::clock::{Clock, DAY, HOUR};
use tonic::Code;

use super::customers::{mail, upsert};
use super::erasing::{gone, whole};
use super::remembering::MONDAY;
use super::retention::{KEPT, Passing};
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{call, email_hint, end, get, number_hint, reject, start_with};
use crate::support::{Client, Engine, Setup, each_engine};

each_engine!(what_went_by_time_stays_whose_it_was);

/// Keeps somebody whose contacts will go.
async fn keep(client: &Client, customer_ref: &str, address: &str) {
    let mut kept = upsert(address, vec![mail(address)]);
    kept.customer_ref = customer_ref.into();
    client.upsert(kept).await.expect("a change");
}

async fn what_went_by_time_stays_whose_it_was(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let first = somebody(&client, "first", "email", email_hint(MAIL)).await;
    // Taken for the first one's, and somebody else's; then it goes by time.
    let typed = start_with("moved", "web_chat", email_hint(MAIL));
    let asked = client.start(typed.clone()).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &first));
    let other = client.update(reject("moved", "u", None)).await.expect("an update").customer_ref;
    assert_ne!(other, first);
    client.end(end("moved")).await.expect("an end");
    keep(&client, &first, "first@example.org").await;
    keep(&client, &other, "other@example.org").await;
    passing.days(KEPT + 1).await;
    assert!(passing.swept().await > 0, "they went");
    gone(&client, &first, "erase first").await;
    let refused = client.get(get("moved")).await;
    assert_refused(refused, Code::NotFound, "INTERACTION_NOT_FOUND");
    let late = client.start(typed).await.expect("a retry is answered");
    assert!(late.warnings.iter().any(|it| it.code == "interaction_removed"), "and told so");
    passing.days(32).await;
    passing.world.running.service.sweep().await.expect("nothing keeps a sweep from going on");
    // The other one is erased as well, with what is left of it.
    gone(&client, &other, "erase other").await;
    let refused = client.get(get("moved")).await;
    assert_refused(refused, Code::NotFound, "ERASED");
    passing.close().await;
}

/// What goes on and is somebody else's by now is closed when its channel says, and not later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_goes_on_is_still_closed_in_a_day() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let caller = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    client.start(call("running", NUMBER)).await.expect("a start");
    let other = client.update(reject("running", "u", None)).await.expect("an update").customer_ref;
    gone(&client, &caller, "erase").await;
    clock.set(MONDAY.plus(DAY + HOUR));
    assert_eq!(world.running.service.sweep().await.expect("a sweep").closed, 1);
    assert_eq!(client.history(&other).await, ["running"]);
    whole(&world).await;
    world.close().await;
}
