//! A folder of backups: how its files are named, come to be, and go.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::Time;
use crate::continuity::backup::{Contents, Reader};

/// Store time as it stands in a name: names in order are files in order.
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";
/// What every name begins with.
const NAME: &str = "threadline-";
/// What the name of a file ends with that is not whole yet, or never became so.
const PARTIAL: &str = ".partial";

pub(super) struct Folder {
    pub path: PathBuf,
    suffix: &'static str,
}

/// A file that is being written; gone again unless it is kept.
pub(super) struct Partial {
    pub file: File,
    path: PathBuf,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // There is none under this name any more once it is whole; one that stays goes with its age.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file that is whole and on the disk.
pub(super) struct Kept {
    path: PathBuf,
    time: Time,
    rows: u64,
    bytes: u64,
}

impl Kept {
    pub fn told(&self) -> String {
        format!("wrote {}: {} rows, {} bytes", self.path.display(), self.rows, self.bytes)
    }
}

impl Folder {
    /// The folder of that kind of file, made for its owner alone when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of(path: PathBuf, holds: Contents) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("the folder {}", path.display()))?;
        let suffix = match holds {
            Contents::Rows => ".rows",
            Contents::Keys => ".keys",
        };
        Ok(Self { path, suffix })
    }

    fn file(&self, time: Time, end: &str) -> anyhow::Result<PathBuf> {
        let stamp = Timestamp::from_millisecond(time.0).context("the store's time")?.strftime(TIME);
        Ok(self.path.join(format!("{NAME}{stamp}{}{end}", self.suffix)))
    }

    /// A new file that only its owner can read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&self, begun: Time) -> anyhow::Result<Partial> {
        let path = self.file(begun, PARTIAL)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = made.with_context(|| format!("{}", path.display()))?;
        Ok(Partial { file, path })
    }

    /// Brings it to the disk under its name.
    ///
    /// # Errors
    /// When the disk refuses, or there is a file of that name.
    pub fn keep(&self, partial: Partial, time: Time, rows: u64) -> anyhow::Result<Kept> {
        let path = self.file(time, "")?;
        let named = || format!("{}", path.display());
        ensure!(!path.exists(), "{} is there already", path.display());
        partial.file.sync_all().with_context(named)?;
        let bytes = partial.file.metadata().with_context(named)?.len();
        std::fs::rename(&partial.path, &path).with_context(named)?;
        self.sync()?;
        Ok(Kept { path, time, rows, bytes })
    }

    fn sync(&self) -> anyhow::Result<()> {
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("the folder {}", self.path.display()))
    }

    /// Deletes files that were made more than so many milliseconds before `newest`, which stays;
    /// also those that never became whole. Those of another installation are nobody's to delete here:
    /// whoever has backed up the wrong database would lose the right one's.
    ///
    /// # Errors
    /// When one cannot be deleted; that must not go unnoticed.
    pub fn let_go(&self, keep: i64, newest: &Kept) -> anyhow::Result<Vec<PathBuf>> {
        let mut old = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            let made = self.time_of(&path);
            let is_old = made.is_some_and(|made| newest.time.since(made) > keep);
            if path != newest.path && is_old && (is_partial(&path) || is_of_one(&path, newest)) {
                old.push(path);
            }
        }
        old.sort();
        for path in &old {
            std::fs::remove_file(path).with_context(|| format!("delete {}", path.display()))?;
        }
        if !old.is_empty() {
            self.sync()?;
        }
        Ok(old)
    }

    /// When a file of this kind was made, by its name; nothing of any other file.
    fn time_of(&self, path: &Path) -> Option<Time> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(PARTIAL).unwrap_or(name);
        let stamp = name.strip_prefix(NAME)?.strip_suffix(self.suffix)?;
        let time = DateTime::strptime("%Y%m%dT%H%M%S%.fZ", stamp).ok()?;
        let time = TimeZone::UTC.to_timestamp(time).ok()?;
        Some(Time(time.as_millisecond()))
    }
}

fn is_partial(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.ends_with(PARTIAL))
}

/// Whether a file is of the installation that the newest is of; what cannot be read is of none.
fn is_of_one(path: &Path, newest: &Kept) -> bool {
    let of = |path: &Path| Reader::open(path).ok().map(|reader| reader.header.installation);
    of(path).is_some_and(|own| of(&newest.path) == Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};

    const NOON: Time = Time(1_700_000_000_123);

    fn made(folder: &Folder, time: Time) -> Kept {
        made_by(folder, time, "aa")
    }

    /// A file of that installation, as far as its header.
    fn made_by(folder: &Folder, time: Time, installation: &str) -> Kept {
        use std::io::Write as _;
        let mut partial = folder.begin(time).expect("a file");
        let header = format!(
            "{{\"threadline_backup\":1,\"holds\":\"keys\",\"installation\":\"{installation}\",\
             \"migration\":1,\"store_time\":0}}\n"
        );
        partial.file.write_all(header.as_bytes()).expect("a header");
        partial.file.write_all(&[0; 32]).expect("a hash");
        folder.keep(partial, time, 0).expect("a file that stays")
    }

    fn names(folder: &Folder) -> Vec<String> {
        let entries = std::fs::read_dir(&folder.path).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn old_keys_go_and_nothing_else() {
        let place = tempfile::tempdir().expect("a folder");
        let inner = place.path().join("made/for it");
        let keys = Folder::of(inner.clone(), Contents::Keys).expect("a folder");
        let rows = Folder::of(inner, Contents::Rows).expect("a folder");
        made(&rows, NOON.plus(-40 * DAY));
        for age in [36 * DAY, 35 * DAY + 1, 35 * DAY, HOUR] {
            made(&keys, NOON.plus(-age));
        }
        let killed = keys.file(NOON.plus(-50 * DAY), PARTIAL).expect("a name");
        std::fs::write(killed, b"never became whole").expect("a file");
        for other in ["threadline-x.keys", "notes.keys", "threadline-20000101T000000.000Z.other"] {
            std::fs::write(keys.path.join(other), b"mine").expect("a file of somebody");
        }
        let newest = made(&keys, NOON);
        assert!(newest.path.ends_with("threadline-20231114T221320.123Z.keys"));
        let gone = keys.let_go(35 * DAY, &newest).expect("deleted");
        assert_eq!(gone.len(), 3, "{gone:?}");
        let left = names(&keys);
        assert_eq!(left.len(), 7, "{left:?}");
        assert_eq!(keys.let_go(0, &newest).expect("deleted").len(), 2);
        assert!(names(&keys).contains(&"threadline-20231114T221320.123Z.keys".to_owned()));
        assert_eq!(rows.let_go(0, &made(&rows, NOON)).expect("deleted").len(), 1);
    }

    #[test]
    fn whoever_backs_up_another_database_deletes_nothing_of_this_one() {
        let place = tempfile::tempdir().expect("a folder");
        let keys = Folder::of(place.path().join("keys"), Contents::Keys).expect("a folder");
        made(&keys, NOON.plus(-40 * DAY));
        let of_another = made_by(&keys, NOON, "bb");
        assert!(keys.let_go(0, &of_another).expect("nothing").is_empty());
        let newest = made(&keys, NOON.plus(1));
        assert_eq!(keys.let_go(0, &newest).expect("deleted").len(), 1, "its own");
        assert_eq!(names(&keys).len(), 2);
    }

    #[test]
    fn only_its_owner_reads_it_and_none_is_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().expect("a folder");
        let keys = Folder::of(place.path().join("keys"), Contents::Keys).expect("a folder");
        let kept = made(&keys, NOON);
        let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!((mode(&kept.path) & 0o777, mode(&keys.path) & 0o777), (0o600, 0o700));
        let again = keys.begin(NOON).expect("a file");
        assert!(keys.keep(again, NOON, 0).is_err());
    }
}
