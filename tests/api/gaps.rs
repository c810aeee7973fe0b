//! Where a backup was put back billions of positions of the journal are nobody's. Nobody who reads it walks
//! through them.

use std::time::Duration;

use super::erasing::gone;
use super::exporting::bytes;
use super::settling::{NUMBER, somebody, staff};
use crate::support::requests::{call, end, number_hint};
use crate::support::watcher::{after, everything, told};
use crate::support::{Engine, World, each_engine};

each_engine!(a_gap_keeps_nobody_waiting);

/// That of a backup that is ten years old.
const GAP: i64 = 30_000_000_000_000;

async fn a_gap_keeps_nobody_waiting(engine: Engine) {
    let done = tokio::time::timeout(Duration::from_secs(120), across_a_gap(engine)).await;
    done.expect("nobody walks through it");
}

async fn across_a_gap(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut live = client.watch(everything()).await.expect("a stream");
    let token = live.token.clone();
    let dana = somebody(&client, "before it", "voice", number_hint(NUMBER)).await;
    let before = [("STARTED", "before it"), ("ENDED", "before it")];
    assert_eq!(live.events(2).await, told(&before));
    world.gap(GAP).await;
    client.start(call("behind it", NUMBER)).await.expect("a start");
    client.end(end("behind it")).await.expect("an end");
    let behind = [("STARTED", "behind it"), ("ENDED", "behind it")];
    assert_eq!(live.events(2).await, told(&behind));
    let mut late = client.watch(after(&token)).await.expect("the stream again");
    assert_eq!(late.events(4).await, told(&[before, behind].concat()));
    world.gap(GAP).await;
    let exported = bytes(&client.export(&dana).await.expect("an export"));
    let exported = String::from_utf8_lossy(&exported);
    assert!(exported.contains("before it") && exported.contains("behind it"));
    let receipt = gone(&client, &dana, "e").await;
    assert_eq!(receipt.counts.expect("counts").interaction_count, 2);
    world.close().await;
}
