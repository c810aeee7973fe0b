//! Streams that wait: for an entry in the audit, and for a store that does not say whether their key is
//! still good. Meanwhile nothing is shown, and they end with their key.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection as _, Executor as _};
use threadline::cli::keys::{Terms, create_with};
use threadline::clock::Time;
use threadline::grpc::proto::EventType;
use threadline::ids::{TenantId, Token};
use threadline::store::audit::traces::Read;
use threadline::store::rows::{JournalRow, Outcome, Verb};
use tonic::Code;

use super::access::client;
use super::settling::{NUMBER, staff};
use crate::support::requests::{call, start};
use crate::support::watcher::{after, everything, told};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_stream_that_waits_for_the_audit_ends_with_its_key,
    a_stream_outlasts_a_short_silence_of_the_store,
);

/// Reads of a tenant of which the audit does not know yet; more are refused.
const MOST_READS: u64 = 1_024;
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// That somebody was shown, so often, to nobody in particular.
fn reads(count: u64) -> Vec<Read> {
    let row = |number: u64| JournalRow {
        interaction: Token((u128::MAX - u128::from(number)).to_be_bytes()),
        verb: Verb::GetCustomer,
        part: Vec::new(),
        position: 0,
        fingerprint: Vec::new(),
        received: Time(0),
        time: Time(1),
        channel: String::new(),
        customer: None,
        caller: "nobody".into(),
        outcome: Outcome::Shown,
        state: Vec::new(),
        digest: Vec::new(),
        strips: Vec::new(),
    };
    (0..count).map(|number| row(number).into()).collect()
}

/// Waits until all reads are in the journal.
async fn until_written(world: &World) {
    let begun = Instant::now();
    while world.running.service.store().traces_waiting() > 0 {
        assert!(begun.elapsed() < PATIENCE, "reads are written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_stream_that_waits_for_the_audit_ends_with_its_key(engine: Engine) {
    let world = World::on(engine).await;
    let lasting = staff(&world).await;
    let soon = Terms { expires_in: Some("15s".into()), ..Terms::default() };
    let key = World::new_key(&["agent"]);
    let short = create_with(&world.running.service, &key, &soon).await.expect("a key");
    let short = client(&world, &short).await;
    let token = lasting.watch(everything()).await.expect("a stream").token;
    lasting.start(call("one", NUMBER)).await.expect("a start");
    until_written(&world).await;
    // From here on nothing is written, and there is room for the entry that the stream was opened.
    let mut past = world.connect().await;
    let mut held = past.begin().await.expect("a transaction");
    let heads = sqlx::query("UPDATE tenant_head SET position = position");
    heads.execute(&mut *held).await.expect("the heads");
    let store = world.running.service.store();
    store.trace(TenantId(1), reads(MOST_READS - 1)).expect("room");
    let mut waiting = short.watch(after(&token)).await.expect("a stream");
    let ended = loop {
        match waiting.message().await {
            Ok(event) => assert!(event.kind == EventType::Heartbeat, "no entry says so yet"),
            Err(end) => break end.refusal,
        }
    };
    assert_eq!((ended.code, ended.reason.as_str()), (Code::Unauthenticated, "EXPIRED_API_KEY"));
    held.rollback().await.expect("its end");
    until_written(&world).await;
    let mut watcher = lasting.watch(after(&token)).await.expect("a stream");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "one")]));
    world.close().await;
}

/// Takes the keys away, or puts them back: nobody can say whether one is good.
async fn rename(past: &mut AnyConnection, sql: &'static str) {
    past.execute(sql).await.expect("another name");
}

/// Starts a chat, as soon as its caller is let in again.
async fn starts(client: &Client, id: &str) {
    let begun = Instant::now();
    while client.start(start(id, "web_chat")).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "keys can be looked at again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_stream_outlasts_a_short_silence_of_the_store(engine: Engine) {
    const AWAY: &str = "ALTER TABLE api_key RENAME TO api_key_away";
    const BACK: &str = "ALTER TABLE api_key_away RENAME TO api_key";
    let world = World::on(engine).await;
    let client = world.role("telephony").await;
    let mut watcher = world.role("agent").await.watch(everything()).await.expect("a stream");
    starts(&client, "before").await;
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "before")]));
    let mut past = world.connect().await;
    // Longer than a key is trusted without a look, and shorter than a stream waits for one.
    rename(&mut past, AWAY).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    rename(&mut past, BACK).await;
    starts(&client, "after").await;
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "after")]));
    rename(&mut past, AWAY).await;
    let silent = Instant::now();
    let ended = watcher.end().await;
    assert_eq!(ended.refusal.reason, "WATCH_INTERRUPTED", "{ended:?}");
    assert!(!ended.token.is_empty());
    assert!(silent.elapsed() >= Duration::from_secs(4), "{:?}", silent.elapsed());
    rename(&mut past, BACK).await;
    world.close().await;
}
