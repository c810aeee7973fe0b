//! The service's own weights: fitted by `threadline fit`, those marked so set by hand
//! (docs/identity.md).

use crate::identity::features::{FEATURES, Feature};

/// By figure, in the order of [`Feature::ALL`].
pub(super) const VALUES: [f64; FEATURES] = {
    let mut values = [0.0; FEATURES];
    let mut at = 0;
    while at < FEATURES {
        values[at] = weight(Feature::ALL[at]);
        at += 1;
    }
    values
};

const fn weight(feature: Feature) -> f64 {
    match feature {
        Feature::Base => 2.77,
        Feature::MatchMobile => -0.01,
        Feature::MatchLandline => -0.63,
        Feature::MatchVoip => -1.21,
        Feature::MatchUnknownLine => -0.57,
        Feature::MatchWhatsapp => 1.09,
        Feature::MatchEmail => 1.26,
        Feature::MatchAccountNumber => -0.6, // by hand: every kind without a weight counts as it
        Feature::MatchCrm => 2.12,
        Feature::MatchCrmLookedUp => 0.49,
        Feature::MatchWebToken => 2.3,
        Feature::MatchTelegram => 2.62,
        Feature::MatchDiscord => 1.59,
        Feature::MatchCustomerRef => -0.6,
        Feature::ConflictMobile => -1.19,
        Feature::ConflictLandline => -0.3,
        Feature::ConflictVoip => -0.3,
        Feature::ConflictUnknownLine => -0.76,
        Feature::ConflictWhatsapp => -5.0, // by hand: the simulation had none
        Feature::ConflictEmail => -0.87,
        Feature::ConflictAccountNumber => -1.05,
        Feature::ConflictCrm => -0.98,
        Feature::ConflictCrmLookedUp => -1.06,
        Feature::ConflictWebToken => -5.0, // by hand: the simulation had none
        Feature::ConflictTelegram => -5.0, // by hand: the simulation had none
        Feature::ConflictDiscord => -5.0,  // by hand: the simulation had none
        Feature::ConflictCustomerRef => -0.97,
        Feature::ShareNumbers => 0.33,
        Feature::ShareOthers => 2.25,
        Feature::OwnersNumbers => -1.02,
        Feature::OwnersOthers => -0.54,
        Feature::Uses => 1.08,       // by hand
        Feature::Recency => -0.32,   // by hand
        Feature::NumberIdle => -0.2, // by hand
        Feature::Novel => 0.13,
        Feature::TwoKinds => 3.69,
        Feature::TwoKindsLookedUp => 1.03,
        Feature::ProvedNumber => 0.75,
        Feature::AttestationFull => 0.05,    // by hand
        Feature::AttestationGateway => -0.2, // by hand
        Feature::AttestationFailed => -1.5,  // by hand
        Feature::Rival => -1.84,
        Feature::Candidates => 0.0, // by hand: one more candidate never speaks for another
        Feature::Unconfirmed => 0.44,
        Feature::UnconfirmedUses => -0.46,
        Feature::UnconfirmedRival => 1.51,
        Feature::UnconfirmedConflict => 1.45,
        Feature::UnconfirmedLookedUp => -0.96,
        Feature::UnconfirmedLine => -0.49,
    }
}
