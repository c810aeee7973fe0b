//! Chromium, and the page in it: `drive.js` opens them, and this tells it whom to call.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than `drive.js` waits for anything.
const PATIENCE: Duration = Duration::from_secs(180);

/// Chromium with a profile of its own, as long as it is needed.
pub struct Browser {
    driver: Child,
    told: Option<ChildStdin>,
    lines: Receiver<String>,
    /// The origin that pages may be of.
    pub allowed: String,
    /// Another one.
    pub stranger: String,
}

/// What a visit gave: an answer for each call, and what the browser said by itself.
pub struct Visit {
    given: Vec<Value>,
    /// Its console.
    pub said: String,
    /// The protocols that answers came in.
    pub spoken: Value,
}

fn named(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from)
}

impl Browser {
    /// Opens it; none where `./test.sh` has found no Node or no Chromium.
    pub fn open() -> Option<Self> {
        let found = named("THREADLINE_TEST_NODE").zip(named("THREADLINE_TEST_CHROMIUM"));
        let Some((packages, chromium)) = found else {
            let note = "not run: the browser's test; THREADLINE_TEST_NODE and \
                        THREADLINE_TEST_CHROMIUM are not set (./test.sh sets them)";
            // Nobody reads it when standard error is closed.
            drop(writeln!(std::io::stderr(), "{note}"));
            return None;
        };
        let mut command = Command::new("node");
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        command.arg("tests/browser/drive.js").args([packages, chromium]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut driver = command.spawn().expect("node runs");
        let told = driver.stdin.take();
        let said = BufReader::new(driver.stdout.take().expect("its output is ours"));
        let (heard, lines) = channel();
        // Ends with its output, and so with the driver.
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if heard.send(line).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { driver, told, lines, allowed: String::new(), stranger: String::new() };
        let origins = browser.hears();
        let origin = |at: usize| origins[at].as_str().expect("an origin").to_owned();
        (browser.allowed, browser.stranger) = (origin(0), origin(1));
        Some(browser)
    }

    fn hears(&self) -> Value {
        let line = tokio::task::block_in_place(|| self.lines.recv_timeout(PATIENCE));
        serde_json::from_str(&line.expect("the driver says how it fares")).expect("JSON")
    }

    /// Opens the page under this origin and has it call a server.
    pub fn visit(&mut self, origin: &str, server: &str, key: Option<&str>, calls: Value) -> Visit {
        let visit = json!({"origin": origin, "server": server, "key": key, "calls": calls});
        let told = self.told.as_mut().expect("it is open");
        writeln!(told, "{visit}").expect("the driver listens");
        let heard = self.hears();
        let given = heard["given"].as_array().expect("an answer for each call").clone();
        Visit { given, said: heard["said"].to_string(), spoken: heard["spoken"].clone() }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It closes the browser and ends. One that does not is ended, and the browser with it.
        drop(self.told.take());
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Visit {
    /// The answer of a call that went well, or all answers of a stream.
    #[track_caller]
    pub fn good(&self, at: usize) -> &Value {
        let given = &self.given[at];
        let good = given.get("answer").or_else(|| given.get("answers"));
        good.unwrap_or_else(|| panic!("call {at}: {given}; {}", self.said))
    }

    /// What the page could read of a refusal.
    #[track_caller]
    pub fn refused(&self, at: usize) -> &Value {
        let given = &self.given[at];
        given.get("error").unwrap_or_else(|| panic!("call {at} was answered: {given}"))
    }

    /// What `fetch` gave.
    pub fn fetched(&self, at: usize) -> &Value {
        &self.given[at]
    }
}
