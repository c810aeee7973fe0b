//! `threadline fit`: the weights of the recognition, fitted anew.
//!
//! From an event stream, which is played to the service's own rules in memory; or from the
//! identities that a tenant's people confirmed and rejected. What comes out is a file that the
//! tenant's settings name, and figures before and after.

mod compare;
mod customers;
mod imagined;
mod plot;
mod regimes;
mod rows;
mod tenant;
mod worked;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::DatabaseArgs;
use super::replay::events::World;
use crate::clock::Clock;
use crate::identity::Weights;
use crate::server::weights;

/// Fits the weights of the recognition.
#[derive(clap::Args)]
pub struct FitArgs {
    /// The events, one JSON object a line, plain or gzip; the first 60 % teach, the rest measures.
    #[arg(value_name = "EVENTS.jsonl[.gz]", required_unless_present = "tenant")]
    pub events: Option<PathBuf>,
    /// Instead of events: the decisions of this tenant that somebody confirmed or rejected since.
    #[arg(long, conflicts_with = "events")]
    pub tenant: Option<String>,
    /// The weights to start from, and to compare with [default: the service's own; of a tenant, those in force]
    #[arg(long, value_name = "FILE.toml")]
    pub from: Option<PathBuf>,
    /// Writes the weights; `[tenants.NAME] weights` names the file.
    #[arg(long, value_name = "FILE.toml")]
    pub write: Option<PathBuf>,
    /// What the weights are called in `model_version` [default: fit- and the time]
    #[arg(long)]
    pub name: Option<String>,
    /// Fits nothing: measures the weights that it would start from.
    #[arg(long, conflicts_with_all = ["write", "tenant"])]
    pub measure: bool,
    /// Writes a reliability plot.
    #[arg(long, value_name = "FILE.svg", requires = "events")]
    pub plot: Option<PathBuf>,
    /// Writes what is fitted on, one line a candidate.
    #[arg(long, value_name = "FILE.csv", requires = "events")]
    pub rows: Option<PathBuf>,
    /// Which ends say who it was, where not all do.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the tenant's rows are.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Fits, writes, and prints the figures.
///
/// # Errors
/// When events or settings cannot be read, there is too little to fit on, or a file cannot be
/// written.
pub async fn run(arguments: FitArgs) -> anyhow::Result<ExitCode> {
    let before = match &arguments.from {
        Some(path) => weights::read(path).map_err(|wrong| anyhow::anyhow!(wrong.join("\n")))?,
        None => Weights::DEFAULT,
    };
    let name = arguments.name.clone().unwrap_or_else(|| {
        let now = jiff::Timestamp::from_millisecond(Clock::System.now().0).unwrap_or_default();
        // To the second: decisions are read by this name again.
        format!("fit-{}", now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    });
    let mut said = Vec::new();
    let fitted = match &arguments.events {
        Some(events) => from_events(&arguments, events, &before, &name, &mut said)?,
        None => {
            let tenant = arguments.tenant.as_deref().unwrap_or_default();
            let database = arguments.database.clone();
            let from = arguments.from.is_some().then_some(&before);
            tenant::fit_tenant(database, tenant, from, &name, &mut said).await?
        }
    };
    if let Some(path) = &arguments.write {
        let source = match (&arguments.events, &arguments.tenant) {
            (Some(events), _) => format!("events, {}", events.display()),
            (None, tenant) => format!("tenant {}", tenant.as_deref().unwrap_or_default()),
        };
        let about = ["Weights of the recognition, written by `threadline fit`.".to_owned(), source];
        write(path, &weights::text(&fitted, &about))?;
        writeln!(said, "\nWrote {}; name it in the settings:", path.display())?;
        writeln!(said, "  [tenants.NAME]\n  weights = {:?}", path.display().to_string())?;
    }
    std::io::stdout().write_all(&said).context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn from_events(
    arguments: &FitArgs,
    events: &std::path::Path,
    before: &Weights,
    name: &str,
    said: &mut Vec<u8>,
) -> anyhow::Result<Weights> {
    let world = World::read(events)?;
    if world.first_scored() < LEAST_STARTS {
        bail!(
            "{} holds {} starts; a fit needs {LEAST_STARTS} in the first 60 %",
            events.display(),
            world.starts.len()
        );
    }
    let seed = arguments.seed;
    let after = match arguments.measure {
        true => None,
        false => Some(regimes::fit_world(&world, before, name, seed)),
    };
    compare::print(said, &world, before, after.as_ref(), seed)?;
    let fitted = after.unwrap_or_else(|| before.clone());
    if let Some(path) = &arguments.plot {
        write(
            path,
            &plot::reliability(&compare::measured(&world, &fitted, seed), &fitted.version),
        )?;
    }
    if let Some(path) = &arguments.rows {
        write(path, &rows::csv(&world, &fitted, seed))?;
    }
    Ok(fitted)
}

/// Fewer starts teach too little.
const LEAST_STARTS: usize = 1_000;

fn write(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
