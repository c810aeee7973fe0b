//! LinkIdentifier: an identifier is this customer's, whatever contacts say.
//!
//! Done already? → whose → link it directly → write → answer.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::changing::{Asked, Ownership, is_shared_too_widely, read_identifier, token_of};
use super::desk::Desk;
use super::naming::{holders, named};
use super::recognise::hint_record;
use super::record::RequestRecord;
use super::service::Service;
use crate::identity::{Assurance, Hint, Identifier, RawIdentifier};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads};

/// A tie that a request is about.
pub struct Tie {
    /// The caller's own id of the request.
    pub request_id: String,
    /// The source that names it; empty for the key's own.
    pub source: String,
    /// The request in canonical form.
    pub content: Vec<u8>,
    /// Whose.
    pub customer_ref: String,
    /// Which identifier, as it came.
    pub identifier: RawIdentifier,
}

/// The tie that was made.
pub struct Linked {
    /// The customer's current ref.
    pub customer: CustomerId,
    /// What points to them now.
    pub identifier: Identifier,
    /// How strongly.
    pub assurance: Option<Assurance>,
    /// Whether it did before.
    pub already: bool,
    /// How many own the identifier.
    pub owners: i64,
    /// Whether this customer is one of them.
    pub is_owner: bool,
}

impl Linked {
    fn of(customer: CustomerId, identifier: &Identifier, record: &RequestRecord) -> Self {
        Self {
            customer,
            identifier: identifier.clone(),
            assurance: Assurance::from_code(record.assurance),
            already: record.was_linked,
            owners: record.owners,
            is_owner: record.is_owner,
        }
    }
}

impl Service {
    /// Ties an identifier to a customer.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::Invalid`] for what identifies nobody,
    /// [`Error::IdentifierShared`], [`Error::RequestConflict`] for a known id with other content,
    /// those of roles and sources, and the store's.
    pub async fn link_identifier(
        self: &Arc<Self>,
        caller: &Caller,
        tie: Tie,
    ) -> Result<Linked, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*tie.source, &*tie.request_id);
        let asked = Asked::of(self, caller, Verb::Link, named, &tie.content)?;
        let hint = read_identifier(caller, &tie.identifier)?;
        let token = token_of(caller, &hint);
        let (service, caller) = (Arc::clone(self), caller.clone());
        let operation = Arc::new(LinkOperation { service, caller, asked, tie, hint, token });
        match self.change(Arc::clone(&operation)).await? {
            Some(linked) => Ok(linked),
            None => {
                let LinkOperation { caller, asked, hint, .. } = &*operation;
                let (customer, record) = self.as_answered(caller, asked.token).await?;
                Ok(Linked::of(customer, &hint.identifier, &record))
            }
        }
    }
}

struct LinkOperation {
    service: Arc<Service>,
    caller: Caller,
    asked: Asked,
    tie: Tie,
    hint: Hint,
    token: Token,
}

impl Operation for LinkOperation {
    type Answer = Linked;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Linked>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let customer = named(&mut desk, &self.tie.customer_ref).await?;
            let token = self.token;
            let owners = desk.owners(&[token]).await?.remove(&token).unwrap_or_default();
            if is_shared_too_widely(&owners, Some(customer)) {
                return Err(Error::IdentifierShared);
            }
            let (service, tenant) = (desk.service, desk.tenant);
            let holders = holders(&mut desk, customer, token).await?;
            // Who of a set has it already keeps it.
            let customer = holders.members.first().copied().unwrap_or(customer);
            let working = desk.take_in_hand(customer).await?;
            let was_linked = working.links().contains_key(&token);
            working.link_directly(service, tenant, token, &hint_record(&self.hint));
            let assurance = working.links().get(&token).map_or(0, |link| link.assurance);
            let ownership = Ownership::with(&owners, customer, Some(assurance));
            let record = RequestRecord {
                customer: customer.0.to_vec(),
                was_linked,
                owners: ownership.owners,
                is_owner: ownership.is_owner,
                assurance,
                ..RequestRecord::default()
            };
            self.asked.write(&mut desk, &self.caller, &record).await?;
            let linked = Linked::of(holders.set_name, &self.hint.identifier, &record);
            Ok(desk.propose(linked))
        })
    }
}
