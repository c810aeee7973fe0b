//! The numbers of the model: one weight, in log-odds, for each figure.
//!
//! How the default ones were fitted, what they reach and where they end: docs/identity.md.

use std::borrow::Cow;

use super::features::{FEATURES, Feature, Features};

/// The least share of use that is counted.
pub(super) const SHARE_FLOOR: f64 = 0.001;
/// The largest weight a file may hold, either way: beyond it one figure would decide alone.
const MOST: f64 = 20.0;

/// Whose decisions a set of weights was fitted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fitted {
    /// Simulated traffic.
    #[default]
    OnSimulation,
    /// The tenant's own confirmed and rejected identities: so many.
    OnTenant(u32),
}

/// The weights of the model. [`Weights::DEFAULT`] holds the service's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The name of this set, stored with each decision; ≤64 characters.
    pub version: Cow<'static, str>,
    /// What it was fitted on.
    pub fitted: Fitted,
    values: [f64; FEATURES],
}

impl Weights {
    /// The weights fitted on simulated traffic (`threadline fit` on the dev world).
    pub const DEFAULT: Self = Self {
        version: Cow::Borrowed("2026-11-b"),
        fitted: Fitted::OnSimulation,
        values: default::VALUES,
    };

    /// Weights of that name.
    pub fn new(version: String, fitted: Fitted, values: [f64; FEATURES]) -> Self {
        Self { version: Cow::Owned(version), fitted, values }
    }

    /// One weight.
    pub fn get(&self, feature: Feature) -> f64 {
        self.values[feature as usize]
    }

    /// All of them, in the order of [`Feature::ALL`].
    pub fn values(&self) -> &[f64; FEATURES] {
        &self.values
    }

    /// The log-odds of a candidate with these figures.
    pub fn log_odds(&self, features: &Features) -> f64 {
        self.values.iter().zip(features.values()).map(|(weight, figure)| weight * figure).sum()
    }

    /// Every mistake in these weights, one sentence each; empty when they can be used.
    pub fn validate(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let length = self.version.chars().count();
        if !(1..=64).contains(&length) || self.version.chars().any(char::is_control) {
            mistakes.push("version must be 1 to 64 printable characters".to_owned());
        }
        for feature in Feature::ALL {
            let weight = self.get(feature);
            // Written so that NaN is a mistake as well.
            if !(-MOST..=MOST).contains(&weight) {
                mistakes.push(format!(
                    "the weight of {} is {weight}, it must be from -{MOST} to {MOST}",
                    feature.name()
                ));
            }
        }
        mistakes
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self::DEFAULT
    }
}

mod default;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_used() {
        assert_eq!(Weights::DEFAULT.validate(), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let mut values = *Weights::DEFAULT.values();
        values[Feature::Uses as usize] = f64::NAN;
        values[Feature::Rival as usize] = -20.5;
        let mistakes = Weights::new(String::new(), Fitted::OnTenant(900), values).validate();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert!(mistakes[1].contains("uses") && mistakes[2].contains("rival"));
    }
}
