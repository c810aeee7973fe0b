//! What a backup's file looks like.
//!
//! ```text
//! file    = header, one line of JSON | records, as gzip | SHA-256 of everything before (32 bytes)
//! records = table: 1 | tenant (8 bytes) | name | number of columns (1) | kind (1), name of each
//!         | row:   2 | the values in the order of the table's columns
//!         | end:   0 | number of rows (8), and nothing after it
//! value   = number: 8 bytes | text or bytes: length (4) and those
//! name    = length (1) and those
//! ```
//! Numbers are big-endian. The hash is there so that a truncated or damaged file is refused before
//! anything of it is used. It holds no secret: whoever can write the file can make another.

use serde::{Deserialize, Serialize};

/// The form described here.
pub const FORMAT: u32 = 1;
/// The header's line at most, in bytes.
pub const MAX_HEADER: usize = 1_024;
/// One value at most, in bytes: no column holds nearly as much.
pub const MAX_VALUE: usize = 64 << 20;
/// Length of the hash at the end.
pub(super) const HASH: usize = 32;

/// Which half of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contents {
    /// All rows but the keys.
    Rows,
    /// The wrapped keys, who was erased, and the API keys.
    Keys,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub threadline_backup: u32,
    /// Which half.
    pub holds: Contents,
    /// The installation's random name, in hexadecimal.
    pub installation: String,
    /// The newest migration of the schema.
    pub migration: i64,
    /// Store time of the moment that it is of, in milliseconds since 1970.
    pub store_time: i64,
}

pub(super) mod tag {
    pub const END: u8 = 0;
    pub const TABLE: u8 = 1;
    pub const ROW: u8 = 2;
}
