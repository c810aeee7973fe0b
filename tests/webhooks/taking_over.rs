//! Two servers, one of which is killed, and then the other: everything arrives, and of each event one
//! attempt at a time.

use std::process::Command;
use std::time::Duration;

use threadline::store::Engine;

use super::ground::{expected, impatient, told_of, whole_call};
use super::receiver::{Manner, Receiver};
use crate::database::Database;
use crate::keys::{ROOT_KEY, new_key};
use crate::spawned::Spawned;
use crate::support::Client;

const CUSTOMERS: usize = 6;
const CALLS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_another_goes_on_on_sqlite() {
    whoever_is_killed_another_goes_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_another_goes_on_on_postgres() {
    whoever_is_killed_another_goes_on(Engine::Postgres).await;
}

async fn client(server: &Spawned, key: &str) -> Client {
    let address = server.url.trim_start_matches("http://").parse().expect("an address");
    Client::connect(address, Some(&format!("Bearer {key}"))).await
}

async fn whoever_is_killed_another_goes_on(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    std::fs::write(database.folder().join("tenants.toml"), impatient()).expect("settings");
    let mut first = Spawned::serve(&database, "trace", "first.log").await;
    let mut second = Spawned::serve(&database, "trace", "second.log").await;
    let receiver = Receiver::new();
    let url = format!("{}?token=kanarienvogel", receiver.url());
    let secret = made(&database, &url).await;
    receiver.answers(|_| Manner::Slow(Duration::from_millis(20)));
    let (one, two) = (client(&first, &key).await, client(&second, &key).await);
    calls(&one, 0..4).await;
    receiver.until_accepted(CUSTOMERS * 2 * 3).await;
    first.kill();
    calls(&two, 4..8).await;
    // Whichever held it: the one that is left goes on.
    receiver.until_accepted(CUSTOMERS * 8 * 3).await;
    let mut first = Spawned::serve(&database, "trace", "third.log").await;
    let one = client(&first, &key).await;
    calls(&two, 8..10).await;
    second.kill();
    calls(&one, 10..CALLS).await;
    receiver.until_accepted(CUSTOMERS * CALLS * 3).await;
    let all = receiver.accepted();
    for of in 0..CUSTOMERS {
        assert_eq!(told_of(&all, of), expected(of, CALLS));
    }
    assert!(receiver.all().iter().all(|one| one.is_signed_with(&secret)));
    assert_eq!(receiver.overlaps(), 0, "one at a time");
    first.kill();
    for log in ["first.log", "second.log", "third.log"] {
        let log = std::fs::read_to_string(database.folder().join(log)).expect("a log");
        assert!(log.len() > 500, "at trace a server says something");
        for canary in ["kanarienvogel", "+1415200", "0-0", secret.as_str()] {
            assert!(!log.contains(&format!("{canary}\"")), "the log says {canary}");
        }
        assert!(!log.contains("kanarienvogel") && !log.contains(&secret));
    }
    database.remove().await;
}

async fn calls(client: &Client, calls: std::ops::Range<usize>) {
    let mut all = tokio::task::JoinSet::new();
    for of in 0..CUSTOMERS {
        let (client, calls) = (client.clone(), calls.clone());
        all.spawn(async move {
            for call in calls {
                whole_call(&client, &format!("{of}-{call}"), of).await;
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("they have called");
    }
}

/// Makes an endpoint as an operator does; its secret.
pub(super) async fn made(database: &Database, url: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command
        .args(["webhooks", "create", "--tenant", "acme", "--url", url, "--database", &database.url])
        .env("THREADLINE_ROOT_KEY", ROOT_KEY)
        .env("THREADLINE_CONFIG", database.folder().join("threadline.toml"));
    let ran = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    let output = ran.await.expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
