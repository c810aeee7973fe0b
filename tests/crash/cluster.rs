//! A PostgreSQL of this test's own, so that it can be restarted and killed.
//!
//! `tests/postgres.sh` knows how to start one. A shell holds it, does what it is told line by line,
//! and takes it away when this end of its input closes, however the test ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Says the URL, then obeys and says so: `restart SIGNAL SECONDS` ends the server by that signal and
/// starts it again so much later; `signal SIGNAL PIDS` sends that signal to these. After SIGKILL the
/// server's children may hold on to what they share for a moment, in which it cannot start.
const SHELL: &str = r#"
set -euo pipefail
. tests/postgres.sh
postgres_binaries >/dev/null || { echo absent; exit 0; }
held=""
ends() {
  # Who was stopped does not end by what ends the others.
  [ -z "$held" ] || kill -CONT $held 2>/dev/null || true
  postgres_stop
}
trap ends EXIT
postgres_start >&2
echo "$POSTGRES_URL"
while read -r order what more; do
  case "$order" in
    signal)
      kill -"$what" $more
      held="$held $more"
      ;;
    restart)
      pid="$(postgres_pid)"
      kill -"$what" "$pid"
      while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
      sleep "$more"
      for try in $(seq 100); do
        if postgres_serve; then break; fi
        sleep 0.05
      done
      ;;
  esac
  echo done
done
"#;

/// How PostgreSQL ends, as its documentation names the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Transactions are rolled back and sessions told.
    Fast,
    /// At once, to be recovered at the next start.
    Immediate,
    /// SIGKILL for the postmaster alone; its children find out by themselves.
    Killed,
}

impl Ending {
    pub(crate) const ALL: [Self; 3] = [Self::Fast, Self::Immediate, Self::Killed];

    fn signal(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Killed => "KILL",
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) url: String,
    shell: Child,
    orders: Option<ChildStdin>,
    words: BufReader<ChildStdout>,
}

impl Cluster {
    /// Starts one; none where PostgreSQL's binaries are not found.
    pub(crate) fn start() -> Option<Self> {
        let mut shell = Command::new("bash")
            .args(["-c", SHELL])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let orders = shell.stdin.take();
        let words = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut cluster = Self { url: String::new(), shell, orders, words };
        cluster.url = cluster.word();
        (cluster.url != "absent").then_some(cluster)
    }

    /// Ends PostgreSQL, waits for `pause`, starts it; gives the moment from which it answers again.
    pub(crate) fn restart(&mut self, ending: Ending, pause: Duration) -> Instant {
        self.obeys(&format!("restart {} {:.3}", ending.signal(), pause.as_secs_f64()));
        Instant::now()
    }

    /// Sends a signal to some of PostgreSQL's own processes.
    pub(crate) fn signal(&mut self, signal: &str, pids: &[i64]) {
        let pids: Vec<String> = pids.iter().map(i64::to_string).collect();
        self.obeys(&format!("signal {signal} {}", pids.join(" ")));
    }

    fn obeys(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("the shell listens until it is dropped");
        writeln!(orders, "{order}").expect("a shell");
        assert_eq!(self.word(), "done", "{order}");
    }

    fn word(&mut self) -> String {
        let mut line = String::new();
        self.words.read_line(&mut line).expect("the shell's words");
        line.trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The end of its orders: the shell stops the server and removes the folder.
        drop(self.orders.take());
        // It may have ended before.
        let _ = self.shell.wait();
    }
}
