//! What a customer says of consent: put on their file as it was said, never read back and changed.

use super::Error;
use super::absorb;
use super::desk::Desk;
use super::filing::put_block;
use super::record::{BlockRecord, ConsentRecord, State};
use super::settling::customer_of;
use super::working::Working;
use crate::clock::Time;
use crate::context::MAX_PURPOSES;
use crate::identity::Violation;
use crate::ids::{CustomerId, Token};
use crate::store::rows::BlockKind;

/// How often one customer may be asked: after that nothing is granted any more, only refused and
/// withdrawn. It is half of what is read of them, so that what was refused is never left out.
const MOST_GRANTS: usize = 1_000;

/// What was said, at the time it was said or, without one, at `at`. Nobody says anything in the
/// future: a withdrawal would wait behind it.
pub(super) fn timed(said: &[ConsentRecord], at: Time, now: Time) -> Vec<ConsentRecord> {
    let when = |one: &ConsentRecord| if one.time == 0 { at.0 } else { one.time };
    said.iter().map(|one| ConsentRecord { time: when(one).min(now.0), ..one.clone() }).collect()
}

/// Adds what was said to what waits; of one purpose the newest stays, of one moment the most
/// restrictive.
pub(super) fn wait(waiting: &mut Vec<ConsentRecord>, said: Vec<ConsentRecord>) {
    for one in said {
        match waiting.iter_mut().find(|known| known.purpose == one.purpose) {
            Some(known) if (known.time, known.state) >= (one.time, one.state) => {}
            Some(known) => *known = one,
            None => waiting.push(one),
        }
    }
}

/// Refuses what would make an interaction grow without bound.
pub(super) fn within_limits(state: &State) -> Result<(), Error> {
    if state.consents.len() > MAX_PURPOSES {
        return Err(absorb::too_many("consents", MAX_PURPOSES));
    }
    Ok(())
}

/// Refuses more purposes than a customer may have, and more grants than are ever read.
pub(super) async fn may_be_said(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    said: &[ConsentRecord],
    field: &str,
) -> Result<(), Error> {
    if said.is_empty() || desk.working.get(&customer).is_some_and(Working::is_new) {
        return Ok(());
    }
    let person = desk.there(customer, true).await?;
    let context = person.context.clone().unwrap_or_default();
    let purposes = said.iter().map(|one| one.purpose.as_str());
    if context.consents.too_many(person.row.customer, purposes) {
        return Err(too_many(field, MAX_PURPOSES));
    }
    let grants = said.iter().any(|one| one.state == GRANTED);
    if grants && context.consents.blocks >= MOST_GRANTS {
        return Err(too_many(field, MOST_GRANTS));
    }
    Ok(())
}

/// One customer holds only so much.
fn too_many(field: &str, most: usize) -> Error {
    let description = format!("gives this customer more than {most} in all");
    Error::Invalid(vec![Violation { field: field.into(), description }])
}

/// The code of a granted consent.
const GRANTED: i64 = crate::context::ConsentState::Granted as i64;

/// Writes what was said in an interaction that is settled, as one block of its customer.
pub(super) async fn write(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
    consents: Vec<ConsentRecord>,
    at: Time,
) -> Result<(), Error> {
    if consents.is_empty() {
        return Ok(());
    }
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let about = state.about.clone().unwrap_or_default();
    let record = BlockRecord {
        set: at.0,
        consents,
        channel: state.channel.clone(),
        interaction_id: about.interaction_id,
        source: about.source,
        agent_ref: about.agent_ref,
        ..BlockRecord::default()
    };
    put_block(desk, customer, interaction, BlockKind::Consents, record).await
}
