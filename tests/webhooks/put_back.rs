//! A store that is put back while it is served, as by a failover that loses what came last: its places in the
//! journal are handed out again, and what happens there is told.

use super::ground::Hooked;
use crate::support::requests::start;
use crate::support::{Engine, each_engine};

each_engine!(what_happens_from_then_on_is_told, what_may_not_have_been_told_is_told_again);

/// More than begin after it was put back: all of those are behind the place that was reached before.
const LOST: usize = 30;
const NEW: usize = 12;

async fn chats(hooked: &Hooked, what: &str, count: usize) {
    for number in 0..count {
        hooked.client.start(start(&format!("{what} {number}"), "web_chat")).await.expect("a start");
    }
}

fn times(hooked: &Hooked, id: &str) -> usize {
    hooked.receiver.all().iter().filter(|one| one.of("interaction_id") == id).count()
}

/// A chat is told and stays; others are told and lost. Where that leaves the journal.
async fn told_and_lost(hooked: &Hooked) -> i64 {
    chats(hooked, "kept", 1).await;
    hooked.receiver.until_accepted(1).await;
    let place = hooked.world.reached().await;
    chats(hooked, "lost", LOST).await;
    hooked.receiver.until_accepted(1 + LOST).await;
    place
}

async fn new_ones_are_told(hooked: &Hooked) {
    chats(hooked, "new", NEW).await;
    let all = |_: &super::receiver::Receiver| {
        (0..NEW).all(|number| times(hooked, &format!("new {number}")) > 0)
    };
    hooked.receiver.until("all that begins is told", all).await;
}

async fn what_happens_from_then_on_is_told(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let place = told_and_lost(&hooked).await;
    hooked.world.put_back(place, place).await;
    new_ones_are_told(&hooked).await;
    assert_eq!(times(&hooked, "kept 0"), 1, "it goes on where it was");
    hooked.world.close().await;
}

async fn what_may_not_have_been_told_is_told_again(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let place = told_and_lost(&hooked).await;
    // As if all had been told that is to happen in years.
    hooked.world.put_back(place, place + 1_000_000_000).await;
    new_ones_are_told(&hooked).await;
    hooked.receiver.until("nothing was lost", |_| times(&hooked, "kept 0") == 2).await;
    hooked.world.close().await;
}
