//! Answers against the truth: the figures of shared/identity/README.md.

use super::answers::Answer;
use super::events::Truth;
use super::metrics::{Calibration, Rate};
use super::oracle::Refs;
use crate::grpc::proto::{ConfidenceLevel, Recommendation};

/// The levels that promise something, and how often they promise to be right.
pub(in crate::cli) const PROMISES: [(ConfidenceLevel, &str, f64); 3] = [
    (ConfidenceLevel::Medium, "medium", 0.95),
    (ConfidenceLevel::High, "high", 0.98),
    (ConfidenceLevel::VeryHigh, "very_high", 0.99),
];

/// The figures over a number of starts.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Scores {
    /// Of the answers `reuse`, those whose customer is not the true one.
    pub(in crate::cli) false_accepts: Rate,
    /// The same without those where the matched person is in fact the one calling.
    pub(in crate::cli) disclosures: Rate,
    /// Of the resolvable starts, those not answered `reuse` with the true customer.
    pub(in crate::cli) missed_reuse: Rate,
    /// Of the resolvable starts, those answered neither `reuse` nor `confirm` with the true customer.
    pub(in crate::cli) missed: Rate,
    /// The best candidate's probability against whether it was the true customer.
    pub(in crate::cli) calibration: Calibration,
    /// Of the best candidates at each level that promises something, those that were right.
    pub(in crate::cli) kept: [Rate; 3],
    /// Starts with a probability whose candidate the answer does not name: not in the calibration.
    pub(in crate::cli) unnamed: u64,
    /// Starts answered `reuse`, `confirm`, `ignore`, and not decided.
    pub(in crate::cli) recommended: [u64; 4],
}

impl Scores {
    /// Adds one answer. Only the first owner of a ref counts as its customer.
    pub(in crate::cli) fn add(&mut self, truth: &Truth, answer: &Answer, refs: &Refs) {
        let right = refs.is(&answer.customer_ref, &truth.customer);
        let reuse = answer.recommendation == Recommendation::Reuse;
        let confirm = answer.recommendation == Recommendation::Confirm;
        self.recommended[match answer.recommended() {
            "reuse" => 0,
            "confirm" => 1,
            "ignore" => 2,
            _ => 3,
        }] += 1;
        if reuse {
            self.false_accepts.count(!right);
            self.disclosures.count(!right && !refs.is(&answer.customer_ref, &truth.caller));
        }
        if answer.resolvable {
            self.missed_reuse.count(!(reuse && right));
            self.missed.count(!((reuse || confirm) && right));
        }
        match &answer.best {
            Some(best) => {
                let right = refs.is(best, &truth.customer);
                self.calibration.add(answer.probability, right);
                for ((level, ..), kept) in PROMISES.iter().zip(&mut self.kept) {
                    if answer.level == *level {
                        kept.count(right);
                    }
                }
            }
            None if answer.probability > 0.0 => self.unnamed += 1,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(customer: &str, caller: &str) -> Truth {
        Truth { customer: customer.to_owned(), caller: caller.to_owned() }
    }

    /// Anna has the ref a, Bert b.
    fn refs() -> Refs {
        let mut refs = Refs::default();
        for (customer_ref, owner) in [("a", "anna"), ("b", "bert")] {
            refs.answered(&Answer { new_customer: true, ..Answer::of(customer_ref) }, owner);
        }
        refs
    }

    fn scored(cases: &[(Truth, Answer)]) -> Scores {
        let mut scores = Scores::default();
        cases.iter().for_each(|(truth, answer)| scores.add(truth, answer, &refs()));
        scores
    }

    #[test]
    fn reuse_of_somebody_else_is_a_false_accept_and_a_disclosure_unless_they_call() {
        let scores = scored(&[
            (truth("anna", "anna"), Answer::of("a")),
            (truth("anna", "anna"), Answer::of("b")),
            // Bert calls about Anna's affairs and is recognised as himself.
            (truth("anna", "bert"), Answer::of("b")),
        ]);
        assert_eq!(scores.false_accepts, Rate { hits: 2, of: 3 });
        assert_eq!(scores.disclosures, Rate { hits: 1, of: 3 });
        assert_eq!(scores.recommended, [3, 0, 0, 0]);
    }

    #[test]
    fn a_confirm_that_names_the_true_customer_is_missed_as_reuse_only() {
        let ask = |r: &str| Answer { recommendation: Recommendation::Confirm, ..Answer::of(r) };
        let scores = scored(&[
            (truth("anna", "anna"), Answer::of("a")),
            (truth("anna", "anna"), ask("a")),
            (truth("anna", "anna"), ask("b")),
            (
                truth("anna", "anna"),
                Answer {
                    recommendation: Recommendation::Ignore,
                    new_customer: true,
                    best: None,
                    probability: 0.0,
                    ..Answer::of("c")
                },
            ),
            (truth("anna", "anna"), Answer { resolvable: false, ..ask("b") }),
        ]);
        assert_eq!(scores.missed_reuse, Rate { hits: 3, of: 4 });
        assert_eq!(scores.missed, Rate { hits: 2, of: 4 });
        assert_eq!(scores.false_accepts, Rate { hits: 0, of: 1 });
        assert_eq!(scores.recommended, [1, 3, 1, 0]);
    }

    #[test]
    fn only_named_candidates_are_calibrated() {
        let ignored = Answer {
            recommendation: Recommendation::Ignore,
            level: ConfidenceLevel::Low,
            probability: 0.25,
            ..Answer::of("new")
        };
        let scores = scored(&[
            (truth("anna", "anna"), Answer { best: Some("b".to_owned()), ..ignored.clone() }),
            (truth("anna", "anna"), Answer { best: None, ..ignored.clone() }),
            (truth("anna", "anna"), Answer { best: None, probability: 0.0, ..ignored }),
        ]);
        assert_eq!((scores.calibration.count(), scores.unnamed), (1, 1));
        assert!((scores.calibration.brier().unwrap() - 0.0625).abs() < 1e-12);
        assert_eq!(scores.kept, [Rate::default(); 3]);
    }

    #[test]
    fn each_promise_is_measured_on_its_own_level() {
        let at = |r: &str, level| (truth("anna", "anna"), Answer { level, ..Answer::of(r) });
        let scores = scored(&[
            at("a", ConfidenceLevel::Medium),
            at("b", ConfidenceLevel::Medium),
            at("a", ConfidenceLevel::VeryHigh),
            at("b", ConfidenceLevel::Low),
        ]);
        let expected = [(1, 2), (0, 0), (1, 1)].map(|(hits, of)| Rate { hits, of });
        assert_eq!(scores.kept, expected);
    }
}
