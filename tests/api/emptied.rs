//! Customers of whom hardly anything is left: who stays, and who goes with the last of it.

use sqlx::{Executor as _, Row as _};
use threadline::clock::{DAY, SECOND};
use threadline::grpc::proto::{EndInteractionRequest, ProfileAttributeInput, VariableInput};

use super::customers::{mail, upsert};
use super::retention::{KEPT, Passing, is_gone};
use super::settling::{MAIL, NUMBER, staff};
use super::ties::{identifier, link, unlink};
use crate::support::requests::{call, end, merge, number_hint, start_with, unmerge};
use crate::support::{Engine, each_engine};

each_engine!(
    who_has_anything_left_stays,
    who_has_only_what_expires_left_goes_with_it,
    whom_a_request_left_with_nothing_goes_after_it,
    whoever_has_an_address_is_named_by_no_row,
    who_was_kept_for_a_tie_goes_once_that_is_gone,
    who_was_kept_for_a_merge_goes_once_that_is_taken_back,
);

async fn who_has_anything_left_stays(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let mut people = Vec::new();
    let of = |number: usize| number_hint(&format!("+1415555019{number}"));
    for (number, id) in ["profile", "tie", "merged", "with", "rule"].iter().enumerate() {
        client.start(start_with(id, "voice", of(number))).await.expect("a start");
        let attribute = |name: &str, value: &str| {
            let value = ProfileAttributeInput { value: value.into(), ..Default::default() };
            [(name.to_owned(), value)].into()
        };
        let ended = match *id {
            "profile" => EndInteractionRequest { profile: attribute("name", "Ada"), ..end(id) },
            "rule" => {
                EndInteractionRequest { profile: attribute("disclosure", "NEVER"), ..end(id) }
            }
            _ => end(id),
        };
        people.push(client.end(ended).await.expect("an end").customer_ref);
    }
    client.link(link("l", &people[1], identifier("email", "", MAIL))).await.expect("a link");
    client.merge(merge("m", &people[2], &people[3])).await.expect("a merge");
    passing.days(KEPT + 1).await;
    passing.swept().await;
    passing.days(40).await;
    assert_eq!(passing.world.running.service.sweep().await.expect("a sweep").purged, 0);
    for person in &people {
        assert!(!is_gone(&client, person).await);
    }
    passing.close().await;
}

async fn who_has_only_what_expires_left_goes_with_it(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let person = client.start(call("old", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("old")).await.expect("an end");
    passing.days(KEPT - 10).await;
    let mut order = upsert("order", Vec::new());
    let value = VariableInput {
        value: "17".into(),
        ttl_seconds: Some((60 * DAY / SECOND) as i32),
        ..Default::default()
    };
    order.customer_ref.clone_from(&person);
    order.customer.as_mut().expect("one").variables = [("order".to_owned(), value)].into();
    client.upsert(order).await.expect("an upsert");
    let service = &passing.world.running.service;
    // It goes with its contact; then what is left of them is looked at after 31 days, and after 31 more.
    for (days, purged) in [(11, 0), (32, 0), (32, 1)] {
        passing.days(days).await;
        let swept = service.sweep().await.expect("a sweep");
        assert_eq!(swept.purged, purged, "after {days} days more");
        assert_eq!(is_gone(&client, &person).await, purged == 1);
    }
    passing.close().await;
}

/// How many customers there are, and how many keys of theirs.
async fn left(passing: &Passing) -> (i64, i64) {
    let mut connection = passing.world.connect().await;
    let mut count = async |sql: &'static str| {
        connection.fetch_one(sql).await.expect("a count").get::<i64, _>(0)
    };
    let customers = count("SELECT COUNT(*) FROM customer").await;
    // One is the tenant's own.
    (customers, count("SELECT COUNT(*) - 1 FROM data_key").await)
}

/// No contact of theirs ever was on file: only requests named them. More than one operation strips.
async fn whom_a_request_left_with_nothing_goes_after_it(engine: Engine) {
    const PEOPLE: usize = 40;
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let service = &passing.world.running.service;
    for number in 0..PEOPLE {
        let address = format!("somebody{number}@example.com");
        let made = client.upsert(upsert(&address, vec![mail(&address)])).await;
        let person = made.expect("an upsert").customer.expect("them").customer_ref;
        let id = format!("unlink {number}");
        client.unlink(unlink(&id, &person, mail(&address))).await.expect("an unlink");
    }
    client.upsert(upsert("kept", vec![mail(MAIL)])).await.expect("an upsert");
    passing.days(KEPT + 1).await;
    let swept = service.sweep().await.expect("a sweep");
    assert_eq!((swept.forgotten, swept.purged), (2 * PEOPLE as u64 + 1, 0));
    passing.days(30).await;
    assert_eq!(service.sweep().await.expect("a sweep").purged, 0, "not a day too early");
    passing.days(2).await;
    assert_eq!(service.sweep().await.expect("a sweep").purged, PEOPLE as u64);
    assert_eq!(left(&passing).await, (1, 1), "whoever has an address stays, nobody else");
    passing.close().await;
}

/// How many rows tell that something went by time and name a customer, and how many there are.
async fn rows_of_what_went(passing: &Passing) -> (i64, i64) {
    let mut connection = passing.world.connect().await;
    let sql = "SELECT COUNT(customer), COUNT(*) FROM journal WHERE verb = 11";
    let row = connection.fetch_one(sql).await.expect("a count");
    (row.get(0), row.get(1))
}

/// Their requests go all the same. Rows of the journal stay for ever: none is written for nothing.
async fn whoever_has_an_address_is_named_by_no_row(engine: Engine) {
    const PEOPLE: usize = 40;
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let made = client.upsert(upsert("nobody", vec![mail(MAIL)])).await.expect("an upsert");
    let person = made.customer.expect("them").customer_ref;
    client.unlink(unlink("u", &person, mail(MAIL))).await.expect("an unlink");
    for number in 0..PEOPLE {
        let address = format!("somebody{number}@example.com");
        client.upsert(upsert(&address, vec![mail(&address)])).await.expect("an upsert");
    }
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, PEOPLE as u64 + 2);
    // Two operations, each of which leaves one row: both, where each has one of the requests that changed
    // whoever has none.
    let (naming, all) = rows_of_what_went(&passing).await;
    assert!((1..=2).contains(&naming), "{naming}");
    assert_eq!(all, 2);
    passing.close().await;
}

async fn who_was_kept_for_a_tie_goes_once_that_is_gone(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let service = &passing.world.running.service;
    let person = client.start(call("old", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("old")).await.expect("an end");
    client.link(link("l", &person, mail(MAIL))).await.expect("a link");
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, 2, "the call, and the request that linked");
    passing.days(32).await;
    assert_eq!(service.sweep().await.expect("a sweep").purged, 0, "the tie is left");
    client.unlink(unlink("u", &person, mail(MAIL))).await.expect("an unlink");
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, 1);
    passing.days(32).await;
    assert_eq!(service.sweep().await.expect("a sweep").purged, 1);
    assert_eq!(left(&passing).await, (0, 0));
    passing.close().await;
}

/// One had a contact, of the other only requests are known. That they are somebody else says a request which
/// names the older one alone.
async fn who_was_kept_for_a_merge_goes_once_that_is_taken_back(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let service = &passing.world.running.service;
    let mut people = Vec::new();
    for address in [MAIL, "another@example.com"] {
        let made = client.upsert(upsert(address, vec![mail(address)])).await.expect("an upsert");
        people.push(made.customer.expect("them").customer_ref);
    }
    client.unlink(unlink("u", &people[1], mail("another@example.com"))).await.expect("an unlink");
    people.push(client.start(call("old", NUMBER)).await.expect("a start").customer_ref);
    client.end(end("old")).await.expect("an end");
    let mut merges = Vec::new();
    for other in &people[1..] {
        let merged = client.merge(merge(&format!("with {other}"), &people[0], other)).await;
        merges.push(merged.expect("a merge").merge_id);
    }
    for days in [KEPT + 1, 32] {
        passing.days(days).await;
        let swept = service.sweep().await.expect("a sweep");
        assert_eq!(swept.purged, 0, "they are one with somebody who has an address");
    }
    for merge_id in &merges {
        let request_id = format!("without {merge_id}");
        client.unmerge(unmerge(&request_id, merge_id)).await.expect("an unmerge");
    }
    assert_eq!(service.sweep().await.expect("a sweep").purged, 0, "not a day too early");
    passing.days(32).await;
    assert_eq!(service.sweep().await.expect("a sweep").purged, 2);
    assert!(!is_gone(&client, &people[0]).await);
    assert_eq!(left(&passing).await, (1, 1));
    passing.close().await;
}
