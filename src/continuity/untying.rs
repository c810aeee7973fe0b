//! What was unlinked stays so: which contacts are no reason for a tie any more.

use super::desk::Desk;
use super::recognise::Looked;
use super::record::State;
use crate::clock::Time;
use crate::ids::{CustomerId, Token};

/// When a contact began, as far as what it gives reason for goes: no later than the service first heard
/// of it. A caller's clock may run ahead of ours, and what was under way when an identifier was unlinked
/// had begun, whatever it says of itself.
pub(super) fn began(desk: &Desk<'_, '_>, state: &State, interaction: Token) -> Time {
    Time(state.start_time).min(desk.first_heard(interaction))
}

/// Whether an identifier was taken from a customer since this contact began: it is not linked again for
/// the contact's sake.
pub(super) fn untied_since(
    desk: &Desk<'_, '_>,
    state: &State,
    interaction: Token,
    looked: &Looked<'_>,
    (customer, token): (CustomerId, Token),
) -> bool {
    let untied = untied(desk, looked, customer, token);
    // Most ties were never unlinked: nothing is asked of the contact then.
    untied > Time(0) && untied >= began(desk, state, interaction)
}

/// Until when contacts give no reason for a customer's tie; never, for most.
fn untied(desk: &Desk<'_, '_>, looked: &Looked<'_>, customer: CustomerId, token: Token) -> Time {
    if let Some(working) = desk.working.get(&customer) {
        return working.untied(token);
    }
    let ties = looked.people.get(&customer).map_or(&[][..], |person| &person.ties);
    ties.iter().find(|tie| tie.token == token).map_or(Time(0), |tie| tie.untied)
}
