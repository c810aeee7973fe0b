//! Fitting on a world: once where everything is confirmed, then what is otherwise where nothing
//! is.

use super::imagined::{Plan, imagine};
use super::rows::Row;
use super::worked;
use crate::cli::replay::events::World;
use crate::identity::{Example, Feature, Fitted, Weights, fit};

/// How much less sure than the data the weights are, in log-odds: a false `reuse` is worse than a
/// missed one, and other worlds are harsher.
const CAUTION: f64 = 0.25;
/// The same of what nobody confirmed.
const CAUTION_UNCONFIRMED: f64 = 0.15;
/// So many half observations speak for the weights that a fit starts from.
const HOLD: f64 = 2.0;
/// How often everything is seen anew with the weights just fitted: they decide what is linked.
const ROUNDS: usize = 2;

/// Set by hand: no simulation has them, or the worked starts need them.
const BY_HAND: [Feature; 17] = [
    Feature::MatchWebToken,
    Feature::MatchCustomerRef,
    Feature::ConflictLandline,
    Feature::ConflictVoip,
    Feature::ConflictWhatsapp,
    Feature::ConflictCrm,
    Feature::ConflictWebToken,
    Feature::ConflictTelegram,
    Feature::ConflictDiscord,
    Feature::ConflictCustomerRef,
    Feature::Uses,
    Feature::Recency,
    Feature::NumberIdle,
    Feature::AttestationFull,
    Feature::AttestationGateway,
    Feature::AttestationFailed,
    // One more candidate must never speak for another one.
    Feature::Candidates,
];

/// What says how much less an identifier is worth that nobody confirmed.
pub(super) const UNCONFIRMED: [Feature; 6] = [
    Feature::Unconfirmed,
    Feature::UnconfirmedUses,
    Feature::UnconfirmedRival,
    Feature::UnconfirmedConflict,
    Feature::UnconfirmedLookedUp,
    Feature::UnconfirmedLine,
];

/// The figures whose weights a world of confirmed contacts teaches.
pub(super) fn confirmed() -> Vec<Feature> {
    let taught = |one: &Feature| !BY_HAND.contains(one) && !UNCONFIRMED.contains(one);
    Feature::ALL.into_iter().filter(taught).collect()
}

/// Fits on the first 60 % of a world's starts.
pub(super) fn fit_world(world: &World, from: &Weights, version: &str, seed: u64) -> Weights {
    let mut weights = from.clone();
    for _ in 0..ROUNDS {
        let seen = |feedback, signed| {
            training(world, imagine(world, Plan { feedback, seed, signed }, &weights).rows)
        };
        let all = [seen(1.0, true), seen(1.0, false)].concat();
        let values = fit_confirmed(&all, from);
        let confirmed = Weights::new(version.to_owned(), Fitted::OnSimulation, values);
        let doubtful = [seen(0.3, true), seen(0.0, true)].concat();
        let values = fit_unconfirmed(&doubtful, &confirmed);
        weights = Weights::new(version.to_owned(), Fitted::OnSimulation, values);
    }
    weights
}

/// The rows of the first 60 %.
pub(super) fn training(world: &World, rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|row| row.start < world.first_scored()).collect()
}

/// Fits all that a world of confirmed contacts teaches.
pub(super) fn fit_confirmed(rows: &[Row], from: &Weights) -> [f64; crate::identity::FEATURES] {
    let mut examples: Vec<Example> = rows.iter().map(|row| example(row, CAUTION)).collect();
    examples.extend(worked::examples());
    fit(&examples, from, &confirmed(), HOLD)
}

fn fit_unconfirmed(rows: &[Row], from: &Weights) -> [f64; crate::identity::FEATURES] {
    let unconfirmed = rows.iter().filter(|row| row.features.get(Feature::Unconfirmed) > 0.0);
    let examples: Vec<Example> = unconfirmed.map(|row| example(row, CAUTION_UNCONFIRMED)).collect();
    fit(&examples, from, &UNCONFIRMED, HOLD)
}

fn example(row: &Row, caution: f64) -> Example {
    let target = f64::from(u8::from(row.right));
    Example { features: row.features, target, weight: 1.0, caution }
}
