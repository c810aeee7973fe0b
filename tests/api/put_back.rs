//! A store that is put back while it is served, as by a failover that loses what came last: its places in the
//! journal are handed out again, and nobody goes on behind what happens there.

use threadline::grpc::proto::WatchCustomerRequest;
use tonic::Code;

use super::settling::{NUMBER, staff};
use super::watching_customers::of;
use crate::support::client::{Refusal, assert_refused};
use crate::support::requests::{call, start};
use crate::support::watcher::{after, everything, told};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(whoever_watches_begins_anew);

async fn chats(client: &Client, what: &str, count: usize) {
    for number in 0..count {
        client.start(start(&format!("{what} {number}"), "web_chat")).await.expect("a start");
    }
}

async fn whoever_watches_begins_anew(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut live = client.watch(everything()).await.expect("a stream");
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    assert_eq!(live.events(1).await, told(&[("STARTED", "one")]));
    let mut theirs = client.watch_customer(of(&known)).await.expect("a stream");
    let place = world.reached().await;
    chats(&client, "lost", 30).await;
    live.events(30).await;
    world.put_back(place, place).await;
    let ended = [live.end().await, theirs.end().await];
    for end in &ended {
        let Refusal { code, reason, .. } = &end.refusal;
        assert_eq!((*code, reason.as_str()), (Code::Unavailable, "WATCH_INTERRUPTED"));
    }
    let mut anew = client.watch(everything()).await.expect("from where it ends now");
    chats(&client, "new", 60).await;
    for number in 0..60 {
        let id = format!("new {number}");
        assert_eq!(anew.events(1).await, told(&[("STARTED", &*id)]));
    }
    // The journal has grown past the place where they were: still nobody knows what they were not told.
    let [token, theirs] = ended.map(|end| end.token);
    let refused = client.watch(after(&token)).await;
    assert_refused(refused, Code::InvalidArgument, "RESUME_TOKEN_REFUSED");
    let again = WatchCustomerRequest { resume_token: theirs, ..of(&known) };
    let refused = client.watch_customer(again).await;
    assert_refused(refused, Code::InvalidArgument, "RESUME_TOKEN_REFUSED");
    world.close().await;
}
