//! `threadline import`: customers from a CSV file, through the API like any client.
//!
//! The file is read once, from front to back; a thousand rows make a call, and few calls are in
//! flight: however large the file, memory stays the same. Rows that are wrong are reported, the
//! others imported. Sent again, the same file changes nothing.

mod columns;
mod file;
mod progress;
mod report;
mod sending;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;

use super::client::{Customers, ServerArgs};
use columns::Columns;
use file::CsvFile;
use progress::Progress;
use report::Report;
use sending::Call;

/// Calls in flight.
const CALLS: usize = 4;
/// An answer that lists a thousand rows, with all that is wrong with each.
const MAX_ANSWER_BYTES: usize = 1 << 24;

/// Makes and changes customers from a CSV file.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Columns: E-mail, Phone Number, Telegram User ID, Discord User ID, Customer Name and
    /// external:NAMESPACE, in any order; UTF-8, separated by commas, semicolons or tabs.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Writes a line for every rejected row and every value that was left out, as CSV.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The source that the rows are of [default: the key's own].
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Takes another column for a lasting attribute, such as `--profile "Tier=tier"`.
    #[arg(long, value_name = "COLUMN=ATTRIBUTE", value_parser = mapping)]
    pub profile: Vec<(String, String)>,
    /// Leaves a column out.
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
    /// Which server, and as whom (the key needs the admin or the backfill role).
    #[command(flatten)]
    pub server: ServerArgs,
}

fn mapping(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((column, name)) if !column.trim().is_empty() && !name.trim().is_empty() => {
            Ok((column.trim().to_owned(), name.trim().to_owned()))
        }
        _ => Err("must look like COLUMN=ATTRIBUTE".to_owned()),
    }
}

/// Imports the file and prints what became of it: 0 when every row was imported, 1 when some were
/// rejected.
///
/// # Errors
/// When the file or its columns cannot be read, the server cannot be reached or stops answering, or
/// the report cannot be written. What was imported before stays.
pub async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    if let Some(report) = &args.report {
        report::is_not_input(report, &args.file)?;
    }
    let mut file = CsvFile::open(&args.file)?;
    let columns = Columns::read(file.header(), &args.profile, &args.ignore)?;
    let mut report = Report::new(args.report.as_deref())?;
    let connection = args.server.connect().await?;
    let settings = sending::settings(&args, modified(&args.file)?);
    let client = Customers::new(connection).max_decoding_message_size(MAX_ANSWER_BYTES);
    let progress = Progress::new(file.bytes());
    let mut flight = FuturesOrdered::new();
    let outcome = loop {
        let call = match Call::next(&mut file, &columns) {
            Ok(Some(call)) => call,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        flight.push_back(sending::send(client.clone(), settings.clone(), call));
        if flight.len() >= CALLS
            && let Some(done) = flight.next().await
            && let Err(error) = done.and_then(|done| report.add(&done, &progress))
        {
            break Err(error);
        }
    };
    // What was read is imported, whatever came after it.
    let mut outcome = outcome;
    while let Some(done) = flight.next().await {
        outcome = outcome.and(done.and_then(|done| report.add(&done, &progress)));
    }
    progress.finish();
    report.finish()?;
    let figures = report.figures(args.dry_run, begun.elapsed());
    std::io::stdout().write_all(figures.as_bytes()).context("standard output")?;
    outcome?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// When the file was written: all it says became so then at the latest.
fn modified(path: &std::path::Path) -> anyhow::Result<prost_types::Timestamp> {
    let name = path.display();
    let meta = std::fs::metadata(path).with_context(|| format!("cannot read {name}"))?;
    let at = meta.modified().with_context(|| format!("cannot tell when {name} was written"))?;
    let Ok(since) = at.duration_since(UNIX_EPOCH) else { bail!("{name} was written before 1970") };
    // Whole seconds: what a copy of the file keeps.
    Ok(prost_types::Timestamp { seconds: i64::try_from(since.as_secs())?, nanos: 0 })
}

#[cfg(test)]
mod tests;
