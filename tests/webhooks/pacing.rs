//! When what was not accepted is tried again, and in which order when customers become one meanwhile.

use std::time::Duration;

use serde_json::json;
use threadline::clock::Clock;
use threadline::grpc::proto::{
    CustomerInput, IdentityHints, ProfileAttributeInput, UpsertCustomerRequest,
};

use super::ground::{Hooked, QUICK, number, whole_call};
use super::receiver::{Manner, Received};
use crate::support::issuer::Issuer;
use crate::support::requests::{call, end, merge, start_with, unmerge};
use crate::support::{Engine, World, each_engine};

each_engine!(
    what_is_never_accepted_keeps_its_own_time,
    a_receiver_that_asks_for_time_has_it,
    what_it_asked_for_holds_after_a_restart,
    order_holds_when_two_become_one,
    order_holds_when_one_becomes_two,
    order_holds_when_a_visitor_signs_in,
);

/// Three, because after three failures in a row the endpoint as a whole is what fails, and accepts again
/// with the next event of somebody else.
async fn what_is_never_accepted_keeps_its_own_time(engine: Engine) {
    let seldom = QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [600, 1");
    let hooked = Hooked::with(engine, &seldom).await;
    let bad = |id: &str| ["0-0", "1-0", "2-0"].contains(&id);
    hooked.receiver.answers(move |one| match bad(&one.of("interaction_id")) {
        true => Manner::Status(500),
        false => Manner::Status(200),
    });
    for of in 0..3 {
        hooked.client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    hooked.receiver.until("all three are tried", |it| it.all().len() >= 3).await;
    for of in 3..13 {
        whole_call(&hooked.client, &format!("{of}-0"), of).await;
        hooked.receiver.until_accepted((of - 2) * 3).await;
    }
    for of in 0..3 {
        let own = format!("{of}-0");
        let all = hooked.receiver.all();
        let tried = all.iter().filter(|one| one.of("interaction_id") == own).count();
        assert!((1..=2).contains(&tried), "{own} was tried {tried} times within a moment");
    }
    hooked.until_rows("none is given up", |rows| rows == (3, 0)).await;
    hooked.world.close().await;
}

async fn a_receiver_that_asks_for_time_has_it(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::TooMany(3));
    hooked.client.start(call("0-0", &number(0))).await.expect("a start");
    hooked.receiver.until("it asks for time", |it| !it.all().is_empty()).await;
    hooked.until_rows("that is known", |rows| rows.0 == 1).await;
    hooked.receiver.answers(|_| Manner::Status(200));
    // Also for everybody else: it is the receiver that has too much to do.
    for of in 1..20 {
        whole_call(&hooked.client, &format!("{of}-0"), of).await;
    }
    hooked.receiver.until_accepted(1 + 19 * 3).await;
    let all = hooked.receiver.all();
    let rested = all[1].at.duration_since(all[0].at);
    assert!(rested >= Duration::from_millis(2_900), "{rested:?}");
    assert_eq!(hooked.receiver.overlaps(), 0);
    hooked.world.close().await;
}

/// With whatever status. Three of others fail after the restart, so that the endpoint rests, and what
/// failed is hastened once it accepts again: but not what it asked time for.
async fn what_it_asked_for_holds_after_a_restart(engine: Engine) {
    const ASKED: u32 = 10;
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::Later(500, ASKED));
    for of in 0..3 {
        hooked.client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    hooked.until_rows("that is known", |rows| rows.0 == 3).await;
    let Hooked { world, receiver, .. } = hooked;
    let world = world.again_with(QUICK).await;
    receiver.answers(|_| Manner::Status(500));
    let client = world.client(&World::new_key(&["telephony"])).await;
    for of in 3..6 {
        client.start(call(&format!("{of}-0"), &number(of))).await.expect("a start");
    }
    receiver.until("the others fail", |it| it.all().len() >= 6).await;
    receiver.answers(|_| Manner::Status(200));
    let accepted = receiver.until_accepted(6).await;
    let all = receiver.all();
    for of in 0..3 {
        let own = format!("{of}-0");
        let is_own = |one: &&Received| one.of("interaction_id") == own;
        let first = all.iter().find(is_own).expect("it was tried");
        let last = accepted.iter().find(is_own).expect("it was accepted");
        let left_alone = last.at.duration_since(first.at);
        assert!(left_alone >= Duration::from_millis(9_900), "{own}: {left_alone:?}");
    }
    world.close().await;
}

async fn order_holds_when_two_become_one(engine: Engine) {
    let later = QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [3, 1");
    let hooked = Hooked::with(engine, &later).await;
    let start = async |of: usize, id: &str| {
        hooked.client.start(call(id, &number(of))).await.expect("a start").customer_ref
    };
    let (one, other) = (start(0, "0-0").await, start(1, "1-0").await);
    hooked.receiver.until_accepted(2).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    // The younger of the two: as one, they are called like the older.
    start(1, "1-1").await;
    hooked.until_rows("it was not accepted", |rows| rows.0 == 1).await;
    hooked.client.merge(merge("joined", &one, &other)).await.expect("a merge");
    hooked.receiver.answers(|_| Manner::Status(200));
    start(0, "0-1").await;
    let accepted = hooked.receiver.until_accepted(5).await;
    let told: Vec<String> = accepted[2..].iter().map(|one| one.of("interaction_id")).collect();
    assert_eq!(told, ["1-1", "", "0-1"], "the merge between them names no interaction");
    hooked.world.close().await;
}

/// The younger of the two is changed while they are one, and called like the older. That change is still
/// theirs when they are two again.
async fn order_holds_when_one_becomes_two(engine: Engine) {
    let later = QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [3, 1");
    let hooked = Hooked::with(engine, &later).await;
    let start = async |of: usize, id: &str| {
        hooked.client.start(call(id, &number(of))).await.expect("a start").customer_ref
    };
    let (one, other) = (start(0, "0-0").await, start(1, "1-0").await);
    let merged = hooked.client.merge(merge("joined", &one, &other)).await.expect("a merge");
    hooked.receiver.until_accepted(3).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    let seat = ProfileAttributeInput { value: "12A".into(), ..Default::default() };
    let profile = [("seat".to_owned(), seat)].into();
    let change = UpsertCustomerRequest {
        request_id: "changed".into(),
        customer_ref: other,
        customer: Some(CustomerInput { profile, ..Default::default() }),
        ..Default::default()
    };
    hooked.client.upsert(change).await.expect("a change");
    hooked.until_rows("it was not accepted", |rows| rows.0 == 1).await;
    hooked.client.unmerge(unmerge("two again", &merged.merge_id)).await.expect("an unmerge");
    hooked.receiver.answers(|_| Manner::Status(200));
    start(1, "1-1").await;
    let accepted = hooked.receiver.until_accepted(6).await;
    let changed = accepted.iter().position(|one| one.kind() == "customer.changed");
    let started = accepted.iter().position(|one| one.of("interaction_id") == "1-1");
    assert!(changed.is_some() && changed < started, "{changed:?}, {started:?}");
    hooked.world.close().await;
}

/// Nobody asks for it: the service joins them by itself, and says so behind the start that led to it.
async fn order_holds_when_a_visitor_signs_in(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let pem = key.pem().replace('\n', "\\n");
    let trusting = format!(
        "[tenants.acme.web_token]\nissuer = \"https://login.example\"\naudience = \"threadline\"\n\
         [[tenants.acme.web_token.keys]]\nkid = \"k\"\npem = \"{pem}\"\n"
    );
    let later = QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [3, 1");
    let hooked = Hooked::with(engine, &format!("{later}{trusting}")).await;
    let chat = async |id: &str, visitor: &str, signed_in: bool| {
        let now = Clock::System.now().0 / 1_000;
        let claims = json!({"iss": "https://login.example", "aud": "threadline",
            "sub": "user-17", "iat": now, "exp": now + 300});
        let web_token = if signed_in { key.token(&claims) } else { String::new() };
        let hints = IdentityHints { visitor_id: visitor.into(), web_token, ..Default::default() };
        let answer = hooked.client.start(start_with(id, "web_chat", hints)).await;
        hooked.client.end(end(id)).await.expect("an end");
        answer.expect("a start").customer_ref
    };
    let known = chat("known", "", true).await;
    hooked.receiver.until_accepted(2).await;
    hooked.receiver.answers(|_| Manner::Status(500));
    let visitor = chat("anonymous", "browser-1", false).await;
    assert_ne!(known, visitor);
    hooked.until_rows("both were not accepted", |rows| rows.0 == 2).await;
    hooked.receiver.answers(|_| Manner::Status(200));
    assert_eq!(chat("signed in", "browser-1", true).await, known);
    let accepted = hooked.receiver.until_accepted(7).await;
    let told: Vec<String> = accepted[2..].iter().map(|one| one.of("interaction_id")).collect();
    assert_eq!(told, ["anonymous", "anonymous", "signed in", "", "signed in"]);
    let merged = &accepted[5];
    assert_eq!((merged.kind(), merged.of("customer_ref")), ("customer.merged".into(), known));
    hooked.world.close().await;
}
