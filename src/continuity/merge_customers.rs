//! MergeCustomers: two customers are one person from now on.
//!
//! Replay? → both sets → an edge between the two → everybody's set → write → answer. Nothing moves:
//! each keeps what is theirs, and taking the edge away undoes exactly this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::changing::Asked;
use super::desk::Desk;
use super::joining::{self, Around, MergeRecord, around, rejoin};
use super::naming::named;
use super::record::RequestRecord;
use super::service::Service;
use super::traces::About;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::merges;
use crate::store::rows::{MergeRow, MergeState, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads};

/// Merges that members of one set took part in at most, undone ones too.
const MOST_MERGES: usize = 1_000;

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
        let named = (&*merging.source, &*merging.request_id);
        let asked = Asked::of(self, caller, Verb::Merge, named, &merging.content)?;
        let merge_id = asked.token;
        let (service, own) = (Arc::clone(self), caller.clone());
        let operation = Arc::new(MergeOperation { service, caller: own, asked, merging });
        match self.change(Arc::clone(&operation)).await? {
            Some(merged) => Ok(merged),
            None => {
                let merged = merged_as_it_stands(&operation, merge_id).await;
                let whom = |it: &Merged| vec![it.customer];
                self.traced(caller, Verb::Repeat, &About::of(merge_id), merged, whom)
            }
        }
    }
}

/// A merge that was made before, as it now stands.
async fn merged_as_it_stands(operation: &MergeOperation, merge_id: Token) -> Result<Merged, Error> {
    let MergeOperation { service, caller, merging, .. } = operation;
    let mut reads = Reads::Fresh(Arc::clone(&service.store));
    let mut desk = Desk::new(service, &caller.tenant, &mut reads);
    let tenant = desk.tenant_id();
    let row = desk
        .reads
        .look(Box::new(move |connection| {
            Box::pin(async move { merges::merge(connection, tenant, merge_id).await })
        }))
        .await?;
    let Some(row) = row else {
        // It went with one of the two: with the first, the request went as well.
        desk.journaled::<RequestRecord>(merge_id).await?;
        // The other one may have been erased: whoever named them is told.
        named(&mut desk, &merging.customer_ref).await?;
        named(&mut desk, &merging.other_customer_ref).await?;
        return Err(Error::CustomerNotFound);
    };
    let person = desk.there(row.one, false).await?;
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
    asked: Asked,
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
    ) -> Boxed<'a, Result<Proposed<Merged>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let one = named(&mut desk, &self.merging.customer_ref).await?;
            let other = named(&mut desk, &self.merging.other_customer_ref).await?;
            if one == other {
                return Err(Error::SameCustomer);
            }
            let record = MergeRecord {
                made_by: self.caller.key_id.to_string(),
                source: self.caller.addresses(&self.merging.source)?,
                reason: self.merging.reason.clone(),
                evidence: self.merging.evidence.clone(),
                ..MergeRecord::default()
            };
            let around = around(&mut desk, &[one, other]).await?;
            if around.merges.len() >= MOST_MERGES {
                return Err(Error::SetTooLarge);
            }
            let edge =
                joining::edge(&desk, self.asked.token, (one, other), MergeState::InForce, &record);
            let mut changed = self.accepted(&desk, &around, (one, other))?;
            changed.push(edge);
            let (customer, members) = set_of(one, rejoin(&mut desk, &around, changed).await?);
            joining::mark_disputes(&mut desk, &members).await?;
            let record = RequestRecord { customer: one.0.to_vec(), ..RequestRecord::default() };
            self.asked.write(&mut desk, &self.caller, &record).await?;
            let merge_id = self.asked.token;
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
            let (content, revision) = joining::seal(desk, row.merge_id, &record);
            Ok(MergeRow { state: MergeState::Undone, content, revision, ..row.clone() })
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
