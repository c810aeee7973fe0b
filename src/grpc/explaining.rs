//! A decision as it was made: for whoever has to explain it afterwards.

use super::answers::customer;
use super::proto;
use crate::context::{Audience, Disclosure};
use crate::continuity::Answer;
use crate::continuity::record::{CandidateRecord, ConflictRecord, DecisionRecord};
use crate::identity::{confidence, level, probability};

/// The decision behind an interaction; none where nobody may be told who else it could have been.
pub(super) fn decision(answer: &Answer) -> Option<proto::Decision> {
    let told = answer.view.audience == Audience::Private
        && answer.view.disclosure != Disclosure::Never
        && answer.degraded.is_none();
    let decision = answer.state.decision.as_ref().filter(|_| told)?;
    let best = decision.candidates.first();
    let sure = best.map_or(0.0, |best| confidence(best.log_odds));
    Some(proto::Decision {
        recommendation: i32::try_from(decision.recommendation).unwrap_or_default(),
        confidence: sure,
        level: level(sure) as i32,
        match_probability: best.map_or(0.0, |best| probability(best.log_odds)),
        assurance: i32::try_from(decision.assurance).unwrap_or_default(),
        sources: decision.sources.clone(),
        candidates: decision.candidates.iter().map(candidate).collect(),
        conflicts: conflicts(decision),
        calibration: Some(calibration(decision)),
        policy_version: decision.policy_version.clone(),
        inherited: decision.inherited,
        archived: decision.archived,
    })
}

fn candidate(record: &CandidateRecord) -> proto::Candidate {
    let evidence = record
        .evidence
        .iter()
        .map(|one| proto::Evidence { signal: one.signal(), log_odds: one.log_odds });
    proto::Candidate {
        customer_ref: customer(&record.customer),
        match_probability: probability(record.log_odds),
        label: record.label.clone(),
        evidence: evidence.collect(),
    }
}

/// Hints that pointed to somebody else.
pub(super) fn conflicts(decision: &DecisionRecord) -> Vec<proto::Conflict> {
    let conflict = |conflict: &ConflictRecord| proto::Conflict {
        kind: conflict.kind.clone(),
        namespace: conflict.namespace.clone(),
        owner_count: i32::try_from(conflict.owner_count).unwrap_or(i32::MAX),
    };
    decision.conflicts.iter().map(conflict).collect()
}

/// Whose weights a decision was made with.
pub(super) fn calibration(decision: &DecisionRecord) -> proto::Calibration {
    let basis = match decision.fitted_on {
        0 => proto::CalibrationBasis::Default,
        _ => proto::CalibrationBasis::Tenant,
    };
    proto::Calibration {
        model_version: decision.model_version.clone(),
        basis: basis.into(),
        sample_size: i32::try_from(decision.fitted_on).unwrap_or(i32::MAX),
    }
}
