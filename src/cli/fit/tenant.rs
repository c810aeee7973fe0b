//! Fitting on what a tenant's people confirmed and rejected.

use std::collections::HashMap;
use std::io::Write as _;

use anyhow::{Context as _, bail};

use super::compare::print_calibration;
use crate::cli::DatabaseArgs;
use crate::cli::replay::metrics::Calibration;
use crate::continuity::confirmed_decisions::ConfirmedDecision;
use crate::identity::{Example, Feature, Features, Fitted, Weights, fit, probability};
use crate::store::rows::Verb;

/// Fewer confirmed and rejected identities say too little.
pub(super) const LEAST_DECISIONS: usize = 200;
/// So many half observations speak for each weight that the fit starts from: a tenant has few of
/// most things.
const HOLD: f64 = 20.0;
/// Parts of a cross-validation.
const FOLDS: usize = 5;

/// Fits on the decisions of a tenant.
///
/// # Errors
/// When the database cannot be opened, there is no such tenant, or it confirmed and rejected too
/// little.
pub(super) async fn fit_tenant(
    database: DatabaseArgs,
    name: &str,
    from: Option<&Weights>,
    version: &str,
    said: &mut Vec<u8>,
) -> anyhow::Result<Weights> {
    let service = database.existing()?.open().await?;
    let read = async {
        let rows = service.store().tenants().await?;
        let row = rows.iter().find(|row| row.name == name && !row.test);
        let row = row.with_context(|| format!("there is no tenant {name:?}"))?;
        let tenant = service.tenant(row.tenant).await?;
        // What cannot be traced is not opened.
        service.store().note(row.tenant, "fit", Verb::Fit).await?;
        let made_with = std::sync::Arc::clone(&tenant.policy.weights);
        anyhow::Ok((service.confirmed_decisions(&tenant).await?, made_with))
    };
    let read = read.await;
    service.store().close().await;
    let (decisions, made_with) = read?;
    let mut known = vec![Weights::DEFAULT, (*made_with).clone()];
    // Those in force, unless others are named.
    known.extend(from.cloned());
    fit_decisions(&decisions, &known, version, said)
}

/// Fits on decisions made with any of the weights `known`; starts from the last of them.
pub(super) fn fit_decisions(
    decisions: &[ConfirmedDecision],
    known: &[Weights],
    version: &str,
    said: &mut Vec<u8>,
) -> anyhow::Result<Weights> {
    let from = known.last().context("some weights to start from")?;
    let known: HashMap<&str, &Weights> = known.iter().map(|it| (&*it.version, it)).collect();
    let readable: Vec<Vec<Example>> = decisions
        .iter()
        .filter_map(|decision| {
            let weights = known.get(&*decision.model_version)?;
            Some(examples(decision, weights)).filter(|examples| !examples.is_empty())
        })
        .collect();
    let unread = decisions.len() - readable.len();
    if readable.len() < LEAST_DECISIONS {
        bail!(
            "{} confirmed or rejected identities that can be read are too few to fit on: it takes \
             {LEAST_DECISIONS} ({unread} more were decided by a web token, or with weights that are not at hand)",
            readable.len()
        );
    }
    let free: Vec<Feature> = free(&readable);
    let (mut old, mut new) = (Calibration::default(), Calibration::default());
    for left_out in 0..FOLDS {
        let part = |held: bool| {
            let of = readable.iter().enumerate();
            let chosen = of.filter(move |(at, _)| (at % FOLDS == left_out) == held);
            chosen.flat_map(|(_, examples)| examples.iter().copied()).collect::<Vec<_>>()
        };
        let values = fit(&part(false), from, &free, HOLD);
        let fitted = Weights::new(version.to_owned(), Fitted::OnSimulation, values);
        for example in part(true) {
            let right = example.target > 0.5;
            old.add(probability(from.log_odds(&example.features)), right);
            new.add(probability(fitted.log_odds(&example.features)), right);
        }
    }
    writeln!(
        said,
        "{} confirmed or rejected identities ({unread} more were decided by a web token, or with \
         weights that are not at hand); what follows is of candidates that a fit has not seen (5 parts)",
        readable.len()
    )?;
    for (name, stated) in [(&*from.version, &old), (version, &new)] {
        writeln!(said, "weights {name}")?;
        print_calibration(said, stated)?;
    }
    let all: Vec<Example> = readable.iter().flatten().copied().collect();
    let sample = Fitted::OnTenant(u32::try_from(readable.len()).unwrap_or(u32::MAX));
    Ok(Weights::new(version.to_owned(), sample, fit(&all, from, &free, HOLD)))
}

/// The figures that were seen at all: nothing is known of the others.
fn free(readable: &[Vec<Example>]) -> Vec<Feature> {
    let seen = |feature: &Feature| {
        readable.iter().flatten().any(|example| example.features.get(*feature) != 0.0)
    };
    Feature::ALL.into_iter().filter(seen).collect()
}

/// The figures behind a decision's evidence: each signal is its figure times its weight.
fn examples(decision: &ConfirmedDecision, weights: &Weights) -> Vec<Example> {
    let example = |candidate: &crate::continuity::confirmed_decisions::JudgedCandidate| {
        let mut features = Features::default();
        for (signal, log_odds) in &candidate.evidence {
            let known = Feature::named(signal).map(|feature| (feature, weights.get(feature)));
            if let Some((feature, weight)) = known.filter(|(_, weight)| *weight != 0.0) {
                features.set(feature, log_odds / weight);
            }
        }
        let target = f64::from(u8::from(candidate.right));
        Example { features, target, weight: 1.0, caution: 0.0 }
    };
    // What a token decided alone says nothing of the model.
    let signed_in = |signal: &(String, f64)| signal.0 == "match:web_token";
    if decision.candidates.iter().any(|one| one.evidence.iter().any(signed_in)) {
        return Vec::new();
    }
    decision.candidates.iter().map(example).collect()
}
