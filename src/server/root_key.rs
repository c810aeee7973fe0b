//! Where the root key comes from: the environment, or a file beside the embedded store.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::crypto::RootKeys;
use crate::ids::Entropy;

/// The root keys for this database. `given` is `THREADLINE_ROOT_KEY`; without it the embedded store
/// makes a key file of its own (mode 0600) and says so, PostgreSQL refuses.
///
/// # Errors
/// A key that cannot be read, a file that cannot be read or written, no key for PostgreSQL.
pub fn root_keys(
    given: Option<&str>,
    database: &str,
    entropy: &Entropy,
) -> anyhow::Result<RootKeys> {
    if let Some(text) = given.filter(|text| !text.trim().is_empty()) {
        return RootKeys::from_base64(text).context("THREADLINE_ROOT_KEY");
    }
    let Some(path) = database.strip_prefix("sqlite:") else {
        bail!(
            "PostgreSQL needs THREADLINE_ROOT_KEY: 32 random bytes in base64, \
             the same for every instance (for example: openssl rand -base64 32)"
        );
    };
    let path = path.trim_start_matches("//").split('?').next().unwrap_or(path);
    let file = PathBuf::from(format!("{path}.root-key"));
    if let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
        bail!("the folder {} does not exist", folder.display());
    }
    if file.exists() {
        return RootKeys::from_file(&file).with_context(|| format!("{}", file.display()));
    }
    let keys = match RootKeys::create_file(&file, entropy) {
        // Another process made it at the same moment: its key is the one.
        Err(_) if file.exists() => return Ok(RootKeys::from_file(&file)?),
        made => made.with_context(|| format!("{}", file.display()))?,
    };
    tracing::warn!(
        file = %file.display(),
        "made a root key beside the store; without this file nothing can be read again: \
         keep a copy apart from the database"
    );
    Ok(keys)
}
