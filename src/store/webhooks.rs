//! Where a tenant's events are sent to, how far that has come, and what could not be delivered yet.
//!
//! Rows of deliveries name places of the journal, and nobody; a notice holds refs, sealed. An endpoint is
//! held by one instance at a time: only its holder moves its position and adds deliveries, and each of
//! its writes proves in the same transaction that it still is. An erasure, a sweep and a replay change
//! deliveries as well. All but an erasure's writes are chores of this process's writer.

mod deliveries;
mod endpoints;
pub(super) mod leaving;
pub(super) mod notices;

pub use deliveries::{DeliveryRow, DeliveryState, Progress};
pub use endpoints::{EndpointRow, EndpointState, Hold, Wanted};
pub use notices::{NoticeRow, notice_of};
