//! Fitting the weights: logistic regression by Newton's method (iteratively reweighted least
//! squares; Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 4.4.1), held near
//! the weights it starts from by an L2 penalty.

use super::features::{FEATURES, Feature, Features};
use super::scale::probability;
use super::weights::Weights;

/// Steps at most; it converges in about ten.
const MOST_STEPS: usize = 60;
/// Halves of a step at most: less is no step.
const MOST_HALVES: i32 = 30;
/// A step this small changes no decision.
const SMALL: f64 = 1e-8;

/// One observation.
#[derive(Clone, Copy)]
pub struct Example {
    /// What the model saw of a candidate.
    pub features: Features,
    /// Whether it was them, 1 or 0; between them for what is only held to be probable.
    pub target: f64,
    /// How many observations it stands for.
    pub weight: f64,
    /// Log-odds that are added to the model's: how much more sure than the data the weights must
    /// not be.
    pub caution: f64,
}

/// The weights under which the examples are most probable. Only `free` ones move; `hold` is the
/// strength of the penalty: so many (half) observations speak for the weights it starts from.
pub fn fit(examples: &[Example], from: &Weights, free: &[Feature], hold: f64) -> [f64; FEATURES] {
    let mut values = *from.values();
    let mut loss = loss_of(examples, &values, from, free, hold);
    for _ in 0..MOST_STEPS {
        let Some(step) = step(examples, &values, from, free, hold) else { return values };
        // A whole step overshoots where the start is far off and sure of itself: half of it, then.
        let shorter = (0..MOST_HALVES).find_map(|halves| {
            let mut next = values;
            for (feature, change) in free.iter().zip(&step) {
                next[*feature as usize] += change * 0.5_f64.powi(halves);
            }
            let reached = loss_of(examples, &next, from, free, hold);
            (reached < loss).then_some((next, reached))
        });
        let Some((next, reached)) = shorter else { break };
        (values, loss) = (next, reached);
        if step.iter().all(|change| change.abs() < SMALL) {
            break;
        }
    }
    values
}

/// What is to be made small: how improbable the examples are, and how far the weights have moved.
fn loss_of(
    examples: &[Example],
    values: &[f64; FEATURES],
    from: &Weights,
    free: &[Feature],
    hold: f64,
) -> f64 {
    let improbable = examples.iter().map(|example| {
        let stated = stated(example, values);
        let (yes, no) =
            (stated.max(f64::MIN_POSITIVE).ln(), (1.0 - stated).max(f64::MIN_POSITIVE).ln());
        -example.weight * (example.target * yes + (1.0 - example.target) * no)
    });
    let moved = free.iter().map(|it| (values[*it as usize] - from.get(*it)).powi(2));
    improbable.sum::<f64>() + 0.5 * hold * moved.sum::<f64>()
}

fn stated(example: &Example, values: &[f64; FEATURES]) -> f64 {
    let figures = example.features.values();
    let sum: f64 = values.iter().zip(figures).map(|(weight, figure)| weight * figure).sum();
    probability((sum + example.caution).clamp(-30.0, 30.0))
}

/// One Newton step: the gradient, and the system that it solves.
fn step(
    examples: &[Example],
    values: &[f64; FEATURES],
    from: &Weights,
    free: &[Feature],
    hold: f64,
) -> Option<Vec<f64>> {
    let n = free.len();
    let mut curvature = vec![vec![0.0; n]; n];
    let mut gradient = vec![0.0; n];
    for example in examples {
        let stated = stated(example, values);
        let (error, spread) = (example.target - stated, stated * (1.0 - stated));
        for (row, feature) in free.iter().enumerate() {
            let figure = example.weight * example.features.get(*feature);
            if figure == 0.0 {
                continue;
            }
            gradient[row] += figure * error;
            for (column, other) in free.iter().enumerate().take(row + 1) {
                curvature[row][column] += figure * spread * example.features.get(*other);
            }
        }
    }
    for (row, feature) in free.iter().enumerate() {
        gradient[row] -= hold * (values[*feature as usize] - from.get(*feature));
        curvature[row][row] += hold;
    }
    solve(curvature, gradient)
}

/// Solves a symmetric positive system, given by its lower half, by Cholesky's decomposition.
fn solve(mut lower: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for row in 0..n {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
            let rest = lower[row][column] - known;
            lower[row][column] = if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[column][column]
            };
        }
    }
    for row in 0..n {
        let known: f64 = (0..row).map(|k| lower[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / lower[row][row];
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| lower[k][row] * right[k]).sum();
        right[row] = (right[row] - known) / lower[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Fitted;

    const FREE: [Feature; 2] = [Feature::Base, Feature::MatchEmail];

    fn zero() -> Weights {
        Weights::new("zero".into(), Fitted::OnSimulation, [0.0; FEATURES])
    }

    fn examples(email: f64, right: usize, of: usize) -> Vec<Example> {
        let mut features = Features::default();
        features.set(Feature::Base, 1.0);
        features.set(Feature::MatchEmail, email);
        let example = |n| Example {
            features,
            target: if n < right { 1.0 } else { 0.0 },
            weight: 1.0,
            caution: 0.0,
        };
        (0..of).map(example).collect()
    }

    #[test]
    fn two_groups_get_the_log_odds_that_they_have() {
        let all = [examples(0.0, 750, 1_000), examples(1.0, 900, 1_000)].concat();
        let values = fit(&all, &zero(), &FREE, 1e-6);
        let (base, email) = (3f64.ln(), 9f64.ln() - 3f64.ln());
        assert!((values[Feature::Base as usize] - base).abs() < 1e-4, "{values:?}");
        assert!((values[Feature::MatchEmail as usize] - email).abs() < 1e-4, "{values:?}");
        assert_eq!(values[Feature::Uses as usize], 0.0, "not free");
    }

    #[test]
    fn a_start_that_is_far_off_and_sure_of_itself_is_left() {
        let sure = zero().values().map(|_| 9.0);
        let from = Weights::new("sure".into(), Fitted::OnSimulation, sure);
        let values = fit(&examples(0.0, 400, 1_000), &from, &[Feature::Base], 1e-6);
        assert!((values[Feature::Base as usize] - (2f64 / 3.0).ln()).abs() < 1e-3, "{values:?}");
    }

    #[test]
    fn few_examples_hardly_move_what_is_held() {
        let values = fit(&examples(1.0, 0, 3), &Weights::DEFAULT, &FREE, 1_000.0);
        for feature in FREE {
            let moved = values[feature as usize] - Weights::DEFAULT.get(feature);
            assert!(moved < 0.0 && moved > -0.01, "{moved}");
        }
    }

    #[test]
    fn caution_lowers_what_the_data_would_give() {
        let mut all = examples(0.0, 900, 1_000);
        let free = [Feature::Base];
        let bold = fit(&all, &zero(), &free, 1e-6)[Feature::Base as usize];
        all.iter_mut().for_each(|example| example.caution = 0.25);
        let careful = fit(&all, &zero(), &free, 1e-6)[Feature::Base as usize];
        assert!((bold - careful - 0.25).abs() < 1e-6);
    }

    #[test]
    fn a_system_without_an_answer_has_none() {
        assert_eq!(solve(vec![vec![0.0]], vec![1.0]), None);
        assert_eq!(solve(vec![vec![4.0], vec![2.0, 5.0]], vec![8.0, 9.0]), Some(vec![1.375, 1.25]));
    }
}
