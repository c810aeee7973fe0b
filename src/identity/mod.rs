//! Who is this? Identifiers are parsed and normalised here, and decisions are
//! made from evidence. Pure: no I/O, no clock, no randomness.
//!
//! The way of a start through this module: [`normalise`] turns what a caller
//! showed into [`Hint`]s; the caller of this module looks up their owners and
//! builds a [`Question`] of them; [`decide`] weighs the candidates and answers
//! with a [`Decision`]; when the interaction settles, [`links`] says which
//! hints become its customer's, and [`used`] counts their use.
//!
//! Two readings of one model are kept apart throughout: how *probable* it is
//! that a candidate is the person concerned ([`probability`], [`confidence`]),
//! and how hard it would be to *pretend* to be them ([`Assurance`]). The first
//! never makes up for the second.

mod decision;
mod email;
mod external;
mod features;
mod fitting;
mod hints;
mod junk;
mod label;
mod linking;
mod model;
mod namespaces;
mod normalise;
mod phone;
mod policy;
mod proof;
mod scale;
mod scoring;
mod sets;
mod sharing;
mod usage;
mod vocabulary;
mod weights;

#[cfg(test)]
mod tests;

pub use decision::{decide, features};
pub use email::is_email;
pub use external::namespace_mistake;
pub use features::{FEATURES, Feature, Features};
pub use fitting::{Example, fit};
pub use hints::{
    Circumstances, MAX_IDENTIFIERS, Normalised, Notice, RawHints, RawIdentifier, ShownToken,
    SignedIn, Violation,
};
pub use label::masked_label;
pub use linking::{Basis, Held, LinkToMake, Room, links, room};
pub use model::{
    Candidate, Decision, MAX_OWNERS, Owner, Person, Question, Shown, Signal, effective_owners,
};
pub use normalise::normalise;
pub use phone::warm_up;
pub use policy::{ConfirmDiscloses, Duplicates, NamespacePolicy, NamespaceUse, Policy};
pub use proof::{Proof, evidence, to_join};
pub use scale::{confidence, level, probability};
pub use sets::{MOST_MEMBERS, gathered, sets};
pub use sharing::{Sharing, sharing};
pub use usage::{decayed, used};
pub use vocabulary::{
    Assurance, Attestation, Direction, Hint, HintKind, Identifier, Level, LineType,
    PrimaryIdentifier, Recommendation, VISITOR, Verification,
};
pub use weights::{Fitted, Weights};
