//! UnmergeCustomers: takes one merge back, exactly.
//!
//! Replay? → the edge → everybody's set without it → write → answer. What was written to either
//! customer while they were one person is still where it was written.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::changing::Asked;
use super::desk::Desk;
use super::joining::{self, MergeRecord, around, rejoin};
use super::merge_customers::{members_or_alone, set_of};
use super::naming::named;
use super::record::RequestRecord;
use super::service::Service;
use super::settling::token_of;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::merges;
use crate::store::rows::{MergeRow, MergeState, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads};

/// Which merge to take back.
#[derive(Clone)]
pub enum Which {
    /// The one of this id.
    Merge(Token),
    /// Every one directly between these two.
    Between(String, String),
}

/// An unmerge, parsed.
#[derive(Clone)]
pub struct Unmerging {
    /// Who says so; empty for the key's own.
    pub source: String,
    /// This request's own id.
    pub request_id: String,
    /// The request in canonical form: what makes two unmerges the same.
    pub content: Vec<u8>,
    /// Which merge.
    pub which: Which,
    /// Why.
    pub reason: String,
}

/// The answer to an unmerge: the sets of the two as they now are. They are one still where other
/// merges hold them together.
pub struct Unmerged {
    /// The merges that were taken back.
    pub merge_ids: Vec<Token>,
    /// The set of the older of the two: its name and members.
    pub one: (CustomerId, Vec<CustomerId>),
    /// The set of the younger one.
    pub other: (CustomerId, Vec<CustomerId>),
}

impl Service {
    /// Takes a merge back.
    ///
    /// # Errors
    /// [`Error::MergeNotFound`] when none is in force, [`Error::CustomerNotFound`],
    /// [`Error::RequestConflict`] for a known request id with other content, those of roles and
    /// sources, and the store's.
    pub async fn unmerge_customers(
        self: &Arc<Self>,
        caller: &Caller,
        unmerging: Unmerging,
    ) -> Result<Unmerged, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*unmerging.source, &*unmerging.request_id);
        let asked = Asked::of(self, caller, Verb::Unmerge, named, &unmerging.content)?;
        let (service, own) = (Arc::clone(self), caller.clone());
        let operation = Arc::new(UnmergeOperation { service, caller: own, asked, unmerging });
        match self.change(Arc::clone(&operation)).await? {
            Some(unmerged) => Ok(unmerged),
            None => {
                let (_, record) = self.as_answered(caller, operation.asked.token).await?;
                let mut reads = Reads::Fresh(Arc::clone(&self.store));
                let mut desk = Desk::new(self, &caller.tenant, &mut reads);
                let mut undone = Vec::with_capacity(record.merges.len());
                for merge_id in record.merges.iter().filter_map(|bytes| token_of(bytes)) {
                    undone.extend(find(&mut desk, &Which::Merge(merge_id)).await?);
                }
                if undone.is_empty() {
                    // They went with one of the two: with the older, the request went as well.
                    desk.journaled::<RequestRecord>(operation.asked.token).await?;
                    if let Which::Between(one, other) = &operation.unmerging.which {
                        // The younger may have been erased: whoever named them is told.
                        self::named(&mut desk, one).await?;
                        self::named(&mut desk, other).await?;
                    }
                }
                unmerged_as_it_stands(&mut desk, &undone).await
            }
        }
    }
}

/// The merges that are meant, whatever has become of them.
async fn find(desk: &mut Desk<'_, '_>, which: &Which) -> Result<Vec<MergeRow>, Error> {
    let tenant = desk.tenant_id();
    match which {
        Which::Merge(merge_id) => {
            let merge_id = *merge_id;
            let found = desk
                .reads
                .look(Box::new(move |connection| {
                    Box::pin(async move { merges::merge(connection, tenant, merge_id).await })
                }))
                .await?;
            Ok(found.into_iter().collect())
        }
        Which::Between(one, other) => {
            let one = named(desk, one).await?;
            let other = named(desk, other).await?;
            let around = around(desk, &[one, other]).await?;
            let between = (one.min(other), one.max(other));
            let mut found = around.merges;
            found.retain(|row| (row.one, row.other) == between);
            Ok(found)
        }
    }
}

async fn unmerged_as_it_stands(
    desk: &mut Desk<'_, '_>,
    rows: &[MergeRow],
) -> Result<Unmerged, Error> {
    let first = rows.first().ok_or(Error::MergeNotFound)?;
    let mut sets = Vec::with_capacity(2);
    for id in [first.one, first.other] {
        let person = desk.there(id, false).await?;
        let members = members_or_alone(&person.members, person.row.customer);
        sets.push((person.set_name(), members));
    }
    let merge_ids = rows.iter().map(|row| row.merge_id).collect();
    let [one, other] = sets.try_into().map_err(|_| Error::CustomerNotFound)?;
    Ok(Unmerged { merge_ids, one, other })
}

struct UnmergeOperation {
    service: Arc<Service>,
    caller: Caller,
    asked: Asked,
    unmerging: Unmerging,
}

impl Operation for UnmergeOperation {
    type Answer = Unmerged;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Unmerged>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let found = find(&mut desk, &self.unmerging.which).await?;
            let first = found.first().ok_or(Error::MergeNotFound)?;
            let (one, other) = (first.one, first.other);
            // Read again under the stamps of all concerned: what was found may have changed.
            let around = around(&mut desk, &[one, other]).await?;
            let meant = |row: &&MergeRow| found.iter().any(|it| it.merge_id == row.merge_id);
            let mut undone = Vec::new();
            // A proposal that is taken back is declined.
            let standing = |row: &&MergeRow| row.state != MergeState::Undone;
            for row in around.merges.iter().filter(meant).filter(standing) {
                let record = MergeRecord {
                    undone_by: self.caller.key_id.to_string(),
                    undone_reason: self.unmerging.reason.clone(),
                    ..joining::open(&desk, row)?
                };
                let (content, revision) = joining::seal(&desk, row.merge_id, &record);
                undone.push(MergeRow {
                    state: MergeState::Undone,
                    content,
                    revision,
                    ..row.clone()
                });
            }
            if undone.is_empty() {
                return Err(Error::MergeNotFound);
            }
            let merge_ids = undone.iter().map(|row| row.merge_id).collect();
            let sets = rejoin(&mut desk, &around, undone).await?;
            let merge_ids: Vec<Token> = merge_ids;
            let record = RequestRecord {
                customer: one.0.to_vec(),
                merges: merge_ids.iter().map(|merge_id| merge_id.0.to_vec()).collect(),
                ..RequestRecord::default()
            };
            self.asked.write(&mut desk, &self.caller, &record).await?;
            let (one, other) = (set_of(one, sets.clone()), set_of(other, sets));
            Ok(desk.propose(Unmerged { merge_ids, one, other }))
        })
    }
}
