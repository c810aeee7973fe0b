//! The binary: commands that end, and servers, with a root key from wherever the test has it.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use threadline::cli::client::{Connection, connect};

use crate::database::Database;

/// A server that does not listen by then never will.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);

/// How long a start may take before it is answered without a decision: a busy machine alone never
/// takes so long, and who waits for a rotation is seen.
pub(crate) const BUDGET: &str = "[server]\nstart_budget_ms = 10000\n";

/// Where the root key is.
#[derive(Clone)]
pub(crate) enum From {
    File(PathBuf),
    Text(String),
    Settings(PathBuf),
}

/// The binary with this database and root key.
pub(crate) fn threadline(database: &Database, from: &From, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.args(arguments).args(["--database", &database.url]).current_dir(database.folder());
    for name in ["THREADLINE_ROOT_KEY", "THREADLINE_ROOT_KEY_FILE", "THREADLINE_CONFIG"] {
        command.env_remove(name);
    }
    match from {
        From::File(path) => command.env("THREADLINE_ROOT_KEY_FILE", path),
        From::Text(text) => command.env("THREADLINE_ROOT_KEY", text),
        From::Settings(path) => command.arg("--config").arg(path),
    };
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(database: &Database, from: &From, arguments: &[&str]) -> Output {
    threadline(database, from, arguments).output().expect("the binary starts")
}

/// Runs one that has to succeed; what it printed.
#[track_caller]
pub(crate) fn succeed(database: &Database, from: &From, arguments: &[&str]) -> String {
    let output = run(database, from, arguments);
    let (said, log) = both(&output);
    assert!(output.status.success(), "{arguments:?}: {said}{log}");
    said
}

/// Runs one that has to fail; all that it said.
#[track_caller]
pub(crate) fn fail(database: &Database, from: &From, arguments: &[&str]) -> String {
    let output = run(database, from, arguments);
    let (said, log) = both(&output);
    assert!(!output.status.success(), "{arguments:?}: {said}");
    said + &log
}

fn both(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A server, gone with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) logs: PathBuf,
    pub(crate) url: String,
}

impl Server {
    /// Serves, and waits until it listens.
    pub(crate) async fn start(database: &Database, from: &From, logs: &str) -> Self {
        let logs = database.folder().join(logs);
        let settings = database.folder().join("threadline.toml");
        std::fs::write(settings, BUDGET).expect("a settings file");
        let child = threadline(database, from, &["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&logs).expect("a log file"))
            .spawn()
            .expect("the binary starts");
        let mut server = Self { child, logs, url: String::new() };
        let begun = Instant::now();
        while begun.elapsed() < LISTENS_WITHIN {
            let log = server.log();
            if let Some((_, rest)) = log
                .lines()
                .find(|line| line.contains("\"serving\"") && line.ends_with('}'))
                .and_then(|line| line.split_once("\"address\":\""))
            {
                let address = rest.split('"').next().expect("an address");
                server.url = format!("http://{address}");
                return server;
            }
            assert!(server.child.try_wait().expect("a child").is_none(), "it ended: {log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not listen: {}", server.log());
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.logs).unwrap_or_default()).into_owned()
    }

    /// A connection with this key.
    pub(crate) async fn connect(&self, key: &str) -> Connection {
        connect(&self.url, Some(key)).await.expect("it answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
