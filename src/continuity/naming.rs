//! Whom a ref names: the customer it resolves to, and which member of a set is meant.

use std::sync::Arc;

use super::Error;
use super::absorb::Feedback;
use super::caller::Caller;
use super::desk::Desk;
use super::recognise::Looked;
use super::record::{DecisionRecord, State};
use super::service::Service;
use super::settling::customer_of;
use super::traces::About;
use super::working::Working;
use crate::cache::Remembered;
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::rows::Verb;

/// The customer that a ref names now; `None` for one that nobody has.
pub(super) async fn resolve(
    desk: &mut Desk<'_, '_>,
    named: &str,
) -> Result<Option<CustomerId>, Error> {
    match CustomerId::parse_ref(named) {
        Some(id) => Ok(desk.person(id, false).await?.map(|person| person.row.customer)),
        None => Ok(None),
    }
}

/// The customer that a request is about; a ref of somebody who was erased is told from one that
/// nobody ever had.
///
/// # Errors
/// [`Error::Erased`], [`Error::CustomerNotFound`].
pub(super) async fn named(desk: &mut Desk<'_, '_>, named: &str) -> Result<CustomerId, Error> {
    if let Some(known) = resolve(desk, named).await? {
        return Ok(known);
    }
    let id = CustomerId::parse_ref(named).ok_or(Error::CustomerNotFound)?;
    Err(desk.why_gone(id).await?)
}

impl Service {
    /// Whether a reference that a caller showed is of one of its tenant's customers; what is not may be
    /// a reference of the caller's own. For whoever may start or end: the call that comes after names
    /// a known customer in the audit; that somebody was erased is told here, and leaves its trace here.
    ///
    /// # Errors
    /// [`Error::RoleRequired`]; [`Error::Erased`] for one of somebody who was erased, and the store's.
    pub async fn is_ours(
        self: &Arc<Self>,
        caller: &Caller,
        reference: &str,
    ) -> Result<bool, Error> {
        // Whoever may start may end.
        caller.may_end()?;
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        match named(&mut desk, reference).await {
            Ok(_) => Ok(true),
            Err(Error::CustomerNotFound) => Ok(false),
            gone => {
                let about = About::customers(&[reference]);
                self.traced(caller, Verb::GetCustomer, &about, gone.map(|_| true), |_| Vec::new())
            }
        }
    }
}

/// Who is named names a set: of its members, the one that has the interaction already, else the one
/// whose link matched.
pub(super) async fn member_meant(
    desk: &mut Desk<'_, '_>,
    state: &State,
    looked: &Looked<'_>,
    target: CustomerId,
) -> Result<CustomerId, Error> {
    let Some(person) = desk.person(target, false).await? else { return Ok(target) };
    let has_it = customer_of(&state.customer).filter(|own| person.members.contains(own));
    Ok(has_it.unwrap_or_else(|| looked.member(target)))
}

/// Whichever member's link matched, the candidate is the customer that it is settled on.
pub(super) fn name_as(record: &mut DecisionRecord, looked: &Looked<'_>, customer: CustomerId) {
    for candidate in &mut record.candidates {
        let of_set = customer_of(&candidate.customer)
            .is_some_and(|id| looked.set_name(id) == looked.set_name(customer));
        if of_set {
            candidate.customer = customer.0.to_vec();
        }
    }
}

/// Who of a customer's set has this identifier; whom it would be given to, where nobody has it.
pub(super) async fn holders(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    token: Token,
) -> Result<Holders, Error> {
    if desk.working.get(&customer).is_some_and(Working::is_new) {
        return Ok(Holders { members: vec![customer], set_name: customer });
    }
    let person = desk.there(customer, false).await?;
    let set = desk.set_of(&person, false).await?;
    let has = |one: &&Arc<Remembered>| one.links.iter().any(|link| link.token == token);
    let mut members: Vec<CustomerId> =
        set.iter().filter(has).map(|member| member.row.customer).collect();
    if members.is_empty() {
        members.push(person.row.customer);
    }
    Ok(Holders { members, set_name: person.set_name() })
}

/// Members of a set who have an identifier, or are to have it.
pub(super) struct Holders {
    /// At least one.
    pub members: Vec<CustomerId>,
    /// What the set is called.
    pub set_name: CustomerId,
}

/// Whom somebody's word names; `None` for somebody new.
pub(super) async fn whom(
    desk: &mut Desk<'_, '_>,
    state: &State,
    looked: &Looked<'_>,
    feedback: &Feedback,
) -> Result<Option<CustomerId>, Error> {
    let (named, confirmed) = match feedback {
        Feedback::Confirmed(named) => (named, true),
        Feedback::Rejected(named) => (named, false),
    };
    let own = customer_of(&state.customer);
    let named = named.as_deref().filter(|named| !named.is_empty());
    // The name under which an answer showed the candidate means the candidate, also when it has
    // become somebody else's since.
    let shown = |named: &str| {
        CustomerId::parse_ref(named).is_some_and(|id| id.0.as_slice() == state.shown_as)
    };
    let target = match (named, own) {
        (Some(named), Some(own)) if confirmed && shown(named) => {
            desk.person(own, false).await?.map(|person| person.row.customer)
        }
        (Some(named), _) => Some(self::named(desk, named).await?),
        (None, Some(own)) if confirmed => {
            desk.person(own, false).await?.map(|person| person.row.customer)
        }
        (None, _) => None,
    };
    match target {
        Some(target) => member_meant(desk, state, looked, target).await.map(Some),
        None => Ok(None),
    }
}

/// What an answer calls the customer of this interaction, if that is not their own ref.
pub(super) async fn shown_as(
    desk: &mut Desk<'_, '_>,
    state: &State,
) -> Result<Option<CustomerId>, Error> {
    let Some(id) = customer_of(&state.customer) else { return Ok(None) };
    if desk.working.get(&id).is_some_and(Working::is_new) {
        return Ok(None);
    }
    let person = desk.one(id, false).await?;
    Ok(person.map(|person| person.set_name()).filter(|name| *name != id))
}
