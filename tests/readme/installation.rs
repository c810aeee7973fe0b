//! A newcomer's machine: an empty folder with the binary in PATH, a server on a port that the system
//! chose, and a shell that remembers what was exported.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The folder, and what was exported in it so far.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    path: String,
    environment: Vec<(String, String)>,
}

impl Installation {
    /// An empty folder. The repository's `clients` and `proto` are in it, as in a clone.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["clients", "proto"] {
            std::os::unix::fs::symlink(repository.join(part), folder.path().join(part))
                .expect("a link");
        }
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        let binary = env!("CARGO_BIN_EXE_threadline");
        std::os::unix::fs::symlink(binary, programs.join("threadline")).expect("a link");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        Self { folder, path, environment: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command of the folder, in an environment that only it has chosen.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path());
        for name in
            std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("THREADLINE_"))
        {
            command.env_remove(name);
        }
        command.env("PATH", &self.path).envs(self.environment.iter().cloned());
        command
    }

    /// Starts what README says to start, on a free port, and lets the others know the port.
    pub(crate) fn serve(&mut self, script: &str) -> Server {
        let mut command = self.command("sh");
        // `exec` makes the shell's process the server's, so that it can be stopped by its id.
        command.args(["-euc", &format!("exec {}", script.trim())]);
        command.env("THREADLINE_LISTEN", "127.0.0.1:0").stderr(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut log = BufReader::new(child.stderr.take().expect("standard error is ours"));
        let mut told = String::new();
        let address = loop {
            let from = told.len();
            if log.read_line(&mut told).expect("a readable log") == 0 {
                let _ = child.kill();
                panic!("`{script}` did not serve:\n{told}");
            }
            let line: Value = serde_json::from_str(&told[from..]).unwrap_or_default();
            if let Some(address) = line["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        // Read on, or the server would stop at a full pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.environment.push(("THREADLINE_SERVER".into(), format!("http://{address}")));
        Server(child)
    }

    /// Runs a block in a shell, with what earlier blocks exported; what it exports, later ones have.
    pub(crate) fn run(&mut self, script: &str) -> String {
        let script = format!("{script}\nenv > exported");
        let output =
            self.command("sh").args(["-euc", &script]).output().expect("a program that starts");
        let text = said(&output);
        assert!(output.status.success(), "`{script}` failed:\n{text}");
        let exported =
            std::fs::read_to_string(self.path().join("exported")).expect("what was exported");
        for (name, value) in exported.lines().filter_map(|line| line.split_once('=')) {
            if name.starts_with("THREADLINE_") && !value.is_empty() {
                self.environment.retain(|(known, _)| known != name);
                self.environment.push((name.to_owned(), value.to_owned()));
            }
        }
        String::from_utf8(output.stdout).expect("text")
    }

    /// A key for the tenant `acme`.
    pub(crate) fn key(&self, role: &str) -> String {
        let made = ["keys", "create", "--tenant", "acme", "--role", role];
        let output = self.command("threadline").args(made).output().expect("a program that starts");
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Calls an RPC: its answer, or what was printed of the refusal.
    pub(crate) fn call(&self, key: &str, method: &str, request: &str) -> Result<Value, String> {
        let mut command = self.command("threadline");
        let output = command
            .args(["call", method, request])
            .env("THREADLINE_API_KEY", key)
            .output()
            .expect("a program that starts");
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
            false => Err(String::from_utf8(output.stderr).expect("text")),
        }
    }

    /// Calls an RPC whose answers go on: the first of them, which is printed as it comes, or what was
    /// printed of the refusal.
    pub(crate) fn first_answer(
        &self,
        key: &str,
        method: &str,
        request: &str,
    ) -> Result<Value, String> {
        let mut command = self.command("threadline");
        command.args(["call", method, request]).env("THREADLINE_API_KEY", key);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program that starts");
        let mut answers = BufReader::new(child.stdout.take().expect("standard output is ours"));
        let mut first = String::new();
        if answers.read_line(&mut first).expect("text") > 0 {
            child.kill().expect("a child of ours, which goes on");
            child.wait().expect("a child of ours");
            return Ok(serde_json::from_str(&first).expect("JSON, on one line"));
        }
        let output = child.wait_with_output().expect("a child of ours");
        Err(String::from_utf8(output.stderr).expect("text"))
    }

    /// Runs the binary to its end.
    pub(crate) fn threadline(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = self.command("threadline");
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .output()
            .expect("a program that starts")
    }

    /// Puts the Python of the tests where README makes one.
    pub(crate) fn with_python(&self, python: &str) {
        let folder = PathBuf::from(python)
            .parent()
            .and_then(Path::parent)
            .expect("an environment of Python")
            .to_owned();
        std::os::unix::fs::symlink(folder, self.path().join(".venv")).expect("a link");
    }
}

/// Says plainly that a part was left out.
pub(crate) fn not_run(what: &str, variable: &str) {
    let line = format!("not run: {what}; {variable} is not set (./test.sh sets it)");
    // Nobody reads it when this fails.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// All that a command printed.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A running server; stopped when dropped.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
