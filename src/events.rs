//! Watching: streams of what happens, from the journal.
//!
//! While somebody watches a tenant, one task of this instance follows that tenant's journal
//! (`follower`) and hands what it finds to everybody who watches live, each through a queue of
//! their own. Whoever comes back with a token first reads on by themselves, at their own pace, until
//! they have caught up (`watch`). Nothing runs for a tenant that nobody watches.

mod follower;
mod places;
mod token;
mod told;
mod watch;
mod watching;
pub mod webhooks;

pub use told::{Message, Request, Told};
pub use watch::Watch;
pub use watching::Watching;
