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
use crate::store::rows::{JournalRow, Outcome, Verb};

/// What is done, to what, by whom.
pub(super) struct Entry<'a> {
    pub interaction: Token,
    pub verb: Verb,
    pub part: Vec<u8>,
    pub fingerprint: Vec<u8>,
    pub time: Time,
    pub caller: &'a str,
}

/// Adds the journal row; the first one added guards everything else.
pub(super) async fn write(
    desk: &mut Desk<'_, '_>,
    state: &State,
    entry: Entry<'_>,
) -> Result<(), Error> {
    let name = shown_as(desk, state).await?.map_or_else(Vec::new, |name| name.0.to_vec());
    let renamed = (name != state.shown_as).then(|| State { shown_as: name, ..state.clone() });
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
    let Entry { interaction, verb, part, fingerprint, time, caller } = entry;
    let slot = Slot::Journal { interaction, verb, part: part.clone() };
    let row = JournalRow {
        interaction,
        verb,
        part,
        position: 0,
        fingerprint,
        received: Time(0),
        time,
        channel: state.channel.clone(),
        customer,
        caller: caller.to_owned(),
        outcome: outcome(state),
        state: slot.seal(desk.tenant_id(), &key, state, &desk.service.entropy),
        digest: Vec::new(),
        strips: Vec::new(),
    };
    desk.effects.journal.push(row);
    Ok(())
}

/// Adds the journal row of a request that changed a customer, who is in hand.
pub(super) async fn write_request(
    desk: &mut Desk<'_, '_>,
    record: &RequestRecord,
    entry: Entry<'_>,
) -> Result<(), Error> {
    let customer = customer_of(&record.customer).ok_or(Error::CustomerNotFound)?;
    let key = known_key(desk, customer).await?;
    let Entry { interaction, verb, part, fingerprint, time, caller } = entry;
    let slot = Slot::Journal { interaction, verb, part: part.clone() };
    let row = JournalRow {
        interaction,
        verb,
        part,
        position: 0,
        fingerprint,
        received: Time(0),
        time,
        channel: String::new(),
        customer: Some(customer),
        caller: caller.to_owned(),
        outcome: if record.created { Outcome::New } else { Outcome::Known },
        state: slot.seal(desk.tenant_id(), &key, record, &desk.service.entropy),
        digest: Vec::new(),
        strips: Vec::new(),
    };
    desk.effects.journal.push(row);
    Ok(())
}

async fn known_key(
    desk: &mut Desk<'_, '_>,
    customer: crate::ids::CustomerId,
) -> Result<Arc<DataKey>, Error> {
    if let Some(working) = desk.working.get(&customer) {
        return Ok(Arc::clone(&working.key));
    }
    match desk.people(&[customer], false).await?.remove(&customer) {
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
