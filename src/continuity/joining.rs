//! Sets of customers: edges made and taken back, and what that makes of everybody's set.
//!
//! Whoever may be concerned is read whole: all members of the sets and all their merges. Everybody
//! gets a new stamp, so that nothing decided on the sets as they were is written afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;

use super::Error;
use super::desk::Desk;
use super::filing;
use super::sealing::Slot;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{Context, profile_conflicts};
use crate::identity::{MOST_MEMBERS, sets};
use crate::ids::{CustomerId, Token};
use crate::store::merges;
use crate::store::rows::{BlockKind, BlockRow, MergeRow, MergeState};

/// A merge as it is sealed: who made it and who took it back, why, on what evidence.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct MergeRecord {
    /// The public part of the API key that made it; empty when the service did.
    #[prost(string, tag = "1")]
    pub made_by: String,
    /// The source it spoke for.
    #[prost(string, tag = "2")]
    pub source: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(string, tag = "4")]
    pub evidence: String,
    /// The API key that took it back.
    #[prost(string, tag = "5")]
    pub undone_by: String,
    #[prost(string, tag = "6")]
    pub undone_reason: String,
}

impl std::fmt::Debug for MergeRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MergeRecord(…)")
    }
}

/// One merge of a history.
pub struct Merge {
    /// Its id.
    pub merge_id: Token,
    /// The older of the two.
    pub one: CustomerId,
    /// The younger one.
    pub other: CustomerId,
    /// Whether it holds.
    pub state: MergeState,
    /// When it was made: store time.
    pub made: Time,
    /// When it was taken back; zero while in force.
    pub undone: Time,
    /// The public part of the API key that made it; empty when the service did.
    pub made_by: String,
    /// The source it spoke for.
    pub source: String,
    /// Why.
    pub reason: String,
    /// On what evidence.
    pub evidence: String,
    /// The API key that took it back.
    pub undone_by: String,
    /// Why it was taken back.
    pub undone_reason: String,
}

/// Everybody whom a change of edges may concern, and every merge they ever took part in.
pub(super) struct Around {
    everybody: BTreeSet<CustomerId>,
    pub merges: Vec<MergeRow>,
}

impl Around {
    /// The set of each of them by its name, with these edges, new or changed.
    pub fn names(&self, changed: &[MergeRow]) -> BTreeMap<CustomerId, CustomerId> {
        let everybody: Vec<CustomerId> = self.everybody.iter().copied().collect();
        let is_kept = |row: &&MergeRow| changed.iter().all(|new| new.merge_id != row.merge_id);
        let edges: Vec<(CustomerId, CustomerId)> = self
            .merges
            .iter()
            .filter(is_kept)
            .chain(changed)
            .filter(|row| row.state == MergeState::InForce)
            .map(|row| (row.one, row.other))
            .collect();
        sets(&everybody, &edges)
    }
}

/// Reads the sets of these customers, who exist or are about to.
pub(super) async fn around(
    desk: &mut Desk<'_, '_>,
    customers: &[CustomerId],
) -> Result<Around, Error> {
    let is_new = |id: &CustomerId| desk.working.get(id).is_some_and(|working| working.is_new());
    // What this very decision has joined already counts, though the store knows nothing of it.
    let pending = desk.effects.merges.clone();
    let concerned = pending.iter().flat_map(|row| [row.one, row.other]);
    let concerned: BTreeSet<CustomerId> = customers.iter().copied().chain(concerned).collect();
    let (new, known): (Vec<CustomerId>, Vec<CustomerId>) =
        concerned.into_iter().partition(|id| is_new(id));
    let mut everybody: BTreeSet<CustomerId> = desk.sets(&known, false).await?.into_keys().collect();
    let tenant = desk.tenant_id();
    let ids: Vec<CustomerId> = everybody.iter().copied().collect();
    everybody.extend(new);
    let mut merges = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { merges::merges(connection, tenant, &ids).await })
        }))
        .await?;
    merges.retain(|row| pending.iter().all(|new| new.merge_id != row.merge_id));
    merges.extend(pending);
    Ok(Around { everybody, merges })
}

/// Writes these edges, new or changed, and everybody's set as it then is. Each set that results:
/// its name and members.
///
/// # Errors
/// [`Error::SetTooLarge`] when more than [`MOST_MEMBERS`] would be one person.
pub(super) async fn rejoin(
    desk: &mut Desk<'_, '_>,
    around: &Around,
    changed: Vec<MergeRow>,
) -> Result<BTreeMap<CustomerId, Vec<CustomerId>>, Error> {
    let names = around.names(&changed);
    let mut resulting: BTreeMap<CustomerId, Vec<CustomerId>> = BTreeMap::new();
    for (customer, name) in &names {
        resulting.entry(*name).or_default().push(*customer);
    }
    if resulting.values().any(|members| members.len() > MOST_MEMBERS) {
        return Err(Error::SetTooLarge);
    }
    for (customer, name) in &names {
        let alone = resulting.get(name).is_none_or(|members| members.len() < 2);
        desk.take_in_hand(*customer).await?.touch().set_name = (!alone).then_some(*name);
    }
    let written = &mut desk.effects.merges;
    written.retain(|row| changed.iter().all(|new| new.merge_id != row.merge_id));
    written.extend(changed);
    Ok(resulting)
}

/// Marks those who have become one person, where they say different things of themselves: each of
/// them, since an unmerge of others may part them. What somebody chose within one set may be of no
/// weight in another.
pub(super) async fn mark_disputes(
    desk: &mut Desk<'_, '_>,
    members: &[CustomerId],
) -> Result<(), Error> {
    let is_new = |id: &CustomerId| desk.working.get(id).is_some_and(|working| working.is_new());
    let known: Vec<CustomerId> = members.iter().copied().filter(|id| !is_new(id)).collect();
    let people = desk.sets(&known, true).await?;
    let contexts = people.values().map(|person| person.context.clone().unwrap_or_default());
    let whole = Context::gathered(contexts.collect());
    let chosen = whole.profile.iter().any(|write| write.resolves.is_some());
    // What this very operation writes is not in their contexts yet.
    let written =
        |row: &BlockRow| row.kind == BlockKind::Profile && members.contains(&row.customer);
    let unseen = desk.effects.blocks.iter().any(written);
    if chosen || unseen || !profile_conflicts(&whole.profile).is_empty() {
        for member in members {
            filing::mark_dispute(desk, *member);
        }
    }
    Ok(())
}

/// Takes a customer who is about to be removed out of their set: their merges are undone, and what
/// was said of them is gone.
pub(super) async fn leave(desk: &mut Desk<'_, '_>, customer: CustomerId) -> Result<(), Error> {
    if undo_all(desk, customer, |_| true).await? {
        // The row goes; nothing is to be written of it.
        desk.working.remove(&customer);
    }
    Ok(())
}

/// Nobody can say any more whether this customer, whose ref names another from now on, is one with
/// those who were proposed.
pub(super) async fn drop_proposals(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
) -> Result<(), Error> {
    undo_all(desk, customer, |row| row.state == MergeState::Proposed).await.map(drop)
}

/// Undoes a customer's merges, and forgets what was said of them; whether there were any.
async fn undo_all(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    which: impl Fn(&MergeRow) -> bool,
) -> Result<bool, Error> {
    let around = around(desk, &[customer]).await?;
    let record = MergeRecord { undone_reason: REMOVED.to_owned(), ..MergeRecord::default() };
    let own = |row: &&MergeRow| row.one == customer || row.other == customer;
    let undone = around.merges.iter().filter(own).filter(|row| which(row)).map(|row| {
        let (content, revision) = seal(desk, row.merge_id, &record);
        MergeRow { state: MergeState::Undone, content, revision, ..row.clone() }
    });
    let undone: Vec<MergeRow> = undone.collect();
    if undone.is_empty() {
        return Ok(false);
    }
    rejoin(desk, &around, undone).await?;
    Ok(true)
}

/// Why a merge of somebody who is no more does not hold.
const REMOVED: &str = "a customer was removed";

/// An edge between two customers.
pub(super) fn edge(
    desk: &Desk<'_, '_>,
    merge_id: Token,
    between: (CustomerId, CustomerId),
    state: MergeState,
    record: &MergeRecord,
) -> MergeRow {
    let (one, other) = (between.0.min(between.1), between.0.max(between.1));
    let (content, revision) = seal(desk, merge_id, record);
    MergeRow { merge_id, one, other, state, made: Time(0), undone: Time(0), content, revision }
}

/// Seals what is known of a merge, under a revision of its own. It is about two customers: the
/// tenant's key seals it.
pub(super) fn seal(desk: &Desk<'_, '_>, merge_id: Token, record: &MergeRecord) -> (Vec<u8>, i64) {
    let (tenant, entropy) = (desk.tenant, &desk.service.entropy);
    let revision = entropy.positive();
    let slot = Slot::Merge { merge_id, revision };
    (slot.seal(tenant.id, &tenant.key, record, entropy), revision)
}

/// Opens what is known of a merge.
pub(super) fn open(desk: &Desk<'_, '_>, row: &MergeRow) -> Result<MergeRecord, Error> {
    let tenant = desk.tenant;
    let slot = Slot::Merge { merge_id: row.merge_id, revision: row.revision };
    slot.open(tenant.id, &tenant.key, &row.content)
}

/// Every merge that members of this set took part in, oldest first.
pub(super) async fn history(
    desk: &mut Desk<'_, '_>,
    set: &[Arc<Remembered>],
) -> Result<Vec<Merge>, Error> {
    let tenant = desk.tenant_id();
    let ids: BTreeSet<CustomerId> = set.iter().map(|member| member.row.customer).collect();
    let ids: Vec<CustomerId> = ids.into_iter().collect();
    let mut rows = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { merges::merges(connection, tenant, &ids).await })
        }))
        .await?;
    rows.sort_by_key(|row| (row.made, row.merge_id));
    rows.iter().map(|row| opened(desk, row)).collect()
}

/// A merge with what was sealed of it.
pub(super) fn opened(desk: &Desk<'_, '_>, row: &MergeRow) -> Result<Merge, Error> {
    let record = open(desk, row)?;
    Ok(Merge {
        merge_id: row.merge_id,
        one: row.one,
        other: row.other,
        state: row.state,
        made: row.made,
        undone: row.undone,
        made_by: record.made_by,
        source: record.source,
        reason: record.reason,
        evidence: record.evidence,
        undone_by: record.undone_by,
        undone_reason: record.undone_reason,
    })
}
