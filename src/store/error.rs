//! What can go wrong below: one enum, no driver text, no value of a row. Why a store is not available is
//! told in the log, in our own words.

use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Engine;

/// How long until the same reason is told again: while a store is away, every read meets it.
const TOLD_AGAIN: Duration = Duration::from_secs(30);

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

    /// The same of a store that could not be opened, once a connection of its own has met what stands in
    /// the way: a pool says no more than that none came in time.
    pub async fn explained(self, url: &str) -> Self {
        match (self, Engine::of(url)) {
            (Self::Unavailable, Ok(engine)) => {
                engine.writer(url, false).await.err().unwrap_or(Self::Unavailable)
            }
            (error, _) => error,
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
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let found = from_code(&code);
                if matches!(found, Self::Unavailable) {
                    tell(code_in_words(&code), &code);
                }
                found
            }
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
            // Somebody closes the store.
            sqlx::Error::PoolClosed => Self::Unavailable,
            other => {
                tell(in_words(other), "");
                Self::Unavailable
            }
        }
    }
}

/// Says why the store is not available, and each reason once in a while.
fn tell(reason: &'static str, code: &str) {
    static TOLD: Mutex<Vec<(&'static str, Instant)>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    match told.iter().position(|(known, _)| *known == reason) {
        Some(at) if told[at].1.elapsed() < TOLD_AGAIN => return,
        Some(at) => told[at].1 = Instant::now(),
        None => told.push((reason, Instant::now())),
    }
    drop(told);
    tracing::error!(reason, code, "the store is not available");
}

/// Of SQLite's result codes the primary one.
fn of_sqlite(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff)
}

/// What a code says that makes a store not available.
fn code_in_words(code: &str) -> &'static str {
    match (of_sqlite(code), code) {
        (Some(7), _) => "there is no memory left",
        (Some(8), _) => "the file of the database, or its folder, can only be read",
        (Some(13), _) => "the disk is full",
        (Some(14), _) => "the file of the database cannot be opened: look at its path and folder",
        (Some(_), _) => "the disk cannot be read or written",
        (None, "57014" | "25P03") => "a statement took too long",
        (None, "25006") => "the server takes no writes: it is a standby, or set to read only",
        (None, "53100") => "the server's disk is full",
        (None, "53300") => "the server has no connection left",
        (None, "57P04") => "the database was dropped",
        (None, code) if code.starts_with("57") => "the server is starting or stopping",
        (None, code) if code.starts_with("53") => "the server lacks memory or other resources",
        (None, code) if code.starts_with("08") => "the connection broke",
        (None, _) => "the server's system fails, as its disk may",
    }
}

/// What stood in the way of a connection, without what it was called.
fn in_words(error: &sqlx::Error) -> &'static str {
    let error = match error {
        sqlx::Error::Io(error) => error,
        sqlx::Error::PoolTimedOut => return "no connection was made, or free, in time",
        sqlx::Error::Tls(_) => return "TLS could not be agreed on",
        sqlx::Error::Protocol(_) => return "what answers there does not speak as a database",
        sqlx::Error::Configuration(_) => return "the database URL asks for what cannot be done",
        _ => return "the driver fails",
    };
    match error.kind() {
        ErrorKind::ConnectionRefused => "nobody listens at that host and port",
        ErrorKind::NotFound => "a file or socket that leads to the database is not there",
        ErrorKind::PermissionDenied => "the way to the database is not permitted",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "the host cannot be reached",
        ErrorKind::TimedOut => "the host does not answer in time",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        // Its kind has no name; its text begins so in the standard library.
        _ if error.to_string().starts_with("failed to lookup") => "there is no host of that name",
        _ => "the connection broke",
    }
}

/// PostgreSQL's SQLSTATE has five characters; SQLite's extended result codes have fewer, and their
/// lowest eight bits are the primary one.
fn from_code(code: &str) -> Error {
    match of_sqlite(code) {
        // SQLITE_BUSY and LOCKED
        Some(5 | 6) => return Error::Busy,
        // SQLITE_NOMEM, READONLY, IOERR, FULL, CANTOPEN and PROTOCOL: no statement is at fault
        Some(7 | 8 | 10 | 13 | 14 | 15) => return Error::Unavailable,
        // NOTADB
        Some(26) => return Error::Configuration("that file is no database of SQLite's".into()),
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
        // Wrong for whoever connects now; those who are connected go on.
        "28P01" | "28000" => Error::Configuration(format!(
            "the server lets nobody in by this user and password (code {code}): look at them, and \
             at its pg_hba.conf"
        )),
        "3D000" => {
            Error::Configuration("the server has no database of that name (code 3D000)".into())
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
    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let settings = [("28P01", "password"), ("3D000", "of that name"), ("26", "no database")];
        for (code, said) in settings {
            let error = from_code(code);
            assert!(matches!(error, Error::Configuration(_)), "{code}");
            assert!(error.to_string().contains(said), "{code}: {error}");
        }
        for (code, said) in [
            ("8", "only be read"),
            ("776", "only be read"),
            ("13", "full"),
            ("14", "cannot be opened"),
            ("1034", "read or written"),
            ("53100", "disk is full"),
            ("57P03", "starting"),
            ("57014", "too long"),
            ("25006", "standby"),
            ("08006", "broke"),
        ] {
            assert!(code_in_words(code).contains(said), "{code}: {}", code_in_words(code));
        }
        let unknown = "failed to lookup address information: Name or service not known";
        for (error, said) in [
            (std::io::Error::from(ErrorKind::ConnectionRefused), "nobody listens"),
            (std::io::Error::from(ErrorKind::TimedOut), "in time"),
            (std::io::Error::from(ErrorKind::NotFound), "is not there"),
            (std::io::Error::other(unknown), "no host of that name"),
            (std::io::Error::other("hunter2"), "broke"),
        ] {
            let error = sqlx::Error::Io(error);
            assert!(in_words(&error).contains(said), "{}", in_words(&error));
            assert!(matches!(Error::from(error), Error::Unavailable));
        }
        assert!(in_words(&sqlx::Error::PoolTimedOut).contains("in time"));
    }
}
