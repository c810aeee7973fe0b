//! What callers vouch for: by their word on who it is, or by a proof that the customer gave. It is
//! said of one customer. Of whoever an interaction turns out to be about next it says nothing: a PIN
//! that one person knew must not open what is another's.

use super::Error;
use super::absorb::News;
use super::desk::Desk;
use super::record::State;
use super::settling::customer_of;
use crate::identity::{Assurance, Verification};
use crate::ids::CustomerId;

/// What one request vouches for.
#[derive(Clone, Copy)]
pub(super) struct Word {
    strength: Option<Assurance>,
    verification: Option<Verification>,
}

impl Word {
    /// The word of a caller, under its own ceiling.
    pub fn of(news: &News, ceiling: Option<Assurance>) -> Self {
        let judged = news.feedback.as_ref().map(|_| Verification::AgentJudgement.assurance());
        let proved = news.verification.map(Verification::assurance);
        let strength = proved.max(judged);
        let strength = strength.map(|it| ceiling.map_or(it, |most| it.min(most)));
        Self { strength, verification: news.verification }
    }

    /// Whether it vouches for anything.
    pub fn is_given(self) -> bool {
        self.strength.is_some()
    }

    /// Takes it over, beside what earlier requests said of the same customer.
    pub fn heard(self, state: &mut State) {
        if let Some(strength) = self.strength {
            state.vouched = state.vouched.max(strength.code());
        }
        if let Some(verification) = self.verification {
            let known = Verification::from_code(state.verification).map(Verification::assurance);
            if known <= Some(verification.assurance()) {
                state.verification = verification.code();
            }
        }
    }

    /// The interaction becomes this customer's, or somebody's who is new: unless that is who it was
    /// about all along, only this request's word is left.
    ///
    /// # Errors
    /// The store's.
    pub async fn heard_of(
        self,
        desk: &mut Desk<'_, '_>,
        state: &mut State,
        customer: Option<CustomerId>,
    ) -> Result<(), Error> {
        let before = customer_of(&state.customer);
        let same = match (before, customer) {
            (Some(before), Some(after)) if before != after => {
                set_name(desk, before).await? == set_name(desk, after).await?
            }
            (before, after) => before.is_some() && before == after,
        };
        if !same {
            forget(state);
            self.heard(state);
        }
        Ok(())
    }
}

/// Where a correction has left a customer with nothing, their ref resolves to whoever got their contact:
/// of those nobody has said anything in an interaction that still names the first.
///
/// # Errors
/// The store's.
pub(super) async fn forget_if_moved(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
) -> Result<(), Error> {
    let said = (state.vouched, state.verification, state.feedback) != (0, 0, 0);
    let Some(id) = customer_of(&state.customer).filter(|_| said) else { return Ok(()) };
    if desk.working.contains_key(&id) {
        return Ok(());
    }
    if desk.person(id, false).await?.is_some_and(|person| person.row.customer != id) {
        forget(state);
        state.feedback = 0;
    }
    Ok(())
}

/// Nobody's word stands any more.
pub(super) fn forget(state: &mut State) {
    (state.vouched, state.verification) = (0, 0);
}

async fn set_name(desk: &mut Desk<'_, '_>, id: CustomerId) -> Result<CustomerId, Error> {
    Ok(desk.person(id, false).await?.map_or(id, |person| person.set_name()))
}
