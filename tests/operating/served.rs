//! The binary: commands that end, and a server with settings of the test's own, which it signals.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use threadline::cli::client::{Connection, connect};

use crate::database::Database;
use crate::keys::ROOT_KEY;

/// Whatever takes as long as the machine takes has happened by then, or never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The binary in this folder, in an environment that only the test has chosen.
pub(crate) fn threadline(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("THREADLINE_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// What a command that has ended printed: on standard output, and on standard error.
pub(crate) fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A server, gone with this.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
    logs: PathBuf,
    settings: PathBuf,
}

impl Served {
    /// Serves this database with these settings, which it can be told anew, and waits until it
    /// listens.
    pub(crate) async fn with(database: &Database, settings: &str) -> Self {
        Self::with_environment(database, settings, &[]).await
    }

    pub(crate) async fn with_environment(
        database: &Database,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let path = database.folder().join("own.toml");
        let named = ["--config".to_owned(), path.display().to_string()];
        Self::begin(database, (path, settings), &named, environment).await
    }

    /// With settings in `threadline.toml`, which it finds by itself.
    pub(crate) async fn by_itself(database: &Database, settings: &str) -> Self {
        let path = database.folder().join("threadline.toml");
        Self::begin(database, (path, settings), &[], &[]).await
    }

    async fn begin(
        database: &Database,
        (path, settings): (PathBuf, &str),
        named: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = database.folder();
        let logs = folder.join("serve.log");
        std::fs::write(&path, settings).expect("a settings file");
        let mut command = threadline(folder, &["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--database", &database.url]).args(named);
        command.env("THREADLINE_ROOT_KEY", ROOT_KEY).envs(environment.iter().copied());
        let file = std::fs::File::create(&logs).expect("a log file");
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("the binary starts");
        let mut served = Self { child, address: String::new(), logs, settings: path };
        let line = served.told("serving").await;
        let address = line.split(['"', '=', ' ', ',']).find(|word| word.starts_with("127.0.0.1:"));
        served.address = address.expect("an address").to_owned();
        served
    }

    /// Other settings, for when it is told to read them.
    pub(crate) fn write(&self, settings: &str) {
        std::fs::write(&self.settings, settings).expect("a settings file");
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.logs).unwrap_or_default()).into_owned()
    }

    /// Waits until it has told this; the line.
    pub(crate) async fn told(&mut self, what: &str) -> String {
        self.told_again(what, 1).await
    }

    /// Waits until it has told this so many times; the last line.
    pub(crate) async fn told_again(&mut self, what: &str, times: usize) -> String {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let log = self.log();
            // A line that has not come whole is not there yet.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().filter(|line| line.contains(what)).nth(times - 1) {
                return line.to_owned();
            }
            let over = self.child.try_wait().expect("a child of ours").is_some();
            assert!(!over || self.log().contains(what), "it ended without {what:?}: {log}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not tell {what:?}: {}", self.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a number of a process");
        kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("a process of ours");
    }

    /// Waits until it has ended; how, and how long that took.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return (status, begun.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not end: {}", self.log());
    }

    /// A connection of its own, with this key.
    pub(crate) async fn connect(&self, key: &str) -> anyhow::Result<Connection> {
        connect(&format!("http://{}", self.address), Some(key)).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
