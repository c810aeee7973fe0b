//! Duplicates that the service itself notices: two customers who share verified identity.
//!
//! They are proposed, or merged where the tenant's policy says so. What somebody has decided on the
//! same two, in whichever way, is not proposed again.

use super::Error;
use super::desk::Desk;
use super::joining::{self, MergeRecord, around, rejoin};
use super::recognise::Looked;
use crate::identity::{Assurance, Duplicates};
use crate::ids::{CustomerId, Token};
use crate::store::rows::MergeState;

/// So many are joined to one customer by one interaction at most.
const MOST_AT_ONCE: usize = 4;
/// Why the service joins two.
const SHARED_IDENTITY: &str = "they share a verified identifier";

/// Looks whether somebody else has, as well proven, what has just proven who this customer is.
pub(super) async fn notice(
    desk: &mut Desk<'_, '_>,
    looked: &Looked,
    customer: CustomerId,
) -> Result<(), Error> {
    let proven = proven_tokens(desk, looked, customer);
    if proven.is_empty() {
        return Ok(());
    }
    let own_set = looked.set_name(customer);
    let others = looked.people.values().filter(|person| person.set_name() != own_set);
    let mut same: Vec<CustomerId> = others
        .filter(|person| {
            let verified = person.links.iter().filter(|link| is_verified(link.assurance));
            verified.into_iter().any(|link| proven.contains(&link.token))
        })
        .map(|person| person.row.customer)
        .collect();
    same.sort_unstable();
    for other in same.into_iter().take(MOST_AT_ONCE) {
        let state = match desk.tenant.policy.identity.duplicates {
            Duplicates::Propose => MergeState::Proposed,
            Duplicates::Merge => MergeState::InForce,
        };
        join(desk, (customer, other), state, SHARED_IDENTITY).await?;
    }
    Ok(())
}

fn is_verified(code: i64) -> bool {
    Assurance::from_code(code) == Some(Assurance::Verified)
}

/// What was shown as VERIFIED and is so linked to this customer. Somebody new was said not to be
/// the one who is known by it.
fn proven_tokens(desk: &Desk<'_, '_>, looked: &Looked, customer: CustomerId) -> Vec<Token> {
    let working = desk.working.get(&customer);
    if working.is_some_and(|working| working.is_new()) {
        return Vec::new();
    }
    let linked = |token: Token| match (working, looked.people.get(&customer)) {
        (Some(working), _) => working.links().get(&token).map(|link| link.assurance),
        (None, Some(person)) => {
            person.links.iter().find(|link| link.token == token).map(|link| link.assurance)
        }
        (None, None) => None,
    };
    let shown = looked.hints.iter().zip(&looked.tokens);
    let verified = shown.filter(|(hint, _)| hint.assurance == Assurance::Verified);
    verified.map(|(_, token)| *token).filter(|it| linked(*it).is_some_and(is_verified)).collect()
}

/// Writes an edge of the service's own between two customers, once: not where there is one, or
/// was one, of whatever state. Both may be about to be made.
pub(super) async fn join(
    desk: &mut Desk<'_, '_>,
    between: (CustomerId, CustomerId),
    state: MergeState,
    reason: &str,
) -> Result<(), Error> {
    let around = around(desk, &[between.0, between.1]).await?;
    let (one, other) = (between.0.min(between.1), between.0.max(between.1));
    let decided = |row: &crate::store::rows::MergeRow| (row.one, row.other) == (one, other);
    if one == other || around.merges.iter().any(decided) {
        return Ok(());
    }
    let record = MergeRecord { reason: reason.to_owned(), ..MergeRecord::default() };
    let name = [one.to_ref(), other.to_ref()].concat();
    let merge_id = desk.tenant.secrets.text("duplicate", &name);
    let edge = joining::edge(desk, merge_id, between, state, &record);
    match rejoin(desk, &around, vec![edge]).await {
        // A person of so many customers is no reason to refuse this contact.
        Err(Error::SetTooLarge) => Ok(()),
        joined => joined.map(drop),
    }
}
