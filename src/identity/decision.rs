//! From candidates to one decision: the policy, where probability meets assurance.

use std::cmp::Reverse;

use super::features::Features;
use super::model::{Candidate, Decision, Question, Signal};
use super::policy::Policy;
use super::proof::Proof;
use super::scale::{confidence, level, probability};
use super::scoring::Scene;
use super::vocabulary::{Assurance, Level, Recommendation};
use super::weights::Weights;
use crate::ids::CustomerId;

/// The least log-odds of whoever a VERIFIED token names: just above where a confidence of 0.9
/// begins (4.595).
const PROVEN: f64 = 4.6;

/// Decides who this is, and what to do about it.
///
/// `reuse` needs confidence, an assurance of at least [`Assurance::Carried`], more than one
/// identifier that two people share, and no conflict (unless the best candidate holds the
/// tenant's primary identifier). `confirm` needs the lesser confidence, or a conflict. A VERIFIED
/// web token decides alone; one that two customers have leads to `confirm` at most.
pub fn decide(question: &Question<'_>, policy: &Policy, weights: &Weights) -> Decision {
    let scene = Scene::new(question, weights);
    let customers = scene.customers();
    let mut candidates: Vec<Candidate> =
        customers.iter().map(|customer| scene.score(*customer, customers.len())).collect();
    let proof = Proof::of(question.shown);
    let proven = |candidate: &Candidate| proof == Proof::Decides(candidate.customer);
    candidates.iter_mut().filter(|candidate| proven(candidate)).for_each(lift);
    // The sums of two engines may differ in their last bits by the order of addition: what is
    // equal within a billionth is equal, and goes by id.
    candidates.sort_by_key(|candidate| {
        let score = Reverse((candidate.log_odds * 1e9).round() as i64);
        (!proven(candidate), score, candidate.customer)
    });
    prefer_primary(question, policy, &mut candidates);
    let Some(best) = candidates.first() else { return nobody() };
    let conflicts: Vec<usize> = (0..question.shown.len())
        .filter(|index| {
            matches!(scene.link(&question.shown[*index], best.customer), Some((_, None)))
        })
        .collect();
    let named_conflict = question.named.is_some_and(|named| named != best.customer);
    let conflicted = named_conflict || !conflicts.is_empty();
    let reuse = best.confidence >= policy.reuse_confidence
        && best.assurance >= Assurance::Carried
        && !rests_on_one_shared(&scene, question, best)
        && (!conflicted || holds_primary(question, policy, best));
    let recommendation = if proven(best) || (reuse && proof != Proof::Disputed) {
        Recommendation::Reuse
    } else if reuse || best.confidence >= policy.confirm_confidence || conflicted {
        Recommendation::Confirm
    } else {
        Recommendation::Ignore
    };
    Decision {
        recommendation,
        conflicts,
        named_conflict,
        confidence: best.confidence,
        level: level(best.confidence),
        probability: best.probability,
        assurance: Some(best.assurance),
        candidates,
    }
}

/// Whoever proved who they are is as certain as the highest level promises, however long ago they
/// were here last and whatever else was shown.
fn lift(candidate: &mut Candidate) {
    candidate.evidence.retain(|signal| signal.name != "recency");
    let sum = |evidence: &[Signal]| evidence.iter().map(|signal| signal.log_odds).sum::<f64>();
    let reached = sum(&candidate.evidence);
    if reached < PROVEN {
        let signal = Signal { name: "verified_token", log_odds: PROVEN - reached };
        candidate.evidence.push(signal);
    }
    candidate.log_odds = sum(&candidate.evidence);
    candidate.probability = probability(candidate.log_odds);
    candidate.confidence = confidence(candidate.log_odds);
}

/// The figures of every candidate, for whoever fits the weights.
pub fn features(question: &Question<'_>) -> Vec<(CustomerId, Features)> {
    let scene = Scene::new(question, &Weights::DEFAULT);
    let customers = scene.customers();
    let of = |customer: &CustomerId| {
        (*customer, scene.features(*customer, customers.len(), &scene.matched(*customer).0))
    };
    customers.iter().map(of).collect()
}

fn nobody() -> Decision {
    Decision {
        recommendation: Recommendation::Ignore,
        candidates: Vec::new(),
        conflicts: Vec::new(),
        named_conflict: false,
        confidence: 0.0,
        level: Level::Low,
        probability: 0.0,
        assurance: None,
    }
}

/// Whether all that speaks for a candidate is one identifier that somebody else owns too. An id
/// that was looked up from another hint is no second one.
fn rests_on_one_shared(scene: &Scene<'_>, question: &Question<'_>, best: &Candidate) -> bool {
    let matched = || best.matched.iter().map(|index| &question.shown[*index]);
    let looked_up_only = matched().all(|hint| hint.derived == Some(true));
    let mut witnesses = matched().filter(|hint| looked_up_only || hint.derived != Some(true));
    let Some(first) = witnesses.next() else { return false };
    let shared = scene.link(first, best.customer).is_some_and(|(owners, _)| owners >= 2);
    shared && witnesses.all(|hint| hint.identifier_index == first.identifier_index)
}

/// Where identifiers disagree, the side of the tenant's primary identifier goes first, if more than
/// the customer's own word stands behind it: what somebody typed points at nobody else.
fn prefer_primary(question: &Question<'_>, policy: &Policy, candidates: &mut [Candidate]) {
    let carried = |index: &usize| {
        let hint = &question.shown[*index];
        hint.primary == policy.primary_identifier && hint.assurance >= Assurance::Carried
    };
    let holds = |candidate: &Candidate| {
        candidate.assurance >= Assurance::Carried && candidate.matched.iter().any(carried)
    };
    let primary = policy.primary_identifier.and_then(|_| candidates.iter().position(holds));
    if let Some(at) = primary {
        candidates[..=at].rotate_right(1);
    }
}

fn holds_primary(question: &Question<'_>, policy: &Policy, best: &Candidate) -> bool {
    policy.primary_identifier.is_some_and(|primary| {
        best.matched.iter().any(|index| {
            let hint = &question.shown[*index];
            // What somebody typed lifts no conflict.
            hint.primary == Some(primary) && hint.assurance >= Assurance::Carried
        })
    })
}
