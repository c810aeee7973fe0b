//! What a signed-in visitor proves: whom a VERIFIED web token names, and whose anonymous history is
//! theirs.
//!
//! A token that an issuer signed for this very person outweighs every other hint, so it decides
//! alone; but only through a link that was VERIFIED as well. A cookie names a browser, not a
//! person: beside a token it identifies nobody.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::ids::CustomerId;

use super::model::{Owner, Shown, effective_owners};
use super::vocabulary::{Assurance, HintKind};

/// What the VERIFIED web tokens among the hints say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// There is none.
    NotSignedIn,
    /// Nobody is linked to its subject, or nobody by a VERIFIED link.
    UnknownSubject,
    /// It decides alone: this customer.
    Decides(CustomerId),
    /// Several subjects, or several customers with one: nobody can be told from them.
    Disputed,
}

impl Proof {
    /// What these hints prove.
    pub fn of(shown: &[Shown]) -> Self {
        let mut tokens = shown.iter().filter(|hint| is_token(hint));
        let Some(token) = tokens.next() else { return Self::NotSignedIn };
        if tokens.any(|other| other.identifier_index != token.identifier_index) {
            return Self::Disputed;
        }
        let verified = |owner: &&Owner| owner.assurance == Assurance::Verified;
        let mut owners = effective_owners(&token.owners).filter(verified);
        match (owners.next(), owners.next()) {
            (None, _) => Self::UnknownSubject,
            (Some(owner), None) => Self::Decides(owner.customer),
            (Some(_), Some(_)) => Self::Disputed,
        }
    }

    /// Whether the customer has signed in at all.
    pub fn signed_in(self) -> bool {
        self != Self::NotSignedIn
    }
}

fn is_token(hint: &Shown) -> bool {
    hint.kind == HintKind::WebToken && hint.assurance == Assurance::Verified
}

/// The hints as evidence: once somebody has signed in, a visitor id is none.
pub fn evidence(shown: &[Shown], proof: Proof) -> Cow<'_, [Shown]> {
    let mut evidence = Cow::Borrowed(shown);
    if proof.signed_in() && shown.iter().any(|hint| hint.visitor) {
        for hint in evidence.to_mut().iter_mut().filter(|hint| hint.visitor) {
            hint.owners.clear();
            hint.seen_before = true;
        }
    }
    evidence
}

/// The customers whose history joins that of `customer`, who has signed in: the `anonymous` owners
/// of the visitor ids shown. Nobody joins a customer who does not hold the token, VERIFIED.
pub fn to_join(
    shown: &[Shown],
    anonymous: &BTreeSet<CustomerId>,
    customer: CustomerId,
    holds: bool,
) -> Vec<CustomerId> {
    let proven = match Proof::of(shown) {
        Proof::Decides(decided) => decided == customer,
        Proof::UnknownSubject => holds,
        Proof::NotSignedIn | Proof::Disputed => false,
    };
    if !proven {
        return Vec::new();
    }
    let visitors = shown.iter().filter(|hint| hint.visitor);
    let owners: BTreeSet<CustomerId> =
        visitors.flat_map(|hint| &hint.owners).map(|owner| owner.customer).collect();
    owners.intersection(anonymous).copied().filter(|owner| *owner != customer).collect()
}
