//! Which ends say who it was: decided by seed and id alone, so that neither the engine nor the order
//! of the calls matters.

use sha2::{Digest as _, Sha256};

/// Whether the end of that interaction is among the share `feedback` of those that do.
pub(in crate::cli) fn chosen(feedback: f64, seed: u64, id: &str) -> bool {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(id.as_bytes());
    let digest = hash.finalize();
    let draw = digest.iter().take(6).fold(0_u64, |draw, byte| draw << 8 | u64::from(*byte));
    (draw as f64) < feedback * 2_f64.powi(48)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_given_at_its_share_of_ends_and_always_the_same_ones() {
        let chosen_of = |feedback, seed| {
            let ids = (0..10_000).filter(|n| chosen(feedback, seed, &format!("i{n}")));
            ids.collect::<Vec<_>>()
        };
        assert_eq!(chosen_of(0.0, 1).len(), 0);
        assert_eq!(chosen_of(1.0, 1).len(), 10_000);
        let some = chosen_of(0.3, 1);
        assert!((2_850..3_150).contains(&some.len()), "{}", some.len());
        assert_eq!(some, chosen_of(0.3, 1));
        assert_ne!(some, chosen_of(0.3, 2));
    }
}
