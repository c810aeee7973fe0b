//! What the service answered to one start, as far as it is scored.

use crate::grpc::proto::{ConfidenceLevel, Recommendation, StartInteractionResponse};

/// One answer, and what the scorer noted of it at that moment.
#[derive(Clone)]
pub(in crate::cli) struct Answer {
    /// Who it is; empty when the service could not decide.
    pub(in crate::cli) customer_ref: String,
    /// Whether that customer was made for this start.
    pub(in crate::cli) new_customer: bool,
    /// What to do with it.
    pub(in crate::cli) recommendation: Recommendation,
    /// The promise that was made.
    pub(in crate::cli) level: ConfidenceLevel,
    /// That the best candidate is the person concerned, from 0 to 1.
    pub(in crate::cli) probability: f64,
    /// The best candidate's ref, where the answer names one.
    pub(in crate::cli) best: Option<String>,
    /// Whether the true customer was linked to a hint that was shown.
    pub(in crate::cli) resolvable: bool,
}

impl Answer {
    /// Reads a response.
    pub(in crate::cli) fn new(response: StartInteractionResponse, resolvable: bool) -> Self {
        let identity = response.identity.unwrap_or_default();
        let listed = identity.candidates.first().map(|one| one.customer_ref.clone());
        let recommendation = identity.recommendation();
        let level = identity.level();
        let decided = matches!(recommendation, Recommendation::Reuse | Recommendation::Confirm);
        let best = if decided { Some(response.customer_ref.clone()) } else { listed };
        Self {
            customer_ref: response.customer_ref,
            new_customer: response.new_customer,
            recommendation,
            level,
            probability: identity.match_probability,
            best: best.filter(|one| !one.is_empty()),
            resolvable,
        }
    }

    /// `reuse`, `confirm`, `ignore`, or `none` when the service could not decide.
    pub(in crate::cli) fn recommended(&self) -> &'static str {
        match self.recommendation {
            _ if self.customer_ref.is_empty() => "none",
            Recommendation::Reuse => "reuse",
            Recommendation::Confirm => "confirm",
            Recommendation::Ignore => "ignore",
            Recommendation::Unspecified => "none",
        }
    }

    /// An answer that names this customer, for tests.
    #[cfg(test)]
    pub(in crate::cli) fn of(customer_ref: &str) -> Self {
        Self {
            customer_ref: customer_ref.to_owned(),
            new_customer: false,
            recommendation: Recommendation::Reuse,
            level: ConfidenceLevel::High,
            probability: 0.9,
            best: Some(customer_ref.to_owned()),
            resolvable: true,
        }
    }
}
