//! Whom the identifiers of a request name: exactly one customer that is known, or a new one.
//!
//! Only ties of at least CARRIED count: what somebody merely typed must not draw another person's
//! data to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Error;
use super::caller::Caller;
use super::changing::{Named, is_shared_too_widely, token_of};
use super::desk::Desk;
use super::naming;
use crate::identity::{Assurance, Hint, MAX_OWNERS, Notice, Violation};
use crate::ids::{CustomerId, Token};
use crate::store::read::Owners;

/// Whom a request is about.
pub(super) struct Found {
    /// Nobody known: somebody new.
    pub customer: Option<CustomerId>,
    /// Who owns each identifier.
    pub owners: FxHashMap<Token, Arc<Owners>>,
    /// Identifiers that point to somebody else, where the tenant's primary identifier decided.
    pub elsewhere: BTreeSet<Token>,
}

/// Finds the customer whom a ref names, else the one who owns all the identifiers that anybody
/// owns.
///
/// # Errors
/// [`Error::CustomerNotFound`] for a ref that nobody has, [`Error::Erased`] for one that somebody had, [`Error::CustomerAmbiguous`] where more
/// than one customer is named, or each identifier names another; [`Error::Invalid`] where no
/// identifier could name anybody.
pub(super) async fn find(
    desk: &mut Desk<'_, '_>,
    caller: &Caller,
    customer_ref: &str,
    named: &Named,
) -> Result<Found, Error> {
    let tokens: Vec<Token> = named.hints.iter().map(|hint| token_of(caller, hint)).collect();
    let owners = desk.owners(&tokens).await?;
    let mut found = Found { customer: None, owners, elsewhere: BTreeSet::new() };
    if !customer_ref.is_empty() {
        found.customer = Some(naming::named(desk, customer_ref).await?);
        return Ok(found);
    }
    let worth = |hint: &&Hint| hint.assurance >= Assurance::Carried;
    let mut naming = named.hints.iter().filter(worth).peekable();
    if naming.peek().is_none() {
        return Err(nobody(named));
    }
    let owners = |hint: &Hint| found.owners.get(&token_of(caller, hint));
    if naming.all(|hint| owners(hint).is_some_and(|it| is_shared_too_widely(it, None))) {
        return Err(Error::IdentifierShared);
    }
    let mut known: Vec<(&Hint, BTreeSet<CustomerId>)> = named
        .hints
        .iter()
        .filter(worth)
        .filter_map(|hint| Some((hint, strong_owners(found.owners.get(&token_of(caller, hint))?))))
        .filter(|(_, owners)| !owners.is_empty())
        .collect();
    as_sets(desk, &mut known).await?;
    if known.is_empty() {
        return Ok(found);
    }
    let primary = desk.tenant.policy.identity.primary_identifier;
    let deciding = known.iter().filter(|(hint, _)| primary.is_some() && hint.primary() == primary);
    let agreed = common(known.iter().map(|(_, owners)| owners));
    let decided = common(deciding.map(|(_, owners)| owners));
    found.customer = match (only(&agreed), only(&decided)) {
        (Some(one), _) => Some(one),
        (None, Some(one)) => {
            let others = known.iter().filter(|(_, owners)| !owners.contains(&one));
            found.elsewhere = others.map(|(hint, _)| token_of(caller, hint)).collect();
            Some(one)
        }
        (None, None) => return Err(ambiguous(&known)),
    };
    Ok(found)
}

/// Customers who are one person become one: the member who has most of the identifiers, of equals
/// the oldest.
async fn as_sets(
    desk: &mut Desk<'_, '_>,
    known: &mut [(&Hint, BTreeSet<CustomerId>)],
) -> Result<(), Error> {
    let everybody: BTreeSet<CustomerId> =
        known.iter().flat_map(|(_, owners)| owners).copied().collect();
    let ids: Vec<CustomerId> = everybody.into_iter().collect();
    let people = desk.people(&ids, false).await?;
    let held = |id: &CustomerId| known.iter().filter(|(_, owners)| owners.contains(id)).count();
    let mut chosen: BTreeMap<CustomerId, (usize, CustomerId)> = BTreeMap::new();
    for person in people.values().filter(|person| !person.members.is_empty()) {
        let id = person.row.customer;
        let best = chosen.entry(person.set_name()).or_insert((held(&id), id));
        if (held(&id), std::cmp::Reverse(id)) > (best.0, std::cmp::Reverse(best.1)) {
            *best = (held(&id), id);
        }
    }
    for (_, owners) in known.iter_mut() {
        let one = |id: &CustomerId| {
            let set = people.get(id).and_then(|person| chosen.get(&person.set_name()));
            set.map_or(*id, |(_, member)| *member)
        };
        *owners = owners.iter().map(one).collect();
    }
    Ok(())
}

/// The owners that are more than asserted; none of an identifier that too many have.
fn strong_owners(owners: &Arc<Owners>) -> BTreeSet<CustomerId> {
    if owners.customers.len() > MAX_OWNERS {
        return BTreeSet::new();
    }
    let strong = |(_, assurance): &&(CustomerId, i64)| *assurance > Assurance::Asserted.code();
    owners.customers.iter().filter(strong).map(|(owner, _)| *owner).collect()
}

fn common<'o>(owners: impl Iterator<Item = &'o BTreeSet<CustomerId>>) -> BTreeSet<CustomerId> {
    owners.cloned().reduce(|one, other| &one & &other).unwrap_or_default()
}

fn only(owners: &BTreeSet<CustomerId>) -> Option<CustomerId> {
    owners.first().copied().filter(|_| owners.len() == 1)
}

fn nobody(named: &Named) -> Error {
    let description = "must hold one that names somebody and is worth CARRIED or more";
    let mut violations =
        vec![Violation { field: named.field.clone(), description: description.into() }];
    violations.extend(named.notices.iter().map(|Notice { code, field, message }| Violation {
        field: field.clone(),
        description: format!("{code}: {message}"),
    }));
    Error::Invalid(violations)
}

fn ambiguous(known: &[(&Hint, BTreeSet<CustomerId>)]) -> Error {
    let agreed = common(known.iter().map(|(_, owners)| owners));
    let description = match agreed.is_empty() {
        true => "points to another customer than other identifiers do",
        false => "points to more than one customer",
    };
    let violation = |(hint, _): &(&Hint, BTreeSet<CustomerId>)| Violation {
        field: hint.field.clone(),
        description: description.into(),
    };
    Error::CustomerAmbiguous(known.iter().map(violation).collect())
}
