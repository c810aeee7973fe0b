//! What became of the rows: counts, and a line for each that was rejected. Never a value of a row.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use csv::Writer;

use super::progress::Progress;
use super::sending::Done;

/// Lines that are shown when no file takes them.
const MOST_SHOWN: u64 = 20;

/// Refuses a report in the place of what is imported, by whatever name: it would be gone before a row
/// of it was read.
///
/// # Errors
/// When both are one file.
pub(super) fn is_not_input(report: &Path, input: &Path) -> anyhow::Result<()> {
    // What cannot be looked at is said where it is opened.
    let place = |path: &Path| std::fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let one = place(report).is_some_and(|it| Some(it) == place(input));
    let name = report.display();
    ensure!(!one, "--report {name} is the file that is imported: a report needs a file of its own");
    Ok(())
}

/// Counts and lines.
pub(super) struct Report {
    file: Option<Writer<File>>,
    created: i64,
    updated: i64,
    unchanged: i64,
    /// Rows that were not imported.
    pub(super) rejected: i64,
    left_out: i64,
    shown: u64,
}

impl Report {
    /// Into a file, or on standard error.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        let mut file = None;
        if let Some(path) = path {
            let name = path.display();
            let made = File::create(path).with_context(|| format!("cannot write {name}"))?;
            let mut writer = Writer::from_writer(made);
            writer.write_record(["line", "status", "reason", "what"]).context("the report")?;
            file = Some(writer);
        }
        let (created, updated, unchanged, rejected, left_out) = (0, 0, 0, 0, 0);
        Ok(Self { file, created, updated, unchanged, rejected, left_out, shown: 0 })
    }

    /// Adds what became of a call.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(&mut self, done: &Done, progress: &Progress) -> anyhow::Result<()> {
        let Done { call, answer } = done;
        self.created += answer.created_count;
        self.updated += answer.updated_count;
        self.unchanged += answer.unchanged_count;
        self.rejected += answer.rejected_count + call.unread.len() as i64;
        self.left_out += answer.warning_count;
        let unread = call.unread.iter().map(|(line, why)| {
            (i64::try_from(*line).unwrap_or(i64::MAX), "rejected", "MALFORMED_ROW", why.clone())
        });
        let rejected = answer.rejected_rows.iter().map(|row| {
            let fields = row.violations.iter().map(|it| format!("{} {}", it.field, it.description));
            let what = fields.collect::<Vec<_>>().join("; ");
            (row.row_number, "rejected", row.reason.as_str(), what)
        });
        let left_out = answer.warnings.iter().filter_map(|it| {
            let warning = it.warning.as_ref()?;
            let what = format!("{} {}", warning.field, warning.message);
            Some((it.row_number, "left out", warning.code.as_str(), what))
        });
        let mut lines: Vec<_> = unread.chain(rejected).chain(left_out).collect();
        lines.sort_by_key(|(line, ..)| *line);
        for (line, state, reason, what) in lines {
            self.line(line, [state, reason, &what], progress)?;
        }
        progress.reached(call.ends_at, self.rows());
        Ok(())
    }

    fn line(&mut self, line: i64, rest: [&str; 3], progress: &Progress) -> anyhow::Result<()> {
        let [state, reason, what] = rest;
        if let Some(file) = &mut self.file {
            return file
                .write_record([&line.to_string(), state, reason, what])
                .context("the report cannot be written");
        }
        self.shown += 1;
        if self.shown <= MOST_SHOWN {
            progress.say(&format!("line {line}: {state}: {reason}: {what}"));
        } else if self.shown == MOST_SHOWN + 1 {
            progress.say("and more: --report FILE takes all of them");
        }
        Ok(())
    }

    fn rows(&self) -> i64 {
        self.created + self.updated + self.unchanged + self.rejected
    }

    /// Brings the last lines into the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => file.flush().context("the report cannot be written"),
            None => Ok(()),
        }
    }

    /// The counts, for a person.
    pub(super) fn figures(&self, dry_run: bool, lasted: Duration) -> String {
        let would = if dry_run { " (dry run: nothing was written)" } else { "" };
        let rate = self.rows() as f64 / lasted.as_secs_f64().max(0.001);
        format!(
            "{} rows{would}: {} created, {} updated, {} unchanged, {} rejected; {} values left out\n\
             {:.1} s, {rate:.0} rows/s\n",
            self.rows(),
            self.created,
            self.updated,
            self.unchanged,
            self.rejected,
            self.left_out,
            lasted.as_secs_f64(),
        )
    }
}
