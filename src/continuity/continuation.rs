//! Continuing: a transfer, a conference, a bot that hands over. Customer, assurance and verification
//! are inherited, and the caller's number, often our own extension, is no evidence.

use super::Error;
use super::absorb::{REJECTED, said_yes};
use super::answer::{MEDIUM, Standing, Warning, standing_of};
use super::desk::{Desk, Known};
use super::keeping::keep;
use super::naming::resolve;
use super::recognise::{self, judge, look};
use super::record::{
    About, CandidateRecord, ConflictRecord, DecisionRecord, EvidenceRecord, State,
};
use super::resting;
use super::settling::{customer_of, settle};
use super::start_interaction::decide_first;
use super::vouching;
use super::working::Working;
use crate::clock::Time;
use crate::context::CONTINUATION_WITHIN;
use crate::identity::{Assurance, Basis, Hint, Proof, Recommendation};
use crate::ids::{CustomerId, Token};

/// What comes of naming an interaction that this one continues.
#[derive(Default)]
pub(super) struct Continued {
    /// That interaction, if it is known and not older than a day: what it knows is inherited.
    pub before: Option<Known>,
    /// Token of the first interaction of its conversation, where that is no chain with this one: the
    /// same customer's messages in it belong together, whatever their age. Nothing is inherited by it.
    pub conversation: Vec<u8>,
    /// Why nothing is inherited.
    pub warning: Option<Warning>,
}

/// Looks for the interaction that this one continues.
pub(super) async fn continued(
    desk: &mut Desk<'_, '_>,
    about: &About,
    now: Time,
) -> Result<Continued, Error> {
    if about.continues_interaction_id.is_empty() {
        return Ok(Continued::default());
    }
    let source =
        if about.continues_source.is_empty() { &about.source } else { &about.continues_source };
    let token = desk.tenant.secrets.interaction(source, &about.continues_interaction_id);
    let known = match desk.interaction(token).await {
        // Who was erased is nobody that anything could be inherited from.
        Err(Error::Erased) => None,
        known => known?,
    };
    let Some(known) = known else {
        let warning = Some(nothing_inherited(
            "unknown_continues_interaction_id",
            "no such interaction; nothing was inherited",
        ));
        return Ok(Continued { warning, ..Continued::default() });
    };
    let state = &known.state;
    let newest = state.ending.as_ref().map_or(state.newest_event, |it| it.end_time);
    let mut conversation = state.conversation.clone();
    if now.since(Time(newest)) <= CONTINUATION_WITHIN {
        return Ok(Continued { before: Some(known), conversation, warning: None });
    }
    if conversation.is_empty() {
        conversation.clone_from(&state.contact);
    }
    let warning = Some(nothing_inherited(
        "continuation_too_old",
        "the interaction that this one continues is older than 24 hours; nothing was inherited",
    ));
    Ok(Continued { before: None, conversation, warning })
}

fn nothing_inherited(code: &'static str, message: &str) -> Warning {
    Warning { code, field: "continues_interaction_id".into(), message: message.into() }
}

/// Takes over customer, assurance and verification, unless a stronger hint points elsewhere. A known
/// customer's ref that is another's moves nothing, but is listed, and asked for.
pub(super) async fn inherit(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    before: &Known,
    (hints, named): (&[Hint], Option<&str>),
) -> Result<Vec<Warning>, Error> {
    let named = match named {
        Some(named) => match resolve(desk, named).await? {
            None => {
                take_over(desk, state, interaction, before, hints).await?;
                return Ok(vec![Warning::unknown_customer_ref("identity_hints.customer_ref")]);
            }
            known => known,
        },
        None => None,
    };
    take_over(desk, state, interaction, before, hints).await?;
    let Some(named) = named else { return Ok(Vec::new()) };
    state.named = named.0.to_vec();
    let own = customer_of(&state.customer);
    if own.is_some_and(|own| desk.working.get(&own).is_some_and(Working::is_new)) {
        return Ok(Vec::new());
    }
    let own = match own {
        Some(own) => desk.person(own, false).await?.map(|person| person.set_name()),
        None => None,
    };
    let other = desk.person(named, false).await?.map(|person| person.set_name());
    if let Some(decision) = state.decision.as_mut().filter(|_| own.is_some() && own != other) {
        add_conflicts(decision, vec![recognise::named_elsewhere()]);
        decision.recommendation = decision.recommendation.min(Recommendation::Confirm.code());
    }
    Ok(Vec::new())
}

async fn take_over(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    before: &Known,
    hints: &[Hint],
) -> Result<(), Error> {
    let mut previous = before.state.clone();
    vouching::forget_if_moved(desk, &mut previous).await?;
    let previous = &previous;
    state.contact = previous.contact.clone();
    state.hints = hints.iter().map(recognise::hint_record).collect();
    let customer = match customer_of(&previous.customer) {
        Some(id) => desk.person(id, false).await?.map(|person| person.row.customer),
        None => None,
    };
    let Some(customer) = customer else {
        decide_first(desk, state, interaction, hints, None).await?;
        return Ok(());
    };
    let looked = look(desk, hints, Some(customer), None).await?;
    let borrowed = resting::is_borrowed(desk, previous).await?;
    let joined = !looked.people.get(&customer).is_none_or(|person| person.members.is_empty());
    let certain = standing_of(previous, joined, borrowed);
    let strength = strength(previous, &certain, borrowed);
    let elsewhere = |index: usize| looked.points_elsewhere(index, customer);
    let stronger = (0..looked.shown.len())
        .any(|index| elsewhere(index) && Some(looked.shown[index].assurance) > strength);
    let own = looked.set_name(customer);
    // A token is somebody's own word, and decides alone, whatever was proved before.
    let proves_another = matches!(looked.proof, Proof::Decides(proven) if proven != own);
    if stronger || proves_another {
        decide_first(desk, state, interaction, hints, None).await?;
        return Ok(());
    }
    resting::hand_on(desk, state, previous).await?;
    state.verification = previous.verification;
    state.vouched = previous.vouched;
    // Whoever said it said it of this customer; that somebody else was rejected says nothing here.
    state.feedback = if said_yes(previous) { previous.feedback } else { 0 };
    state.named = previous.named.clone();
    let mut decision = handed_on(previous, (&certain, joined), customer);
    decision.assurance = strength.map_or(0, Assurance::code);
    if borrowed {
        decision.recommendation = decision.recommendation.min(Recommendation::Confirm.code());
    }
    let against: Vec<usize> = (0..looked.shown.len()).filter(|index| elsewhere(*index)).collect();
    if !previous.settled {
        add_conflicts(&mut decision, recognise::conflicts(&looked, against.into_iter()));
        (state.decision, state.customer) = (Some(decision), customer.0.to_vec());
        return Ok(());
    }
    state.decision = Some(decision);
    let basis = Basis::Decided(strength.unwrap_or(Assurance::Asserted));
    let own = |index: usize| !borrowed && !elsewhere(index);
    settle(desk, state, interaction, customer, &looked, basis, own).await?;
    if !against.is_empty() {
        // As with an update: it stays theirs, and what points elsewhere is listed and asked for.
        let judged = judge(desk, &looked, None, state);
        let earlier = state.decision.as_ref().map(|decision| decision.conflicts.clone());
        keep(desk, state, interaction, &looked, &judged).await?;
        if let (Some(decision), Some(earlier)) = (&mut state.decision, earlier) {
            add_conflicts(decision, earlier);
        }
    }
    Ok(())
}

/// How hard it would have been to pretend to be whom the interaction before is settled on.
fn strength(previous: &State, certain: &Standing, borrowed: bool) -> Option<Assurance> {
    let strongest = previous.hints.iter().map(|hint| hint.assurance).max().unwrap_or(0);
    match previous.made_customer && !borrowed {
        // Nobody was matched: what was shown of somebody new is as good as it was.
        true => certain.assurance.max(Assurance::from_code(strongest)),
        false => certain.assurance,
    }
}

/// Adds conflicts that are not listed yet.
fn add_conflicts(decision: &mut DecisionRecord, more: Vec<ConflictRecord>) {
    for one in more {
        let same =
            |known: &ConflictRecord| (&known.kind, &known.namespace) == (&one.kind, &one.namespace);
        if !decision.conflicts.iter().any(same) {
            decision.conflicts.push(one);
        }
    }
}

/// The decision as the next in the chain takes it over: of a settled customer there is no more
/// doubt than before, of a new one, who is still nobody else, none at all that it is the same contact.
fn handed_on(
    previous: &State,
    (certain, joined): (&Standing, bool),
    customer: CustomerId,
) -> DecisionRecord {
    let mut decision = previous.decision.clone().unwrap_or_default();
    decision.inherited = true;
    if !previous.settled {
        return decision;
    }
    let own = customer.0.to_vec();
    let is_new = previous.made_customer && !joined;
    if is_new || (previous.feedback == REJECTED && !previous.made_customer) {
        decision.recommendation = Recommendation::Reuse.code();
        decision.conflicts.clear();
        decision.candidates.clear();
    } else {
        decision.recommendation = certain.recommendation.code();
        decision.candidates.retain(|one| one.customer == own || one.customer == previous.customer);
    }
    match decision.candidates.first_mut() {
        Some(candidate) => candidate.customer = own,
        None => decision.candidates.push(CandidateRecord {
            customer: own,
            log_odds: MEDIUM,
            assurance: 0,
            evidence: vec![EvidenceRecord { signal: "continuation".into(), log_odds: MEDIUM }],
            ..CandidateRecord::default()
        }),
    }
    if let Some(candidate) = decision.candidates.first_mut() {
        let reached = certain.assurance.map_or(0, Assurance::code);
        candidate.assurance = candidate.assurance.max(reached);
    }
    decision
}
