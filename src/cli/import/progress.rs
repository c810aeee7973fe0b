//! How far an import has come: a bar on a terminal, else a line every 5 %.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows progress on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: bool,
    told: Cell<u64>,
    total: u64,
}

impl Progress {
    /// Begins at the first of `total` bytes.
    pub(super) fn new(total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = "{bar:40} {percent:>3} %  {bytes} of {total_bytes}  {msg}  {eta} left";
        // A constant template is always valid; the default style would do as well.
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar, lines: !terminal, told: Cell::new(0), total: total.max(1) }
    }

    /// So many bytes are done, and so many rows.
    pub(super) fn reached(&self, bytes: u64, rows: i64) {
        self.bar.set_position(bytes.min(self.total));
        self.bar.set_message(format!("{rows} rows"));
        let twentieth = bytes.min(self.total).saturating_mul(20) / self.total;
        if self.lines && twentieth > self.told.replace(twentieth) {
            self.say(&format!("{:>3} %  {rows} rows", twentieth * 5));
        }
    }

    /// Writes a line beside the bar.
    pub(super) fn say(&self, line: &str) {
        // Standard error may be closed; the import goes on without words.
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{line}")));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
