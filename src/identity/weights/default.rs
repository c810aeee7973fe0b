//! The service's own weights, as `threadline fit` wrote them (docs/identity.md).

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
        Feature::Base => 2.7,
        Feature::MatchMobile => 0.06,
        Feature::MatchLandline => -0.51,
        Feature::MatchVoip => -1.09,
        Feature::MatchUnknownLine => -0.48,
        Feature::MatchWhatsapp => 1.13,
        Feature::MatchEmail => 1.29,
        Feature::MatchAccountNumber => -0.83,
        Feature::MatchCrm => 1.86,
        Feature::MatchCrmLookedUp => 0.66,
        Feature::MatchWebToken => 2.3,
        Feature::MatchTelegram => 1.85,
        Feature::MatchDiscord => 1.06,
        Feature::MatchCustomerRef => -0.83,
        Feature::ConflictMobile => -1.33,
        Feature::ConflictLandline => -0.3,
        Feature::ConflictVoip => -0.3,
        Feature::ConflictUnknownLine => -0.84,
        Feature::ConflictWhatsapp => -5.0, // by hand: the simulation had none
        Feature::ConflictEmail => -1.06,
        Feature::ConflictAccountNumber => -1.06,
        Feature::ConflictCrm => -0.98,
        Feature::ConflictCrmLookedUp => -0.97,
        Feature::ConflictWebToken => -5.0, // by hand: the simulation had none
        Feature::ConflictTelegram => -5.0, // by hand: the simulation had none
        Feature::ConflictDiscord => -5.0,  // by hand: the simulation had none
        Feature::ConflictCustomerRef => -1.06,
        Feature::ShareNumbers => 0.28,
        Feature::ShareOthers => 2.11,
        Feature::OwnersNumbers => -1.48,
        Feature::OwnersOthers => -0.89,
        Feature::Uses => 1.08,       // by hand
        Feature::Recency => -0.32,   // by hand
        Feature::NumberIdle => -0.2, // by hand
        Feature::Novel => 0.13,
        Feature::TwoKinds => 3.32,
        Feature::TwoKindsLookedUp => 0.86,
        Feature::ProvedNumber => 0.74,
        Feature::AttestationFull => 0.05,    // by hand
        Feature::AttestationGateway => -0.2, // by hand
        Feature::AttestationFailed => -1.5,  // by hand
        Feature::Rival => -1.93,
        Feature::Candidates => 0.0, // by hand: one more candidate never speaks for another
        Feature::Unconfirmed => 0.6,
        Feature::UnconfirmedUses => -0.69,
        Feature::UnconfirmedRival => 1.56,
        Feature::UnconfirmedConflict => 1.21,
        Feature::UnconfirmedLookedUp => -0.69,
        Feature::UnconfirmedLine => -0.54,
    }
}
