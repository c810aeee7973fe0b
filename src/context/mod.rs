//! What were we talking about? Intents, variables, profile and history, and
//! what of them may be shown. Pure: no I/O, no clock.
//!
//! The store hands over what it holds of a customer as a [`Context`];
//! [`disclose`] answers with the part that a caller may see, given a
//! [`Viewpoint`], and [`brief`] puts the history into a few lines to read
//! aloud. All of it lives in memory for the length of one answer.

/// Prints a type that holds a person's words: the named fields only, none of
/// which may be text, so that nothing personal reaches a log.
macro_rules! debug_without_text {
    ($shown:ty { $($field:ident),* $(,)? }) => {
        impl std::fmt::Debug for $shown {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($shown))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

mod brief;
mod calendar;
mod consent;
#[expect(clippy::module_inception, reason = "the module's namesake has a file of its own")]
mod context;
mod disclosure;
mod history;
mod intents;
mod profile;
mod redaction;
mod reply_windows;
mod retention;
#[cfg(test)]
mod sample;
mod variables;
mod vocabulary;
mod wording;

pub use brief::{brief, divergence};
pub use calendar::{MAX_LOCALE_LENGTH, MAX_TIME_ZONE_LENGTH, valid_locale, valid_time_zone};
pub use consent::{ConsentWrite, Consents, MAX_PURPOSE_LENGTH, MAX_PURPOSES, valid_purpose};
pub use context::{Context, RunningContact};
pub use disclosure::{
    Disclosed, Shown, ShownConsent, ShownInteraction, Viewpoint, capped, consented, disclose,
    is_open_to, set_aside, shows_outcome, shows_sensitive, what_is_shown,
};
pub use history::{PastIntent, PastInteraction};
pub use intents::{IntentFact, MAX_OPEN_INTENTS, OpenIntent, open_intents};
pub use profile::{
    AttributeConflict, AttributeWrite, Chosen, MAX_ATTRIBUTES, Overruled, current_profile,
    profile_conflicts, standing_profile,
};
pub use redaction::{
    MAX_COMPILED, MAX_PATTERN_LENGTH, MAX_PATTERN_NAME, MAX_PATTERNS, Masked, Pattern, Redaction,
};
pub use reply_windows::{
    Diverged, LaterMessage, MAX_WINDOWS, Messages, ReplyWindow, Sent, carries_text, diverged,
    reply_windows,
};
pub use retention::{
    ARCHIVED_AFTER, CONTINUATION_WITHIN, DEFAULT_TTL_SECONDS, EMPTIED_KEPT, INTERACTIONS_KEPT,
    LEAST_KEPT, MAX_TTL_SECONDS, MOST_KEPT, Retention, TEST_TENANT_KEPT, UNIDENTIFIED_KEPT,
    UNREACHED, never_ended_after, reached,
};
pub use variables::{MAX_VARIABLES, VariableWrite, current_variables, standing_variables};
pub use vocabulary::{Audience, ConsentState, Disclosure, IntentStatus, Order, Sensitivity};
