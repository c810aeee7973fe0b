//! Rows, and how they are read and written: every SQL text stands here once.
//!
//! Nothing here sees plaintext, and nothing here decides. Reads are plain
//! functions over a connection ([`read`]); writes go through the one
//! [`writer`], which commits what many requests decided in one batch. To add a
//! table: a migration for each engine, a row in [`rows`], a field in
//! [`effects::Effects`], a read; the contract suite runs it on both engines.

pub mod admin;
pub mod api_keys;
pub mod audit;
pub mod backup;
mod batch;
mod bell;
pub mod belonging;
mod checkpoint;
mod counts;
mod durability;
pub mod effects;
pub mod engine;
pub mod erasing;
mod error;
pub mod export;
pub mod follow;
pub mod gate;
pub mod gathering;
mod head;
pub mod history;
pub mod inactive;
pub mod merges;
pub mod operation;
mod page_cache;
mod pending;
mod people;
mod pulse;
pub mod read;
pub mod reads;
pub mod root_keys;
pub mod rows;
pub mod schedule;
mod statement;
#[expect(clippy::module_inception, reason = "the module's namesake has a file of its own")]
mod store;
pub mod sweep;
mod timekeeping;
mod together;
mod verbs;
mod wake;
pub mod webhooks;
mod witness;
mod write_back;
pub mod writer;

pub use bell::Listener;
pub use durability::Durable;
pub use effects::{Effects, Removal};
pub use engine::Engine;
pub use error::Error;
pub use operation::{Boxed, Operation, Proposal, Proposed, ReadSet, Refusal, Verdict};
pub use reads::Reads;
pub use schedule::Schedule;
pub use store::{Settings, Store};
pub use witness::{Traced, Witness, Witnessed};

/// One connection to the database, inside a snapshot or the writer's transaction.
pub type Connection = sqlx::AnyConnection;
