//! Why nothing is put back.

use std::path::PathBuf;

use crate::continuity;
use crate::continuity::backup::Unreadable;
use crate::store;

/// Why a backup is not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file that is not used.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: Unreadable,
    },
    /// Rows where keys should be, or the other way round.
    #[error("{} does not hold {wanted}", path.display())]
    OtherHalf {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Files of two installations.
    #[error("{} is of another installation than the rows", path.display())]
    OtherInstallation {
        /// Which.
        path: PathBuf,
    },
    /// A tenant whose own key is not in the file of keys.
    #[error("the keys do not open tenant {tenant}: take a newer file of keys")]
    TenantWithoutKey {
        /// The operator's name for it.
        tenant: String,
    },
    /// Not the root key that wrapped the keys.
    #[error("the root key is not the one that this backup was made with")]
    WrongRootKey,
    /// A schema that this program does not know.
    #[error("the backup was written by a newer version of this program")]
    Newer,
    /// A file that was whole when it was checked.
    #[error("{} changed while it was being read", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The database's.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What came back cannot be opened.
    #[error(transparent)]
    Service(#[from] continuity::Error),
}
