//! What is measured runs in processes of its own, so that their processor time is theirs alone.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long a server may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may drain before it is killed.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks at a log or a child.
const LOOK: Duration = Duration::from_millis(20);
/// How much of a log an error shows, in bytes.
const LOG_SHOWN: usize = 600;

/// A server in a process of its own; killed when dropped.
pub(super) struct Server {
    child: Child,
    /// Where it listens, host and port.
    pub(super) address: String,
    /// The echo ends when this is closed, also when we are killed.
    _alive: Option<ChildStdin>,
}

impl Server {
    /// This program's process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts the echo.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn echo() -> anyhow::Result<Self> {
        let mut command = own_binary()?;
        command.arg("bench-echo").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the echo does not start")?;
        let alive = child.stdin.take();
        let mut address = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut address).context("the echo says nothing")?;
        }
        let server = Self { child, address: address.trim().to_owned(), _alive: alive };
        anyhow::ensure!(!server.address.is_empty(), "the echo does not listen");
        Ok(server)
    }

    /// Starts `threadline serve` on a database and waits until it listens.
    ///
    /// # Errors
    /// When it does not; with the end of its log.
    pub(super) async fn serve(place: &Place<'_>, log: &Path) -> anyhow::Result<Self> {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"])?;
        let file = std::fs::File::create(log).context("a file for the log")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().context("the service does not start")?;
        let mut server = Self { child, address: String::new(), _alive: None };
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if let Some(address) = text.lines().find_map(listening) {
                server.address = address;
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the service ended ({status}): {}", tail(&text));
            }
            if begun.elapsed() > LISTENS_WITHIN {
                bail!("the service does not listen: {}", tail(&text));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to stop, as an operator would; kills it when it does not.
    ///
    /// # Errors
    /// When there is no `kill` to ask with.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let asking = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        asking.context("cannot ask the service to stop")?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() && begun.elapsed() < STOPS_WITHIN {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a service works: database, key, settings.
pub(super) struct Place<'a> {
    /// Its database.
    pub(super) database: &'a str,
    /// Its root key; none when the database has a file with one.
    pub(super) root_key: Option<&'a str>,
    /// Its settings file; ours, so that none of the current folder changes what is measured.
    pub(super) settings: &'a Path,
}

impl Place<'_> {
    /// Makes an API key for `tenant` with the real command.
    ///
    /// # Errors
    /// What the command said.
    pub(super) fn make_key(&self, tenant: &str) -> anyhow::Result<String> {
        let roles = ["--role", "telephony", "--role", "backfill"];
        let mut command = self.command(&["keys", "create", "--test", "--tenant", tenant])?;
        let made = command.args(roles).output().context("cannot make an API key")?;
        let said = String::from_utf8_lossy(&made.stderr);
        anyhow::ensure!(made.status.success(), "cannot make an API key: {}", tail(&said));
        Ok(String::from_utf8(made.stdout).context("an API key")?.trim().to_owned())
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = own_binary()?;
        command.args(arguments).args(["--database", self.database]);
        command.env("THREADLINE_CONFIG", self.settings).env("THREADLINE_LOG", "info");
        if let Some(key) = self.root_key {
            command.env("THREADLINE_ROOT_KEY", key);
        }
        Ok(command)
    }
}

fn own_binary() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("the name of this program")?))
}

/// The address in a line of the service's log that says where it serves.
fn listening(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    (fields.get("message")? == "serving").then_some(())?;
    fields.get("address")?.as_str().map(str::to_owned)
}

fn tail(text: &str) -> &str {
    let from = text.len().saturating_sub(LOG_SHOWN);
    let whole = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[whole..].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let line = r#"{"level":"INFO","fields":{"message":"serving","address":"127.0.0.1:5"}}"#;
        assert_eq!(listening(line).as_deref(), Some("127.0.0.1:5"));
        assert_eq!(listening(&line.replace("serving", "swept")), None);
        // A line that is still being written is not taken.
        assert_eq!(listening(&line[..line.len() - 2]), None);
    }

    #[test]
    fn the_end_of_a_log_is_cut_between_characters() {
        assert_eq!(tail(" short\n"), "short");
        let long = "é".repeat(LOG_SHOWN) + "x";
        assert!(tail(&long).len() <= LOG_SHOWN && tail(&long).ends_with("éx"));
    }
}
