//! How far a replay has come: a bar on a terminal, else a line every 5 %.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows progress on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: bool,
    done: AtomicU64,
    total: u64,
}

impl Progress {
    /// Begins at none of `total` events.
    pub(super) fn new(total: usize) -> Self {
        let total = total as u64;
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = "{bar:40} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left";
        // A constant template is always valid; the default style would do as well.
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar, lines: !terminal, done: AtomicU64::new(0), total }
    }

    /// Counts one event.
    pub(super) fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.inc(1);
        let twentieth = |events: u64| events * 20 / self.total.max(1);
        if self.lines && twentieth(done) > twentieth(done - 1) {
            self.say(&format!("{:>3} %  {done} of {} events", twentieth(done) * 5, self.total));
        }
    }

    /// Writes a line beside the bar.
    pub(super) fn say(&self, line: &str) {
        // Standard error may be closed; the replay goes on without words.
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{line}")));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
