//! What can go wrong below: one enum, no driver text, no value of a row.

use std::error::Error as _;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or does not answer in time. A retry may succeed.
    #[error("the store is not available")]
    Unavailable,
    /// Another transaction is in the way (deadlock, lock time-out). A retry will succeed.
    #[error("the store is busy")]
    Busy,
    /// More writes wait than the queue holds.
    #[error("too many writes are waiting")]
    QueueFull,
    /// A batch has been committing for too long; nothing new is taken until it ends.
    #[error("the store has stalled")]
    Stalled,
    /// A new key is wrapped by a version of the root key that may not wrap it any more: this instance
    /// has not heard of a rotation yet. A retry may succeed.
    #[error("the version of the root key that wraps is too old")]
    RootKeyTooOld,
    /// The database refused a statement: a defect of ours. `code` is SQLSTATE or SQLite's number.
    #[error("the store refused a statement (code {code})")]
    Refused {
        /// The engine's error code; never its text, which may quote a value.
        code: String,
    },
    /// A row that cannot be read: damaged, or written by a newer version.
    #[error("a stored row cannot be read ({table})")]
    Damaged {
        /// The table it was read from.
        table: &'static str,
    },
    /// Settings that cannot work.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    /// The same error once more: one failed batch has many waiters.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Unavailable => Self::Unavailable,
            Self::Busy => Self::Busy,
            Self::QueueFull => Self::QueueFull,
            Self::Stalled => Self::Stalled,
            Self::RootKeyTooOld => Self::RootKeyTooOld,
            Self::Refused { code } => Self::Refused { code: code.clone() },
            Self::Damaged { table } => Self::Damaged { table },
            Self::Configuration(text) => Self::Configuration(text.clone()),
        }
    }

    /// Whether the same statement may well succeed when it is run again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Busy | Self::Stalled | Self::QueueFull | Self::RootKeyTooOld
        )
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => from_code(database.code().as_deref().unwrap_or("")),
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::TypeNotFound { .. } => {
                tracing::error!(
                    kind = kind(&error),
                    source = error.source().is_some(),
                    "a row was not as expected"
                );
                Self::Refused { code: kind(&error).to_owned() }
            }
            _ => Self::Unavailable,
        }
    }
}

/// PostgreSQL's SQLSTATE has five characters; SQLite's extended result codes have fewer, and their
/// lowest eight bits are the primary one.
fn from_code(code: &str) -> Error {
    let sqlite = code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
    match sqlite {
        // SQLITE_BUSY and LOCKED
        Some(5 | 6) => return Error::Busy,
        // SQLITE_NOMEM, READONLY, IOERR, FULL, CANTOPEN and PROTOCOL: no statement is at fault
        Some(7 | 8 | 10 | 13 | 14 | 15) => return Error::Unavailable,
        _ => {}
    }
    match code {
        // serialization failure, deadlock, lock not available
        "40001" | "40P01" | "55P03" => Error::Busy,
        // statement or idle time-outs, shutdown, cannot connect now, the database is gone
        "57014" | "25P03" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => Error::Unavailable,
        // read only: a primary that became a standby, as long as connections lead to it
        "25006" => Error::Unavailable,
        // connection exceptions, insufficient resources, errors of the system below
        other if ["08", "53", "58"].iter().any(|class| other.starts_with(class)) => {
            Error::Unavailable
        }
        other => Error::Refused { code: other.to_owned() },
    }
}

fn kind(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::RowNotFound => "row-not-found",
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => "decode",
        sqlx::Error::Encode(_) => "encode",
        sqlx::Error::TypeNotFound { .. } => "type",
        _ => "column",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_engines_own() {
        for (code, busy) in [("5", true), ("517", true), ("262", true), ("55P03", true)] {
            assert_eq!(matches!(from_code(code), Error::Busy), busy, "{code}");
        }
        // A write and a sync that failed, a full disk, a file that cannot be opened.
        // A standby that was the primary, and its disk; a file system that became read-only.
        let systems = ["25006", "58030", "53000", "57P05", "8", "776", "7", "15"];
        for code in ["10", "778", "1034", "13", "14", "53100", "08006"].into_iter().chain(systems) {
            assert!(matches!(from_code(code), Error::Unavailable), "{code}");
        }
        // A number out of range is no busy file, though its last bits say so.
        for code in ["22003", "1555", "2067", "23505"] {
            assert!(matches!(from_code(code), Error::Refused { .. }), "{code}");
        }
    }
}
