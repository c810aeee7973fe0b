//! The real binary, serving in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::Database;
use crate::keys::ROOT_KEY;

/// Between two looks at the log file: short, because it is also a measurement's precision.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// A server that does not listen by then never will.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// A budget that no start reaches, however loaded the machine is.
const AMPLE_BUDGET: Duration = Duration::from_secs(60);

pub(crate) struct Spawned {
    child: Child,
    pub(crate) url: String,
    pub(crate) logs: PathBuf,
}

impl Spawned {
    /// Starts `threadline serve` with an ample budget and waits until it listens. Its logs go to a
    /// file named `logs`.
    pub(crate) async fn serve(database: &Database, level: &str, logs: &str) -> Self {
        let mut spawned = Self::begin(database, AMPLE_BUDGET, level, logs);
        spawned.listens().await;
        spawned
    }

    /// Starts `threadline serve`, which listens later.
    pub(crate) fn begin(database: &Database, budget: Duration, level: &str, logs: &str) -> Self {
        let settings = database.folder().join("threadline.toml");
        // What a test has to say of tenants lies beside it.
        let tenants = std::fs::read_to_string(database.folder().join("tenants.toml"));
        let tenants = tenants.unwrap_or_default();
        let text = format!("[server]\nstart_budget_ms = {}\n{tenants}", budget.as_millis());
        std::fs::write(&settings, text).expect("a settings file");
        let logs = database.folder().join(logs);
        let temporary = database.folder().join("temporary");
        std::fs::create_dir_all(&temporary).expect("a folder");
        let child = Command::new(env!("CARGO_BIN_EXE_threadline"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &database.url])
            .env("THREADLINE_ROOT_KEY", ROOT_KEY)
            .env("THREADLINE_CONFIG", &settings)
            .env("THREADLINE_LOG", level)
            .env("TMPDIR", &temporary)
            .current_dir(database.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&logs).expect("a log file"))
            .spawn()
            .expect("the binary starts");
        Self { child, url: String::new(), logs }
    }

    /// Waits until it listens: then its `url` is known.
    pub(crate) async fn listens(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < LISTENS_WITHIN {
            if let Some(address) = address(&self.logs) {
                self.url = format!("http://{address}");
                return;
            }
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {}", text_of(&self.logs));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not listen: {}", text_of(&self.logs));
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
