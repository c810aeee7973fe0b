//! Log-odds as a probability, and on the scale of confidence that integrators know.

use super::vocabulary::Level;

/// Knots (log-odds, confidence) of the scale above even odds: ln(p/(1−p)) of 0.5, 0.95, 0.98
/// and 0.99 are where medium, high and very high begin (design.md section 4).
const KNOTS: [(f64, f64); 4] = [(0.0, 0.3), (2.944, 0.5), (3.892, 0.7), (4.595, 0.9)];

/// The probability, 0 to 1, of these log-odds: 1/(1 + e^−L).
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The confidence, 0 to 1, of these log-odds: 0.6·p below even odds, then linear between the
/// knots, then .9 + .1·(1 − e^(−(L − 4.595)/2)). It never falls as the log-odds rise.
pub fn confidence(log_odds: f64) -> f64 {
    if log_odds.is_nan() {
        return 0.0;
    }
    if log_odds < 0.0 {
        return 0.6 * probability(log_odds);
    }
    for pair in KNOTS.windows(2) {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        if log_odds < to {
            return low + (high - low) * (log_odds - from) / (to - from);
        }
    }
    let (last, high) = KNOTS[KNOTS.len() - 1];
    high + 0.1 * (1.0 - (-(log_odds - last) / 2.0).exp())
}

/// A confidence in words.
pub fn level(confidence: f64) -> Level {
    match confidence {
        c if c >= 0.9 => Level::VeryHigh,
        c if c >= 0.7 => Level::High,
        c if c >= 0.5 => Level::Medium,
        _ => Level::Low,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn levels_begin_at_their_knots() {
        for (log_odds, at, just_below) in [
            (2.944, Level::Medium, Level::Low),
            (3.892, Level::High, Level::Medium),
            (4.595, Level::VeryHigh, Level::High),
        ] {
            assert_eq!(level(confidence(log_odds)), at);
            assert_eq!(level(confidence(log_odds - 1e-9)), just_below);
        }
        assert!((confidence(0.0) - 0.3).abs() < 1e-12);
        assert!((confidence(-1e-12) - 0.3).abs() < 1e-9, "no step at even odds");
        assert_eq!(confidence(f64::NEG_INFINITY), 0.0);
        assert_eq!(confidence(f64::INFINITY), 1.0);
        assert_eq!(confidence(f64::NAN), 0.0);
    }

    proptest! {
        #[test]
        fn confidence_rises_with_the_odds_and_stays_a_share(a in -60.0..60.0f64, b in -60.0..60.0f64) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(confidence(low) <= confidence(high));
            prop_assert!(probability(low) <= probability(high));
            prop_assert!((0.0..=1.0).contains(&confidence(a)));
            prop_assert!((0.0..=1.0).contains(&probability(a)));
        }
    }
}
