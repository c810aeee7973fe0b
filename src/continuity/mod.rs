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
pub mod confirmed_decisions;
mod continuation;
mod desk;
mod duplicates;
pub mod end_interaction;
mod end_without_start;
mod ending;
mod error;
mod filing;
pub mod get_customer;
mod get_interaction;
pub mod joining;
mod journaling;
pub mod key_sets;
pub mod list_interactions;
mod load;
pub mod merge_customers;
mod naming;
pub mod preview_merge;
pub mod reassign_interaction;
mod recognise;
pub mod record;
mod sealing;
pub mod service;
mod settling;
mod signing_in;
pub mod start_interaction;
pub mod sweep;
pub mod tenant;
pub mod unmerge_customers;
pub mod update_interaction;
pub mod web_tokens;
mod working;

pub use absorb::Feedback;
pub use answer::{Answer, Degraded, Standing, Warning};
pub use caller::{Caller, Role};
pub use error::Error;
pub use service::Service;
