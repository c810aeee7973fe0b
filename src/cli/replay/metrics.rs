//! The figures: shares with their uncertainty, calibration, percentiles.

use std::time::Duration;

/// Equal-width bins of the calibration error.
const BINS: usize = 15;
/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Rate {
    /// How many were so.
    pub(in crate::cli) hits: u64,
    /// Of how many.
    pub(in crate::cli) of: u64,
}

impl Rate {
    /// Counts one more case.
    pub(in crate::cli) fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// The share, from 0 to 1; none of nothing.
    pub(in crate::cli) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// The 95 % Wilson score interval of the share (Wilson 1927).
    pub(in crate::cli) fn interval(self) -> Option<(f64, f64)> {
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
pub(in crate::cli) struct Calibration(Vec<(f64, bool)>);

/// Statements of about the same probability.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Bin {
    /// How many.
    pub(in crate::cli) count: u64,
    /// The sum of what they stated.
    pub(in crate::cli) stated: f64,
    /// How many were right.
    pub(in crate::cli) right: u64,
}

/// Draws from the statements for an interval.
const DRAWS: usize = 400;

impl Calibration {
    /// Adds one statement; what lies outside 0 to 1 counts as the nearer end.
    pub(in crate::cli) fn add(&mut self, probability: f64, right: bool) {
        self.0.push((probability.clamp(0.0, 1.0), right));
    }

    /// How many statements there were.
    pub(in crate::cli) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The statements in 15 bins of equal width.
    pub(in crate::cli) fn bins(&self) -> [Bin; BINS] {
        binned(self.0.iter())
    }

    /// The expected calibration error: Σ nᵦ/N · |mean stated − share right| over 15 bins of equal width.
    pub(in crate::cli) fn expected_error(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| expected_error(&self.bins()))
    }

    /// The Brier score: the mean squared difference of statement and truth.
    pub(in crate::cli) fn brier(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| brier(self.0.iter()))
    }

    /// 95 % intervals of expected error and Brier score, by drawing as many statements again with
    /// replacement (Efron 1979, percentiles of 400 draws). The same statements give the same.
    pub(in crate::cli) fn intervals(&self) -> Option<[(f64, f64); 2]> {
        let last = self.0.len().checked_sub(1)?;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let (mut errors, mut briers) = (Vec::with_capacity(DRAWS), Vec::with_capacity(DRAWS));
        for _ in 0..DRAWS {
            let mut drawn = Vec::with_capacity(self.0.len());
            for _ in 0..=last {
                // xorshift64 (Marsaglia 2003): no more than even draws are asked of it.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                drawn.push(self.0[(state >> 11) as usize % (last + 1)]);
            }
            errors.push(expected_error(&binned(drawn.iter())));
            briers.push(brier(drawn.iter()));
        }
        Some([errors, briers].map(|mut drawn| {
            drawn.sort_by(f64::total_cmp);
            (drawn[DRAWS / 40], drawn[DRAWS - 1 - DRAWS / 40])
        }))
    }
}

fn binned<'a>(statements: impl Iterator<Item = &'a (f64, bool)>) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for (probability, right) in statements {
        let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.stated += probability;
        bin.right += u64::from(*right);
    }
    bins
}

fn expected_error(bins: &[Bin; BINS]) -> f64 {
    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    let apart: f64 = bins.iter().map(|bin| (bin.stated - bin.right as f64).abs()).sum();
    apart / total as f64
}

fn brier<'a>(statements: impl ExactSizeIterator<Item = &'a (f64, bool)>) -> f64 {
    let count = statements.len() as f64;
    let squared = |(stated, right): &(f64, bool)| (stated - f64::from(u8::from(*right))).powi(2);
    statements.map(squared).sum::<f64>() / count
}

/// How long calls took.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one call.
    pub(in crate::cli) fn add(&mut self, lasted: Duration) {
        self.0.push(lasted);
    }

    /// How many calls there were.
    pub(in crate::cli) fn count(&self) -> usize {
        self.0.len()
    }

    /// The durations at these shares (nearest rank), such as .5 and .99.
    pub(in crate::cli) fn percentiles<const N: usize>(
        &self,
        shares: [f64; N],
    ) -> Option<[Duration; N]> {
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
        assert_eq!(Calibration::default().intervals(), None);
    }

    #[test]
    fn intervals_hold_the_figures_and_narrow_with_the_number_of_statements() {
        let of = |count: usize| {
            let mut statements = Calibration::default();
            (0..count).for_each(|n| statements.add(0.8, n % 4 != 0));
            let [error, brier] = statements.intervals().unwrap();
            let (e, b) = (statements.expected_error().unwrap(), statements.brier().unwrap());
            assert!(error.0 <= e && e <= error.1 && brier.0 <= b && b <= brier.1);
            assert_eq!(statements.intervals(), Some([error, brier]), "the same again");
            (error.1 - error.0) + (brier.1 - brier.0)
        };
        assert!(of(4_000) < of(400) / 2.0);
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
