//! `threadline demo` as README promises it: it runs by itself, and again on the same database.

use sqlx::{Connection as _, Executor as _};

use crate::installation::{Installation, not_run, said};

fn play(machine: &Installation, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut all = vec!["demo"];
    all.extend(arguments);
    let output = machine.threadline(&all, environment);
    let text = said(&output);
    assert!(output.status.success(), "threadline demo {arguments:?} failed:\n{text}");
    assert!(!text.contains('✗'), "a journey turned out otherwise than it should:\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "a line is too wide:\n{text}");
}

#[test]
fn the_demo_runs_by_itself_and_twice_on_one_database() {
    let machine = Installation::new();
    play(&machine, &[], &[]);
    let database = ["--database", "sqlite:again.db"];
    play(&machine, &database, &[]);
    play(&machine, &database, &[]);
}

#[test]
fn the_demo_runs_on_postgresql() {
    let Ok(server) = std::env::var("THREADLINE_TEST_POSTGRES") else {
        not_run("the demo on PostgreSQL", "THREADLINE_TEST_POSTGRES");
        return;
    };
    let (host, _) = server.rsplit_once('/').expect("THREADLINE_TEST_POSTGRES names a database");
    let name = format!("readme_demo_{}", std::process::id());
    let database = format!("{host}/{name}");
    on_server(&server, &format!("CREATE DATABASE {name}"));
    let machine = Installation::new();
    // 32 bytes of zeros: a root key that is good enough for invented people.
    let key = [("THREADLINE_ROOT_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    play(&machine, &["--database", &database], &key);
    on_server(&server, &format!("DROP DATABASE {name}"));
}

fn on_server(server: &str, statement: &str) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut connection =
            sqlx::AnyConnection::connect(server).await.expect("PostgreSQL answers");
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.expect("a superuser");
    });
}
