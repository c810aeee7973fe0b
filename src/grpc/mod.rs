//! Transport only: protocol messages to commands and back, and the one mapping
//! of errors to a status.

pub mod proto;
