//! More hints on an interaction that is settled on somebody known: they link what points to nobody
//! else, and move nothing; what does point to somebody else is listed, and asked for. Where it rests on
//! no identifier of a customer of whom others have made more, they link nothing: whoever is there may be
//! another one, and what they show would lead them to that customer from then on.

use super::Error;
use super::absorb::said_yes;
use super::desk::Desk;
use super::naming::name_as;
use super::recognise::{self, Looked};
use super::record::{CandidateRecord, ConflictRecord, State};
use super::resting;
use super::retiring;
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
    let borrowed = !said_yes(state) && resting::is_borrowed(desk, state).await?;
    let earlier = state.decision.clone().unwrap_or_default();
    let set = looked.set_name(customer);
    let of_customer = decision.candidates.iter().find(|one| one.customer == set);
    let matches = of_customer.map_or(0, |one| one.assurance.code());
    let basis = if retiring::is_all_they_have(desk, state, interaction).await? {
        Basis::NewCustomer
    } else if said_yes(state) {
        Basis::Confirmed(Assurance::from_code(state.vouched).unwrap_or(Assurance::Asserted))
    } else {
        // Whom it made is a customer like any other once anything else is theirs.
        let decided = if state.made_customer { 0 } else { earlier.assurance };
        let strength = Assurance::from_code(decided.max(matches));
        Basis::Decided(strength.unwrap_or(Assurance::Asserted))
    };
    let own = |index: usize| !borrowed && !elsewhere(index);
    settle(desk, state, interaction, customer, looked, basis, own).await?;
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
    record.assurance = earlier.assurance.max(matches);
    // What was decided stands; what points elsewhere makes the caller ask, unless this customer is
    // recognised all the same: they hold the primary identifier, or a token proves them.
    let best = decision.candidates.first().map(|best| best.customer);
    let recognised = decision.recommendation == Recommendation::Reuse && best == Some(set);
    record.recommendation = if (record.conflicts.is_empty() && !borrowed) || recognised {
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
