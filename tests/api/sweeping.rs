//! What ends by time, with a clock that is set: on SQLite, where the store's time is the clock's.

use threadline::cli::keys::NewKey;
use threadline::clock::{Clock, DAY, HOUR};
use threadline::grpc::proto::{EndInteractionRequest, IntentStatus, InteractionStatus};

use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, staff};
use crate::support::requests::{call, email_hint, end_with, get, merge, start, start_with};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(one_that_cannot_be_swept_keeps_no_other_from_it);

async fn world(clock: &Clock) -> World {
    Setup::on(Engine::Sqlite).clock(clock).open().await
}

async fn status(client: &Client, id: &str) -> InteractionStatus {
    let answer = client.get(get(id)).await.expect("a known interaction");
    answer.interaction.expect("its facts").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_never_ends_is_closed_and_a_late_end_amends_it() {
    let clock = Clock::manual(MONDAY);
    let world = world(&clock).await;
    let client = staff(&world).await;
    let service = &world.running.service;
    let known = client.start(call("voice", NUMBER)).await.expect("a start").customer_ref;
    client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    clock.set(MONDAY.plus(24 * HOUR - 1));
    service.sweep().await.expect("a sweep");
    assert!(status(&client, "voice").await == InteractionStatus::Active);
    clock.set(MONDAY.plus(24 * HOUR + 1));
    assert_eq!(service.sweep().await.expect("a sweep").closed, 1);
    assert!(status(&client, "voice").await == InteractionStatus::NeverEnded);
    assert!(status(&client, "mail").await == InteractionStatus::Active);
    assert_eq!(service.sweep().await.expect("a sweep").closed, 0, "once");
    assert_eq!(client.history(&known).await, ["voice"]);
    clock.set(MONDAY.plus(30 * DAY + 1));
    assert_eq!(service.sweep().await.expect("a sweep").closed, 1);
    assert!(status(&client, "mail").await == InteractionStatus::NeverEnded);
    let late = EndInteractionRequest {
        summary: "it was the invoice".into(),
        ..end_with("voice", "billing", IntentStatus::Open)
    };
    client.end(late).await.expect("a late, real end");
    assert!(status(&client, "voice").await == InteractionStatus::Ended);
    let person = client.person(&known).await;
    assert_eq!((person.contact_count, person.open_intents.len()), (1, 1));
    assert_eq!(client.history(&known).await, ["voice"]);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_without_any_identifier_are_purged_after_thirty_days() {
    let clock = Clock::manual(MONDAY);
    let world = world(&clock).await;
    let client = staff(&world).await;
    let nobody = client.start(start("withheld", "web_chat")).await.expect("a start").customer_ref;
    let known = client.start(call("known", NUMBER)).await.expect("a start").customer_ref;
    for id in ["withheld", "known"] {
        client.end(end_with(id, "billing", IntentStatus::Open)).await.expect("an end");
    }
    clock.set(MONDAY.plus(29 * DAY));
    assert_eq!(world.running.service.sweep().await.expect("a sweep").purged, 0);
    client.person(&nobody).await;
    clock.set(MONDAY.plus(30 * DAY + 1));
    assert_eq!(world.running.service.sweep().await.expect("a sweep").purged, 1);
    let request =
        threadline::grpc::proto::GetCustomerRequest { customer_ref: nobody, ..Default::default() };
    assert!(client.customer(request).await.is_err(), "gone");
    client.person(&known).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_test_tenant_are_purged_after_seven_days() {
    let clock = Clock::manual(MONDAY);
    let world = world(&clock).await;
    let roles = ["telephony", "admin"];
    let test = world.client(&NewKey { test: true, ..World::new_key(&roles) }).await;
    let real = staff(&world).await;
    let tried = test.start(call("tried", NUMBER)).await.expect("a start").customer_ref;
    let kept = real.start(call("kept", NUMBER)).await.expect("a start");
    assert!(kept.new_customer, "a test tenant is another tenant");
    for (client, id) in [(&test, "tried"), (&real, "kept")] {
        client.end(end_with(id, "billing", IntentStatus::Open)).await.expect("an end");
    }
    clock.set(MONDAY.plus(7 * DAY + 1));
    world.running.service.sweep().await.expect("a sweep");
    let request =
        threadline::grpc::proto::GetCustomerRequest { customer_ref: tried, ..Default::default() };
    assert!(test.customer(request).await.is_err(), "gone");
    assert!(test.start(call("again", NUMBER)).await.expect("a start").new_customer);
    assert_eq!(real.person(&kept.customer_ref).await.contact_count, 1);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_leaves_their_set_and_who_is_merged_is_somebody() {
    let clock = Clock::manual(MONDAY);
    let world = world(&clock).await;
    let test = NewKey { test: true, ..World::new_key(&["telephony", "admin"]) };
    let (test, real) = (world.client(&test).await, staff(&world).await);
    let old = test.start(call("old", NUMBER)).await.expect("a start").customer_ref;
    let nobody = real.start(start("withheld", "web_chat")).await.expect("a start").customer_ref;
    let known = real.start(call("known", NUMBER)).await.expect("a start").customer_ref;
    real.merge(merge("m", &nobody, &known)).await.expect("a merge");
    clock.set(MONDAY.plus(3 * DAY));
    let mail = start_with("young", "email", email_hint(MAIL));
    let young = test.start(mail).await.expect("a start").customer_ref;
    test.merge(merge("m", &old, &young)).await.expect("a merge");
    clock.set(MONDAY.plus(7 * DAY + 1));
    world.running.service.sweep().await.expect("a sweep");
    let person = test.person(&young).await;
    assert_eq!((&person.customer_ref, person.member_refs.len()), (&young, 0), "alone again");
    let again = test.start(start_with("again", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!(again.customer_ref, young);
    clock.set(MONDAY.plus(31 * DAY));
    world.running.service.sweep().await.expect("a sweep");
    let members = real.person(&nobody).await.member_refs;
    assert!(members.contains(&nobody) && members.contains(&known), "kept with the other");
    world.close().await;
}

async fn one_that_cannot_be_swept_keeps_no_other_from_it(engine: Engine) {
    let world = World::on(engine).await;
    let first = staff(&world).await;
    let own = first.start(call("own", NUMBER)).await.expect("a start").customer_ref;
    let globex = NewKey { tenant: "globex".into(), ..World::new_key(&["telephony", "admin"]) };
    let globex = world.client(&globex).await;
    globex.start(call("theirs", NUMBER)).await.expect("a start");
    let tenant = "tenant = (SELECT tenant FROM customer WHERE customer = $1)";
    world.damage(("tenant", "secrets"), tenant, &own).await;
    // One that remembers no tenant.
    let other = world.beside("").await;
    let later = world.now().plus(2 * DAY);
    assert!(other.service.sweep_as_of(later).await.is_err(), "it is said that one does not open");
    assert!(status(&globex, "theirs").await == InteractionStatus::NeverEnded, "it is swept");
    assert!(status(&first, "own").await == InteractionStatus::Active, "it comes first");
    other.stop().await.expect("an orderly stop");
    world.close().await;
}
