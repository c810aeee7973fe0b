//! The words of identity: what kinds of hint there are, how far each can be
//! trusted, and what a decision can recommend.
//!
//! Every enum here is stored by its `code`; a code never changes its meaning.

use std::fmt;

/// Defines an enum whose variants have a stored code that never changes.
macro_rules! coded {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant = $code,)+ }

        impl $name {
            /// The code under which this is stored.
            pub fn code(self) -> i64 {
                self as i64
            }

            /// Reads a stored code; `None` when no variant has it.
            pub fn from_code(code: i64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

coded! {
    /// How hard it would be to pretend to be the owner of a hint; ordered, weakest first.
    Assurance {
        /// The customer said or typed it.
        Asserted = 1,
        /// The network or the caller's system carries it, and it can be wrong or forged.
        Carried = 2,
        /// The channel's platform vouches for the sender.
        Authenticated = 3,
        /// A signed token, or a check made in this interaction.
        Verified = 4,
    }
}

coded! {
    /// Who began the interaction.
    Direction {
        /// The customer contacted us.
        Inbound = 1,
        /// We contacted the customer.
        Outbound = 2,
    }
}

coded! {
    /// What kind of line a phone number is, as the telephony system says.
    #[derive(Default)]
    LineType {
        /// Not said.
        #[default]
        Unknown = 0,
        /// A mobile phone.
        Mobile = 1,
        /// A fixed line, often shared by a household.
        Landline = 2,
        /// A line over the Internet, often a company's switchboard.
        Voip = 3,
    }
}

coded! {
    /// What the network says of a caller number's right to be used (STIR/SHAKEN, RFC 8588).
    #[derive(Default)]
    Attestation {
        /// Not said.
        #[default]
        Unknown = 0,
        /// Full: the network knows the customer and their right to the number.
        A = 1,
        /// Partial: it knows the customer, not their right to the number.
        B = 2,
        /// Gateway: it knows only where the call came in.
        C = 3,
        /// The signature did not verify.
        Failed = 4,
    }
}

coded! {
    /// What the caller should do with the best candidate.
    Recommendation {
        /// Treat them as a new customer.
        Ignore = 1,
        /// Ask whether it is the candidate before using anything of them.
        Confirm = 2,
        /// Go on with the candidate's context.
        Reuse = 3,
    }
}

coded! {
    /// A confidence in words, see [`level`](super::level).
    Level {
        /// Confidence below 0.5.
        Low = 1,
        /// At least 0.5: meant to be right in 95 % of cases.
        Medium = 2,
        /// At least 0.7: meant to be right in 98 % of cases.
        High = 3,
        /// At least 0.9: meant to be right in 99 % of cases.
        VeryHigh = 4,
    }
}

coded! {
    /// How the customer was checked during an interaction.
    Verification {
        /// They knew their secret number.
        Pin = 1,
        /// They repeated a one-time password.
        Otp = 2,
        /// They answered questions that only they can answer.
        Knowledge = 3,
        /// They showed a document.
        Document = 4,
        /// The agent was convinced.
        AgentJudgement = 5,
    }
}

impl Verification {
    /// The assurance that this check gives a decision.
    pub fn assurance(self) -> Assurance {
        match self {
            Self::Pin | Self::Otp | Self::Knowledge | Self::Document => Assurance::Verified,
            Self::AgentJudgement => Assurance::Authenticated,
        }
    }
}

coded! {
    /// What a hint is to the model: each kind has its weights and its half-life.
    HintKind {
        /// A mobile number.
        Mobile = 1,
        /// A landline number.
        Landline = 2,
        /// A number of Internet telephony.
        Voip = 3,
        /// A number of a line nobody described.
        UnknownLine = 4,
        /// A WhatsApp sender.
        Whatsapp = 5,
        /// An e-mail address.
        Email = 6,
        /// An account or order number, and every kind without a weight of its own.
        AccountNumber = 7,
        /// A customer's id in the caller's own system.
        Crm = 8,
        /// The subject of a verified web token.
        WebToken = 9,
        /// A Telegram user.
        Telegram = 10,
        /// A Discord user.
        Discord = 11,
        /// One of our own references, given back as a hint.
        CustomerRef = 12,
    }
}

impl HintKind {
    /// Every kind, by ascending code.
    pub(super) const ALL: [Self; 12] = [
        Self::Mobile,
        Self::Landline,
        Self::Voip,
        Self::UnknownLine,
        Self::Whatsapp,
        Self::Email,
        Self::AccountNumber,
        Self::Crm,
        Self::WebToken,
        Self::Telegram,
        Self::Discord,
        Self::CustomerRef,
    ];

    /// The name used in evidence, such as `match:mobile`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Landline => "landline",
            Self::Voip => "voip",
            Self::UnknownLine => "unknown_line",
            Self::Whatsapp => "whatsapp",
            Self::Email => "email",
            Self::AccountNumber => "account_number",
            Self::Crm => "crm",
            Self::WebToken => "web_token",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::CustomerRef => "customer_ref",
        }
    }

    /// Whether it is a phone line. A WhatsApp sender is none, though its id may be a phone number.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Mobile | Self::Landline | Self::Voip | Self::UnknownLine)
    }

    /// What makes two starts of one identifier different: how it was shown. What line a number is
    /// may be looked up between two tries, and which weights an id takes is the tenant's choice:
    /// neither is said of the customer.
    pub fn shown_as(self) -> &'static str {
        match self {
            Self::Mobile | Self::Landline | Self::Voip | Self::UnknownLine => "number",
            Self::Crm | Self::AccountNumber => "id",
            kind => kind.name(),
        }
    }

    /// Days after which a use counts half (shared/identity/README.md).
    pub fn half_life_days(self) -> f64 {
        match self {
            Self::Mobile => 30.0,
            Self::Landline | Self::Voip | Self::UnknownLine | Self::Whatsapp => 90.0,
            Self::Email
            | Self::AccountNumber
            | Self::Crm
            | Self::WebToken
            | Self::Telegram
            | Self::Discord
            | Self::CustomerRef => 365.0,
        }
    }
}

impl From<LineType> for HintKind {
    fn from(line: LineType) -> Self {
        match line {
            LineType::Unknown => Self::UnknownLine,
            LineType::Mobile => Self::Mobile,
            LineType::Landline => Self::Landline,
            LineType::Voip => Self::Voip,
        }
    }
}

coded! {
    /// The identifier that a tenant lets decide when identifiers disagree.
    PrimaryIdentifier {
        /// The e-mail address.
        Email = 1,
        /// The phone number, a numeric WhatsApp id included.
        Phone = 2,
        /// The external id of the namespace `user_id`.
        UserId = 3,
    }
}

/// The scheme of anonymous visitors' ids.
pub const VISITOR: &str = "visitor";

/// A normalised identifier: equal for equal people, ready to be blind-indexed.
///
/// `Debug` prints nothing of the value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// What the value is: `phone`, `email`, `whatsapp` (business-scoped ids only), `telegram`,
    /// `discord`, `web_token`, `visitor`, `external`, or any other platform's name. Lower case,
    /// ≤64 characters.
    pub scheme: String,
    /// Whose ids these are: an external id's namespace, a web token's issuer, or the page, bot or
    /// brand that a platform id is scoped to; else empty. ≤64 characters, an issuer ≤256.
    pub namespace: String,
    /// The value in its one canonical form. ≤320 characters.
    pub value: String,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(…)")
    }
}

/// One normalised hint: an identifier, and what showing it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The identifier shown.
    pub identifier: Identifier,
    /// What it is to the model.
    pub kind: HintKind,
    /// How hard it would be to pretend.
    pub assurance: Assurance,
    /// Whether the caller looked it up from another hint; `None` when it does not say.
    pub derived: Option<bool>,
    /// The request field it came from, such as `identity_hints.external_ids[crm_id]`.
    pub field: String,
}

impl Hint {
    /// The tag for `identity.sources`: `caller_number:mobile` (`caller_number` when the line is
    /// not known), `external_id:crm_id`, or the scheme: `email`, `whatsapp`, `telegram`, …
    pub fn source(&self) -> String {
        for number in ["caller_number", "dialed_number"] {
            if self.field.ends_with(number) {
                return match self.kind {
                    HintKind::UnknownLine => number.to_owned(),
                    kind => format!("{number}:{}", kind.name()),
                };
            }
        }
        match (self.kind, self.identifier.scheme.as_str()) {
            (HintKind::Whatsapp, _) => "whatsapp".to_owned(),
            (_, "external") => format!("external_id:{}", self.identifier.namespace),
            (_, scheme) => scheme.to_owned(),
        }
    }

    /// Whether the identifier is a phone number, as a numeric WhatsApp id is too.
    pub fn is_phone(&self) -> bool {
        self.identifier.scheme == "phone"
    }

    /// Whether it is an anonymous visitor's id: a browser's, not a person's.
    pub fn is_visitor(&self) -> bool {
        self.identifier.scheme == VISITOR
    }

    /// Which side of a tenant's `primary_identifier` setting this hint is on.
    pub fn primary(&self) -> Option<PrimaryIdentifier> {
        match (self.identifier.scheme.as_str(), self.identifier.namespace.as_str()) {
            ("email", _) => Some(PrimaryIdentifier::Email),
            ("phone", _) => Some(PrimaryIdentifier::Phone),
            ("external", "user_id") => Some(PrimaryIdentifier::UserId),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for kind in HintKind::ALL {
            assert_eq!(HintKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(Assurance::from_code(0), None);
        assert_eq!(HintKind::from_code(13), None);
        assert_eq!(LineType::from_code(0), Some(LineType::Unknown));
    }

    #[test]
    fn debug_prints_no_value() {
        let identifier = Identifier {
            scheme: "email".into(),
            namespace: "canary-space".into(),
            value: "canary@example.com".into(),
        };
        assert!(!format!("{identifier:?}").contains("canary"));
    }
}
