//! What news does to an interaction that is under way: more hints, somebody's word on who it is, a
//! verification. Updates, ends and late starts all come through here.

use super::Error;
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::duplicates::tell_apart;
use super::filing;
use super::keeping::{conflicts_with, keep};
use super::naming::{member_meant, name_as, resolve, whom};
use super::recognise::{self, Looked, hint, hint_record, judge, look};
use super::record::State;
use super::retiring;
use super::settling::{customer_of, move_to, new_customer, refresh, settle, withdraw};
use super::signing_in;
use super::vouching::Word;
use crate::clock::Time;
use crate::identity::{
    Assurance, Basis, Decision, Hint, Proof, Recommendation, Verification, Violation,
};
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
pub(super) const REJECTED_FOR: i64 = 3;

/// Whether somebody said that the person is the customer it is settled on.
pub(super) fn said_yes(state: &State) -> bool {
    matches!(state.feedback, CONFIRMED | REJECTED_FOR)
}

/// What became known.
#[derive(Clone, Default)]
pub(super) struct News {
    pub hints: Vec<Hint>,
    pub named: Option<String>,
    pub feedback: Option<Feedback>,
    pub verification: Option<Verification>,
}

impl News {
    /// Whether this caller may say whose an interaction is: a bot only after a PIN or a one-time
    /// password.
    pub fn may_name(&self, caller: &Caller) -> bool {
        let others = [Role::Telephony, Role::Agent, Role::Helpdesk, Role::Admin, Role::Backfill];
        let proved = matches!(self.verification, Some(Verification::Pin | Verification::Otp));
        proved || caller.needs(&others).is_ok()
    }

    /// Whether it may be said by this caller.
    ///
    /// # Errors
    /// [`Error::VerificationRequired`], [`Error::RoleRequired`].
    pub fn allowed(&self, caller: &Caller) -> Result<(), Error> {
        if self.feedback.is_some() && !self.may_name(caller) {
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
    let gone = refresh(desk, state).await?;
    let word = Word::of(news, ceiling);
    word.heard(state);
    if let Some(named) = customer_of(&state.named)
        && let Some(person) = desk.person(named, false).await?
    {
        // It may resolve to another by now.
        state.named = person.row.customer.0.to_vec();
    }
    let known_named = state.named.clone();
    if let Some(named) = &news.named {
        match resolve(desk, named).await? {
            Some(id) => state.named = id.0.to_vec(),
            None => warnings.push(Warning::unknown_customer_ref("identity_hints.customer_ref")),
        }
    }
    let signs_in = signing_in::is_news(state, &news.hints);
    let added = add_hints(state, &news.hints)? || known_named != state.named;
    let anew = added || state.decision.is_none() || gone;
    match &news.feedback {
        // Somebody's word settles it: what the hints alone would do is only written down.
        Some(feedback) => {
            let own = own_customer(desk, state, interaction).await?;
            let hints = hints_of(state);
            let (looked, decision) = weigh(desk, state, &hints, own).await?;
            if anew {
                let now = Time(state.start_time);
                state.decision =
                    Some(recognise::record(desk, &looked, &decision, now, false).await?);
            }
            follow(desk, state, interaction, (feedback, word), &looked).await?;
        }
        None if anew => decide_again(desk, state, interaction, (signs_in, word)).await?,
        None => {}
    }
    if word.is_given() && state.settled && state.filed_at.is_none() {
        // What somebody vouches for in a contact must be found with its customer: whoever has it is not
        // left with nothing.
        filing::file(desk, state, interaction).await?;
    }
    Ok(warnings)
}

pub(super) fn hints_of(state: &State) -> Vec<Hint> {
    state.hints.iter().filter_map(hint).collect()
}

/// Hints of one interaction at most, with all its updates.
const MOST_HINTS: usize = 64;

/// Adds hints to those known; whether any was news.
fn add_hints(state: &mut State, hints: &[Hint]) -> Result<bool, Error> {
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
    if state.hints.len() > MOST_HINTS {
        return Err(too_many("identity_hints", MOST_HINTS));
    }
    Ok(news)
}

/// One interaction holds only so much.
pub(super) fn too_many(field: &str, most: usize) -> Error {
    let description = format!("gives this interaction more than {most} in all");
    Error::Invalid(vec![Violation { field: field.into(), description }])
}

/// The customer that this interaction made and that has nothing else: no evidence against anybody.
/// Once somebody said who it is, or anything else has become theirs, it is a customer like any other.
async fn own_customer(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
) -> Result<Option<CustomerId>, Error> {
    if state.feedback != 0 || !retiring::is_all_they_have(desk, state, interaction).await? {
        return Ok(None);
    }
    let Some(made) = customer_of(&state.customer) else { return Ok(None) };
    Ok(desk.person(made, false).await?.map(|person| person.row.customer))
}

/// Looks at all hints so far, and what the rules say of them.
async fn weigh<'h>(
    desk: &mut Desk<'_, '_>,
    state: &State,
    hints: &'h [Hint],
    own: Option<CustomerId>,
) -> Result<(Looked<'h>, Decision), Error> {
    let named = match customer_of(&state.named) {
        Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
        None => None,
    };
    let named = named.filter(|named| Some(*named) != own);
    let looked = look(desk, hints, named, own).await?;
    desk.effects.heads.extend(&looked.unseen);
    let decision = judge(desk, &looked, named, state);
    Ok((looked, decision))
}

/// Decides with all hints so far.
async fn decide_again(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    (signs_in, word): (bool, Word),
) -> Result<(), Error> {
    let own = own_customer(desk, state, interaction).await?;
    let hints = hints_of(state);
    let (looked, decision) = weigh(desk, state, &hints, own).await?;
    let overruled = signing_in::overrule(state, &looked, signs_in);
    if !overruled && (state.feedback != 0 || (state.settled && own.is_none())) {
        keep(desk, state, interaction, &looked, &decision).await
    } else {
        take_up(desk, state, interaction, word, (&looked, &decision)).await
    }
}

/// Nobody known yet: the decision is taken as a start's.
async fn take_up(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    word: Word,
    (looked, decision): (&Looked<'_>, &Decision),
) -> Result<(), Error> {
    state.decision =
        Some(recognise::record(desk, looked, decision, Time(state.start_time), false).await?);
    let best = decision.candidates.first().map(|candidate| candidate.customer);
    match (decision.recommendation, best) {
        (Recommendation::Reuse, Some(best)) => {
            let best = member_meant(desk, state, looked, best).await?;
            state.decision.iter_mut().for_each(|record| name_as(record, looked, best));
            word.heard_of(desk, state, Some(best)).await?;
            let basis = Basis::Decided(decision.assurance.unwrap_or(Assurance::Asserted));
            // As in a start: where the primary identifier decided, what it overruled stays whose it is. Where
            // a token did, what the contact leaves behind is looked at again.
            let proven = matches!(looked.proof, Proof::Decides(_));
            let own = |index: usize| proven || !looked.points_elsewhere(index, best);
            become_of(desk, state, interaction, best, looked, (basis, own)).await?;
            state.made_customer = false;
        }
        (Recommendation::Confirm, Some(best)) => {
            recognise::warn_of_archived(desk, looked, decision);
            let was = customer_of(&state.customer);
            word.heard_of(desk, state, Some(best)).await?;
            if state.settled || (state.filed_at.is_some() && was != Some(best)) {
                // The customer it made waits, empty, until somebody says who it is.
                let left = if state.settled { state.customer.clone() } else { Vec::new() };
                let carried = withdraw(desk, state, interaction).await?;
                carried.wait_in(state);
                state.left = left;
                state.customer = best.0.to_vec();
                refile(desk, state, interaction).await?;
            }
            state.customer = best.0.to_vec();
            state.made_customer = false;
        }
        _ if state.settled => {
            let own = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
            settle(desk, state, interaction, own, looked, Basis::NewCustomer, |_| true).await?;
        }
        _ => {
            let visitor = looked.first_sign_in();
            let new = visitor.map_or_else(|| new_customer(desk, Time(state.start_time)), Ok)?;
            word.heard_of(desk, state, visitor).await?;
            become_of(desk, state, interaction, new, looked, (Basis::NewCustomer, |_| true))
                .await?;
            state.made_customer = visitor.is_none();
        }
    }
    Ok(())
}

/// Does what somebody said: settles an unsettled interaction, moves a settled one.
async fn follow(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    (feedback, word): (&Feedback, Word),
    looked: &Looked<'_>,
) -> Result<(), Error> {
    let confirmed = matches!(feedback, Feedback::Confirmed(_));
    let target = whom(desk, state, looked, feedback).await?;
    let is_news = target.is_some() || !retiring::is_all_they_have(desk, state, interaction).await?;
    if is_news {
        word.heard_of(desk, state, target).await?;
    }
    let strength = Assurance::from_code(state.vouched).unwrap_or(Assurance::Asserted);
    let basis = Basis::Confirmed(strength);
    let before = customer_of(&state.customer).filter(|_| !confirmed);
    state.feedback = match (confirmed, target) {
        (true, Some(_)) => CONFIRMED,
        (false, Some(_)) => REJECTED_FOR,
        (_, None) => REJECTED,
    };
    match target {
        Some(target) => {
            let stays = state.settled && customer_of(&state.customer) == Some(target);
            let conflicts = conflicts_with(looked, state, target);
            if let Some(decision) = &mut state.decision {
                name_as(decision, looked, target);
                decision.conflicts = conflicts;
            }
            become_of(desk, state, interaction, target, looked, (basis, |_| true)).await?;
            state.made_customer = state.made_customer && stays;
        }
        // Somebody new, and somebody new it already is.
        None if !is_news => {}
        None => {
            let new = new_customer(desk, Time(state.start_time))?;
            become_of(desk, state, interaction, new, looked, (Basis::NewCustomer, |_| true))
                .await?;
            state.made_customer = true;
        }
    }
    match (before, customer_of(&state.customer)) {
        (Some(before), Some(after)) => tell_apart(desk, looked, after, before).await,
        _ => Ok(()),
    }
}

/// Makes the interaction that customer's, wherever it was before.
async fn become_of(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    customer: CustomerId,
    looked: &Looked<'_>,
    (basis, linkable): (Basis, impl Fn(usize) -> bool),
) -> Result<(), Error> {
    let before = customer_of(&state.customer);
    let before = match before {
        Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
        None => None,
    };
    match before {
        Some(before) if before != customer => {
            move_to(desk, state, interaction, customer, looked, (basis, linkable)).await
        }
        _ => {
            let waited = !state.settled;
            settle(desk, state, interaction, customer, looked, basis, linkable).await?;
            if waited {
                filing::flush(desk, state, interaction).await?;
            }
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
        retiring::retire_if_empty(desk, left, customer, interaction).await?;
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
        filing::count(desk, state, interaction).await?;
    }
    Ok(())
}
