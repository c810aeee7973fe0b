//! The journal row of an operation: the interaction as it now stands, sealed.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::filing::customer_key;
use super::naming::shown_as;
use super::record::{RequestRecord, State};
use super::sealing::Slot;
use super::settling::customer_of;
use crate::clock::Time;
use crate::crypto::DataKey;
use crate::ids::Token;
use crate::store::Effects;
use crate::store::rows::{JournalRow, MergeRow, MergeState, Outcome, Verb};

/// What is done, to what, by whom.
pub(super) struct Entry<'a> {
    pub interaction: Token,
    pub verb: Verb,
    pub part: Vec<u8>,
    pub fingerprint: Vec<u8>,
    pub time: Time,
    pub caller: &'a str,
}

impl Entry<'_> {
    fn slot(&self) -> Slot {
        let (interaction, verb, part) = (self.interaction, self.verb, self.part.clone());
        Slot::Journal { interaction, verb, part }
    }

    /// A row that holds nothing and names nobody. The writer gives it its place and time.
    pub fn bare(self, outcome: Outcome) -> JournalRow {
        JournalRow {
            interaction: self.interaction,
            verb: self.verb,
            part: self.part,
            position: 0,
            fingerprint: self.fingerprint,
            received: Time(0),
            time: self.time,
            channel: String::new(),
            customer: None,
            caller: self.caller.to_owned(),
            outcome,
            state: Vec::new(),
            digest: Vec::new(),
            strips: Vec::new(),
        }
    }
}

/// Adds the journal row; the first one added guards everything else.
pub(super) async fn write(
    desk: &mut Desk<'_, '_>,
    state: &State,
    entry: Entry<'_>,
) -> Result<(), Error> {
    if entry.verb == Verb::Start && joined(desk).next().is_some() {
        // A row beside the guard goes in whether the guard is new or not, so it must be known to be.
        // Boxed: it is rare, and would make every start carry room for it.
        let known = Box::pin(desk.journaled::<State>(entry.interaction)).await?;
        if known.is_some() {
            return Err(Error::AlreadyDone);
        }
    }
    // An erasure may have written the row that was read; this one says that something has happened.
    let anew = state.rewritten.then(|| State { rewritten: false, ..state.clone() });
    let row = row(desk, anew.as_ref().unwrap_or(state), entry).await?;
    desk.effects.journal.push(row);
    Ok(())
}

/// The journal row of an interaction as it now stands.
pub(super) async fn row(
    desk: &mut Desk<'_, '_>,
    state: &State,
    entry: Entry<'_>,
) -> Result<JournalRow, Error> {
    let name = shown_as(desk, state).await?;
    let name = name.as_ref().map_or(&[][..], |name| &name.0);
    let renamed = name != state.shown_as;
    let renamed = renamed.then(|| State { shown_as: name.to_vec(), ..state.clone() });
    let state = renamed.as_ref().unwrap_or(state);
    let customer = customer_of(&state.customer);
    let key: Arc<DataKey> = match customer {
        // What is not settled is nobody's yet: the tenant's own key seals it.
        Some(customer) if state.settled => match desk.working.get(&customer) {
            Some(working) => Arc::clone(&working.key),
            None => known_key(desk, customer).await?,
        },
        _ => Arc::clone(&desk.tenant.key),
    };
    let slot = entry.slot();
    let sealed = slot.seal(desk.tenant_id(), &key, state, &desk.service.entropy);
    let channel = state.channel.clone();
    Ok(JournalRow { channel, customer, state: sealed, ..entry.bare(outcome(state)) })
}

/// Adds the journal row of a request that changed a customer, who is in hand.
pub(super) async fn write_request(
    desk: &mut Desk<'_, '_>,
    record: &RequestRecord,
    entry: Entry<'_>,
) -> Result<(), Error> {
    let customer = customer_of(&record.customer).ok_or(Error::CustomerNotFound)?;
    let key = known_key(desk, customer).await?;
    let sealed = entry.slot().seal(desk.tenant_id(), &key, record, &desk.service.entropy);
    let outcome = if record.created { Outcome::New } else { Outcome::Known };
    let row = JournalRow { customer: Some(customer), state: sealed, ..entry.bare(outcome) };
    desk.effects.journal.push(row);
    Ok(())
}

/// Adds a row for each merge that the service itself makes with this decision, in the name of whose call
/// led to it: whoever follows the journal is told of it as of one that was asked for.
pub(super) fn write_merges(desk: &mut Desk<'_, '_>) {
    let mut rows = Vec::new();
    for edge in joined(desk) {
        let (guard, one) = (desk.effects.journal.first(), desk.working.get(&edge.one));
        let (Some(guard), Some(one)) = (guard, one) else { continue };
        let entry = Entry {
            interaction: edge.merge_id,
            verb: Verb::Merge,
            part: Vec::new(),
            fingerprint: Vec::new(),
            time: desk.service.store.now(),
            caller: &guard.caller,
        };
        let record = RequestRecord { customer: edge.one.0.to_vec(), ..RequestRecord::default() };
        let (tenant, entropy) = (desk.tenant_id(), &desk.service.entropy);
        let state = entry.slot().seal(tenant, &one.key, &record, entropy);
        let row = entry.bare(Outcome::Known);
        rows.push(JournalRow { customer: Some(edge.one), state, ..row });
    }
    desk.effects.journal.extend(rows);
}

/// Merges that this decision puts into force and nobody asked for: a request's has a row of its id.
fn joined<'d>(desk: &'d Desk<'_, '_>) -> impl Iterator<Item = &'d MergeRow> {
    let Effects { merges, journal, .. } = &desk.effects;
    merges.iter().filter(move |edge| {
        let asked = journal.iter().any(|row| row.interaction == edge.merge_id);
        edge.state == MergeState::InForce && !asked
    })
}

/// Adds the journal row of a request that leaves no customer: the tenant's own key seals it.
pub(super) fn write_unnamed(desk: &mut Desk<'_, '_>, record: &RequestRecord, entry: Entry<'_>) {
    let (tenant, entropy) = (desk.tenant, &desk.service.entropy);
    let sealed = entry.slot().seal(tenant.id, &tenant.key, record, entropy);
    let row = JournalRow { state: sealed, ..entry.bare(Outcome::Removed) };
    desk.effects.journal.push(row);
}

async fn known_key(
    desk: &mut Desk<'_, '_>,
    customer: crate::ids::CustomerId,
) -> Result<Arc<DataKey>, Error> {
    if let Some(working) = desk.working.get(&customer) {
        return Ok(Arc::clone(&working.key));
    }
    match desk.one(customer, false).await? {
        Some(person) => Ok(Arc::clone(&person.key)),
        None => customer_key(desk, customer).await,
    }
}

fn outcome(state: &State) -> Outcome {
    match (state.settled, state.made_customer, state.supports.is_empty()) {
        (false, ..) => Outcome::Unsettled,
        (true, true, true) => Outcome::Unidentified,
        (true, true, false) => Outcome::New,
        (true, false, _) => Outcome::Known,
    }
}
