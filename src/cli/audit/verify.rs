//! `threadline audit verify`: is every tenant's chain whole, and the one that the checkpoints saw?

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::DatabaseArgs;
use super::{called, tenants};
use crate::continuity::Service;
use crate::continuity::audit::{Checkpoint, MAX_LINE};
use crate::store::admin::TenantRow;
use crate::store::audit::chain::{End, Finding, Verified};

/// Could not be found out: neither whole nor damaged.
const UNKNOWN: u8 = 2;
/// Lines of a checkpoint file that are read at most.
const MAX_LINES: usize = 1_000_000;

/// Which chains, and what they must go through.
#[derive(Args)]
pub struct VerifyArgs {
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Checkpoints that the chains must go through; may be given several times
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Verifies, and says so.
pub(super) async fn run(arguments: VerifyArgs) -> ExitCode {
    match found(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody reads standard error any more when this fails.
            let _ = writeln!(std::io::stderr(), "threadline: not verified: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

async fn found(arguments: VerifyArgs) -> anyhow::Result<bool> {
    let service = arguments.database.existing()?.open().await?;
    let named = arguments.tenant.as_deref();
    let verified = verify(&service, named, &arguments.checkpoints).await;
    service.store().close().await;
    let (text, whole) = verified?;
    write!(std::io::stdout(), "{text}")?;
    Ok(whole)
}

/// Walks the chains: what to print, and whether all of it is whole.
///
/// # Errors
/// Whatever keeps it from being found out.
pub async fn verify(
    service: &Arc<Service>,
    tenant: Option<&str>,
    files: &[PathBuf],
) -> anyhow::Result<(String, bool)> {
    let (mut text, mut whole) = (String::new(), true);
    let mut kept: BTreeMap<i64, Vec<Checkpoint>> = BTreeMap::new();
    for path in files {
        let (read, odd) = read(path).with_context(|| format!("{}", path.display()))?;
        ensure!(!(read.is_empty() && odd.is_empty()), "{}: holds no checkpoint", path.display());
        for line in odd {
            text.push_str(&format!("{}: line {line} is no checkpoint\n", path.display()));
            whole = false;
        }
        read.into_iter().for_each(|one| kept.entry(one.tenant).or_default().push(one));
    }
    let rows = tenants(service, tenant).await?;
    ensure!(!rows.is_empty(), "there is no tenant, and so no chain");
    for row in &rows {
        let own = kept.remove(&row.tenant.0).unwrap_or_default();
        // What cannot be read of one says nothing of the others.
        let unread = |error| (format!("{}: cannot be verified: {error:#}\n", called(row)), false);
        let (said, fits) = verify_tenant(service, row, own).await.unwrap_or_else(unread);
        text.push_str(&said);
        whole &= fits;
    }
    for (number, checkpoints) in kept.iter().filter(|_| tenant.is_none()) {
        let name = checkpoints.first().map_or("", |checkpoint| &checkpoint.name);
        text.push_str(&format!("{name}: tenant {number} of a checkpoint is gone\n"));
        whole = false;
    }
    Ok((text, whole))
}

async fn verify_tenant(
    service: &Arc<Service>,
    row: &TenantRow,
    checkpoints: Vec<Checkpoint>,
) -> anyhow::Result<(String, bool)> {
    let name = called(row);
    let opened = service.tenant(row.tenant).await.with_context(|| name.clone())?;
    let (mut ends, mut text, mut forged): (Vec<End>, _, _) = (Vec::new(), String::new(), 0u64);
    for checkpoint in checkpoints {
        match checkpoint.end().filter(|_| checkpoint.is_signed_by(&opened)) {
            Some(end) => ends.push(end),
            None => {
                forged += 1;
                let at = checkpoint.position;
                text.push_str(&format!("{name}: the checkpoint at {at} was not signed here\n"));
            }
        }
    }
    let last = service.store().audit_end(row.tenant).await?.map_or(0, |ended| ended.end.position);
    let bar = bar(last.max(0) as u64, &name);
    let verified = service.store().verify_audit(row.tenant, ends, |read| bar.set_position(read));
    let verified = verified.await;
    bar.finish_and_clear();
    let verified = verified?;
    for finding in &verified.findings {
        text.push_str(&format!("{name}: {}\n", said(finding)));
    }
    let Verified { entries, links, checkpoints, wrong, .. } = verified;
    let unnamed = wrong.saturating_sub(verified.findings.len() as u64);
    if unnamed > 0 {
        text.push_str(&format!("{name}: and {unnamed} more\n"));
    }
    let whole = wrong + forged == 0;
    let verdict = if whole { "whole" } else { "NOT WHOLE" };
    text.push_str(&format!(
        "{name}: {entries} entries in {links} links, through {checkpoints} checkpoints: {verdict}\n"
    ));
    Ok((text, whole))
}

fn said(Finding { first, last, wrong }: &Finding) -> String {
    match first == last {
        true => format!("position {first}: {wrong}"),
        false => format!("positions {first} to {last}: {wrong}"),
    }
}

/// Shown on a terminal only.
fn bar(total: u64, name: &str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = "{msg}  {bar:40} {percent:>3} %  {human_pos} entries  {eta} left";
    // A constant template is always valid; the default style would do as well.
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message(name.to_owned());
    bar
}

/// The checkpoints of a file, and the numbers of lines that are none.
fn read(path: &Path) -> anyhow::Result<(Vec<Checkpoint>, Vec<usize>)> {
    let mut file = BufReader::new(std::fs::File::open(path)?);
    let (mut checkpoints, mut odd) = (Vec::new(), Vec::new());
    for number in 1.. {
        let mut line = Vec::new();
        // Longer lines are none; the rest of one counts as lines of their own.
        if file.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        ensure!(number <= MAX_LINES, "has more than {MAX_LINES} lines");
        let text = std::str::from_utf8(&line).unwrap_or("?").trim_end();
        match Checkpoint::parse(text) {
            Some(checkpoint) => checkpoints.push(checkpoint),
            None => odd.push(number),
        }
    }
    Ok((checkpoints, odd))
}
