//! What is fitted on: one row a candidate.

use std::fmt::Write as _;

use super::imagined::{Plan, imagine};
use crate::cli::replay::events::World;
use crate::identity::{Feature, Features, Weights};

/// One candidate of one start.
#[derive(Clone)]
pub(super) struct Row {
    /// Which start, by its place: candidates of one start belong together.
    pub(super) start: usize,
    /// Whether it was them.
    pub(super) right: bool,
    /// What the model sees of them.
    pub(super) features: Features,
}

/// Every candidate at every feedback, for whoever wants to look at them elsewhere.
pub(super) fn csv(world: &World, weights: &Weights, seed: u64) -> String {
    let names: Vec<&str> = Feature::ALL.iter().map(|feature| feature.name()).collect();
    let mut text = format!("feedback,start,right,{}\n", names.join(","));
    for feedback in [1.0, 0.3, 0.0] {
        for row in imagine(world, Plan { feedback, seed, signed: true }, weights).rows {
            // Writing to a String cannot fail.
            let _ = write!(text, "{feedback},{},{}", row.start, u8::from(row.right));
            for value in row.features.values() {
                let _ = write!(text, ",{value}");
            }
            text.push('\n');
        }
    }
    text
}
