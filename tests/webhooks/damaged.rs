//! An endpoint that does not open hides no other and keeps nobody waiting; whoever looks is told which.

use std::process::Command;
use std::time::Duration;

use sqlx::{Executor as _, Row as _};
use threadline::continuity::webhooks::named;
use threadline::store::Engine;

use super::ground::{QUICK, expected, told_of, whole_call};
use super::receiver::Receiver;
use super::taking_over::made;
use crate::database::Database;
use crate::keys::{ROOT_KEY, new_key};
use crate::spawned::Spawned;
use crate::support::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_damaged_is_named_and_hides_no_other_on_sqlite() {
    one_that_is_damaged_is_named_and_hides_no_other(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_damaged_is_named_and_hides_no_other_on_postgres() {
    one_that_is_damaged_is_named_and_hides_no_other(Engine::Postgres).await;
}

/// `threadline webhooks`; what it printed.
async fn webhooks(database: &Database, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command
        .arg("webhooks")
        .args(arguments)
        .args(["--database", &database.url])
        .env("THREADLINE_ROOT_KEY", ROOT_KEY);
    let ran = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    let output = ran.await.expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn one_that_is_damaged_is_named_and_hides_no_other(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let settings = format!("[server]\n{QUICK}");
    std::fs::write(database.folder().join("tenants.toml"), QUICK).expect("settings");
    std::fs::write(database.folder().join("threadline.toml"), settings).expect("settings");
    let (damaged, whole) = (Receiver::new(), Receiver::new());
    for receiver in [&damaged, &whole] {
        made(&database, &receiver.url()).await;
    }
    let listed = webhooks(&database, &["list"]).await;
    let line = listed.lines().find(|line| line.contains(&damaged.url())).expect("it is listed");
    let name = line.split(' ').next().expect("a name").to_owned();
    damage(&database, named(&name).expect("a name").1).await;

    let server = Spawned::serve(&database, "info", "damaged.log").await;
    let address = server.url.trim_start_matches("http://").parse().expect("an address");
    let client = Client::connect(address, Some(&format!("Bearer {key}"))).await;
    whole_call(&client, "0-0", 0).await;
    assert_eq!(told_of(&whole.until_accepted(3).await, 0), expected(0, 1));
    assert!(damaged.all().is_empty());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let log = std::fs::read_to_string(&server.logs).expect("the log");
    let told: Vec<&str> = log.lines().filter(|line| line.contains(&name)).collect();
    assert!(
        told.iter().all(|line| line.contains("ERROR") && line.contains("make it anew")),
        "{log}"
    );
    // After 1, 2, 4 and 8 seconds, about; and not every second.
    assert!((1..=6).contains(&told.len()), "{} times: {log}", told.len());

    let listed = webhooks(&database, &["list"]).await;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains(&whole.url()), "{listed}");
    let line = listed.lines().find(|line| line.starts_with(&name)).expect("it is listed");
    assert!(line.contains("does not open"), "{line}");
    assert_eq!(webhooks(&database, &["remove", &name]).await, "removed\n");
    drop(server);
    database.remove().await;
}

/// Flips a bit of what is sealed.
async fn damage(database: &Database, endpoint: i64) {
    let mut connection = database.connect().await;
    let sql = "SELECT content FROM webhook_endpoint WHERE endpoint = $1";
    let row = connection.fetch_one(sqlx::query(sql).bind(endpoint)).await.expect("a row");
    let mut content: Vec<u8> = row.get(0);
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let sql = "UPDATE webhook_endpoint SET content = $2 WHERE endpoint = $1";
    connection.execute(sqlx::query(sql).bind(endpoint).bind(content)).await.expect("a write");
}
