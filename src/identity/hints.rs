//! What a caller shows of a customer, as it came in and as it is after
//! normalisation. `Debug` of the raw forms prints nothing of a person.

use std::collections::BTreeMap;
use std::fmt;

use super::vocabulary::{Assurance, Attestation, Direction, Hint, Identifier, LineType};

/// The most entries of `external_ids`.
pub(super) const MAX_EXTERNAL_IDS: usize = 16;
/// The most entries of `identifiers`.
pub const MAX_IDENTIFIERS: usize = 16;
/// The most hints in all.
pub(super) const MAX_HINTS: usize = 32;

/// The hints of a request as they came. An empty text is an absent one.
#[derive(Clone, Default)]
pub struct RawHints {
    /// The number that calls or writes: ≤256 characters, any usual form.
    pub caller_number: String,
    /// The number that was dialled; it identifies the customer only when the call is outbound.
    pub dialed_number: String,
    /// An e-mail address, ≤320 characters.
    pub email: String,
    /// Ids of other systems by namespace (≤64 characters); ≤16 entries.
    pub external_ids: BTreeMap<String, String>,
    /// Our own reference, or what the caller took for one: ≤256 characters.
    pub customer_ref: String,
    /// A WhatsApp id: a number, or a business-scoped id.
    pub whatsapp_id: String,
    /// A Telegram user's numeric id.
    pub telegram_user_id: String,
    /// A Discord user's numeric id.
    pub discord_user_id: String,
    /// An anonymous visitor's id: ≤256 characters.
    pub visitor_id: String,
    /// Who has signed in, by the web token that was shown.
    pub web_token: ShownToken,
    /// Everything else; ≤16 entries.
    pub identifiers: Vec<RawIdentifier>,
}

/// What is left of a web token once it was looked at: never the token itself.
#[derive(Clone, Default)]
pub enum ShownToken {
    /// None was shown.
    #[default]
    None,
    /// It is whom it says.
    SignedIn(SignedIn),
    /// There was no key to check it with: it proves nothing.
    Unproven(SignedIn),
}

/// Whom a web token names.
#[derive(Clone)]
pub struct SignedIn {
    /// Who issued it: ≤256 characters.
    pub issuer: String,
    /// Whom it is about: ≤256 characters.
    pub subject: String,
    /// Whether it has expired lately: then it counts for a repeated request, and nothing new.
    pub late: bool,
}

impl ShownToken {
    /// Whom it names, proven or not.
    pub fn named(&self) -> Option<&SignedIn> {
        match self {
            Self::None => None,
            Self::SignedIn(who) | Self::Unproven(who) => Some(who),
        }
    }

    /// Whether it has expired lately.
    pub fn is_late(&self) -> bool {
        self.named().is_some_and(|who| who.late)
    }
}

/// One entry of `identifiers` as it came.
#[derive(Clone)]
pub struct RawIdentifier {
    /// What it is: `phone`, `email`, `whatsapp`, `telegram`, `discord`, `external`, or a
    /// platform's name in lower-case letters, digits, `_`, `-` and `.`; ≤64 characters.
    pub kind: String,
    /// The external id's namespace, or what a platform id is scoped to; ≤64 characters.
    pub namespace: String,
    /// The value; ≤256 characters, an e-mail address ≤320.
    pub value: String,
    /// What the caller says of its assurance.
    pub assurance: Option<Assurance>,
    /// Whether the caller looked it up from another hint.
    pub derived: Option<bool>,
}

impl fmt::Debug for RawHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawHints(…)")
    }
}

impl fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownToken(…)")
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedIn(…)")
    }
}

impl fmt::Debug for RawIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawIdentifier(…)")
    }
}

/// What surrounds the hints and decides what they are worth.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The channel's well-known name: `voice`, `sms`, `email`, `whatsapp`, …
    pub channel: &'a str,
    /// Who began the interaction.
    pub direction: Direction,
    /// The line of the customer's number.
    pub line_type: LineType,
    /// What the network attests of the customer's number.
    pub attestation: Attestation,
    /// The API key's explicit ceiling, which caps defaults too; `None`: what a caller states
    /// counts at most [`Assurance::Carried`].
    pub max_assurance: Option<Assurance>,
    /// Whether it continues another interaction. Its caller number is then often our own
    /// extension, and no evidence.
    pub continuation: bool,
}

/// A field that cannot be accepted. The description never contains the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The request field, such as `identity_hints.email`.
    pub field: String,
    /// What is wrong with it, for the integrator.
    pub description: String,
}

/// A value that was accepted and dropped, since it identifies nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// Why: `withheld_number`, `short_code`, `unusable_number`, `own_number`,
    /// `ignored_namespace`, `junk_value` or `web_token_unverified`.
    pub code: &'static str,
    /// The request field.
    pub field: String,
    /// The reason in a sentence, for the integrator; it never contains the value.
    pub message: String,
}

/// Hints after normalisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalised {
    /// One per identifier and kind, sorted by them.
    pub hints: Vec<Hint>,
    /// The `customer_ref` that was shown, trimmed; whether it is ours is not known here.
    pub customer_ref: Option<String>,
    /// Whom a web token names that could not be checked: no hint, but it makes the request what
    /// it is.
    pub unproven: Option<Identifier>,
    /// What was dropped, in the order of the fields.
    pub notices: Vec<Notice>,
    /// What must be refused; all of it at once.
    pub violations: Vec<Violation>,
}
