//! The worked starts of the contract (shared/identity/README.md): what the model says of the
//! plainest cases. A fit on simulated traffic keeps to them, so that weights that came out
//! differently somewhere else do not turn a plain case around.

use crate::identity::{Example, Feature, Features, probability};

/// How many observations each of them stands for where the probability is even; near certainty an
/// observation says less, so there are more.
const WORTH: f64 = 150.0;
const MOST_WORTH: f64 = 9_000.0;

/// The worked starts as examples.
pub(super) fn examples() -> Vec<Example> {
    let (two, twelve) = (2f64, 12f64);
    let rival =
        |candidates: f64| vec![(Feature::Rival, 1.0), (Feature::Candidates, candidates.ln())];
    let shared = |count: f64| {
        let mut more = rival(count);
        more.push((Feature::OwnersNumbers, count.ln()));
        more.push((Feature::ShareNumbers, -count.ln()));
        more
    };
    let beside = |conflict: Feature| [rival(two), vec![(conflict, 1.0)]].concat();
    let account = vec![(Feature::MatchAccountNumber, 1.0), (Feature::TwoKinds, 1.0)];
    [
        (Feature::MatchMobile, 1, 1.5, vec![], 3.29),
        (Feature::MatchMobile, 1, 30.0, vec![], 2.48),
        (Feature::MatchMobile, 10, 30.0, vec![], 4.42),
        (Feature::MatchUnknownLine, 1, 1.0, vec![], 2.73),
        (Feature::MatchUnknownLine, 1, 30.0, vec![], 1.84),
        (Feature::MatchMobile, 1, 1.5, account, 5.56),
        (Feature::MatchLandline, 1, 30.0, shared(two), -0.71),
        (Feature::MatchVoip, 1, 30.0, shared(twelve), -5.41),
        (Feature::MatchEmail, 1, 30.0, vec![], 3.86),
        (Feature::MatchWhatsapp, 1, 30.0, vec![], 3.49),
        (Feature::MatchMobile, 1, 1.0, beside(Feature::ConflictEmail), 0.63),
        (Feature::MatchEmail, 1, 1.0, beside(Feature::ConflictMobile), 1.61),
    ]
    .into_iter()
    .map(|(matching, uses, days, more, log_odds)| {
        example(matching, f64::from(uses), days, &more, log_odds)
    })
    .collect()
}

fn example(
    matching: Feature,
    uses: f64,
    days: f64,
    more: &[(Feature, f64)],
    log_odds: f64,
) -> Example {
    let mut features = Features::default();
    features.set(Feature::Base, 1.0);
    features.set(matching, 1.0);
    features.set(Feature::Uses, uses.ln_1p());
    features.set(Feature::Recency, days.ln_1p());
    more.iter().for_each(|(feature, value)| features.set(*feature, *value));
    let target = probability(log_odds);
    let weight = (WORTH / (target * (1.0 - target)).max(0.004)).min(MOST_WORTH);
    Example { features, target, weight, caution: 0.0 }
}
