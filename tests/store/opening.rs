//! Opening: once more, at once, and by several processes.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use sqlx::Row as _;

use crate::bench::{Bench, NOON};
use crate::database::Database;
use crate::keys::ROOT_KEY;

pub(crate) async fn opens_twice(database: Arc<Database>) {
    let first = Bench::open(&database).await;
    first.store.close().await;
    let second = Bench::again(&database).await;
    let names: Vec<String> =
        second.store.tenants().await.expect("tenants").into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["acme"]);
    second.store.close().await;
}

pub(crate) async fn opens_twice_at_once(database: Arc<Database>) {
    let budget = std::time::Duration::from_secs(9);
    let (one, two, three) = tokio::join!(
        Bench::on(&database, NOON, budget),
        Bench::on(&database, NOON, budget),
        Bench::on(&database, NOON, budget),
    );
    for bench in [one, two, three] {
        assert!(bench.store.tenants().await.expect("a schema").is_empty());
    }
    let mut connection = database.connect().await;
    let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
    let applied = sqlx::query(sql).fetch_all(&mut connection).await.expect("migrations");
    let versions: Vec<i64> = applied.iter().map(|row| row.get(0)).collect();
    let mut distinct = versions.clone();
    distinct.dedup();
    assert!(!versions.is_empty());
    assert_eq!(versions, distinct, "each migration was applied once");
}

fn create_key(database: &Database, tenant: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_threadline"))
        .args(["keys", "create", "--role", "admin", "--tenant", tenant])
        .args(["--database", &database.url])
        .env("THREADLINE_ROOT_KEY", ROOT_KEY)
        .current_dir(database.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

async fn create_at_once(database: &Database, tenants: [&str; 4]) {
    let children = tenants.map(|tenant| create_key(database, tenant));
    for child in children {
        let waiting = tokio::task::spawn_blocking(|| child.wait_with_output());
        let output = waiting.await.expect("nothing panics").expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "keys create failed: {said}");
        assert!(!output.stdout.is_empty(), "a key was printed");
    }
}

/// The schema does not exist yet: every process finds that out for itself.
pub(crate) async fn opens_in_four_processes_at_once(database: Arc<Database>) {
    create_at_once(&database, ["one", "two", "three", "four"]).await;
    let mut connection = database.connect().await;
    let sql = "SELECT tenant FROM tenant ORDER BY tenant";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("tenants");
    let numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

/// A company is one tenant, whoever names it first.
pub(crate) async fn two_commands_make_a_tenant_at_once(database: Arc<Database>) {
    Bench::on(&database, NOON, std::time::Duration::from_secs(9)).await.store.close().await;
    create_at_once(&database, ["acme"; 4]).await;
    let mut connection = database.connect().await;
    let sql = "SELECT name FROM tenant";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("tenants");
    assert_eq!(rows.len(), 1, "one company, one tenant");
}
