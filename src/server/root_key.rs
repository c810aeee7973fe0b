//! Where the root key comes from: the environment, a file, or a command that prints it. One of them.

mod command;
mod environment;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use zeroize::Zeroizing;

use crate::crypto::RootKeySource;
use crate::ids::Entropy;
use crate::store::Engine;

pub use command::PrintedBy;
pub use environment::Environment;
pub use file::{HeldFile, KeyFile};

/// What PostgreSQL is refused with where nothing was said.
const NONE_FOR_POSTGRES: &str = "PostgreSQL needs a root key, the same for every instance: \
    THREADLINE_ROOT_KEY with 32 random bytes in base64 (for example: openssl rand -base64 32), \
    server.root_key_file or server.root_key_command";

/// What a new database is refused with where the variable is set to nothing: most likely what was to fill
/// it is missing.
const EMPTY: &str = "THREADLINE_ROOT_KEY: is set and empty: give it the key, or unset it to have a key \
    file made beside the database";

/// What was said of where the root key is. At most one of them may be.
#[derive(Default)]
pub struct Given {
    /// `THREADLINE_ROOT_KEY`.
    pub text: Option<Zeroizing<String>>,
    /// `server.root_key_file`.
    pub file: Option<PathBuf>,
    /// `server.root_key_command`.
    pub command: Option<Vec<String>>,
}

/// The one that was chosen.
#[derive(Clone)]
pub enum Source {
    /// The environment, which nobody can change from outside.
    Environment(Arc<Environment>),
    /// A file, which `rotate-keys` writes.
    File(Arc<KeyFile>),
    /// A command: what it prints, somebody else looks after.
    Command(Arc<PrintedBy>),
}

impl Source {
    /// As the service reads it.
    pub fn reader(&self) -> Arc<dyn RootKeySource> {
        match self {
            Self::Environment(source) => Arc::clone(source) as _,
            Self::File(source) => Arc::clone(source) as _,
            Self::Command(source) => Arc::clone(source) as _,
        }
    }

    /// The source for this database. Where nothing is said, the embedded store has a key file of its
    /// own, made when it is missing (mode 0600), and PostgreSQL refuses.
    ///
    /// # Errors
    /// Several at once, a file that is not there or cannot be written, nothing for PostgreSQL, a
    /// variable that is empty for a new database.
    pub fn choose(given: Given, database: &str, entropy: &Entropy) -> anyhow::Result<Self> {
        let empty = given.is_empty();
        let given = given.one()?;
        match (given.text, given.file, given.command) {
            (Some(text), ..) => Ok(Self::Environment(Arc::new(Environment::new(text)))),
            (_, Some(path), _) => Ok(Self::File(Arc::new(KeyFile::at(path)))),
            (.., Some(command)) => Ok(Self::Command(Arc::new(PrintedBy::new(command)?))),
            (None, None, None) => Self::beside(database, entropy, empty),
        }
    }

    /// What is wrong with what was said, without running a command or making anything. Of a database
    /// that is not known nothing is.
    ///
    /// # Errors
    /// As [`Self::choose`], and a key that cannot be used.
    pub fn examine(given: Given, database: Option<&str>) -> Result<(), String> {
        let empty = given.is_empty();
        let given = given.one().map_err(|error| format!("server.root_key_file: {error}"))?;
        let read =
            |source: &dyn RootKeySource| source.read().map(drop).map_err(|it| it.to_string());
        match (given.text, given.file, given.command) {
            (Some(text), ..) => read(&Environment::new(text)),
            (_, Some(path), _) => {
                read(&KeyFile::at(path)).map_err(|error| format!("server.root_key_file: {error}"))
            }
            (.., Some(command)) => PrintedBy::new(command).map(drop).map_err(|it| it.to_string()),
            (None, None, None) => match database.map(own_file) {
                None => Ok(()),
                Some(None) => Err(format!("server.root_key_file: {NONE_FOR_POSTGRES}")),
                Some(Some(path)) if path.exists() => read(&KeyFile::at(path)),
                Some(Some(path)) if database.is_some_and(Engine::is_there) => {
                    Err(format!("server.root_key_file: {}", gone(&path)))
                }
                Some(Some(_)) if empty => Err(EMPTY.to_owned()),
                Some(Some(path)) => {
                    folder_of(&path).map_err(|error| format!("server.database: {error}"))
                }
            },
        }
    }

    /// The embedded store's own file.
    fn beside(database: &str, entropy: &Entropy, empty: bool) -> anyhow::Result<Self> {
        let Some(path) = own_file(database) else {
            bail!(NONE_FOR_POSTGRES);
        };
        folder_of(&path)?;
        let file = KeyFile::at(path);
        if !file.path().exists() {
            ensure!(!Engine::is_there(database), gone(file.path()));
            ensure!(!empty, EMPTY);
            match file.create(entropy) {
                Ok(()) => tracing::warn!(
                    file = %file.path().display(),
                    "made a root key beside the store; without this file nothing can be read again: \
                     keep a copy apart from the database"
                ),
                // Another process made it at the same moment: its key is the one.
                Err(_) if file.path().exists() => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("{}", file.path().display()));
                }
            }
        }
        Ok(Self::File(Arc::new(file)))
    }
}

impl Given {
    /// Whether the variable is set, and says nothing.
    fn is_empty(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.trim().is_empty())
    }

    /// The same, if it is one place at most.
    fn one(self) -> anyhow::Result<Self> {
        let text = self.text.filter(|text| !text.trim().is_empty());
        let said = [text.is_some(), self.file.is_some(), self.command.is_some()];
        ensure!(
            said.iter().filter(|said| **said).count() <= 1,
            "the root key comes from one place: set one of THREADLINE_ROOT_KEY, \
             server.root_key_file (or THREADLINE_ROOT_KEY_FILE) and server.root_key_command"
        );
        Ok(Self { text, ..self })
    }
}

/// What is said where a database has lost its key: another would open nothing of it, and whoever keeps
/// copies would keep the wrong one.
fn gone(file: &Path) -> String {
    format!(
        "{} is gone, and the database was made with a root key: put its copy back, or say where the key \
         is; none was made",
        file.display()
    )
}

/// Whether the folder is there that a file is to be in.
pub(super) fn folder_of(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty() && !it.is_dir());
    match folder {
        Some(folder) => bail!("the folder {} does not exist", folder.display()),
        None => Ok(()),
    }
}

/// Where the embedded store keeps its own root key; nowhere for PostgreSQL.
pub fn own_file(database: &str) -> Option<PathBuf> {
    let path = database.strip_prefix("sqlite:")?;
    let path = path.trim_start_matches("//").split('?').next().unwrap_or(path);
    Some(PathBuf::from(format!("{path}.root-key")))
}

#[cfg(test)]
mod tests;
