//! What a watcher asks for, and what it is sent.

use crate::clock::Time;
use crate::continuity::following::Happened;
use crate::continuity::{Answer, Watched};
use crate::ids::CustomerId;

/// What a watcher asks for.
pub struct Request {
    /// What to watch.
    pub watched: Watched,
    /// Where to go on; empty for from now on.
    pub resume_token: String,
    /// Whether the customer's context is wanted.
    pub context: bool,
    /// Earlier contacts at most.
    pub history_limit: usize,
}

/// One message of a stream.
pub struct Message {
    /// Where to go on after it.
    pub resume_token: String,
    /// What happened; nothing in a heartbeat.
    pub told: Option<Told>,
}

/// One event, as this watcher may see it.
pub struct Told {
    /// What.
    pub happened: Happened,
    /// When, as the caller said.
    pub time: Time,
    /// When it was committed.
    pub received: Time,
    /// Whom it is about, or who is watched, by the name of their set.
    pub customer: Option<CustomerId>,
    /// Id and source of an interaction that is not the watched customer's any more, of a source that
    /// an agent's key may not address, or of whom something is damaged: all that is shown of it.
    pub names_only: Option<(String, String)>,
    /// The interaction, as GetInteraction would answer.
    pub answer: Option<Answer>,
}
