//! The file of audit checkpoints: lines are appended, by a schedule or a command, and never changed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::continuity::audit::Checkpoint;
use crate::continuity::{Error, Service};

/// Appends checkpoints to a file, which is made if there is none; on disk when this returns.
///
/// # Errors
/// The file's.
pub fn append(path: &Path, checkpoints: &[Checkpoint]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    // A line that a power cut has torn must not spoil the next one.
    let torn = ends_torn(&mut file)?;
    let mut text = if torn { "\n".to_owned() } else { String::new() };
    for checkpoint in checkpoints {
        text.push_str(&checkpoint.line());
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// A checkpoint of every tenant whose chain has grown since it was at the position in `seen`.
///
/// # Errors
/// The store's.
pub async fn grown(
    service: &Arc<Service>,
    seen: &HashMap<i64, i64>,
) -> Result<Vec<Checkpoint>, Error> {
    let mut checkpoints = Vec::new();
    for tenant in service.store().tenants().await? {
        let (number, made) = (tenant.tenant.0, service.checkpoint(tenant.tenant).await);
        match made {
            Ok(made) => {
                checkpoints.extend(made.filter(|it| seen.get(&it.tenant) != Some(&it.position)));
            }
            // One that cannot be opened keeps no other from being signed.
            Err(error) => tracing::error!(tenant = number, %error, "no checkpoint of a tenant"),
        }
    }
    Ok(checkpoints)
}

/// Appends what has grown, every so often, while serving. What fails is tried again at the next.
pub(super) async fn keep(service: Arc<Service>, path: PathBuf, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = HashMap::new();
    loop {
        ticks.tick().await;
        let checkpoints = match grown(&service, &seen).await {
            Ok(checkpoints) => checkpoints,
            Err(error) => {
                tracing::error!(%error, "no audit checkpoint could be made");
                continue;
            }
        };
        if checkpoints.is_empty() {
            continue;
        }
        let (file, lines) = (path.clone(), checkpoints.clone());
        match tokio::task::spawn_blocking(move || append(&file, &lines)).await {
            Ok(Ok(())) => seen.extend(checkpoints.iter().map(|it| (it.tenant, it.position))),
            Ok(Err(error)) => {
                tracing::error!(kind = ?error.kind(), "audit checkpoints could not be written");
            }
            // It panicked: nothing is known of the lines, and they may stand there twice.
            Err(_) => tracing::error!("audit checkpoints could not be written"),
        }
    }
}
