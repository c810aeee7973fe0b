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
        Feature::Base => 2.72,
        Feature::MatchMobile => 0.04,
        Feature::MatchLandline => -0.56,
        Feature::MatchVoip => -1.11,
        Feature::MatchUnknownLine => -0.51,
        Feature::MatchWhatsapp => 1.12,
        Feature::MatchEmail => 1.28,
        Feature::MatchAccountNumber => -0.8,
        Feature::MatchCrm => 1.85,
        Feature::MatchCrmLookedUp => 0.72,
        Feature::MatchWebToken => 2.3,
        Feature::MatchTelegram => 1.84,
        Feature::MatchDiscord => 1.06,
        Feature::MatchCustomerRef => -0.8,
        Feature::ConflictMobile => -1.1,
        Feature::ConflictLandline => -0.3,
        Feature::ConflictVoip => -0.3,
        Feature::ConflictUnknownLine => -0.63,
        Feature::ConflictWhatsapp => -5.0, // by hand: the simulation had none
        Feature::ConflictEmail => -0.82,
        Feature::ConflictAccountNumber => -0.97,
        Feature::ConflictCrm => -0.98,
        Feature::ConflictCrmLookedUp => -0.91,
        Feature::ConflictWebToken => -5.0, // by hand: the simulation had none
        Feature::ConflictTelegram => -5.0, // by hand: the simulation had none
        Feature::ConflictDiscord => -5.0,  // by hand: the simulation had none
        Feature::ConflictCustomerRef => -0.97,
        Feature::ShareNumbers => 0.28,
        Feature::ShareOthers => 2.08,
        Feature::OwnersNumbers => -1.06,
        Feature::OwnersOthers => -0.64,
        Feature::Uses => 1.08,       // by hand
        Feature::Recency => -0.32,   // by hand
        Feature::NumberIdle => -0.2, // by hand
        Feature::Novel => 0.12,
        Feature::TwoKinds => 3.29,
        Feature::TwoKindsLookedUp => 0.77,
        Feature::ProvedNumber => 0.75,
        Feature::AttestationFull => 0.05,    // by hand
        Feature::AttestationGateway => -0.2, // by hand
        Feature::AttestationFailed => -1.5,  // by hand
        Feature::Rival => -1.87,
        Feature::Candidates => 0.0, // by hand: one more candidate never speaks for another
        Feature::Unconfirmed => 0.6,
        Feature::UnconfirmedUses => -0.69,
        Feature::UnconfirmedRival => 1.55,
        Feature::UnconfirmedConflict => 1.26,
        Feature::UnconfirmedLookedUp => -0.67,
        Feature::UnconfirmedLine => -0.55,
    }
}
