//! Threadline: who is this, and what were we talking about?
//!
//! Each module imports only from those to its left:
//!
//! `ids clock meters → identity context crypto → store cache → continuity → events → grpc → http → server cli → main`
//!
//! ARCHITECTURE.md has the map and the invariants; `tests/tidy.rs` keeps them.

pub mod cache;
pub mod cli;
pub mod clock;
pub mod context;
pub mod continuity;
pub mod crypto;
pub mod events;
pub mod grpc;
pub mod http;
pub mod identity;
pub mod ids;
pub mod meters;
pub mod server;
pub mod store;
