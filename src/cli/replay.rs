//! `threadline replay`: a recorded world through the real API, and how well it
//! was recognised.
//!
//! The world's truth never travels as a hint. It decides only what a client
//! that knows would say at the end (`--feedback`), and it scores the answers.

pub(super) mod answers;
pub(super) mod chosen;
mod decisions;
mod drive;
pub(super) mod events;
pub(super) mod metrics;
pub(super) mod oracle;
mod progress;
pub(super) mod report;
pub(super) mod requests;
pub(super) mod scorer;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::client::{Interactions, ServerArgs};
use crate::crypto::web_token::SigningKey;

/// Feeds an event stream through the API and scores the answers.
#[derive(clap::Args)]
pub struct ReplayArgs {
    /// The events, one JSON object a line, plain or gzip.
    #[arg(value_name = "EVENTS.jsonl[.gz]")]
    pub events: PathBuf,
    /// At what share of the ends the client says who it was, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub feedback: f64,
    /// Which ends those are: the same seed chooses the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only the first N starts and their ends.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Writes one line a start, so that two runs can be compared.
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
    /// Calls in flight, from 1 to 256. Above 1 only each customer's own order is kept.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Signs a web token for each signed-in subject (issuer threadline-replay, audience threadline)
    /// with this private key, PEM of P-256 or Ed25519, which the tenant trusts; without it the
    /// subject is sent as user_id.
    #[arg(long, value_name = "FILE.pem")]
    pub web_token_key: Option<PathBuf>,
    /// Which server, and as whom (the key needs the backfill role).
    #[command(flatten)]
    pub server: ServerArgs,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "must be a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must lie from 0 to 1".to_owned()) }
}

/// Replays the world and prints the figures: 0 without, 1 with an error of any call.
///
/// # Errors
/// When the events cannot be read, the server cannot be reached, or the decisions not written.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let (code, figures) = replay(args).await?;
    std::io::stdout().write_all(&figures).context("standard output")?;
    Ok(code)
}

async fn replay(args: ReplayArgs) -> anyhow::Result<(ExitCode, Vec<u8>)> {
    let mut world = events::World::read(&args.events)?;
    if let Some(starts) = args.limit {
        world.keep_first(starts);
    }
    if world.starts.is_empty() {
        bail!("{} holds no start", args.events.display());
    }
    let connection = args.server.connect().await?;
    let web_token_key = args.web_token_key.as_deref().map(signing_key).transpose()?;
    let plan = drive::Plan {
        feedback: args.feedback,
        seed: args.seed,
        concurrency: usize::from(args.concurrency),
        web_token_key,
    };
    let begun = Instant::now();
    let ledger = drive::replay(&Interactions::new(connection), &world, &plan).await;
    let lasted = begun.elapsed();
    if let Some(path) = &args.decisions {
        std::fs::write(path, decisions::lines(&world, &ledger))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let failed = ledger.failures.total() > 0;
    let mut figures = Vec::new();
    report::print(&mut figures, &world, &ledger, &plan, lasted)?;
    Ok((if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }, figures))
}

fn signing_key(path: &std::path::Path) -> anyhow::Result<SigningKey> {
    let name = || path.display().to_string();
    let pem = std::fs::read_to_string(path).with_context(name)?;
    SigningKey::from_pem(&pem).with_context(name)
}

#[cfg(test)]
mod tests;
