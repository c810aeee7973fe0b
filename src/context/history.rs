//! Earlier contacts, as an agent wants to see them.

use super::reply_windows::Messages;
use super::vocabulary::{IntentStatus, Sensitivity};
use crate::clock::Time;
use crate::identity::Direction;
use crate::ids::Token;

/// What an earlier contact was about.
#[derive(Clone, PartialEq, Eq)]
pub struct PastIntent {
    /// The matter's name.
    pub intent: String,
    /// Which one; empty when no reference was given.
    pub reference: String,
    /// How far that contact brought it.
    pub status: IntentStatus,
    /// Who may see it.
    pub sensitivity: Sensitivity,
}

debug_without_text!(PastIntent { status, sensitivity });

/// One earlier contact that has ended.
#[derive(Clone, PartialEq)]
pub struct PastInteraction {
    /// The interaction.
    pub interaction: Token,
    /// The caller's own id of it.
    pub interaction_id: String,
    /// The source that named it.
    pub source: String,
    /// The channel.
    pub channel: String,
    /// Who turned to whom.
    pub direction: Direction,
    /// When it started.
    pub start: Time,
    /// When it ended, or was closed.
    pub end: Time,
    /// What happened.
    pub summary: String,
    /// Who may see the summary.
    pub summary_sensitivity: Sensitivity,
    /// What it was about.
    pub intents: Vec<PastIntent>,
    /// How it closed, such as `callback_promised`.
    pub disposition: String,
    /// From −1 (bad) to 1 (good).
    pub sentiment: Option<f64>,
    /// The customer's own score, 0 to 10.
    pub csat: Option<i32>,
    /// Who handled it; empty when nobody was named.
    pub agent_ref: String,
    /// Whether its identity was settled; otherwise it may have been somebody else.
    pub confirmed: bool,
    /// Whether it was closed because no end came in time.
    pub never_ended: bool,
    /// When texts were last taken out of it; zero when none were.
    pub redacted: Time,
    /// What was sent in it.
    pub messages: Messages,
}

debug_without_text!(PastInteraction { direction, start, end, confirmed, never_ended });
