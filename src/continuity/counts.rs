//! What the use cases count: how starts were answered, and who called too often.

use super::answer::{Answer, Degraded};
use crate::context::Disclosure;
use crate::identity::{Level, Recommendation};
use crate::meters::{Counter, Counters, Meters, TenantLabel};

/// The levels, with what their label says.
const LEVELS: [(Level, &str); 4] = [
    (Level::Low, "low"),
    (Level::Medium, "medium"),
    (Level::High, "high"),
    (Level::VeryHigh, "very_high"),
];
/// The recommendations, the same.
const RECOMMENDATIONS: [(Recommendation, &str); 3] = [
    (Recommendation::Reuse, "reuse"),
    (Recommendation::Confirm, "confirm"),
    (Recommendation::Ignore, "ignore"),
];

/// The meters of all use cases.
pub(super) struct Counts {
    answers: Counters,
    degraded: Counters,
    limited: Counters,
}

impl Counts {
    pub fn new(meters: &Meters) -> Self {
        Self {
            answers: meters.counters_of_tenants(
                "threadline_start_answers_total",
                "Starts that were decided, by what their callers were told.",
                &["recommendation", "level"],
            ),
            degraded: meters.counters_of_tenants(
                "threadline_starts_degraded_total",
                "Starts that were answered without a decision.",
                &["reason"],
            ),
            limited: meters.counters_of_tenants(
                "threadline_rate_limited_total",
                "Calls refused, and messages of imports kept waiting, for calling too often.",
                &[],
            ),
        }
    }

    /// Those of one tenant.
    pub fn of(&self, tenant: &TenantLabel) -> TenantCounts {
        let degraded = |reason: &str| self.degraded.of_tenant(&[reason], tenant);
        let answers = RECOMMENDATIONS.map(|(_, recommendation)| {
            LEVELS.map(|(_, level)| self.answers.of_tenant(&[recommendation, level], tenant))
        });
        TenantCounts {
            answers,
            budget_exhausted: degraded("BUDGET_EXHAUSTED"),
            store_unavailable: degraded("STORE_UNAVAILABLE"),
            limited: self.limited.of_tenant(&[], tenant),
        }
    }
}

/// The meters of one tenant, or of all where they are not told apart.
pub struct TenantCounts {
    answers: [[Counter; LEVELS.len()]; RECOMMENDATIONS.len()],
    budget_exhausted: Counter,
    store_unavailable: Counter,
    /// Calls refused for their number.
    pub(super) limited: Counter,
}

impl TenantCounts {
    /// A start was answered.
    pub(super) fn answered(&self, answer: &Answer) {
        match answer.degraded {
            Some(Degraded::BudgetExhausted) => self.budget_exhausted.inc(),
            Some(Degraded::StoreUnavailable) => self.store_unavailable.inc(),
            None => self.told(answer),
        }
    }

    /// As the caller was told: a protected person counts as somebody new.
    fn told(&self, answer: &Answer) {
        let (recommendation, level) = match answer.view.disclosure {
            Disclosure::Never => (Recommendation::Ignore, Level::Low),
            _ => (answer.standing.recommendation, answer.standing.level),
        };
        let row = RECOMMENDATIONS.iter().position(|(one, _)| *one == recommendation);
        let column = LEVELS.iter().position(|(one, _)| *one == level);
        if let (Some(row), Some(column)) = (row, column) {
            self.answers[row][column].inc();
        }
    }
}
