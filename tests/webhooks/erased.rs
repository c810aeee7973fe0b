//! Whoever is erased is told of no more: not what waits, not what was given up. And rows name nobody.

use std::time::Duration;

use sqlx::{Executor as _, Row as _};
use threadline::clock::{DAY, HOUR};
use threadline::continuity::webhooks::Changes;
use threadline::grpc::proto::EraseCustomerRequest;
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::ids::CustomerId;

use super::ground::{Hooked, QUICK, expected, terms, told_of, whole_call};
use super::receiver::Manner;
use crate::support::requests::merge;
use crate::support::{Client, Engine, each_engine};

each_engine!(
    whoever_is_erased_is_told_of_no_more,
    their_rows_go_with_them_also_while_nothing_is_sent,
    receivers_are_told_who_was_erased_and_then_it_is_forgotten,
    whom_nobody_can_be_told_of_is_forgotten_in_time,
    rows_name_nobody,
);

async fn erase(client: &Client, customer_ref: &str) {
    let request = EraseCustomerRequest { customer_ref: customer_ref.into(), ..Default::default() };
    let answer = client.erase(request.clone()).await.expect("a preview");
    let Some(Outcome::Preview(preview)) = answer.outcome else { panic!("a preview") };
    let preview_token = preview.preview_token;
    let request = EraseCustomerRequest {
        preview_token,
        request_id: format!("gone {customer_ref}"),
        ..request
    };
    client.erase(request).await.expect("an erasure");
}

async fn whoever_is_erased_is_told_of_no_more(engine: Engine) {
    let once = QUICK.replace("retry_seconds = [1, 1,", "retry_seconds = [2, 2]#");
    let hooked = Hooked::with(engine, &once).await;
    hooked.receiver.answers(|one| match one.of("interaction_id").starts_with("0-") {
        true => Manner::Status(500),
        false => Manner::Status(200),
    });
    let of_theirs = || {
        let all = hooked.receiver.all();
        all.iter().filter(|one| one.of("interaction_id").starts_with("0-")).count()
    };
    // One event of theirs is given up, the next is being tried, the last waits.
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.until_rows("one is given up", |(_, given_up)| given_up == 1).await;
    let (waiting, _) = hooked.rows().await;
    assert!(waiting >= 1, "the others wait");
    let customer = hooked.receiver.all()[0].of("customer_ref");
    erase(&hooked.client, &customer).await;
    assert_eq!(hooked.rows().await, (0, 0), "what waited and what was given up went with them");
    let asked = of_theirs();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // One attempt may have been on its way.
    assert!(of_theirs() <= asked + 1, "what waited is not told");
    assert_eq!(hooked.rows().await, (0, 0), "and what was being tried leaves no row");
    whole_call(&hooked.client, "1-0", 1).await;
    let all = hooked.receiver.until_accepted(4).await;
    assert_eq!(told_of(&all, 1), expected(1, 1));
    // What was on its way when they were erased may have arrived.
    assert!(of_theirs() <= asked + 1, "nothing is told of them");
    let told = all.iter().filter(|one| one.of("customer_ref") == customer).map(|one| one.kind());
    assert_eq!(told.collect::<Vec<String>>(), ["customer.erased"], "but that they are no more");
    hooked.world.close().await;
}

/// Nobody delivers, so nobody would find out.
async fn their_rows_go_with_them_also_while_nothing_is_sent(engine: Engine) {
    let once = QUICK.replace("retry_seconds = [1, 1,", "retry_seconds = [600]#");
    let hooked = Hooked::with(engine, &once).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    for of in 0..2 {
        whole_call(&hooked.client, &format!("{of}-0"), of).await;
    }
    hooked.until_rows("all of it waits", |(waiting, _)| waiting == 6).await;
    let service = &hooked.world.running.service;
    let off = Changes { on: Some(false), ..Changes::default() };
    service.update_webhook(&hooked.name, off, &terms(QUICK).networks).await.expect("off");
    let all = hooked.receiver.all();
    let theirs = all.iter().find(|one| one.of("interaction_id") == "0-0").expect("one of theirs");
    erase(&hooked.client, &theirs.of("customer_ref")).await;
    assert_eq!(hooked.rows().await, (3, 0), "theirs and nobody else's");
    hooked.world.close().await;
}

/// What is still to be told of erasures, as it is stored.
async fn notices(hooked: &Hooked) -> Vec<Vec<u8>> {
    let mut connection = hooked.world.connect().await;
    let sql = "SELECT content FROM erasure_notice";
    let rows = connection.fetch_all(sql).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn receivers_are_told_who_was_erased_and_then_it_is_forgotten(engine: Engine) {
    let patient = QUICK.replace("retry_seconds = [1, 1,", "retry_seconds = [600, 600]#");
    let hooked = Hooked::with(engine, &patient).await;
    for of in 0..3 {
        whole_call(&hooked.client, &format!("{of}-0"), of).await;
    }
    let all = hooked.receiver.until_accepted(9).await;
    let refs: Vec<String> = (0..3)
        .map(|of| {
            let id = format!("{of}-0");
            let ended = all.iter().find(|one| one.of("interaction_id") == id);
            ended.expect("they were told of").of("customer_ref")
        })
        .collect();
    hooked.client.merge(merge("one", &refs[0], &refs[1])).await.expect("a merge");
    hooked.receiver.until_accepted(10).await;
    // What they do now waits for ten minutes, and what happens to them after it as well.
    hooked.receiver.answers(|_| Manner::Status(500));
    whole_call(&hooked.client, "0-1", 0).await;
    hooked.until_rows("all of it waits", |(waiting, _)| waiting == 3).await;
    let service = &hooked.world.running.service;
    hooked.receiver.answers(|_| Manner::Status(200));
    erase(&hooked.client, &refs[1]).await;
    let all = hooked.receiver.until_accepted(11).await;
    let told = all[10].body();
    assert_eq!(told["type"], "customer.erased");
    let expected = serde_json::json!({"customer_ref": refs[0], "other_refs": [refs[1]]});
    assert_eq!(told["data"], expected, "who it was, and nothing else");
    assert_eq!(told.as_object().expect("an object").len(), 3);
    whole_call(&hooked.client, "2-1", 2).await;
    let all = hooked.receiver.until_accepted(14).await;
    assert!(all[11..].iter().all(|one| one.of("customer_ref") == refs[2]), "others go on");
    for _ in 0..600 {
        service.sweep().await.expect("a sweep");
        if notices(&hooked).await.is_empty() {
            return hooked.world.close().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("who was erased is forgotten once all were told");
}

async fn whom_nobody_can_be_told_of_is_forgotten_in_time(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    for of in 0..2 {
        whole_call(&hooked.client, &format!("{of}-0"), of).await;
    }
    let all = hooked.receiver.until_accepted(6).await;
    let of = |id: &str| {
        let one = all.iter().find(|one| one.of("interaction_id") == id);
        one.expect("they were told of").of("customer_ref")
    };
    let service = &hooked.world.running.service;
    let off = Changes { on: Some(false), ..Changes::default() };
    service.update_webhook(&hooked.name, off, &terms(QUICK).networks).await.expect("off");
    erase(&hooked.client, &of("0-0")).await;
    let kept = notices(&hooked).await;
    let raw = CustomerId::parse_ref(&of("0-0")).expect("a ref").0;
    for word in [&raw[..], of("0-0").as_bytes()] {
        assert!(!kept[0].windows(word.len()).any(|it| it == word), "whom to tell of is sealed");
    }
    let now = service.store().now();
    for (age, left) in [(30 * DAY - HOUR, 1), (30 * DAY + HOUR, 0)] {
        service.sweep_as_of(now.plus(age)).await.expect("a sweep");
        assert_eq!(notices(&hooked).await.len(), left, "{age}");
    }
    service.remove_webhook(&hooked.name).await.expect("removed");
    erase(&hooked.client, &of("1-0")).await;
    assert!(notices(&hooked).await.is_empty(), "nobody is to be told");
    hooked.world.close().await;
}

const CANARY: &str = "kanarienvogel";

async fn rows_name_nobody(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    let service = &hooked.world.running.service;
    let url = format!("{}?token={CANARY}", hooked.receiver.url());
    let (_, secret) = super::ground::endpoint(&hooked.world, &url, &[], QUICK).await;
    whole_call(&hooked.client, CANARY, 0).await;
    hooked.until_rows("something waits", |(waiting, _)| waiting > 0).await;
    service.store().close().await;
    let mut connection = hooked.world.connect().await;
    let mut held = Vec::new();
    for (table, columns) in [
        ("webhook_endpoint", &["content"][..]),
        ("webhook_delivery", &["position", "attempts", "due", "outcome"][..]),
    ] {
        for column in columns {
            let sql = sqlx::AssertSqlSafe(format!("SELECT {column} FROM {table}"));
            for row in connection.fetch_all(sqlx::query(sql)).await.expect("rows") {
                let bytes: Vec<u8> = match *column {
                    "content" => row.get(0),
                    _ => row.get::<i64, _>(0).to_string().into_bytes(),
                };
                held.push(bytes);
            }
        }
    }
    assert!(held.len() >= 6, "both tables hold something");
    let raw = secret.trim_start_matches("whsec_").as_bytes().to_vec();
    for canary in [CANARY.as_bytes().to_vec(), b"127.0.0.1".to_vec(), b"hooks".to_vec(), raw] {
        let found = held.iter().any(|bytes| bytes.windows(canary.len()).any(|it| it == canary));
        assert!(!found, "{}", String::from_utf8_lossy(&canary));
    }
    drop(connection);
    hooked.world.close().await;
}
