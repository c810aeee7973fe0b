//! Checkpoints of the audit, the command that verifies against them, and that sweeps leave a chain
//! whole.

use std::process::Command;

use sqlx::Executor as _;
use threadline::cli::audit::{Filters, checkpoint, verify};
use threadline::cli::keys::NewKey;
use threadline::clock::{Clock, DAY};
use threadline::ids::TenantId;

use super::auditing::{all, list};
use super::remembering::MONDAY;
use super::settling::{NUMBER, staff};
use crate::support::requests::{call, end, start};
use crate::support::{Engine, ROOT_KEY, Setup, TENANT, World, each_engine};

each_engine!(a_chain_goes_through_its_checkpoints, the_command_exits_as_it_found);

async fn a_chain_goes_through_its_checkpoints(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let service = &world.running.service;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoints.jsonl");
    for number in 0..3 {
        client.start(call(&format!("call {number}"), NUMBER)).await.expect("a start");
        checkpoint(service, None, Some(file.clone())).await.expect("a checkpoint");
    }
    let through = |file: std::path::PathBuf| async move { verify(service, None, &[file]).await };
    let (text, whole) = through(file.clone()).await.expect("a verdict");
    assert!(whole && text.contains("through 3 checkpoints: whole"), "{text}");
    let lines = std::fs::read_to_string(&file).expect("the file");
    // Somebody who cannot sign, and a line that was torn.
    let (first, rest) = lines.split_once('\n').expect("three lines");
    let other = folder.path().join("other.jsonl");
    for (odd, said) in [
        (first.replace("\"position\":", "\"position\":1"), "was not signed here"),
        (first.replace(TENANT, "other"), "was not signed here"),
        (first.replace("\"tenant\":1", "\"tenant\":7"), "of a checkpoint is gone"),
        (first[..40].to_owned(), "line 1 is no checkpoint"),
    ] {
        std::fs::write(&other, format!("{odd}\n{rest}")).expect("a file");
        let (text, whole) = through(other.clone()).await.expect("a verdict");
        assert!(!whole && text.contains(said), "{odd}: {text}");
    }
    // A torn end does not spoil what comes after it.
    std::fs::write(&other, &first[..40]).expect("a file");
    checkpoint(service, Some(TENANT), Some(other.clone())).await.expect("a checkpoint");
    let appended = std::fs::read_to_string(&other).expect("the file");
    assert_eq!(appended.lines().count(), 2);
    assert!(through(folder.path().join("none.jsonl")).await.is_err(), "no verdict");
    assert!(verify(service, Some("another"), &[]).await.is_err(), "no verdict");
    world.close().await;
}

/// `threadline audit …` in a process of its own, while the server runs: its exit code, and what it says.
async fn audit(world: &World, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("audit").args(more).env("THREADLINE_ROOT_KEY", ROOT_KEY);
    command.env("THREADLINE_DATABASE", &world.database).env_remove("THREADLINE_CONFIG");
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

async fn the_command_exits_as_it_found(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let (code, said) = audit(&world, &["verify"]).await;
    assert!(code == Some(0) && said.contains("acme: 2 entries in 2 links"), "{code:?} {said}");
    let (code, lines) = audit(&world, &["checkpoint", "--tenant", TENANT]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kept.jsonl").display().to_string();
    std::fs::write(&file, &lines).expect("a file");
    let (again, said) = audit(&world, &["verify", "--checkpoint", &file]).await;
    assert_eq!((code, again), (Some(0), Some(0)), "{said}");
    assert!(said.contains("through 1 checkpoints"), "{said}");
    let (code, said) = audit(&world, &["list", "--action", "start"]).await;
    assert!(code == Some(0) && said.contains("start") && said.contains("p_"), "{said}");
    assert!(!said.contains("cus_") && said.lines().count() == 1, "{said}");
    let (code, key) = audit(&world, &["key"]).await;
    assert!(code == Some(0) && key.trim_end().ends_with("=  acme"), "{key}");
    for unknown in [&["verify", "--tenant", "nobody"][..], &["verify", "--checkpoint", "none"]] {
        assert_eq!(audit(&world, unknown).await.0, Some(2), "{unknown:?}");
    }
    let mut past = world.connect().await;
    past.execute("UPDATE journal SET caller = 'another' WHERE verb = 1").await.expect("an edit");
    let (code, said) = audit(&world, &["verify"]).await;
    assert!(code == Some(1) && said.contains("edited") && said.contains("NOT WHOLE"), "{said}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sweeps_take_away_leaves_a_whole_chain() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let test = world.client(&NewKey { test: true, ..World::new_key(&["telephony"]) }).await;
    client.start(start("withheld", "web_chat")).await.expect("a start");
    test.start(call("tried", NUMBER)).await.expect("a start");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoints.jsonl");
    let service = &world.running.service;
    checkpoint(service, None, Some(file.clone())).await.expect("a checkpoint");
    clock.set(MONDAY.plus(31 * DAY));
    assert_eq!(service.sweep().await.expect("a sweep").purged, 2);
    let (text, whole) = verify(service, None, &[file]).await.expect("a verdict");
    assert!(whole && text.matches("through 1 checkpoints: whole").count() == 2, "{text}");
    let purged = list(&world, &Filters { actions: vec!["purge".into()], ..all() }).await;
    assert_eq!(purged.iter().filter(|entry| entry.caller == "sweep").count(), 2);
    world.close().await;
}

/// `serve` appends a checkpoint when a chain has grown, and none when it has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_kept_on_a_schedule() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoints.jsonl");
    let settings = format!(
        "[server]\ncheckpoint_file = {:?}\ncheckpoint_every_seconds = 1\n",
        file.display().to_string()
    );
    let world = Setup::on(Engine::Sqlite).settings(&settings).open().await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let service = &world.running.service;
    for kept in 1..=2 {
        let ended = service.checkpoint(TenantId(1)).await.expect("a chain").expect("an end");
        let mut tries = 0;
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&ended.hash)) {
            tries += 1;
            assert!(tries < 1_200, "checkpoint {kept} never came");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        client.end(end("one")).await.expect("an end");
    }
    let (text, whole) =
        verify(&world.running.service, None, std::slice::from_ref(&file)).await.expect("one");
    assert!(whole, "{text}");
    world.close().await;
}
