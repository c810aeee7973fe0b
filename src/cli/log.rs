//! The log: lines on standard error, as objects for machines or as text for people.
//!
//! It is there before the settings are read, and speaks as they say from then on.

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::server::LogFormat;

/// What is logged.
const LEVEL: &str = "THREADLINE_LOG";
/// How a line is written.
const FORMAT: &str = "THREADLINE_LOG_FORMAT";

type Filtered = Layered<Targets, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// Where another format is put.
static LINES: OnceLock<reload::Handle<Lines, Filtered>> = OnceLock::new();

/// Begins. `THREADLINE_LOG` chooses what is logged: a level, or `target=level` of our own targets,
/// separated by commas; `default` is the level without it. Nothing else is ever written: libraries
/// print statements, frames and even numbers.
pub fn begin(default: &str) {
    let chosen = said(LEVEL).and_then(|text| text.parse::<Targets>().ok());
    let chosen = chosen.or_else(|| default.parse().ok()).unwrap_or_default();
    let own = chosen.iter().filter(|(target, _)| target.starts_with("threadline"));
    let level = chosen.default_level().unwrap_or(LevelFilter::OFF);
    let only_ours = Targets::new().with_target("threadline", level).with_targets(own);
    let (lines, handle) = reload::Layer::new(lines(format().unwrap_or_default()));
    tracing_subscriber::registry().with(only_ours).with(lines).init();
    // Nobody begins twice.
    let _ = LINES.set(handle);
}

/// Writes lines as the settings say, unless the environment says otherwise.
pub(super) fn speak(chosen: LogFormat) {
    if let Some(handle) = LINES.get() {
        // It is there as long as the process.
        let _ = handle.reload(lines(format().unwrap_or(chosen)));
    }
}

/// What is wrong with what the environment says of the log.
pub(super) fn mistakes() -> Vec<String> {
    let level = said(LEVEL).filter(|text| text.parse::<Targets>().is_err());
    let level = level.map(|_| {
        format!("{LEVEL}: must be a level (error, warn, info, debug, trace), or target=level, …")
    });
    let format = said(FORMAT).filter(|_| format().is_none());
    let format = format.map(|_| format!("{FORMAT}: must be json or text"));
    level.into_iter().chain(format).collect()
}

fn said(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

fn format() -> Option<LogFormat> {
    match said(FORMAT)?.as_str() {
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

fn lines(format: LogFormat) -> Lines {
    match format {
        LogFormat::Json => fmt::layer().json().with_writer(io::stderr).boxed(),
        LogFormat::Text => {
            fmt::layer().with_ansi(false).with_writer(|| OneLine(io::stderr())).boxed()
        }
    }
}

/// Keeps what is told at once on one line, whatever is in it: nobody can make up a line of the log.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, told: &[u8]) -> io::Result<usize> {
        let line = told.strip_suffix(b"\n").unwrap_or(told);
        let mut shown = Vec::with_capacity(told.len());
        for byte in line {
            match byte.is_ascii_control() {
                true => shown.extend(std::ascii::escape_default(*byte)),
                false => shown.push(*byte),
            }
        }
        shown.extend_from_slice(&told[line.len()..]);
        self.0.write_all(&shown)?;
        Ok(told.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_at_once_is_one_line() {
        let mut written = OneLine(Vec::new());
        written.write_all("a: é\nb\tc\u{1b}[31m\r\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(written.0).unwrap(), "a: é\\nb\\tc\\x1b[31m\\r\n");
    }
}
