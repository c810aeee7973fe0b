//! An end without a start, which is normal (e-mail, tickets, dropped calls): it says everything a
//! start says of itself, and is decided as one, unless the caller's own system says whose it was.

use super::Error;
use super::absorb::{News, absorb};
use super::answer::{MEDIUM, Warning};
use super::continuation::{continued, inherit};
use super::desk::Desk;
use super::end_interaction::EndOperation;
use super::keeping::conflicts_with;
use super::naming::{name_as, resolve};
use super::recognise::{self, judge, look};
use super::record::{CandidateRecord, DecisionRecord, EvidenceRecord, State};
use super::settling::settle;
use super::start_interaction::{decide_first, without_caller_number};
use super::update_interaction::later_hints;
use crate::clock::Time;
use crate::context::Audience;
use crate::identity::{
    Assurance, Basis, Direction, Hint, Normalised, Proof, Recommendation, Violation,
};
use crate::ids::CustomerId;

impl EndOperation {
    /// No start is known: the end says everything a start says of itself.
    pub async fn begin(
        &self,
        desk: &mut Desk<'_, '_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<State, Error> {
        if self.end.channel.is_empty() {
            return Err(Error::Invalid(vec![Violation {
                field: "channel".into(),
                description: "is required: no start of this interaction is known".into(),
            }]));
        }
        let end_time = self.end.end_time.unwrap_or(self.now);
        let start_time = self.end.start_time.unwrap_or(end_time);
        let mut state = State {
            about: Some(self.end.about.clone()),
            channel: self.end.channel.clone(),
            direction: self.end.direction.unwrap_or(Direction::Inbound).code(),
            audience: Audience::Private.code(),
            start_time: start_time.0,
            start_given: self.end.start_time.is_some(),
            line_type: self.end.line_type.code(),
            attestation: self.end.attestation.code(),
            contact: self.interaction.0.to_vec(),
            newest_event: start_time.0,
            end_only: true,
            ..State::default()
        };
        let Normalised { hints, notices, customer_ref, .. } =
            later_hints(&state, &self.end.hints, &self.caller)?;
        warnings.extend(notices.into_iter().map(Warning::from));
        let news = self.said(Vec::new(), None);
        let hinted = customer_ref.as_deref();
        let (echoed, named) = self.named(desk, &news, hinted, warnings).await?;
        let continued = continued(desk, &self.end.about, start_time).await?;
        let before = continued.before;
        state.conversation = continued.conversation;
        warnings.extend(continued.warning);
        let hints = match before {
            Some(_) => without_caller_number(&hints),
            None => hints,
        };
        match (echoed, before) {
            (Some(customer), before) => {
                if let Some(before) = before {
                    // Whoever it is, it is the same conversation.
                    state.contact = before.state.contact;
                }
                self.take_word(desk, &mut state, customer, &hints).await?;
            }
            (None, Some(before)) => {
                let said = (&hints[..], named);
                warnings.extend(inherit(desk, &mut state, self.interaction, &before, said).await?);
            }
            (None, None) => {
                warnings
                    .extend(decide_first(desk, &mut state, self.interaction, &hints, named).await?);
            }
        }
        news.allowed(&self.caller)?;
        let ceiling = self.caller.max_assurance;
        absorb(desk, &mut state, self.interaction, &news, ceiling).await?;
        Ok(state)
    }

    /// Whose the caller's own system says it was, and the ref that is only a hint: so is what a bot
    /// echoes, which may have it from a question that nobody has answered.
    async fn named<'n>(
        &'n self,
        desk: &mut Desk<'_, '_>,
        news: &News,
        hinted: Option<&'n str>,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Option<CustomerId>, Option<&'n str>), Error> {
        let echoed = self.end.customer_ref.as_str();
        if echoed.is_empty() {
            return Ok((None, hinted));
        }
        let known = resolve(desk, echoed).await?;
        if known.is_none() {
            warnings.push(Warning::unknown_customer_ref("customer_ref"));
        }
        if known.is_none() || news.may_name(&self.caller) {
            return Ok((known, hinted));
        }
        Ok((None, hinted.or(Some(echoed))))
    }

    /// The caller's own system says whose it was: settled, CARRIED. What points to somebody else is
    /// listed, and stays theirs.
    async fn take_word(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &mut State,
        customer: CustomerId,
        hints: &[Hint],
    ) -> Result<(), Error> {
        let now = Time(state.start_time);
        state.named = customer.0.to_vec();
        state.hints = hints.iter().map(recognise::hint_record).collect();
        let looked = look(desk, hints, Some(customer), None).await?;
        if matches!(looked.proof, Proof::Decides(proven) if proven != looked.set_name(customer)) {
            // The customer's own token says otherwise.
            let named = self.end.customer_ref.as_str();
            decide_first(desk, state, self.interaction, hints, Some(named)).await?;
            return Ok(());
        }
        let customer = looked.member(customer);
        let decision = judge(desk, &looked, Some(customer), state);
        let conflicts = conflicts_with(&looked, state, customer);
        let asks = !conflicts.is_empty();
        let mut record = recognise::record(desk, &looked, &decision, now, asks).await?;
        name_as(&mut record, &looked, customer);
        carry(&mut record, customer);
        record.conflicts = conflicts;
        if asks {
            record.recommendation = Recommendation::Confirm.code();
        }
        state.decision = Some(record);
        let basis = Basis::Decided(Assurance::Carried);
        let own = |index: usize| !looked.points_elsewhere(index, customer);
        settle(desk, state, self.interaction, customer, &looked, basis, own).await
    }
}

/// What a system says of whose it was is worth what it carries: as sure as recognising somebody has to
/// be, whatever else was shown.
fn carry(record: &mut DecisionRecord, customer: CustomerId) {
    record.recommendation = Recommendation::Reuse.code();
    record.assurance = record.assurance.max(Assurance::Carried.code());
    let own = customer.0.to_vec();
    let known = record.candidates.iter().position(|one| one.customer == own);
    let mut named = match known {
        Some(index) => record.candidates.remove(index),
        None => CandidateRecord { customer: own, ..CandidateRecord::default() },
    };
    named.assurance = named.assurance.max(Assurance::Carried.code());
    if named.log_odds < MEDIUM {
        let log_odds = MEDIUM - named.log_odds;
        named.evidence.push(EvidenceRecord { signal: "named_by_system".into(), log_odds });
        named.log_odds = MEDIUM;
    }
    record.candidates.insert(0, named);
}
