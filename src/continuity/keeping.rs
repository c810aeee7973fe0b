//! More hints on an interaction that is settled on somebody known: they link what points to nobody
//! else, and move nothing; what does point to somebody else is listed, and asked for.

use super::Error;
use super::absorb::said_yes;
use super::desk::Desk;
use super::naming::name_as;
use super::recognise::{self, Looked};
use super::record::{CandidateRecord, ConflictRecord, State};
use super::settling::{customer_of, settle};
use crate::clock::Time;
use crate::identity::{Assurance, Basis, Decision, Recommendation};
use crate::ids::{CustomerId, Token};

/// Settled on somebody known, or somebody's word stands: more hints link what does not point
/// elsewhere, and move nothing.
pub(super) async fn keep(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    looked: &Looked<'_>,
    decision: &Decision,
) -> Result<(), Error> {
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let elsewhere = |index: usize| looked.points_elsewhere(index, customer);
    let earlier = state.decision.clone().unwrap_or_default();
    let basis = if state.made_customer {
        Basis::NewCustomer
    } else if said_yes(state) {
        Basis::Confirmed(Assurance::from_code(state.vouched).unwrap_or(Assurance::Asserted))
    } else {
        let now = decision.assurance.map_or(0, Assurance::code);
        let strength = Assurance::from_code(earlier.assurance.max(now));
        Basis::Decided(strength.unwrap_or(Assurance::Asserted))
    };
    settle(desk, state, interaction, customer, looked, basis, |index| !elsewhere(index)).await?;
    let asks = (0..looked.shown.len()).any(elsewhere);
    let at = Time(state.start_time);
    let mut record = recognise::record(desk, looked, decision, at, asks).await?;
    let own = |one: &CandidateRecord| one.customer == state.customer;
    name_as(&mut record, looked, customer);
    if !record.candidates.iter().any(own) {
        // What was decided on this customer stays what is said of them.
        let known = earlier.candidates.iter().find(|one| own(one)).cloned();
        record.candidates.splice(0..0, known);
    }
    record.conflicts = conflicts_with(looked, state, customer);
    record.inherited = earlier.inherited;
    record.assurance = record.assurance.max(earlier.assurance);
    // What was decided stands; what points elsewhere makes the caller ask, unless this customer is
    // recognised all the same: they hold the primary identifier, or a token proves them.
    let best = decision.candidates.first().map(|best| best.customer);
    let recognised =
        decision.recommendation == Recommendation::Reuse && best == Some(looked.set_name(customer));
    record.recommendation = if record.conflicts.is_empty() || recognised {
        earlier.recommendation
    } else {
        earlier.recommendation.min(Recommendation::Confirm.code())
    };
    state.decision = Some(record);
    Ok(())
}

/// What was shown that points to somebody else than this customer.
pub(super) fn conflicts_with(
    looked: &Looked<'_>,
    state: &State,
    customer: CustomerId,
) -> Vec<ConflictRecord> {
    let elsewhere = |index: &usize| looked.points_elsewhere(*index, customer);
    let mut conflicts = recognise::conflicts(looked, (0..looked.shown.len()).filter(elsewhere));
    let named = customer_of(&state.named).filter(|named| looked.people.contains_key(named));
    if named.is_some_and(|named| looked.set_name(named) != looked.set_name(customer)) {
        conflicts.push(recognise::named_elsewhere());
    }
    conflicts
}
