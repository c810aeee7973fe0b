//! A secret as a command prints it: any client of a vault or key service will do.
//!
//! The command is run without a shell, with nothing on its standard input. What it prints is taken as
//! the secret and as nothing else: it is in no error and no log. What it says on standard error is
//! thrown away unread, because a client that fails half-way may say there what it was about to
//! print; whoever wants to see it runs the command by hand.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

/// How long a command may take to print a secret.
pub const PRINTS_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a program prints with these arguments, at most `most` bytes.
///
/// # Errors
/// Why there is none, without its arguments, which may hold a token.
pub(super) fn printed(
    (program, arguments): (&str, &[String]),
    within: Duration,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).process_group(0);
    let child =
        command.spawn().map_err(|error| format!("it cannot be started: {}", error.kind()))?;
    let mut running = Running { child, over: false };
    let printed = running.child.stdout.take().map(|printed| listen(printed, most));
    // It was asked for above.
    let printed = printed.ok_or("it cannot be listened to")?;
    let begun = Instant::now();
    let text = match printed.recv_timeout(within) {
        Ok(Some(text)) => text,
        Ok(None) => return Err("what it prints cannot be read".into()),
        Err(_) => return Err(format!("it takes longer than {within:?}")),
    };
    if text.len() > most {
        return Err(format!("it prints more than {most} bytes"));
    }
    let left = within.saturating_sub(begun.elapsed());
    match running.ends_within(left) {
        Some(status) if status.success() => Ok(text),
        Some(status) => Err(format!("it failed ({status})")),
        None => Err(format!("it takes longer than {within:?}")),
    }
}

/// Listens on a thread of its own: a command that never ends must not hold whoever asks.
fn listen(printed: ChildStdout, most: usize) -> mpsc::Receiver<Option<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(most + 1));
        let read = printed.take(most as u64 + 1).read_to_end(&mut text);
        // Whoever asked may have given up: then the text is wiped here.
        let _ = sender.send(read.is_ok().then_some(text));
    });
    receiver
}

/// A command that is ended with all that it has started, unless it has ended by itself.
struct Running {
    child: Child,
    over: bool,
}

impl Running {
    fn ends_within(&mut self, within: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.over = true;
                return Some(status);
            }
            if begun.elapsed() >= within {
                return None;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
