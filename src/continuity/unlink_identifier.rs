//! UnlinkIdentifier: an identifier is not this customer's, whatever contacts have said so far.
//!
//! Done already? → whose → take it away → write → answer. Contacts on file that began before keep
//! what they showed and give no reason for the tie any more.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::changing::{Asked, Ownership, read_identifier, token_of};
use super::desk::Desk;
use super::link_identifier::Tie;
use super::naming::named;
use super::record::RequestRecord;
use super::service::Service;
use crate::identity::RawIdentifier;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::read::Owners;
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads};

/// What is left of an identifier.
pub struct Unlinked {
    /// The customer's current ref.
    pub customer: CustomerId,
    /// Whether it pointed to them before.
    pub was_linked: bool,
    /// How many own it still.
    pub owners: i64,
}

impl Unlinked {
    fn of(customer: CustomerId, record: &RequestRecord) -> Self {
        Self { customer, was_linked: record.was_linked, owners: record.owners }
    }
}

impl Service {
    /// Takes an identifier from a customer.
    ///
    /// # Errors
    /// As [`Service::link_identifier`].
    pub async fn unlink_identifier(
        self: &Arc<Self>,
        caller: &Caller,
        tie: Tie,
    ) -> Result<Unlinked, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*tie.source, &*tie.request_id);
        let asked = Asked::of(self, caller, Verb::Unlink, named, &tie.content)?;
        let exact = as_it_stands(caller, &tie.identifier);
        let normalised = read_identifier(caller, &tie.identifier).map(|it| token_of(caller, &it));
        let (service, caller) = (Arc::clone(self), caller.clone());
        let token = normalised.as_ref().ok().copied();
        let operation = Arc::new(UnlinkOperation { service, caller, asked, tie, exact, token });
        let done = match (self.change(Arc::clone(&operation)).await, normalised) {
            // Nobody has it as it stands, and it cannot be read either.
            (Err(Error::Invalid(_)), Err(why)) => return Err(why),
            (done, _) => done?,
        };
        match done {
            Some(unlinked) => Ok(unlinked),
            None => {
                let UnlinkOperation { caller, asked, .. } = &*operation;
                let (customer, record) = self.as_answered(caller, asked.token).await?;
                Ok(Unlinked::of(customer, &record))
            }
        }
    }
}

struct UnlinkOperation {
    service: Arc<Service>,
    caller: Caller,
    asked: Asked,
    tie: Tie,
    /// The identifier as GetCustomer shows it: also what no request may state any more.
    exact: Token,
    /// As it is read from a request, if it can be.
    token: Option<Token>,
}

/// The token of an identifier that is taken as it stands: kind, namespace and normalised value.
fn as_it_stands(caller: &Caller, raw: &RawIdentifier) -> Token {
    let kind = raw.kind.trim().to_lowercase();
    let scheme = if kind == "external_id" { "external" } else { kind.as_str() };
    caller.tenant.secrets.identifier(scheme, raw.namespace.trim(), raw.value.trim())
}

impl UnlinkOperation {
    /// Which identifier is meant: one that the customer has as it stands, else as it is read.
    async fn meant(&self, desk: &mut Desk<'_, '_>, customer: CustomerId) -> Result<Token, Error> {
        let person = desk.there(customer, false).await?;
        let set = desk.set_of(&person, false).await?;
        let mut links = set.iter().flat_map(|member| &member.links);
        match self.token {
            _ if links.any(|link| link.token == self.exact) => Ok(self.exact),
            Some(token) => Ok(token),
            None => Err(Error::Invalid(Vec::new())),
        }
    }
}

impl Operation for UnlinkOperation {
    type Answer = Unlinked;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Unlinked>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let customer = named(&mut desk, &self.tie.customer_ref).await?;
            let token = self.meant(&mut desk, customer).await?;
            let owners = desk.owners(&[token]).await?.remove(&token).unwrap_or_default();
            let now = self.service.store.now();
            let person = desk.there(customer, false).await?;
            // Of a set, everybody: it is not this person's, and who has not had it is not to get it
            // from what began before, now that nobody of them has it.
            let set = desk.set_of(&person, false).await?;
            let members: Vec<CustomerId> = set.iter().map(|member| member.row.customer).collect();
            let mut was_linked = false;
            for member in &members {
                let working = desk.take_in_hand(*member).await?;
                was_linked |= working.links().contains_key(&token);
                // As of this decision: a contact that it sees began before.
                working.unlink_directly(token, now);
            }
            let mut left = Owners::clone(&owners);
            left.customers.retain(|(owner, _)| !members.contains(owner));
            let record = RequestRecord {
                customer: customer.0.to_vec(),
                was_linked,
                owners: Ownership::with(&left, customer, None).owners,
                ..RequestRecord::default()
            };
            self.asked.write(&mut desk, &self.caller, &record).await?;
            Ok(desk.propose(Unlinked::of(person.set_name(), &record)))
        })
    }
}
