//! What becomes of an anonymous visitor's history when the visitor signs in.
//!
//! A visitor id names a browser. As long as its customer is known by nothing else, that customer is
//! anonymous, and whoever signs in there takes the history along: a first sign-in makes the
//! anonymous customer the signed-in one. Once it is known by anything else, the browser alone
//! leads to no more than a question.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Error;
use super::desk::Desk;
use super::duplicates;
use super::recognise::Looked;
use super::record::{HintRecord, State};
use super::sealing::Slot;
use super::settling::{self, customer_of};
use crate::cache::Remembered;
use crate::identity::{Assurance, Basis, Hint, HintKind, Owner, Proof, VISITOR, to_join};
use crate::ids::{CustomerId, Token};
use crate::store::rows::{LinkRow, MergeState};

/// Why the service joins them.
const SIGNED_IN: &str = "the visitor signed in";

/// The sets that own visitor ids among `hints` and have no other identifier.
pub(super) fn anonymous(
    desk: &Desk<'_, '_>,
    hints: &[Hint],
    tokens: &[Token],
    people: &FxHashMap<CustomerId, Arc<Remembered>>,
) -> Result<BTreeSet<CustomerId>, Error> {
    let visitors = hints.iter().zip(tokens).filter(|(hint, _)| hint.is_visitor());
    let visitors: Vec<Token> = visitors.map(|(_, token)| *token).collect();
    if visitors.is_empty() {
        return Ok(BTreeSet::new());
    }
    let owns =
        |person: &&Arc<Remembered>| person.links.iter().any(|link| visitors.contains(&link.token));
    let mut sets: BTreeSet<CustomerId> =
        people.values().filter(owns).map(|person| person.set_name()).collect();
    for person in people.values() {
        if sets.contains(&person.set_name()) && !is_anonymous(desk, person)? {
            sets.remove(&person.set_name());
        }
    }
    Ok(sets)
}

fn is_anonymous(desk: &Desk<'_, '_>, person: &Remembered) -> Result<bool, Error> {
    all_browsers(desk, person, person.links.iter())
}

/// Whether all of these links of a person name browsers.
pub(super) fn all_browsers<'l>(
    desk: &Desk<'_, '_>,
    person: &Remembered,
    links: impl Iterator<Item = &'l LinkRow>,
) -> Result<bool, Error> {
    for link in links {
        let slot = Slot::Link { customer: person.row.customer, token: link.token };
        let opened: HintRecord = slot.open(desk.tenant_id(), &person.key, &link.identifier)?;
        if opened.scheme != VISITOR {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A browser's tie to somebody who is known by more than it is worth no more than their word.
pub(super) fn weaken(ties: &mut [Owner], anonymous: &BTreeSet<CustomerId>) {
    for tie in ties.iter_mut().filter(|tie| !anonymous.contains(&tie.customer)) {
        tie.assurance = Assurance::Asserted;
    }
}

/// Whether a VERIFIED token is among what became known.
pub(super) fn is_news(state: &State, hints: &[Hint]) -> bool {
    let mut tokens = hints
        .iter()
        .filter(|hint| hint.kind == HintKind::WebToken && hint.assurance == Assurance::Verified);
    tokens.any(|hint| {
        let known = |record: &HintRecord| {
            record.kind == hint.kind.code()
                && record.assurance == hint.assurance.code()
                && record.namespace == hint.identifier.namespace
                && record.value == hint.identifier.value
        };
        !state.hints.iter().any(known)
    })
}

/// Whether a token decides anew whose the interaction is, settled or not. Somebody's word stands
/// against a token that they knew of; a later one takes it back.
pub(super) fn overrule(state: &mut State, looked: &Looked<'_>, signs_in: bool) -> bool {
    let Proof::Decides(proven) = looked.proof else { return false };
    if state.feedback == 0 {
        return true;
    }
    let current = customer_of(&state.customer).map(|customer| looked.set_name(customer));
    let moves = signs_in && current != Some(proven);
    if moves {
        state.feedback = 0;
    }
    moves
}

/// Joins the anonymous visitors of these browsers with whoever has signed in there: as edges that
/// an unmerge takes back, once, whichever tab comes first.
pub(super) async fn join(
    desk: &mut Desk<'_, '_>,
    looked: &Looked<'_>,
    customer: CustomerId,
) -> Result<(), Error> {
    if looked.anonymous.is_empty() || !looked.proof.signed_in() {
        return Ok(());
    }
    let holds = holds_token(desk, looked, customer);
    let joining = to_join(&looked.shown, &looked.anonymous, looked.set_name(customer), holds);
    if joining.is_empty() {
        return Ok(());
    }
    let visitors: Vec<CustomerId> =
        joining.into_iter().map(|visitor| looked.member(visitor)).collect();
    duplicates::join(desk, customer, &visitors, MergeState::InForce, SIGNED_IN).await
}

/// Whether the token that was shown is the customer's, VERIFIED, as it is in this decision.
fn holds_token(desk: &Desk<'_, '_>, looked: &Looked<'_>, customer: CustomerId) -> bool {
    let tokens = looked.hints.iter().zip(&looked.tokens);
    let mut tokens = tokens.filter(|(hint, _)| hint.kind == HintKind::WebToken);
    let verified = Some(Assurance::Verified.code());
    tokens.any(|(_, token)| settling::linked_with(desk, looked, customer, *token) == verified)
}

impl Looked<'_> {
    /// Whether a hint is the visitor id of customers who are known, and this is none of them.
    pub fn visitor_of_another(&self, index: usize, customer: CustomerId) -> bool {
        let mut owners = self.shown[index].owners.iter().map(|owner| owner.customer);
        self.hints[index].is_visitor()
            && self.points_elsewhere(index, customer)
            && !owners.any(|owner| self.anonymous.contains(&owner))
    }

    /// The anonymous customer that signs in for the first time: the subject is unknown, and the
    /// browser names nobody else.
    pub fn first_sign_in(&self) -> Option<CustomerId> {
        let mut anonymous = self.anonymous.iter();
        match (self.proof, anonymous.next(), anonymous.next()) {
            (Proof::UnknownSubject, Some(visitor), None) => Some(self.member(*visitor)),
            _ => None,
        }
    }

    /// An anonymous customer who signs in is as new as what is shown of them: a browser's
    /// assurance is none of the token's.
    pub fn basis_of_sign_in(&self, customer: CustomerId, basis: Basis) -> Basis {
        let visitor = self.first_sign_in().map(|visitor| self.set_name(visitor));
        let first = visitor == Some(self.set_name(customer));
        if first { Basis::NewCustomer } else { basis }
    }

    /// Whether a hint must not be linked, since a token decided alone and it points elsewhere; a
    /// visitor id of another customer is linked to nobody who signs in.
    pub fn disagrees(&self, index: usize, customer: CustomerId) -> bool {
        let decided = self.proof == Proof::Decides(self.set_name(customer));
        let of_browser = self.proof.signed_in() && self.hints[index].is_visitor();
        (decided || of_browser) && self.points_elsewhere(index, customer)
    }
}
