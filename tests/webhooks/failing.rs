//! A receiver that is down, slow, broken or drops what it is sent: everything arrives, in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::ground::{Hooked, QUICK, everybody_calls, expected, impatient, told_of, whole_call};
use super::receiver::{Manner, Receiver};
use crate::support::{Engine, each_engine};

each_engine!(
    whatever_the_receiver_does_everything_arrives_in_order,
    a_receiver_that_was_down_is_told_all,
    one_that_is_never_accepted_keeps_no_other_waiting,
    no_redirect_is_followed,
    an_answer_without_an_end_is_an_answer,
);

const CUSTOMERS: usize = 12;
const CALLS: usize = 3;

fn all_arrived_in_order(hooked: &Hooked) {
    let all = hooked.receiver.accepted();
    for of in 0..CUSTOMERS {
        assert_eq!(told_of(&all, of), expected(of, CALLS));
    }
    for one in hooked.receiver.all() {
        assert!(one.is_signed_with(&hooked.secret), "every attempt is signed");
    }
    assert_eq!(hooked.receiver.overlaps(), 0, "one at a time of each customer");
}

async fn whatever_the_receiver_does_everything_arrives_in_order(engine: Engine) {
    let hooked = Hooked::with(engine, &impatient()).await;
    let count = AtomicUsize::new(0);
    hooked.receiver.answers(move |_| match count.fetch_add(1, Ordering::SeqCst) % 7 {
        0 => Manner::Status(500),
        1 => Manner::Drops,
        2 => Manner::Slow(Duration::from_millis(300)),
        3 => Manner::Hangs,
        4 => Manner::Status(429),
        _ => Manner::Status(200),
    });
    everybody_calls(&hooked.client, CUSTOMERS, CALLS).await;
    hooked.receiver.until("some are not accepted", |it| it.accepted().len() < it.all().len()).await;
    hooked.receiver.until_accepted(CUSTOMERS * CALLS).await;
    hooked.receiver.answers(|_| Manner::Status(200));
    hooked.receiver.until_accepted(CUSTOMERS * CALLS * 3).await;
    all_arrived_in_order(&hooked);
    hooked.until_rows("nothing is left", |rows| rows == (0, 0)).await;
    hooked.world.close().await;
}

/// For three seconds, or as long as `THREADLINE_WEBHOOK_DOWN` says; with retries as they are by default
/// it is told all soon after it is back, however long the next retry would be.
async fn a_receiver_that_was_down_is_told_all(engine: Engine) {
    let usual = "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\ntimeout_seconds = 10\n";
    let hooked = Hooked::with(engine, usual).await;
    whole_call(&hooked.client, "99-0", 99).await;
    hooked.receiver.until_accepted(3).await;
    hooked.receiver.goes_down(true);
    let seconds = std::env::var("THREADLINE_WEBHOOK_DOWN").ok().and_then(|it| it.parse().ok());
    let down = Duration::from_secs(seconds.unwrap_or(3));
    let (begun, connections) = (Instant::now(), hooked.receiver.connections());
    everybody_calls(&hooked.client, CUSTOMERS, CALLS).await;
    while begun.elapsed() < down {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tried = hooked.receiver.connections() - connections;
    assert!(tried > 1, "it is tried");
    assert!(tried < 40, "it is not hammered: {tried}");
    assert!(hooked.world.running.webhooks.lag() >= Duration::from_secs(1), "the lag is told");
    let lag = hooked.world.running.webhooks.lag();
    assert!(lag <= begun.elapsed() + Duration::from_secs(2), "{lag:?}");
    hooked.receiver.goes_down(false);
    hooked.receiver.until_accepted(3 + CUSTOMERS * CALLS * 3).await;
    all_arrived_in_order(&hooked);
    hooked.receiver.until("no lag", |_| hooked.world.running.webhooks.lag().is_zero()).await;
    hooked.world.close().await;
}

async fn one_that_is_never_accepted_keeps_no_other_waiting(engine: Engine) {
    let hooked =
        Hooked::with(engine, &QUICK.replace("retry_seconds = [1, 1", "retry_seconds = [600, 1"))
            .await;
    hooked.receiver.answers(|one| match one.of("interaction_id").as_str() {
        "0-1" => Manner::Status(500),
        _ => Manner::Status(200),
    });
    everybody_calls(&hooked.client, 4, 3).await;
    hooked.receiver.until_accepted(3 + 3 * 9).await;
    let all = hooked.receiver.accepted();
    for of in 1..4 {
        assert_eq!(told_of(&all, of), expected(of, 3));
    }
    assert_eq!(told_of(&all, 0), expected(0, 1), "their own wait");
    // What waits behind it has rows, so that whoever takes over need not begin before it.
    hooked.until_rows("the rest waits", |rows| rows == (6, 0)).await;
    hooked.world.close().await;
}

async fn no_redirect_is_followed(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let elsewhere = Receiver::new();
    let to = elsewhere.url();
    hooked.receiver.answers(move |_| Manner::Redirects(to.clone()));
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until("it is tried again", |it| it.all().len() >= 2).await;
    assert_eq!(elsewhere.connections(), 0);
    hooked.receiver.answers(|_| Manner::Status(200));
    hooked.receiver.until_accepted(3).await;
    hooked.world.close().await;
}

async fn an_answer_without_an_end_is_an_answer(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::Endless);
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until("all three are told", |it| it.all().len() >= 3).await;
    let ids: std::collections::HashSet<String> =
        hooked.receiver.all().iter().map(|one| one.id()).collect();
    assert_eq!(ids.len(), 3, "each once: its status was 200");
    hooked.world.close().await;
}
