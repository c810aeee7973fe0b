//! The figures: shares with their uncertainty, calibration, percentiles.

use std::time::Duration;

/// Equal-width bins of the calibration error.
const BINS: usize = 15;
/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// How many were so.
    pub(super) hits: u64,
    /// Of how many.
    pub(super) of: u64,
}

impl Rate {
    /// Counts one more case.
    pub(super) fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// The share, from 0 to 1; none of nothing.
    pub(super) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// The 95 % Wilson score interval of the share (Wilson 1927).
    pub(super) fn interval(self) -> Option<(f64, f64)> {
        let share = self.share()?;
        let n = self.of as f64;
        let z2 = Z * Z;
        let centre = share + z2 / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z2 / n;
        Some((((centre - half) / whole).max(0.0), ((centre + half) / whole).min(1.0)))
    }
}

/// How well stated probabilities agree with what was true.
#[derive(Clone, Debug, Default)]
pub(super) struct Calibration {
    bins: [Bin; BINS],
    squares: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    count: u64,
    stated: f64,
    right: u64,
}

impl Calibration {
    /// Adds one statement; what lies outside 0 to 1 counts as the nearer end.
    pub(super) fn add(&mut self, probability: f64, right: bool) {
        let probability = probability.clamp(0.0, 1.0);
        let place = ((probability * BINS as f64) as usize).min(BINS - 1);
        let bin = &mut self.bins[place];
        bin.count += 1;
        bin.stated += probability;
        bin.right += u64::from(right);
        self.squares += (probability - f64::from(u8::from(right))).powi(2);
    }

    /// How many statements there were.
    pub(super) fn count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    /// The expected calibration error: Σ nᵦ/N · |mean stated − share right| over 15 bins of equal width.
    pub(super) fn expected_error(&self) -> Option<f64> {
        let total = self.count();
        let apart: f64 = self.bins.iter().map(|bin| (bin.stated - bin.right as f64).abs()).sum();
        (total > 0).then(|| apart / total as f64)
    }

    /// The Brier score: the mean squared difference of statement and truth.
    pub(super) fn brier(&self) -> Option<f64> {
        let total = self.count();
        (total > 0).then(|| self.squares / total as f64)
    }
}

/// How long calls took.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one call.
    pub(super) fn add(&mut self, lasted: Duration) {
        self.0.push(lasted);
    }

    /// How many calls there were.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The durations at these shares (nearest rank), such as .5 and .99.
    pub(super) fn percentiles<const N: usize>(&self, shares: [f64; N]) -> Option<[Duration; N]> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(shares.map(|share| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted[rank.saturating_sub(1).min(last)]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (below, above) = Rate { hits, of }.interval().unwrap();
            assert!((below - low).abs() < 5e-5 && (above - high).abs() < 5e-5, "{below} {above}");
        }
        assert_eq!(Rate::default().interval(), None);
        assert_eq!(Rate::default().share(), None);
    }

    #[test]
    fn a_perfectly_calibrated_statement_has_no_error_and_a_bold_one_has() {
        let mut honest = Calibration::default();
        for right in [true, true, true, false] {
            honest.add(0.75, right);
        }
        assert!(honest.expected_error().unwrap().abs() < 1e-12);
        // Three times .25², once .75².
        assert!((honest.brier().unwrap() - 0.1875).abs() < 1e-12);

        let mut bold = Calibration::default();
        bold.add(1.0, true);
        bold.add(1.0, false);
        bold.add(0.0, false);
        bold.add(0.0, false);
        assert!((bold.expected_error().unwrap() - 0.25).abs() < 1e-12);
        assert!((bold.brier().unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(Calibration::default().expected_error(), None);
    }

    #[test]
    fn statements_of_different_bins_do_not_cancel_out() {
        let mut both = Calibration::default();
        both.add(0.1, true);
        both.add(0.9, false);
        assert!((both.expected_error().unwrap() - 0.9).abs() < 1e-12);
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles([0.5]), None);
        for milliseconds in (1..=100).rev() {
            latencies.add(Duration::from_millis(milliseconds));
        }
        let [half, most, all] = latencies.percentiles([0.5, 0.99, 1.0]).unwrap();
        assert_eq!([half, most, all].map(|one| one.as_millis()), [50, 99, 100]);
    }
}
