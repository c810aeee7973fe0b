//! MergeCustomers: two customers are one person from now on.
//!
//! Replay? → both sets → an edge between the two → everybody's set → write → answer. Nothing moves:
//! each keeps what is theirs, and taking the edge away undoes exactly this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::joining::{self, Around, MergeRecord, around, rejoin};
use super::journaling::{self, Request};
use super::naming::resolve;
use super::service::Service;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::merges;
use crate::store::rows::{MergeRow, MergeState, Verb};
use crate::store::{Boxed, Operation, Proposal, Reads, Verdict};

/// A merge, parsed.
#[derive(Clone)]
pub struct Merging {
    /// Who says so; empty for the key's own.
    pub source: String,
    /// This request's own id.
    pub request_id: String,
    /// The request in canonical form: what makes two merges the same.
    pub content: Vec<u8>,
    /// One of the two.
    pub customer_ref: String,
    /// The other.
    pub other_customer_ref: String,
    /// Why.
    pub reason: String,
    /// On what evidence.
    pub evidence: String,
}

/// The answer to a merge.
pub struct Merged {
    /// What takes it back.
    pub merge_id: Token,
    /// Whether it still holds: a replay may come after its unmerge.
    pub in_force: bool,
    /// The set of the two, by its name; of a merge taken back meanwhile, that of the older.
    pub customer: CustomerId,
    /// All members of it, oldest first.
    pub members: Vec<CustomerId>,
}

impl Service {
    /// Merges two customers.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::SameCustomer`], [`Error::SetTooLarge`],
    /// [`Error::RequestConflict`] for a known request id with other content, those of roles and
    /// sources, and the store's.
    pub async fn merge_customers(
        self: &Arc<Self>,
        caller: &Caller,
        merging: Merging,
    ) -> Result<Merged, Error> {
        caller.needs(&[Role::Admin])?;
        let source = caller.addresses(&merging.source)?;
        let secrets = &caller.tenant.secrets;
        let operation = Arc::new(MergeOperation {
            service: Arc::clone(self),
            caller: caller.clone(),
            request: secrets.request(&source, &merging.request_id),
            fingerprint: secrets.fingerprint(&[&merging.content]).to_vec(),
            source,
            merging,
        });
        match self.run_again(&operation).await {
            Ok(Verdict::Committed(merged)) => Ok(merged),
            Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {
                merged_as_it_stands(self, caller, operation.request).await
            }
            Err(error) => Err(error),
        }
    }

    /// Runs an operation; when somebody wrote under the same key at the same moment, it is decided
    /// again and says itself what that means.
    pub(super) async fn run_again<O: Operation>(
        self: &Arc<Self>,
        operation: &Arc<O>,
    ) -> Result<Verdict<O::Answer>, O::Refusal> {
        match self.store.run(Arc::clone(operation)).await {
            Ok(Verdict::Replay) => self.store.run(Arc::clone(operation)).await,
            verdict => verdict,
        }
    }
}

/// A merge that was made before, as it now stands.
async fn merged_as_it_stands(
    service: &Arc<Service>,
    caller: &Caller,
    merge_id: Token,
) -> Result<Merged, Error> {
    let mut reads = Reads::Fresh(Arc::clone(&service.store));
    let mut desk = Desk::new(service, &caller.tenant, &mut reads);
    let tenant = desk.tenant_id();
    let row = desk
        .reads
        .look(Box::new(move |connection| {
            Box::pin(async move { merges::merge(connection, tenant, merge_id).await })
        }))
        .await?
        .ok_or(Error::CustomerNotFound)?;
    let person = desk.person(row.one, false).await?.ok_or(Error::CustomerNotFound)?;
    Ok(Merged {
        merge_id,
        in_force: row.state == MergeState::InForce,
        customer: person.set_name(),
        members: members_or_alone(&person.members, person.row.customer),
    })
}

/// The members of a set; a customer alone is one of one.
pub(super) fn members_or_alone(members: &[CustomerId], alone: CustomerId) -> Vec<CustomerId> {
    if members.is_empty() { vec![alone] } else { members.to_vec() }
}

struct MergeOperation {
    service: Arc<Service>,
    caller: Caller,
    request: Token,
    fingerprint: Vec<u8>,
    source: String,
    merging: Merging,
}

impl Operation for MergeOperation {
    type Answer = Merged;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposal<Merged>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            desk.not_done(self.request, Verb::Merge, &self.fingerprint).await?;
            let one = resolve(&mut desk, &self.merging.customer_ref).await?;
            let other = resolve(&mut desk, &self.merging.other_customer_ref).await?;
            let (one, other) = one.zip(other).ok_or(Error::CustomerNotFound)?;
            if one == other {
                return Err(Error::SameCustomer);
            }
            let record = MergeRecord {
                made_by: self.caller.key_id.to_string(),
                source: self.source.clone(),
                reason: self.merging.reason.clone(),
                evidence: self.merging.evidence.clone(),
                ..MergeRecord::default()
            };
            let around = around(&mut desk, &[one, other]).await?;
            let edge =
                joining::edge(&desk, self.request, (one, other), MergeState::InForce, &record);
            let mut changed = self.accepted(&desk, &around, (one, other))?;
            changed.push(edge);
            let (customer, members) = set_of(one, rejoin(&mut desk, &around, changed).await?);
            let request = Request {
                token: self.request,
                verb: Verb::Merge,
                fingerprint: &self.fingerprint,
                customer: one,
                caller: &self.caller.key_id,
            };
            journaling::write_request(&mut desk, request, &record);
            let merge_id = self.request;
            Ok(desk.propose(Merged { merge_id, in_force: true, customer, members }))
        })
    }
}

impl MergeOperation {
    /// The service's own proposals of the same: they are decided now.
    fn accepted(
        &self,
        desk: &Desk<'_, '_>,
        around: &Around,
        (one, other): (CustomerId, CustomerId),
    ) -> Result<Vec<MergeRow>, Error> {
        let between = (one.min(other), one.max(other));
        let proposals = around
            .merges
            .iter()
            .filter(|row| row.state == MergeState::Proposed && (row.one, row.other) == between);
        let decide = |row: &MergeRow| {
            let record = MergeRecord {
                undone_by: self.caller.key_id.to_string(),
                undone_reason: "accepted".to_owned(),
                ..joining::open(desk, row)?
            };
            let content = joining::seal(desk, row.merge_id, &record);
            Ok(MergeRow { state: MergeState::Undone, content, ..row.clone() })
        };
        proposals.map(decide).collect()
    }
}

/// The set that a customer is in: its name and members.
pub(super) fn set_of(
    customer: CustomerId,
    sets: BTreeMap<CustomerId, Vec<CustomerId>>,
) -> (CustomerId, Vec<CustomerId>) {
    let own = sets.into_iter().find(|(_, members)| members.contains(&customer));
    own.unwrap_or_else(|| (customer, vec![customer]))
}
