//! What is told, to whom, how often.

use std::time::Duration;

use serde_json::json;
use threadline::continuity::webhooks::Changes;

use super::ground::{
    Hooked, QUICK, endpoint, everybody_calls, expected, impatient, is_let_go, number, told_of,
    whole_call,
};
use super::receiver::{Manner, PATIENCE, Receiver};
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, email_hint, end, merge, reassign, reject, start_with,
};
use crate::support::{Engine, each_engine};

each_engine!(
    what_happens_is_told_by_refs_alone,
    whom_a_stranger_may_be_is_named_to_nobody,
    changes_of_customers_are_told,
    an_endpoint_is_told_what_it_asked_for,
    what_waits_and_is_not_asked_for_any_more_is_not_told,
    two_instances_send_each_event_once,
    a_slow_endpoint_keeps_nobody_waiting,
    what_happens_while_it_is_off_is_told_later,
    a_removed_endpoint_is_told_nothing,
);

async fn what_happens_is_told_by_refs_alone(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let answer = hooked.client.start(call("one", &number(1))).await.expect("a start");
    hooked.client.end(end("one")).await.expect("an end");
    let all = hooked.receiver.until_accepted(2).await;
    let kinds: Vec<String> = all.iter().map(|one| one.kind()).collect();
    assert_eq!(kinds, ["interaction.started", "interaction.ended"]);
    for one in &all {
        let expected = json!({
            "interaction_id": "one",
            "source": "default",
            "channel": "voice",
            "customer_ref": answer.customer_ref,
        });
        let body = one.body();
        assert_eq!(body["data"], expected);
        assert_eq!(body.as_object().expect("an object").len(), 3, "type, timestamp, data");
        let time: jiff::Timestamp =
            body["timestamp"].as_str().expect("text").parse().expect("a time");
        assert!((hooked.world.now().0 - time.as_millisecond()).abs() < 120_000);
        assert!(one.is_signed_with(&hooked.secret));
        assert_eq!(one.headers["content-type"], "application/json");
        assert!(one.id().starts_with("msg_"));
    }
    assert_ne!(all[0].id(), all[1].id());
    hooked.receiver.until("nothing waits", |_| hooked.world.running.webhooks.lag().is_zero()).await;
    hooked.world.close().await;
}

/// Somebody types an address of somebody else's: until it is settled whose it is, that is nobody's affair.
async fn whom_a_stranger_may_be_is_named_to_nobody(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let (client, receiver) = (&hooked.client, &hooked.receiver);
    let mut refs = Vec::new();
    for (n, address) in ["dana@example.com", "eve@example.com"].into_iter().enumerate() {
        let known = start_with(&format!("known {n}"), "email", email_hint(address));
        refs.push(client.start(known).await.expect("a start").customer_ref);
        client.end(end(&format!("known {n}"))).await.expect("an end");
    }
    let typed = async |id: &str, address: &str| {
        let asked = client.start(start_with(id, "web_chat", email_hint(address))).await;
        let asked = asked.expect("a start");
        assert_eq!(said(&asked), Said::Confirm);
        asked.customer_ref
    };
    // One after the other: what is told is how it stands when it is sent.
    receiver.until_accepted(4).await;
    assert_eq!(typed("stranger", "dana@example.com").await, refs[0]);
    receiver.until_accepted(5).await;
    client.end(end("stranger")).await.expect("an end");
    receiver.until_accepted(6).await;
    let new = client.update(reject("stranger", "no", None)).await.expect("a rejection");
    receiver.until_accepted(7).await;
    assert_eq!(typed("eve", "eve@example.com").await, refs[1]);
    receiver.until_accepted(8).await;
    client.update(confirm("eve", "yes")).await.expect("a confirmation");
    receiver.until_accepted(9).await;
    client.reassign(reassign("stranger", "to eve", Some(&refs[1]))).await.expect("a move");
    let all = receiver.until_accepted(10).await;
    let told = all[4..].iter().map(|one| (one.kind(), one.of("customer_ref")));
    let expected = [
        ("interaction.started", ""),
        ("interaction.ended", ""),
        ("interaction.updated", &*new.customer_ref),
        ("interaction.started", ""),
        ("interaction.updated", &*refs[1]),
        ("interaction.reassigned", &*refs[1]),
    ];
    let expected = expected.map(|(kind, whom)| (kind.to_owned(), whom.to_owned()));
    assert_eq!(told.collect::<Vec<(String, String)>>(), expected);
    let told = all[4].body();
    let own = json!({"interaction_id": "stranger", "source": "default", "channel": "web_chat"});
    assert_eq!(told["data"], own, "it is not there at all");
    hooked.world.close().await;
}

async fn changes_of_customers_are_told(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let one = hooked.client.start(call("one", &number(1))).await.expect("a start").customer_ref;
    let other = hooked.client.start(call("two", &number(2))).await.expect("a start").customer_ref;
    hooked.client.merge(merge("joined", &one, &other)).await.expect("a merge");
    let all = hooked.receiver.until_accepted(3).await;
    let last = all.last().expect("three");
    assert_eq!(last.kind(), "customer.merged");
    assert!([one, other].contains(&last.of("customer_ref")));
    assert_eq!(last.body()["data"].as_object().expect("an object").len(), 1);
    hooked.world.close().await;
}

async fn an_endpoint_is_told_what_it_asked_for(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let other = Receiver::new();
    let types = ["interaction.ended"];
    endpoint(&hooked.world, &other.url(), &types, QUICK).await;
    whole_call(&hooked.client, "one", 1).await;
    whole_call(&hooked.client, "two", 2).await;
    hooked.receiver.until_accepted(6).await;
    let all = other.until_accepted(2).await;
    assert!(all.iter().all(|one| one.kind() == "interaction.ended"));
    assert_eq!(other.all().len(), 2);
    hooked.world.close().await;
}

async fn what_waits_and_is_not_asked_for_any_more_is_not_told(engine: Engine) {
    let seldom = QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [600, 1");
    let hooked = Hooked::with(engine, &seldom).await;
    hooked.receiver.answers(|one| match one.kind().as_str() {
        "interaction.started" => Manner::Status(500),
        _ => Manner::Status(200),
    });
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.until_rows("all three wait", |rows| rows == (3, 0)).await;
    hooked.receiver.answers(|_| Manner::Status(200));
    let service = &hooked.world.running.service;
    let types = Some(vec!["interaction.ended".to_owned()]);
    let ends = Changes { types, ..Changes::default() };
    let networks = super::ground::terms(QUICK).networks;
    service.update_webhook(&hooked.name, ends, &networks).await.expect("other types");
    let all = hooked.receiver.until_accepted(1).await;
    assert_eq!(all[0].kind(), "interaction.ended", "what it waited for keeps it no longer");
    hooked.until_rows("nothing waits, and nothing was given up", |rows| rows == (0, 0)).await;
    assert_eq!(hooked.receiver.all().len(), 2, "the start was tried once");
    hooked.world.close().await;
}

async fn two_instances_send_each_event_once(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let second = hooked.world.beside(QUICK).await;
    let client = crate::support::Client::connect(
        second.address,
        Some(&format!(
            "Bearer {}",
            hooked.world.key(&crate::support::World::new_key(&["telephony"])).await
        )),
    )
    .await;
    // Through several looks of both for endpoints that nobody holds.
    tokio::join!(everybody_calls(&hooked.client, 4, 3), async {
        for call in 0..12 {
            whole_call(&client, &format!("9-{call}"), 9).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    hooked.receiver.until_accepted(4 * 9 + 36).await;
    let all = hooked.receiver.all();
    assert_eq!(all.len(), 4 * 9 + 36, "each event once");
    for of in 0..4 {
        assert_eq!(told_of(&all, of), expected(of, 3));
    }
    assert_eq!(told_of(&all, 9), expected(9, 12));
    second.stop().await.expect("an orderly stop");
    hooked.world.close().await;
}

async fn a_slow_endpoint_keeps_nobody_waiting(engine: Engine) {
    let hooked = Hooked::with(engine, &impatient()).await;
    let slow = Receiver::new();
    slow.answers(|_| Manner::Hangs);
    endpoint(&hooked.world, &slow.url(), &[], QUICK).await;
    whole_call(&hooked.client, "0-0", 0).await;
    slow.until("the slow one is asked", |it| !it.all().is_empty()).await;
    let begun = std::time::Instant::now();
    everybody_calls(&hooked.client, 8, 4).await;
    hooked.receiver.until_accepted(8 * 12).await;
    let took = begun.elapsed();
    assert!(slow.accepted().is_empty());
    // The slow one has not been through with its first few by then.
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(slow.all().len() < 8 * 12, "{}", slow.all().len());
    hooked.world.close().await;
}

async fn what_happens_while_it_is_off_is_told_later(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until_accepted(3).await;
    let service = &hooked.world.running.service;
    let networks = super::ground::terms(QUICK).networks;
    let switched = |on| Changes { on: Some(on), ..Changes::default() };
    service.update_webhook(&hooked.name, switched(false), &networks).await.expect("off");
    // What comes until whoever holds it has let go of it may still be told.
    assert!(is_let_go(&hooked.world, &hooked.name, PATIENCE).await, "somebody holds it");
    whole_call(&hooked.client, "0-1", 0).await;
    whole_call(&hooked.client, "0-2", 0).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(hooked.receiver.all().len(), 3, "it is off");
    service.update_webhook(&hooked.name, switched(true), &networks).await.expect("on");
    let all = hooked.receiver.until_accepted(9).await;
    assert_eq!(told_of(&all, 0), expected(0, 3));
    hooked.world.close().await;
}

async fn a_removed_endpoint_is_told_nothing(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.until_rows("something waits", |(waiting, _)| waiting > 0).await;
    let service = &hooked.world.running.service;
    service.remove_webhook(&hooked.name).await.expect("removed");
    assert!(service.remove_webhook(&hooked.name).await.is_err(), "it is gone");
    assert_eq!(hooked.rows().await, (0, 0));
    hooked.receiver.answers(|_| Manner::Status(200));
    let other = Receiver::new();
    endpoint(&hooked.world, &other.url(), &[], QUICK).await;
    whole_call(&hooked.client, "0-1", 0).await;
    other.until_accepted(3).await;
    assert_eq!(
        told_of(&hooked.receiver.accepted(), 0).iter().filter(|it| it.starts_with("0-1")).count(),
        0
    );
    assert_eq!(hooked.rows().await, (0, 0), "nobody has put a row back");
    hooked.world.close().await;
}
