//! Customers who are removed by time, where the contact that made them has become somebody else's.

use sqlx::{Executor as _, Row as _};
use threadline::cli::keys::NewKey;
use threadline::grpc::proto::{EndInteractionRequest, IntentStatus, UpdateInteractionRequest};
use tonic::Code;

use super::retention::{KEPT, Passing, is_gone};
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::assert_refused;
use crate::support::requests::{call, email_hint, end_with, get, reject, start, update};
use crate::support::{Engine, World, each_engine};

each_engine!(what_is_somebody_elses_by_now_stays_as_it_is, all_whom_one_contact_made_are_removed,);

async fn what_is_somebody_elses_by_now_stays_as_it_is(engine: Engine) {
    let never = "[policy]\ncustomers_archived_after = \"never\"";
    let passing = Passing::on(engine, never).await;
    let client = staff(&passing.world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    passing.days(1).await;
    let nobody = client.start(start("open", "web_chat")).await.expect("a start").customer_ref;
    assert_ne!(nobody, known);
    let identity_hints = Some(email_hint(MAIL));
    let shown = UpdateInteractionRequest { identity_hints, ..update("open", "u") };
    client.update(shown).await.expect("an update");
    // Nobody says whether it was them.
    let ended = EndInteractionRequest {
        summary: "asked about the invoice again".into(),
        ..end_with("open", "billing", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    assert_eq!(client.history(&known).await, ["open", "first"]);
    passing.days(31).await;
    let swept = passing.world.running.service.sweep().await.expect("a sweep");
    assert_eq!(swept.purged, 1);
    assert!(is_gone(&client, &nobody).await, "nothing was ever linked to them");
    client.get(get("open")).await.expect("what was said in it is on somebody's file");
    let later = UpdateInteractionRequest { agent_ref: "nina".into(), ..update("open", "later") };
    client.update(later).await.expect("it goes on");
    assert_eq!(client.history(&known).await, ["open", "first"]);
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, 2, "and goes when its time has come");
    assert_refused(client.get(get("open")).await, Code::NotFound, "INTERACTION_NOT_FOUND");
    assert!(client.history(&known).await.is_empty());
    passing.close().await;
}

async fn all_whom_one_contact_made_are_removed(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let test = NewKey { test: true, ..World::new_key(&["telephony", "admin"]) };
    let test = passing.world.client(&test).await;
    let first = test.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    test.end(end_with("one", "billing", IntentStatus::Open)).await.expect("an end");
    let again = test.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(again.customer_ref, first);
    test.end(end_with("two", "billing", IntentStatus::Open)).await.expect("an end");
    test.update(reject("one", "u", None)).await.expect("it was somebody else");
    let second = test.get(get("one")).await.expect("a known interaction").customer_ref;
    assert_ne!(first, second);
    passing.days(8).await;
    let swept = passing.world.running.service.sweep().await.expect("a sweep");
    assert_eq!(swept.purged, 2);
    assert!(is_gone(&test, &first).await && is_gone(&test, &second).await);
    let mut connection = passing.world.connect().await;
    let left = "SELECT (SELECT COUNT(*) FROM customer) + (SELECT COUNT(*) FROM link) + \
                (SELECT COUNT(*) FROM interaction)";
    let left: i64 = connection.fetch_one(left).await.expect("a count").get(0);
    assert_eq!(left, 0, "nothing of either is left");
    passing.close().await;
}
