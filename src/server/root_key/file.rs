//! The root key in a file: read, made, and exchanged for another text as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::root_keys::MAXIMUM_TEXT;
use crate::crypto::{RootKeySource, RootKeys, SourceError};
use crate::ids::Entropy;

/// A key file.
pub struct KeyFile {
    path: PathBuf,
}

/// A key file that nobody else may exchange while this is held.
pub struct HeldFile<'a> {
    file: &'a KeyFile,
    _lock: File,
}

impl KeyFile {
    /// At this path.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, with a new root key of version 1, so that only its owner can read it (mode 0600), on
    /// disk before this returns.
    ///
    /// # Errors
    /// When it exists already or cannot be written.
    pub fn create(&self, entropy: &Entropy) -> io::Result<()> {
        write_new(&self.path, &RootKeys::generate(entropy))?;
        sync_folder(&self.path)
    }

    /// Holds it until this is dropped: two who rotate at once would each make a version of their own.
    ///
    /// # Errors
    /// When it is not there, or somebody else holds it.
    pub fn hold(&self) -> io::Result<HeldFile<'_>> {
        loop {
            let lock = File::open(&self.path)?;
            lock.try_lock().map_err(io::Error::from)?;
            // Whoever held it may have put another one in its place meanwhile.
            if lock.metadata()?.ino() == std::fs::metadata(&self.path)?.ino() {
                return Ok(HeldFile { file: self, _lock: lock });
            }
        }
    }

    fn text(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAXIMUM_TEXT + 1));
        File::open(&self.path)?.take(MAXIMUM_TEXT as u64 + 1).read_to_end(&mut text)?;
        Ok(text)
    }
}

impl HeldFile<'_> {
    /// Puts these keys in the file's place, whole or not at all, readable by whoever could read it
    /// before; on disk before this returns. Where the path is a link, it stays one, and the file that it
    /// leads to is exchanged: nobody keeps a retired key behind it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn exchange(&self, keys: &RootKeys) -> io::Result<()> {
        let path = std::fs::canonicalize(&self.file.path)?;
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        // What a killed one left behind is of no use to anybody.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_new(&beside, keys)?;
        let before = std::fs::metadata(&path)?;
        let own = std::fs::metadata(&beside)?;
        if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
            chown(&beside, Some(before.uid()), Some(before.gid()))?;
        }
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(before.mode() & 0o777))?;
        std::fs::rename(&beside, &path)?;
        sync_folder(&path)
    }
}

/// The directory entry must outlive a power cut as well: everything sealed hangs on it.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_new(path: &Path, keys: &RootKeys) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut text = keys.to_text();
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

impl RootKeySource for KeyFile {
    fn read(&self) -> Result<RootKeys, SourceError> {
        let named =
            |why: &str| SourceError(format!("the root key file {}: {why}", self.path.display()));
        let text = self.text().map_err(|error| named(&error.to_string()))?;
        let text = std::str::from_utf8(&text).map_err(|_| named("it is no text"))?;
        RootKeys::from_base64(text).map_err(|error| named(&error.to_string()))
    }
}
