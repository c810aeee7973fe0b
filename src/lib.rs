//! Threadline: who is this, and what were we talking about?
//!
//! Each module imports only from those to its left:
//!
//! `ids clock → identity context crypto → store cache → continuity → grpc → server cli → main`
//!
//! ARCHITECTURE.md has the map and the invariants; `tests/tidy.rs` keeps them.

pub mod cache;
pub mod cli;
pub mod clock;
pub mod context;
pub mod continuity;
pub mod crypto;
pub mod grpc;
pub mod identity;
pub mod ids;
pub mod server;
pub mod store;
