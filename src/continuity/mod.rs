//! The use cases: one verb, one file, each read top to bottom.
//!
//! A verb looks up what it needs at a desk, lets the pure rules decide, and proposes effects;
//! the store writes them only while everything it was decided on still holds.

pub mod absorb;
pub mod answer;
mod attach;
mod authenticate;
pub mod caller;
mod carrying;
mod catching_up;
mod changing;
pub mod conflicts;
mod continuation;
mod desk;
pub mod end_interaction;
mod end_without_start;
mod ending;
mod error;
mod filing;
mod finding;
pub mod get_customer;
mod get_interaction;
pub mod import_customers;
mod journaling;
pub mod link_identifier;
pub mod list_interactions;
mod load;
mod recognise;
pub mod record;
pub mod resolve_conflict;
mod sealing;
pub mod service;
mod settling;
pub mod start_interaction;
pub mod sweep;
pub mod tenant;
pub mod unlink_identifier;
pub mod update_interaction;
pub mod upsert_customer;
mod working;

pub use absorb::Feedback;
pub use answer::{Answer, Degraded, Standing, Warning};
pub use caller::{Caller, Role};
pub use error::Error;
pub use service::Service;
