//! The numbers of the model, each in log-odds unless it says otherwise.
//!
//! They were fitted by logistic regression on a simulated contact centre; the
//! source, what they reach and worked examples are in shared/identity/README.md.

use super::vocabulary::HintKind;

/// The weights of the model. [`Weights::DEFAULT`] holds the fitted ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The name of this set, stored with each decision.
    pub version: &'static str,
    /// The intercept: where every candidate starts.
    pub base: f64,
    /// What a match adds, by [`HintKind`] code minus one.
    pub matches: [f64; 12],
    /// What a known identifier that belongs to somebody else adds, by [`HintKind`] code minus one.
    pub conflicts: [f64; 12],
    /// A match of a CRM id that was, or may have been, looked up from the number shown with it.
    pub looked_up_match: f64,
    /// A conflict of a CRM id shown together with a number.
    pub looked_up_conflict: f64,
    /// Per unit of ln(share of use) of the matching numbers.
    pub share_numbers: f64,
    /// Per unit of ln(share of use) of the other matching identifiers.
    pub share_others: f64,
    /// Per unit of ln(owners) of the matching numbers.
    pub owners_numbers: f64,
    /// Per unit of ln(owners) of the other matching identifiers.
    pub owners_others: f64,
    /// Per unit of ln(1 + n), n the most uses of a matching identifier by the candidate.
    pub uses: f64,
    /// Per unit of ln(1 + days) since the candidate's last settled contact.
    pub recency: f64,
    /// Per identifier shown that was never seen before.
    pub novel: f64,
    /// Once, if two independent kinds match.
    pub two_kinds: f64,
    /// Per unit of ln(number of candidates).
    pub candidates: f64,
    /// Added to the sum of use that a share is taken of, in uses: an identifier hardly ever used
    /// names nobody for certain.
    pub share_prior: f64,
    /// The least share of use that is counted.
    pub share_floor: f64,
}

impl Weights {
    /// The weights fitted on simulated traffic.
    pub const DEFAULT: Self = Self {
        version: "2026-11-default",
        base: 2.73,
        matches: [
            0.08,  // mobile
            -1.27, // landline
            -1.16, // voip
            -0.56, // unknown line
            1.09,  // WhatsApp
            1.46,  // e-mail
            -0.50, // account number
            0.58,  // CRM
            2.30,  // web token
            2.66,  // Telegram
            1.45,  // Discord
            -0.50, // customer reference: weighs as an account number
        ],
        conflicts: [
            -2.11, // mobile
            0.0,   // landline
            0.0,   // voip
            -1.71, // unknown line
            -5.0,  // WhatsApp, set by hand: the simulation had none
            -1.72, // e-mail
            -0.98, // account number
            -0.98, // CRM without a number: weighs as an account number
            -5.0,  // web token, by hand
            -5.0,  // Telegram, by hand
            -5.0,  // Discord, by hand
            -0.98, // customer reference: weighs as an account number
        ],
        looked_up_match: -0.55,
        looked_up_conflict: -0.93,
        share_numbers: 0.54,
        share_others: 1.46,
        owners_numbers: -0.67,
        owners_others: -2.18,
        uses: 1.13,
        recency: -0.32,
        novel: 0.09,
        two_kinds: 2.78,
        candidates: -1.47,
        share_prior: 0.01,
        share_floor: 0.001,
    };

    /// What a match of `kind` adds. `with_number`: a phone number is among the hints shown.
    pub(super) fn matching(&self, kind: HintKind, derived: Option<bool>, with_number: bool) -> f64 {
        let looked_up = derived == Some(true) || (with_number && derived.is_none());
        if kind == HintKind::Crm && looked_up {
            return self.looked_up_match;
        }
        self.matches[kind as usize - 1]
    }

    /// What a conflict of `kind` adds.
    pub(super) fn conflicting(
        &self,
        kind: HintKind,
        derived: Option<bool>,
        with_number: bool,
    ) -> f64 {
        if kind == HintKind::Crm && (with_number || derived == Some(true)) {
            return self.looked_up_conflict;
        }
        self.conflicts[kind as usize - 1]
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self::DEFAULT
    }
}
