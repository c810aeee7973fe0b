//! What `rotate-keys` tells a person. No secret is among it.

use std::fmt::Write as _;

use crate::cli::keys::time;
use crate::clock::Time;
use crate::continuity::rotate_root_key::{Standing, StillNeeded};
use crate::server::root_key::Source;
use crate::store::root_keys::{RootKeyRow, RootKeyState};

/// The versions, what each wraps, and who reads them.
pub(super) fn status(standing: &Standing) -> String {
    let mut text = String::new();
    let wraps = standing.wraps();
    for row in &standing.versions {
        let keys = standing.keys.get(&row.version).copied().unwrap_or_default();
        let state = match row.state {
            RootKeyState::InUse if row.version == wraps => "wraps",
            RootKeyState::InUse => "unwraps",
            RootKeyState::Announced => "announced",
            RootKeyState::Retired => "retired",
        };
        let since = if row.changed == Time(0) { "–".to_owned() } else { time(row.changed) };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "version {:<4} {state:<10} since {since:<24} {keys} keys", row.version);
    }
    for one in &standing.instances {
        let versions: Vec<String> = one.versions.iter().map(i64::to_string).collect();
        let _ = writeln!(text, "an instance serves and reads {}", versions.join(", "));
    }
    text
}

/// Everything is wrapped by the new version.
pub(super) fn rotated(version: i64, keys: i64, in_use: impl Iterator<Item = i64>) -> String {
    let mut text = format!("all {keys} keys are wrapped by version {version}\n");
    for older in in_use.filter(|older| *older < version) {
        let _ = writeln!(
            text,
            "next: threadline rotate-keys --retire {older} (backups made before need version {older}: \
             keep a copy of it with them)"
        );
    }
    text
}

/// A version is retired.
pub(super) fn retired(source: &Source, version: i64, opened: u64) -> String {
    let elsewhere =
        |place| format!("take it out of {place}; instances that serve have let go of it");
    let place = match source {
        Source::File(file) => format!("{} does not hold it any more", file.path().display()),
        Source::Environment(_) => elsewhere("THREADLINE_ROOT_KEY"),
        Source::Command(_) => elsewhere("what server.root_key_command prints"),
    };
    format!(
        "version {version} is retired: {opened} keys were opened without it, and none needs it; {place}\n"
    )
}

/// What has to be done first where this command cannot make a new version.
pub(super) fn what_to_do(source: &Source, rows: &[RootKeyRow]) -> String {
    let newest = rows.iter().map(|row| row.version).max().unwrap_or_default();
    let next = newest + 1;
    let (place, then) = match source {
        Source::Command(_) => (
            "what server.root_key_command prints",
            "nobody needs to start again: those who serve read it when step 3 announces it",
        ),
        _ => ("THREADLINE_ROOT_KEY", "start every instance again with it, one after the other"),
    };
    format!(
        "nothing was changed: there is no version newer than {newest} of the root key.\n\
         1. make one:        openssl rand -base64 32\n\
         2. add it to {place}, beside the old one: v{next}:NEW,v{newest}:OLD\n   \
            {then}\n\
         3. run this again:  threadline rotate-keys        (version {next} wraps, everything is wrapped anew)\n\
         4. threadline rotate-keys --retire {newest}             (proves that nothing needs version {newest})\n\
         5. take v{newest}:OLD out again\n"
    )
}

/// Why a version is still needed.
pub(super) fn why(why: StillNeeded) -> String {
    match why {
        StillNeeded::Wraps => "a newer one has to wrap first: threadline rotate-keys".into(),
        StillNeeded::Unknown => "this store knows no such version".into(),
        StillNeeded::Keys(count) => {
            format!("{count} keys are wrapped by it or an older one: threadline rotate-keys")
        }
        StillNeeded::Open => {
            "a tenant may still get keys that it wraps: threadline rotate-keys".into()
        }
        StillNeeded::Unopened(count) => {
            format!("{count} keys do not open with the versions that would be left")
        }
    }
}
