//! The real binary, serving in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::database::Database;
use crate::keys::ROOT_KEY;

/// Looks at the log file, so many times at most, a twentieth of a second apart.
const LOOKS: usize = 1_200;

pub(crate) struct Spawned {
    child: Child,
    pub(crate) url: String,
    pub(crate) logs: PathBuf,
}

impl Spawned {
    /// Starts `threadline serve` and waits until it listens. Its logs go to a file named `logs`.
    pub(crate) async fn serve(database: &Database, level: &str, logs: &str) -> Self {
        let settings = database.folder().join("threadline.toml");
        let text = "[server]\nstart_budget_ms = 60000\n";
        std::fs::write(&settings, text).expect("a settings file");
        let logs = database.folder().join(logs);
        let child = Command::new(env!("CARGO_BIN_EXE_threadline"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &database.url])
            .env("THREADLINE_ROOT_KEY", ROOT_KEY)
            .env("THREADLINE_CONFIG", &settings)
            .env("THREADLINE_LOG", level)
            .current_dir(database.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&logs).expect("a log file"))
            .spawn()
            .expect("the binary starts");
        let mut spawned = Self { child, url: String::new(), logs };
        for _ in 0..LOOKS {
            if let Some(address) = address(&spawned.logs) {
                spawned.url = format!("http://{address}");
                return spawned;
            }
            let ended = spawned.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {}", text_of(&spawned.logs));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not listen: {}", text_of(&spawned.logs));
    }

    /// SIGKILL: no time for anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text_of(logs: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(logs).unwrap_or_default()).into_owned()
}

fn address(logs: &Path) -> Option<String> {
    let text = text_of(logs);
    let line = text.lines().find(|line| line.contains("\"serving\"") && line.ends_with('}'))?;
    let (_, rest) = line.split_once("\"address\":\"")?;
    rest.split('"').next().map(str::to_owned)
}
