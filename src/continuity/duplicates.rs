//! Duplicates that the service itself notices: two customers who share verified identity.
//!
//! They are proposed, or merged where the tenant's policy says so. What somebody has decided on the
//! same two, in whichever way, is not proposed again: nor on whoever is one person with either.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::desk::Desk;
use super::joining::{self, Around, MergeRecord, around, rejoin};
use super::recognise::Looked;
use super::settling::linked_with;
use crate::identity::{Assurance, Duplicates};
use crate::ids::{CustomerId, Token};
use crate::store::rows::{MergeRow, MergeState};

/// So many are joined to one customer by one interaction at most.
const MOST_AT_ONCE: usize = 4;
/// Why the service joins two.
const SHARED_IDENTITY: &str = "they share a verified identifier";
/// Why it does not.
const REJECTED: &str = "somebody said that they are two";

/// Looks whether somebody else has, as well proven, what has just proven who this customer is.
pub(super) async fn notice(
    desk: &mut Desk<'_, '_>,
    looked: &Looked<'_>,
    customer: CustomerId,
) -> Result<(), Error> {
    let proven = proven_tokens(desk, looked, customer);
    if proven.is_empty() {
        return Ok(());
    }
    let same = as_well_proven(desk, looked, customer, &proven);
    if same.is_empty() {
        return Ok(());
    }
    let state = match desk.tenant.policy.identity.duplicates {
        Duplicates::Propose => MergeState::Proposed,
        Duplicates::Merge => MergeState::InForce,
    };
    join(desk, customer, &same, state, SHARED_IDENTITY).await
}

/// Somebody said of a contact that showed verified identity that it is one and not the other: the
/// service does not take the two for one person any more.
pub(super) async fn tell_apart(
    desk: &mut Desk<'_, '_>,
    looked: &Looked<'_>,
    customer: CustomerId,
    other: CustomerId,
) -> Result<(), Error> {
    let verified = looked.hints.iter().any(|hint| hint.assurance == Assurance::Verified);
    if !verified || looked.set_name(customer) == looked.set_name(other) {
        return Ok(());
    }
    join(desk, customer, &[other], MergeState::Undone, REJECTED).await
}

/// Who else has one of these, as this decision leaves them, and is not one person with them.
fn as_well_proven(
    desk: &Desk<'_, '_>,
    looked: &Looked<'_>,
    customer: CustomerId,
    proven: &[Token],
) -> Vec<CustomerId> {
    let own_set = looked.set_name(customer);
    let has = |id: &CustomerId| {
        let assurance = |token: &Token| linked_with(desk, looked, *id, *token);
        proven.iter().filter_map(assurance).any(is_verified)
    };
    let others = looked.people.keys().copied().filter(|id| looked.set_name(*id) != own_set);
    let mut same: Vec<CustomerId> = others.filter(has).collect();
    same.sort_unstable();
    same
}

fn is_verified(code: i64) -> bool {
    Assurance::from_code(code) == Some(Assurance::Verified)
}

/// What was shown as VERIFIED and is so linked to this customer. Somebody new was said not to be
/// the one who is known by it.
fn proven_tokens(desk: &Desk<'_, '_>, looked: &Looked<'_>, customer: CustomerId) -> Vec<Token> {
    if desk.working.get(&customer).is_some_and(|working| working.is_new()) {
        return Vec::new();
    }
    let linked = |token: Token| linked_with(desk, looked, customer, token);
    let shown = looked.hints.iter().zip(&looked.tokens);
    let verified = shown.filter(|(hint, _)| hint.assurance == Assurance::Verified);
    verified.map(|(_, token)| *token).filter(|it| linked(*it).is_some_and(is_verified)).collect()
}

/// Writes edges of the service's own, once: not where there is one, or was one, of whatever state,
/// between the two or whoever is one person with them. All of them may be about to be made.
pub(super) async fn join(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    others: &[CustomerId],
    state: MergeState,
    reason: &str,
) -> Result<(), Error> {
    let around = around(desk, &[&[customer], others].concat()).await?;
    let record = MergeRecord { reason: reason.to_owned(), ..MergeRecord::default() };
    let mut edges = Vec::new();
    let wanted = match state {
        MergeState::Undone => unnamed(&around, customer, others),
        MergeState::Proposed | MergeState::InForce => undecided(&around, customer, others, state),
    };
    for other in wanted {
        let between = pair(customer, other);
        let name = [between.0.to_ref(), between.1.to_ref()].concat();
        let merge_id = desk.tenant.secrets.text("duplicate", &name);
        edges.push(joining::edge(desk, merge_id, between, state, &record));
    }
    edges.truncate(MOST_AT_ONCE);
    if edges.is_empty() {
        return Ok(());
    }
    let sets = match rejoin(desk, &around, edges).await {
        // A person of so many customers is no reason to refuse this contact.
        Err(Error::SetTooLarge) => return Ok(()),
        joined => joined?,
    };
    match sets.into_values().find(|members| members.contains(&customer)) {
        Some(members) if state == MergeState::InForce => {
            // Boxed: it is rare, and would make every start carry room for it.
            Box::pin(joining::mark_disputes(desk, &members)).await
        }
        _ => Ok(()),
    }
}

fn pair(one: CustomerId, other: CustomerId) -> (CustomerId, CustomerId) {
    (one.min(other), one.max(other))
}

/// With whom of these the very customer has no edge of whatever state. Somebody's word is kept of the
/// two that it was said of, also where it holds of their sets already: these may come apart.
fn unnamed(around: &Around, customer: CustomerId, others: &[CustomerId]) -> Vec<CustomerId> {
    let is_known = |other: CustomerId| {
        let between = pair(customer, other);
        around.merges.iter().any(|row| (row.one, row.other) == between)
    };
    others.iter().copied().filter(|other| *other != customer && !is_known(*other)).collect()
}

/// One of each set among these with which the customer's has no edge of whatever state: what was
/// decided on two holds for whoever is one person with either, whichever of them a contact points to.
/// Nobody is joined with two who were told apart: that would make them one all the same, and which of
/// the two it is, nobody has said.
fn undecided(
    around: &Around,
    customer: CustomerId,
    others: &[CustomerId],
    state: MergeState,
) -> Vec<CustomerId> {
    let names = around.names(&[]);
    let name = |id: CustomerId| names.get(&id).copied().unwrap_or(id);
    let across = |row: &MergeRow| {
        // Whoever is gone belongs to no set.
        let (one, other) = (*names.get(&row.one)?, *names.get(&row.other)?);
        (one != other).then(|| pair(one, other))
    };
    let met: BTreeSet<_> = around.merges.iter().filter_map(across).collect();
    let parted = around.merges.iter().filter(|row| row.state == MergeState::Undone);
    let apart: BTreeSet<_> = parted.filter_map(across).collect();
    let own = name(customer);
    let mut firsts: BTreeMap<CustomerId, CustomerId> = BTreeMap::new();
    for other in others.iter().copied().filter(|other| name(*other) != own) {
        firsts.entry(name(other)).or_insert(other);
    }
    let is_open = |set: CustomerId| {
        let joins_apart = firsts.keys().any(|other| apart.contains(&pair(set, *other)));
        !met.contains(&pair(own, set)) && (state == MergeState::Proposed || !joins_apart)
    };
    firsts.iter().filter(|(set, _)| is_open(**set)).map(|(_, other)| *other).collect()
}
