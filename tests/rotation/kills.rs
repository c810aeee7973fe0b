//! `rotate-keys` is killed at any moment, again and again: called once more, it completes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use threadline::crypto::{RootKeySource as _, RootKeys};
use threadline::ids::Entropy;
use threadline::server::root_key::KeyFile;

use crate::binary::{From, Server, fail, run, succeed, threadline};
use crate::chosen;
use crate::database::Database;
use crate::load::{acquaint, remembers};
use crate::vault::{below, fill, opened};

/// Keys beside those of customers: enough for a kill to find some on either side.
const KEYS: usize = 3_000;
/// Once fewer are left to wrap anew, as many come again.
const FEW_KEYS: i64 = 1_000;
/// Draws the moments of kills.
const SEED: u64 = 20_262;
/// One in so many kills comes before anything is wrapped anew, while files and versions are written.
const EARLY: usize = 4;
/// A command that has not begun by then never will.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn completed(database: &Database) {
    let kills = chosen("THREADLINE_ROTATION_KILLS", 20);
    let file = KeyFile::at(database.folder().join("root.key"));
    file.create(&Entropy::System).expect("a key file");
    let from = From::File(file.path().to_owned());
    let before = file.read().expect("a key");
    let key = succeed(
        database,
        &from,
        &["keys", "create", "--tenant", "acme", "--role", "telephony", "--role", "admin"],
    );
    let key = key.trim();
    let server = Server::start(database, &from, "first.log").await;
    let people = acquaint(&server, key, 5).await;
    drop(server);
    fill(database, &before, 1, KEYS).await;

    let (mut half_way, moments) = (0, Entropy::seeded(SEED));
    for kill in 0..kills {
        if below(database, 2).await < FEW_KEYS {
            fill(database, &before, 1, KEYS).await;
        }
        half_way += usize::from(killed(database, &from, kill, &moments).await);
        assert!(file.read().expect("whole").has(1), "the old version is lost");
    }
    assert!(half_way >= kills / 2, "{half_way} of {kills} kills met keys of both versions");
    let said = succeed(database, &from, &["rotate-keys"]);
    assert!(said.contains("wrapped by version 2") && said.contains("--retire 1"), "{said}");
    let again = succeed(database, &from, &["rotate-keys"]);
    assert!(again.contains("wrapped by version 2"), "done again, it begins no third: {again}");
    assert_eq!(file.read().expect("a key").versions(), [2, 1]);
    assert_eq!(below(database, 2).await, 0);

    // Retiring is killed, too.
    for _ in 0..3 {
        let mut retiring = threadline(database, &from, &["rotate-keys", "--retire", "1"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        tokio::time::sleep(Duration::from_micros(u64::from(moments.bytes::<1>()[0]) * 900)).await;
        retiring.kill().expect("a child");
        retiring.wait().expect("a child");
    }
    let said = succeed(database, &from, &["rotate-keys", "--retire", "1"]);
    assert!(said.contains("version 1 is retired"), "{said}");
    nothing_is_left_for(database, &before, &file).await;

    let server = Server::start(database, &from, "last.log").await;
    remembers(&server, key, &people).await;
    drop(server);
    // And now the next one.
    let said = succeed(database, &from, &["rotate-keys"]);
    assert!(said.contains("wrapped by version 3"), "a number is never used again: {said}");
}

/// Begins a rotation and kills it; whether some keys were wrapped anew then and others not.
async fn killed(database: &Database, from: &From, kill: usize, moments: &Entropy) -> bool {
    let begun = below(database, 2).await;
    let mut rotating = threadline(database, from, &["rotate-keys"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    if kill.is_multiple_of(EARLY) {
        let moment = u64::from(moments.bytes::<1>()[0]) * 1_500;
        tokio::time::sleep(Duration::from_micros(moment)).await;
    } else {
        let watched = Instant::now();
        while below(database, 2).await == begun {
            let ended = rotating.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended with {ended:?}, and {begun} to go");
            assert!(watched.elapsed() < BEGINS_WITHIN, "it does not begin");
        }
    }
    rotating.kill().expect("a child");
    rotating.wait().expect("a child");
    let left = below(database, 2).await;
    left > 0 && left < below(database, i64::MAX).await
}

/// The retired key opens nothing, and nobody serves with it.
async fn nothing_is_left_for(database: &Database, retired: &RootKeys, file: &KeyFile) {
    let now = file.read().expect("a key");
    assert_eq!(now.versions(), [2], "the file has let go of it");
    let (rows, open) = opened(database, &now).await;
    assert!(rows >= KEYS && open == rows, "{open} of {rows}");
    assert_eq!(opened(database, retired).await, (rows, 0), "the retired key opens nothing");
    let alone = From::Text(retired.to_text().to_string());
    let said = fail(database, &alone, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("needs version 2 of the root key"), "{said}");
    assert!(!said.contains(&retired.to_text()[3..20]), "and shows nothing of it");
    // Another key under the new number is none either.
    let other = RootKeys::generate(&Entropy::System).with_new(2, &Entropy::System).expect("two");
    let other = From::Text(other.to_text().to_string());
    let said = fail(database, &other, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("not the one this database was made with"), "{said}");
    let output = run(database, &From::File(file.path().to_owned()), &["rotate-keys", "--status"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("version 1    retired") && said.contains("version 2    wraps"), "{said}");
}
