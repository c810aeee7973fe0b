//! Rows as they leave the database and come back: whole tables, of whatever shape the schema has.
//!
//! Tables and columns are those of the engine's catalogue, so that a new one is covered without a
//! line here. Every value is a number, a text or bytes on both engines: what one engine gave, the
//! other takes.

pub mod copying;
pub mod loading;
mod merging;
pub mod schema;

use super::Error;
use crate::clock::Time;

/// A value as a column holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// BIGINT.
    Number(i64),
    /// TEXT.
    Text(String),
    /// BLOB or BYTEA.
    Bytes(Vec<u8>),
}

/// What a copy is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The installation's random name.
    pub installation: Vec<u8>,
    /// The newest migration of its schema.
    pub migration: i64,
    /// Store time.
    pub time: Time,
}

/// The table that says of itself which installation this is: a copy's origin says the same.
pub(super) const INSTALLATION: &str = "installation";

/// Why tables could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyFailed {
    /// The database's.
    #[error(transparent)]
    Store(#[from] Error),
    /// Whoever takes the rows cannot.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl From<sqlx::Error> for CopyFailed {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
