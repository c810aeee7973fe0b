//! How much processor time was used: user and system time, as Linux counts it.
//!
//! Throughput depends on the generator that shares the machine; processor time of the server per
//! request does not, so it is the steadier figure of the two.

use std::path::Path;
use std::time::Duration;

/// A tick of `/proc/PID/stat`: `USER_HZ` is 100 on every architecture that we know.
const TICK: Duration = Duration::from_millis(10);

/// Whose time is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    /// The server.
    pub(super) server: u32,
    /// PostgreSQL's main process, when it runs on this machine; its children count.
    pub(super) database: Option<u32>,
}

/// Used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// By the server.
    pub(super) server: Option<Duration>,
    /// By PostgreSQL and all its processes.
    pub(super) database: Option<Duration>,
    /// By this generator.
    pub(super) generator: Option<Duration>,
}

impl Meter {
    /// What has been used so far.
    pub(super) fn used(&self) -> Used {
        Used {
            server: used_by(self.server),
            database: self.database.map(family),
            generator: used_by(std::process::id()),
        }
    }
}

impl Used {
    /// What has been used since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        let less = |now: Option<Duration>, then: Option<Duration>| Some(now?.saturating_sub(then?));
        Self {
            server: less(self.server, before.server),
            database: less(self.database, before.database),
            generator: less(self.generator, before.generator),
        }
    }
}

/// The main process of the PostgreSQL that listens on `port`, known by its command line; else the
/// only one of this machine.
pub(super) fn postmaster(port: u16) -> Option<u32> {
    let all: Vec<u32> = numbers().into_iter().filter(|pid| is_postgres(*pid)).collect();
    let parents: Vec<u32> = all
        .iter()
        .copied()
        .filter(|pid| !parent(*pid).is_some_and(|it| all.contains(&it)))
        .collect();
    let port = port.to_string();
    let named = parents.iter().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == port.as_bytes())
    });
    match parents.as_slice() {
        [only] => Some(*only),
        _ => named.copied(),
    }
}

/// The time of a main process and its children that are still there.
fn family(main: u32) -> Duration {
    let own = |pid: &u32| *pid == main || parent(*pid) == Some(main);
    numbers().into_iter().filter(own).filter_map(used_by).sum()
}

fn numbers() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn is_postgres(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim() == "postgres"
}

fn used_by(pid: u32) -> Option<Duration> {
    let text = stat(pid)?;
    let [user, system] = [11, 12].map(|place| field(&text, place));
    Some(TICK * u32::try_from(user? + system?).ok()?)
}

fn parent(pid: u32) -> Option<u32> {
    u32::try_from(field(&stat(pid)?, 1)?).ok()
}

fn stat(pid: u32) -> Option<String> {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()
}

/// A number of `/proc/PID/stat`, counted from what follows the name, which may hold anything.
fn field(stat: &str, place: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 3 0 99";
        assert_eq!(field(line, 1), Some(7));
        assert_eq!((field(line, 11), field(line, 12)), (Some(250), Some(50)));
        assert_eq!(field("42 (a", 1), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_is_seen() {
        let meter = Meter { server: std::process::id(), database: None };
        let before = meter.used();
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while meter.used().since(before).server.unwrap() < Duration::from_millis(50) {
            sum = std::hint::black_box(sum + 1);
            assert!(begun.elapsed() < Duration::from_secs(60), "no time was counted");
        }
        assert!(meter.used().database.is_none());
    }
}
