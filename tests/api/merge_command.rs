//! `threadline merge`, as somebody at a terminal uses it.

use std::process::Command;

use super::merging::two;
use super::settling::staff;
use crate::support::{Engine, World};

/// Runs the command; whether it went well, and what it said.
async fn said(server: &str, key: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("merge").args(arguments).args(["--server", server, "--api-key", key]);
    let ran = tokio::task::spawn_blocking(move || command.output().expect("the command runs"));
    let output = ran.await.expect("it ran");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_joins_and_parts() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let (one, other) = two(&client).await;
    let key = world.key(&World::new_key(&["admin"])).await;
    let server = format!("http://{}", world.running.address);

    let (shown, text) = said(&server, &key, &[&one, &other]).await;
    assert!(shown && text.contains("1 contacts, 1 open matters, 1 identifiers"), "{text}");
    assert!(text.ends_with(&format!("the whole would be {one}\n")), "{text}");
    assert!(client.person(&one).await.member_refs.is_empty(), "nothing was joined by looking");

    let (joined, text) = said(&server, &key, &[&one, &other, "--reason", "ticket 4711"]).await;
    assert!(joined && text.contains(&format!("one person now: {one} ({one}, {other})")), "{text}");
    let person = client.person(&other).await;
    assert_eq!(
        (person.customer_ref.as_str(), person.merges[0].reason.as_str()),
        (one.as_str(), "ticket 4711")
    );

    let merge = text.trim().rsplit(' ').next().expect("a merge").to_owned();
    let (parted, text) = said(&server, &key, &["--undo", &merge]).await;
    assert!(parted && text.contains(&format!("  {one}\n  {other}\n")), "{text}");
    assert_eq!(client.person(&other).await.customer_ref, other);

    // Ids are of 64 characters, and a dash is one of them: it is asked for like any other.
    let (parted, text) = said(&server, &key, &["--undo", "-AAAAAAAAAAAAAAAAAAAAA"]).await;
    assert!(!parted && text.contains("NOT_FOUND"), "{text}");
    for refused in
        [vec![one.as_str(), one.as_str()], vec![one.as_str()], vec!["--undo", "nobody's"]]
    {
        let (well, text) = said(&server, &key, &refused).await;
        assert!(!well && !text.is_empty(), "{refused:?}: {text}");
    }
    world.close().await;
}
