//! What news does to an interaction that is under way: more hints, somebody's word on who it is, a
//! verification. Updates, ends and late starts all come through here.

use super::Error;
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::filing;
use super::recognise::{self, Looked, hint, hint_record, judge, look};
use super::record::State;
use super::settling::{self, customer_of, move_to, new_customer, settle, withdraw};
use crate::clock::Time;
use crate::identity::{Assurance, Basis, Decision, Hint, Recommendation, Verification};
use crate::ids::{CustomerId, Token};

/// Somebody's word on who it is.
#[derive(Clone)]
pub enum Feedback {
    /// The person is who the answer named, or the customer named here.
    Confirmed(Option<String>),
    /// The person is not; they are the customer named here, or somebody new.
    Rejected(Option<String>),
}

/// Codes of `State::feedback`.
pub(super) const CONFIRMED: i64 = 1;
pub(super) const REJECTED: i64 = 2;

/// What became known.
#[derive(Clone, Default)]
pub(super) struct News {
    pub hints: Vec<Hint>,
    pub named: Option<String>,
    pub feedback: Option<Feedback>,
    pub verification: Option<Verification>,
}

impl News {
    /// A bot may say who it is only after a PIN or a one-time password.
    pub fn allowed(&self, caller: &Caller) -> Result<(), Error> {
        let others = [Role::Telephony, Role::Agent, Role::Helpdesk, Role::Admin, Role::Backfill];
        let proved = matches!(self.verification, Some(Verification::Pin | Verification::Otp));
        if self.feedback.is_some() && !proved && caller.needs(&others).is_err() {
            return Err(if caller.has(Role::Bot) {
                Error::VerificationRequired
            } else {
                Error::RoleRequired
            });
        }
        Ok(())
    }
}

/// Takes news in: decides anew where hints are new, then follows what somebody said.
pub(super) async fn absorb(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    news: &News,
    ceiling: Option<Assurance>,
) -> Result<Vec<Warning>, Error> {
    let mut warnings = Vec::new();
    if let Some(verification) = news.verification {
        state.verification = stronger(state.verification, verification);
    }
    let known_named = state.named.clone();
    if let Some(named) = &news.named {
        match resolve(desk, named).await? {
            Some(id) => state.named = id.0.to_vec(),
            None => warnings.push(Warning::unknown_customer_ref("identity_hints.customer_ref")),
        }
    }
    let added = add_hints(state, &news.hints) || known_named != state.named;
    let mut looked = None;
    if added || state.decision.is_none() {
        looked = Some(decide_again(desk, state, interaction).await?);
    }
    if let Some(feedback) = &news.feedback {
        let looked = match looked {
            Some(looked) => looked,
            None => look(desk, hints_of(state), customer_of(&state.named), None).await?,
        };
        follow(desk, state, interaction, feedback, &looked, ceiling).await?;
    }
    Ok(warnings)
}

fn stronger(known: i64, verification: Verification) -> i64 {
    let strength = |code| Verification::from_code(code).map(Verification::assurance);
    if strength(known) > Some(verification.assurance()) { known } else { verification.code() }
}

/// The customer that a ref names now; `None` for one that nobody has.
pub(super) async fn resolve(
    desk: &mut Desk<'_, '_>,
    named: &str,
) -> Result<Option<CustomerId>, Error> {
    match CustomerId::parse_ref(named) {
        Some(id) => Ok(desk.person(id, false).await?.map(|person| person.row.customer)),
        None => Ok(None),
    }
}

pub(super) fn hints_of(state: &State) -> Vec<Hint> {
    state.hints.iter().filter_map(hint).collect()
}

/// Adds hints to those known; whether any was news.
fn add_hints(state: &mut State, hints: &[Hint]) -> bool {
    let mut news = false;
    for record in hints.iter().map(hint_record) {
        let same = state.hints.iter_mut().find(|known| {
            (known.kind, &known.scheme, &known.namespace, &known.value)
                == (record.kind, &record.scheme, &record.namespace, &record.value)
        });
        match same {
            Some(known) if known.assurance >= record.assurance => {}
            Some(known) => {
                known.assurance = record.assurance;
                news = true;
            }
            None => {
                state.hints.push(record);
                news = true;
            }
        }
    }
    news
}

/// Decides with all hints so far. A customer that this interaction made, and nobody else uses, is
/// no evidence against anybody.
async fn decide_again(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<Looked, Error> {
    let now = Time(state.start_time);
    let made = if state.made_customer { customer_of(&state.customer) } else { None };
    let own = match made {
        Some(id) => {
            let person = desk.person(id, false).await?;
            person.filter(|person| person.row.contacts == 0).map(|person| person.row.customer)
        }
        None => None,
    };
    let named = customer_of(&state.named).filter(|named| Some(*named) != own);
    let looked = look(desk, hints_of(state), named, own).await?;
    desk.effects.heads.extend(&looked.unseen);
    let decision = judge(desk, &looked, named, now);
    let confirmed = state.feedback == CONFIRMED;
    if confirmed || (state.settled && own.is_none()) {
        keep(desk, state, interaction, &looked, &decision).await?;
    } else {
        take_up(desk, state, interaction, &looked, &decision).await?;
    }
    Ok(looked)
}

/// Settled on somebody known: more hints link what does not point elsewhere, and move nothing.
async fn keep(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    looked: &Looked,
    decision: &Decision,
) -> Result<(), Error> {
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let customer = desk.person(customer, false).await?.map_or(customer, |it| it.row.customer);
    let elsewhere = |index: usize| {
        let owners = &looked.shown[index].owners;
        !owners.is_empty() && owners.iter().all(|owner| owner.customer != customer)
    };
    let basis = match Verification::from_code(state.verification) {
        Some(verification) if state.feedback == CONFIRMED => {
            Basis::Confirmed(verification.assurance())
        }
        None if state.feedback == CONFIRMED => {
            Basis::Confirmed(Verification::AgentJudgement.assurance())
        }
        _ => {
            let earlier = state.decision.as_ref().map_or(0, |decision| decision.assurance);
            let now = decision.assurance.map_or(0, Assurance::code);
            Basis::Decided(Assurance::from_code(earlier.max(now)).unwrap_or(Assurance::Asserted))
        }
    };
    settle(desk, state, interaction, customer, looked, basis, |index| !elsewhere(index)).await?;
    let recommended = state.decision.as_ref().map_or(0, |decision| decision.recommendation);
    let mut record = recognise::record(desk, looked, decision, Time(state.start_time)).await?;
    // What was decided stands; a hint that now points elsewhere makes the caller ask.
    record.recommendation = if record.conflicts.is_empty() {
        recommended
    } else {
        recommended.min(Recommendation::Confirm.code())
    };
    state.decision = Some(record);
    Ok(())
}

/// Nobody known yet: the decision is taken as a start's.
async fn take_up(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    looked: &Looked,
    decision: &Decision,
) -> Result<(), Error> {
    state.decision = Some(recognise::record(desk, looked, decision, Time(state.start_time)).await?);
    let best = decision.candidates.first().map(|candidate| candidate.customer);
    match (decision.recommendation, best) {
        (Recommendation::Reuse, Some(best)) => {
            let basis = Basis::Decided(decision.assurance.unwrap_or(Assurance::Asserted));
            become_of(desk, state, interaction, best, looked, basis).await?;
            state.made_customer = false;
        }
        (Recommendation::Confirm, Some(best)) => {
            if state.settled {
                // The customer it made waits, empty, until somebody says who it is.
                let left = state.customer.clone();
                let carried = withdraw(desk, state, interaction).await?;
                state.left = left;
                state.customer = best.0.to_vec();
                if state.ending.is_some() {
                    filing::receive(desk, best, interaction, carried).await?;
                    refile(desk, state, interaction).await?;
                } else {
                    state.values.extend(carried.into_variables());
                }
            }
            state.customer = best.0.to_vec();
            state.made_customer = false;
        }
        _ if state.settled => {
            let own = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
            settle(desk, state, interaction, own, looked, Basis::NewCustomer, |_| true).await?;
        }
        _ => {
            let new = new_customer(desk, Time(state.start_time));
            become_of(desk, state, interaction, new, looked, Basis::NewCustomer).await?;
            state.made_customer = true;
        }
    }
    Ok(())
}

/// Does what somebody said: settles an unsettled interaction, moves a settled one.
async fn follow(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    feedback: &Feedback,
    looked: &Looked,
    ceiling: Option<Assurance>,
) -> Result<(), Error> {
    let verification =
        Verification::from_code(state.verification).unwrap_or(Verification::AgentJudgement);
    let strength = verification.assurance();
    let basis = Basis::Confirmed(ceiling.map_or(strength, |most| strength.min(most)));
    let (named, confirmed) = match feedback {
        Feedback::Confirmed(named) => (named, true),
        Feedback::Rejected(named) => (named, false),
    };
    state.feedback = if confirmed { CONFIRMED } else { REJECTED };
    let target = match named.as_deref().filter(|named| !named.is_empty()) {
        Some(named) => Some(resolve(desk, named).await?.ok_or(Error::CustomerNotFound)?),
        None if confirmed => match customer_of(&state.customer) {
            Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
            None => None,
        },
        None => None,
    };
    match target {
        Some(target) => {
            let stays = state.settled && customer_of(&state.customer) == Some(target);
            become_of(desk, state, interaction, target, looked, basis).await?;
            state.made_customer = state.made_customer && stays;
        }
        // Somebody new, and somebody new it already is.
        None if state.made_customer && state.settled => {}
        None => {
            let new = new_customer(desk, Time(state.start_time));
            become_of(desk, state, interaction, new, looked, Basis::NewCustomer).await?;
            state.made_customer = true;
        }
    }
    Ok(())
}

/// Makes the interaction that customer's, wherever it was before.
async fn become_of(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    customer: CustomerId,
    looked: &Looked,
    basis: Basis,
) -> Result<(), Error> {
    let before = customer_of(&state.customer);
    let before = match before {
        Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
        None => None,
    };
    match before {
        Some(before) if before != customer => {
            move_to(desk, state, interaction, customer, looked, basis).await
        }
        _ => {
            settle(desk, state, interaction, customer, looked, basis, |_| true).await?;
            filing::flush(desk, state, interaction).await?;
            retire_left(desk, state, interaction, customer).await?;
            refile(desk, state, interaction).await
        }
    }
}

async fn retire_left(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    customer: CustomerId,
) -> Result<(), Error> {
    if let Some(left) = customer_of(&std::mem::take(&mut state.left)) {
        settling::retire_if_empty(desk, left, customer, interaction).await?;
    }
    Ok(())
}

/// An ended interaction is filed anew, and counted if it is settled by now.
async fn refile(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    if state.ending.is_some() {
        filing::file(desk, state, interaction).await?;
        filing::count(desk, state).await?;
    }
    Ok(())
}
