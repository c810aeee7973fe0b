//! What the model is asked and what it answers.

use rustc_hash::FxHashMap;

use crate::clock::Time;
use crate::ids::CustomerId;

use super::vocabulary::{
    Assurance, Attestation, Hint, HintKind, Level, PrimaryIdentifier, Recommendation,
};

/// Beyond so many owners an identifier neither identifies nor links.
pub const MAX_OWNERS: usize = 64;

/// A customer's tie to one identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The customer, once among an identifier's owners.
    pub customer: CustomerId,
    /// The link's assurance: the highest it has had.
    pub assurance: Assurance,
    /// How often the customer used the identifier in settled, ended interactions.
    pub uses: i64,
    /// The decayed use counter as it stood at `newest`; see [`used`](super::used).
    pub weight: f64,
    /// The time of the newest use.
    pub newest: Time,
    /// The time of the newest use in an interaction whose customer somebody confirmed, or a
    /// VERIFIED token named; `None` if there never was one.
    pub confirmed: Option<Time>,
}

/// One hint as it was shown, with what the store knows of its identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Which identifier this is: equal for equal identifiers of one question, however many
    /// hints carry it, so that one phone seen twice is one witness.
    pub identifier_index: usize,
    /// What it is to the model.
    pub kind: HintKind,
    /// How hard it would be to pretend.
    pub assurance: Assurance,
    /// Whether the caller looked it up from another hint; `None` when it does not say.
    pub derived: Option<bool>,
    /// Whether the identifier is a phone number, as a numeric WhatsApp id is too. Numbers
    /// change hands, so what they prove ages.
    pub number: bool,
    /// Whether it is an anonymous visitor's id.
    pub visitor: bool,
    /// Which side of the tenant's `primary_identifier` setting it is on.
    pub primary: Option<PrimaryIdentifier>,
    /// Whether the store has seen the identifier before, owned or not.
    pub seen_before: bool,
    /// Its owners, all of them; see [`effective_owners`].
    pub owners: Vec<Owner>,
}

impl Shown {
    /// A hint with what the store knows of its identifier.
    pub fn new(
        hint: &Hint,
        identifier_index: usize,
        seen_before: bool,
        owners: Vec<Owner>,
    ) -> Self {
        Self {
            identifier_index,
            kind: hint.kind,
            assurance: hint.assurance,
            derived: hint.derived,
            number: hint.is_phone(),
            visitor: hint.is_visitor(),
            primary: hint.primary(),
            seen_before,
            owners,
        }
    }
}

/// What the model needs to know of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The end of the last settled contact, if there was one.
    pub last_contact: Option<Time>,
    /// When the customer was first known.
    pub created: Time,
}

/// Who is this?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The time of the interaction: event time.
    pub now: Time,
    /// The hints shown.
    pub shown: &'a [Shown],
    /// The customers among the owners, and the named one.
    pub people: &'a FxHashMap<CustomerId, Person>,
    /// The customer whose known `customer_ref` was shown as a hint.
    pub named: Option<CustomerId>,
    /// What the network attests of the number that calls.
    pub attestation: Attestation,
}

/// One contribution to a candidate's log-odds.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What contributed: the name of a [`Feature`](super::Feature), or `verified_token`.
    pub name: &'static str,
    /// How much.
    pub log_odds: f64,
}

/// A customer linked to at least one of the hints, or named.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The customer.
    pub customer: CustomerId,
    /// The log-odds that the interaction is this customer's.
    pub log_odds: f64,
    /// The same as a probability, 0 to 1.
    pub probability: f64,
    /// The same on the scale of confidence, 0 to 1.
    pub confidence: f64,
    /// The strongest matching hint's, each capped by its link's.
    pub assurance: Assurance,
    /// Indexes of the hints shown that are linked to the customer.
    pub matched: Vec<usize>,
    /// What the log-odds are made of: they are its sum. Contributions of nothing are left out.
    pub evidence: Vec<Signal>,
}

/// The answer. Its figures are the best candidate's; without candidates they are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What to do.
    pub recommendation: Recommendation,
    /// Best first, but for the holder of the tenant's primary identifier, who goes before all where
    /// identifiers disagree; equals (within a billionth) by customer id, so that engines agree.
    pub candidates: Vec<Candidate>,
    /// Indexes of the hints shown that have owners, the best candidate not among them.
    pub conflicts: Vec<usize>,
    /// Whether a known `customer_ref` was shown that is not the best candidate's: a conflict
    /// that has no index.
    pub named_conflict: bool,
    /// The confidence, 0 to 1.
    pub confidence: f64,
    /// The confidence in words.
    pub level: Level,
    /// The probability, 0 to 1.
    pub probability: f64,
    /// The assurance; `None` without candidates.
    pub assurance: Option<Assurance>,
}

/// The owners that count: links somebody only asserted are none beside stronger ones, and an
/// identifier of more than [`MAX_OWNERS`] has none.
pub fn effective_owners(owners: &[Owner]) -> impl Iterator<Item = &Owner> + Clone {
    let counted = if owners.len() > MAX_OWNERS { &[] } else { owners };
    let stronger = counted.iter().any(|owner| owner.assurance > Assurance::Asserted);
    counted.iter().filter(move |owner| !stronger || owner.assurance > Assurance::Asserted)
}
