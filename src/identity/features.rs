//! What the model sees of one candidate: a fixed list of figures. A candidate's log-odds are the
//! sum of these figures, each times its weight, so this list is all that can speak for or against
//! anybody.

use super::vocabulary::HintKind;

macro_rules! features {
    ($($(#[$about:meta])* $name:ident = $text:literal,)+) => {
        /// One figure. Its name is its signal's in `evidence`, and its weight's in a weights file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature { $($(#[$about])* $name,)+ }

        impl Feature {
            /// Every figure, in the order of evidence.
            pub const ALL: [Self; FEATURES] = [$(Self::$name,)+];

            /// The name, such as `match:mobile`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }

        /// How many figures there are.
        pub const FEATURES: usize = [$($text,)+].len();
    };
}

features! {
    /// 1 for everybody.
    Base = "base",
    /// 1 if such a hint is linked to the candidate.
    MatchMobile = "match:mobile",
    /// The same of a landline number.
    MatchLandline = "match:landline",
    /// The same of a number of Internet telephony.
    MatchVoip = "match:voip",
    /// The same of a number whose line nobody described.
    MatchUnknownLine = "match:unknown_line",
    /// The same of a WhatsApp sender.
    MatchWhatsapp = "match:whatsapp",
    /// The same of an e-mail address.
    MatchEmail = "match:email",
    /// The same of an account number.
    MatchAccountNumber = "match:account_number",
    /// The same of a CRM's id that came by itself.
    MatchCrm = "match:crm",
    /// The same of a CRM's id that was, or may have been, looked up from the number beside it.
    MatchCrmLookedUp = "match:crm_looked_up",
    /// The same of a web token's subject.
    MatchWebToken = "match:web_token",
    /// The same of a Telegram user.
    MatchTelegram = "match:telegram",
    /// The same of a Discord user.
    MatchDiscord = "match:discord",
    /// 1 for whom a `customer_ref` names.
    MatchCustomerRef = "match:customer_ref",
    /// 1 if such a hint has owners, and the candidate is none of them.
    ConflictMobile = "conflict:mobile",
    /// The same of a landline number.
    ConflictLandline = "conflict:landline",
    /// The same of a number of Internet telephony.
    ConflictVoip = "conflict:voip",
    /// The same of a number whose line nobody described.
    ConflictUnknownLine = "conflict:unknown_line",
    /// The same of a WhatsApp sender.
    ConflictWhatsapp = "conflict:whatsapp",
    /// The same of an e-mail address.
    ConflictEmail = "conflict:email",
    /// The same of an account number.
    ConflictAccountNumber = "conflict:account_number",
    /// The same of a CRM's id that came by itself.
    ConflictCrm = "conflict:crm",
    /// The same of a CRM's id beside a number.
    ConflictCrmLookedUp = "conflict:crm_looked_up",
    /// The same of a web token's subject.
    ConflictWebToken = "conflict:web_token",
    /// The same of a Telegram user.
    ConflictTelegram = "conflict:telegram",
    /// The same of a Discord user.
    ConflictDiscord = "conflict:discord",
    /// 1 for everybody but whom a `customer_ref` names.
    ConflictCustomerRef = "conflict:customer_ref",
    /// Σ ln(the candidate's part of the use of a matching number), at least ln .001 each.
    ShareNumbers = "share:numbers",
    /// The same of the other matching identifiers.
    ShareOthers = "share:others",
    /// Σ ln(owners) of the matching numbers.
    OwnersNumbers = "owners:numbers",
    /// The same of the other matching identifiers.
    OwnersOthers = "owners:others",
    /// ln(1 + n), n the most uses of a matching identifier by the candidate.
    Uses = "uses",
    /// ln(1 + days) since the candidate's last settled contact.
    Recency = "recency",
    /// Where only numbers match: how much longer ago their last use is than the last contact,
    /// ln((1 + days) / (1 + days)). A number that fell silent while its owner did not may have
    /// been given to somebody else.
    NumberIdle = "number_idle",
    /// Identifiers shown that were never seen before.
    Novel = "novel",
    /// 1 if two independent kinds match.
    TwoKinds = "two_kinds",
    /// 1 if a second kind matches that may have been looked up from the first.
    TwoKindsLookedUp = "two_kinds:looked_up",
    /// 1 if the number shown was proved to be the candidate's by its platform: they write from it
    /// on WhatsApp.
    ProvedNumber = "proved_number",
    /// 1 if the network attests the matching number in full (STIR/SHAKEN A).
    AttestationFull = "attestation:a",
    /// 1 if it knows only where the call came in (C).
    AttestationGateway = "attestation:c",
    /// 1 if the signature of the call did not verify.
    AttestationFailed = "attestation:failed",
    /// 1 if somebody else is a candidate as well.
    Rival = "rival",
    /// ln(candidates).
    Candidates = "candidates",
    /// 1 if nobody ever confirmed the candidate with any of the matching identifiers.
    Unconfirmed = "unconfirmed",
    /// The same times `uses`.
    UnconfirmedUses = "unconfirmed:uses",
    /// The same times `rival`.
    UnconfirmedRival = "unconfirmed:rival",
    /// The same, if any hint points elsewhere.
    UnconfirmedConflict = "unconfirmed:conflict",
    /// The same times `two_kinds:looked_up`.
    UnconfirmedLookedUp = "unconfirmed:looked_up",
    /// The same, if a landline or a number of Internet telephony matches.
    UnconfirmedLine = "unconfirmed:line",
}

impl Feature {
    /// The figure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }

    /// The match of a kind.
    pub(super) fn matching(kind: HintKind, looked_up: bool) -> Self {
        match kind {
            HintKind::Mobile => Self::MatchMobile,
            HintKind::Landline => Self::MatchLandline,
            HintKind::Voip => Self::MatchVoip,
            HintKind::UnknownLine => Self::MatchUnknownLine,
            HintKind::Whatsapp => Self::MatchWhatsapp,
            HintKind::Email => Self::MatchEmail,
            HintKind::AccountNumber => Self::MatchAccountNumber,
            HintKind::Crm if looked_up => Self::MatchCrmLookedUp,
            HintKind::Crm => Self::MatchCrm,
            HintKind::WebToken => Self::MatchWebToken,
            HintKind::Telegram => Self::MatchTelegram,
            HintKind::Discord => Self::MatchDiscord,
            HintKind::CustomerRef => Self::MatchCustomerRef,
        }
    }

    /// The conflict of a kind.
    pub(super) fn conflicting(kind: HintKind, looked_up: bool) -> Self {
        match kind {
            HintKind::Mobile => Self::ConflictMobile,
            HintKind::Landline => Self::ConflictLandline,
            HintKind::Voip => Self::ConflictVoip,
            HintKind::UnknownLine => Self::ConflictUnknownLine,
            HintKind::Whatsapp => Self::ConflictWhatsapp,
            HintKind::Email => Self::ConflictEmail,
            HintKind::AccountNumber => Self::ConflictAccountNumber,
            HintKind::Crm if looked_up => Self::ConflictCrmLookedUp,
            HintKind::Crm => Self::ConflictCrm,
            HintKind::WebToken => Self::ConflictWebToken,
            HintKind::Telegram => Self::ConflictTelegram,
            HintKind::Discord => Self::ConflictDiscord,
            HintKind::CustomerRef => Self::ConflictCustomerRef,
        }
    }
}

/// The figures of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features([f64; FEATURES]);

impl Default for Features {
    fn default() -> Self {
        Self([0.0; FEATURES])
    }
}

impl Features {
    /// One figure.
    pub fn get(&self, feature: Feature) -> f64 {
        self.0[feature as usize]
    }

    /// Sets one figure.
    pub fn set(&mut self, feature: Feature, value: f64) {
        self.0[feature as usize] = value;
    }

    /// Adds to one figure.
    pub(super) fn add(&mut self, feature: Feature, value: f64) {
        self.0[feature as usize] += value;
    }

    /// All of them, in the order of [`Feature::ALL`].
    pub fn values(&self) -> &[f64; FEATURES] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_stand_for_one_figure_each() {
        for feature in Feature::ALL {
            assert_eq!(Feature::named(feature.name()), Some(feature));
        }
        for kind in HintKind::ALL {
            let (yes, no) = (Feature::matching(kind, false), Feature::conflicting(kind, false));
            assert_eq!(yes.name(), format!("match:{}", kind.name()));
            assert_eq!(no.name(), format!("conflict:{}", kind.name()));
        }
        assert_eq!(Feature::named("luck"), None);
    }
}
