//! `threadline rotate-keys`: a new version of the root key, everything wrapped by it, the old one retired.
//!
//! Opens the database directly, also while `serve` runs. Every step can be done again: whoever was
//! stopped half-way calls it once more.

mod told;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::DatabaseArgs;
use super::keys::milliseconds;
use crate::continuity::Service;
use crate::continuity::rotate_root_key::Rewrapped;
use crate::ids::Entropy;
use crate::server::root_key::{HeldFile, Source};
use crate::store::root_keys::{RootKeyRow, RootKeyState};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// When nothing was wrapped anew for so long, this command does it itself.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Rotates the root key: a new version, every data key wrapped by it.
///
/// A key file gets its new version from this command. Where the root key comes from the environment or
/// from a command, put the new version into it first: the list v2:…,v1:….
#[derive(Args)]
pub struct RotateKeysArgs {
    /// Shows the versions, how many keys each wraps and who reads them; changes nothing
    #[arg(long, conflicts_with = "retire")]
    status: bool,
    /// Proves that nothing needs this version any more, and retires it for good
    #[arg(long, value_name = "VERSION")]
    retire: Option<i64>,
    /// How long those who serve may take to read a new version, such as 60s or 10m
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    wait: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Does it.
///
/// # Errors
/// What a person can act on.
pub async fn run(arguments: RotateKeysArgs) -> anyhow::Result<ExitCode> {
    let wait = Duration::from_millis(milliseconds("wait", &arguments.wait)?.unsigned_abs());
    let serve = arguments.database.existing()?;
    let source = serve.root_key_source()?;
    let held = match &source {
        Source::File(file) if !arguments.status => {
            let named = || {
                format!("{}: somebody else rotates, or it cannot be opened", file.path().display())
            };
            Some(file.hold().with_context(named)?)
        }
        _ => None,
    };
    let service = serve.open().await?;
    let done = match arguments.retire {
        _ if arguments.status => status(&service).await,
        Some(version) => retire(&service, &source, held.as_ref(), version).await,
        None => rotate(&service, &source, held.as_ref(), wait).await,
    };
    service.store().close().await;
    done
}

async fn status(service: &Service) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout(), "{}", told::status(&service.root_key_standing().await?))?;
    Ok(ExitCode::SUCCESS)
}

async fn rotate(
    service: &Service,
    source: &Source,
    held: Option<&HeldFile<'_>>,
    wait: Duration,
) -> anyhow::Result<ExitCode> {
    let rows = service.follow_root_keys().await?;
    let version = match begun_or_given(&rows, &source.reader().read()?.versions()) {
        Some(version) => version,
        None if in_use(&rows).count() > 1 => in_use(&rows).max().unwrap_or_default(),
        None => match held {
            Some(held) => make(source, held, &rows)?,
            None => {
                write!(std::io::stdout(), "{}", told::what_to_do(source, &rows))?;
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    if !in_use(&rows).any(|it| it == version) {
        service.announce_root_key(version).await?;
        until_read(service, version, wait).await?;
        service.store().use_root_key(version).await?;
        service.follow_root_keys().await?;
        writeln!(std::io::stdout(), "version {version} of the root key wraps from now on")?;
    }
    if let Some(held) = held {
        let keys = source.reader().read()?;
        if keys.first() != version {
            held.exchange(&keys.newest_first()).context("the key file")?;
        }
    }
    let keys = until_rewrapped(service, version).await?;
    write!(std::io::stdout(), "{}", told::rotated(version, keys, in_use(&rows)))?;
    Ok(ExitCode::SUCCESS)
}

/// A version to go on with: announced before, or given and new.
fn begun_or_given(rows: &[RootKeyRow], given: &[i64]) -> Option<i64> {
    let announced = rows.iter().filter(|row| row.state == RootKeyState::Announced);
    let known = rows.iter().map(|row| row.version).max().unwrap_or_default();
    let given = given.iter().copied().filter(|version| *version > known);
    announced.map(|row| row.version).chain(given).max()
}

fn in_use(rows: &[RootKeyRow]) -> impl Iterator<Item = i64> {
    rows.iter().filter(|row| row.state == RootKeyState::InUse).map(|row| row.version)
}

/// Puts a new version into the key file, behind those that are there: it is read before it wraps.
fn make(source: &Source, held: &HeldFile<'_>, rows: &[RootKeyRow]) -> anyhow::Result<i64> {
    let keys = source.reader().read()?;
    let known = rows.iter().map(|row| row.version).chain(keys.versions());
    let version = known.max().unwrap_or_default() + 1;
    let more = keys.with_new(version, &Entropy::System).context("a new version")?;
    held.exchange(&more).context("the key file")?;
    Ok(version)
}

/// Waits until everybody who serves reads the version.
async fn until_read(service: &Service, version: i64, wait: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let all = service.store().instances().await?;
        let without = all.iter().filter(|one| !one.versions.contains(&version)).count();
        if without == 0 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < wait,
            "{without} of {} instances that serve do not read version {version}, and it wraps nothing \
             yet: give it to them (in the environment: start them again) and run this again",
            all.len()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until everything is wrapped by the version: those who serve do that, in the background. Where
/// nobody serves, this does it. How many keys there are.
async fn until_rewrapped(service: &Service, version: i64) -> anyhow::Result<i64> {
    let (mut least, mut progress) = (i64::MAX, Instant::now());
    loop {
        let standing = service.root_key_standing().await?;
        let left = standing.keys_below(version);
        let oldest = service.store().oldest_versions().await?;
        if left == 0 && oldest.iter().all(|(_, oldest)| *oldest >= version) {
            return Ok(standing.keys.values().sum());
        }
        if left < least {
            (least, progress) = (left, Instant::now());
            if left > 0 {
                writeln!(std::io::stdout(), "{left} keys to go")?;
            }
        }
        if standing.instances.is_empty() || progress.elapsed() > STUCK_AFTER {
            let Rewrapped { left, .. } = service.rewrap_keys().await?;
            if left > 0 {
                bail!("{left} keys do not open, and keep their version: see the log");
            }
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn retire(
    service: &Service,
    source: &Source,
    held: Option<&HeldFile<'_>>,
    version: i64,
) -> anyhow::Result<ExitCode> {
    let opened = match service.retire_root_key(version).await? {
        Ok(opened) => opened,
        Err(why) => bail!("version {version} of the root key is not retired: {}", told::why(why)),
    };
    if let Some(held) = held {
        let keys = source.reader().read()?;
        if keys.has(version) {
            let left = keys.without(|number| number == version);
            // It was proven a moment ago that a newer one opens everything, and it is in this file.
            let left = left.context("the key file has no other version")?;
            held.exchange(&left).context("the key file")?;
        }
    }
    write!(std::io::stdout(), "{}", told::retired(source, version, opened))?;
    Ok(ExitCode::SUCCESS)
}
