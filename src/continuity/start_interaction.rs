//! StartInteraction: who is this, and what were we talking about?
//!
//! Replay? → candidates → decide → write → answer. A start of a returning customer whose hints are
//! all linked reads nothing but the cache and writes nothing but its journal row.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::answer::{Answer, Degraded, Settled, Standing, Warning, Wish, answer, settled};
use super::attach::AttachOperation;
use super::caller::Caller;
use super::continuation::{continued, inherit};
use super::desk::{Desk, Known};
use super::get_interaction::{as_it_stands, whom};
use super::journaling::{self, Entry};
use super::naming::resolve;
use super::recognise::{self, judge, look};
use super::record::{About, HintRecord, State};
use super::service::Service;
use super::settling::{new_customer, settle};
use super::traces;
use crate::clock::Time;
use crate::context::Audience;
use crate::crypto::web_token::Refused;
use crate::identity::{
    Assurance, Attestation, Basis, Direction, Hint, HintKind, Identifier, LineType, Normalised,
    Recommendation,
};
use crate::ids::Token;
use crate::store::rows::Verb;
use crate::store::{self, Boxed, Operation, Proposed, Reads, Verdict};

/// A start, parsed.
#[derive(Clone)]
pub struct Start {
    /// What it says of itself; the source is the key's own.
    pub about: About,
    /// The channel.
    pub channel: String,
    /// Who turned to whom.
    pub direction: Direction,
    /// Who hears the answer.
    pub audience: Audience,
    /// What was shown, normalised.
    pub normalised: Normalised,
    /// Whether its web token has expired lately: it can only repeat what was started before.
    pub late_token: bool,
    /// What line the number is.
    pub line_type: LineType,
    /// What the network attests.
    pub attestation: Attestation,
    /// For the brief; empty for the tenant's.
    pub locale: String,
    /// For the brief; empty for the tenant's.
    pub time_zone: String,
    /// When it started, if the caller says so.
    pub start_time: Option<Time>,
    /// Earlier contacts at most.
    pub history_limit: usize,
}

impl Service {
    /// Answers a start within `budget`, degraded if it must.
    ///
    /// # Errors
    /// [`Error::StartConflict`] for a known id with other content, [`Error::RoleRequired`], and
    /// [`store::Error::QueueFull`]. A store that does not answer is no error: the answer is
    /// degraded.
    pub async fn start_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        start: Start,
        budget: Duration,
    ) -> Result<Answer, Error> {
        caller.may_start()?;
        // To continue an interaction is to inherit what was proved in it.
        caller.addresses(&start.about.continues_source)?;
        let wish = Wish { history_limit: start.history_limit };
        let operation = Arc::new(StartOperation::new(self, caller, start));
        // A time-out looks at the work before it looks at the clock: no time at all is not to
        // decide now and then.
        if budget.is_zero() {
            let answer = degraded(caller, &operation.start, Degraded::BudgetExhausted);
            caller.tenant.counts.answered(&answer);
            return Ok(answer);
        }
        // Pinned here: a time-out would move all of it, several KB.
        let deciding = pin!(decide_and_write(self, caller, &operation, &wish));
        let answer = match tokio::time::timeout(budget, deciding).await {
            Err(_) => Ok(degraded(caller, &operation.start, Degraded::BudgetExhausted)),
            Ok(Err(Error::Store(error))) if !matches!(error, store::Error::QueueFull) => {
                tracing::warn!(%error, "a start was answered degraded");
                Ok(degraded(caller, &operation.start, Degraded::StoreUnavailable))
            }
            Ok(result) => result,
        };
        answer.inspect(|answer| caller.tenant.counts.answered(answer))
    }
}

impl Service {
    /// The answer to a start of a caller whose key the store has not shown in time: nothing was done.
    pub fn start_unanswered(&self, caller: &Caller, start: &Start) -> Answer {
        tracing::warn!("a start was answered degraded: the store did not show its key in time");
        degraded(caller, start, Degraded::StoreUnavailable)
    }
}

async fn decide_and_write(
    service: &Arc<Service>,
    caller: &Caller,
    operation: &Arc<StartOperation>,
    wish: &Wish,
) -> Result<Answer, Error> {
    if operation.start.late_token {
        return Box::pin(replay(service, caller, operation, wish)).await;
    }
    match service.store.run(Arc::clone(operation)).await {
        Ok(Verdict::Committed(settled)) => {
            service.remember_labels(caller, &settled);
            if !settled.complete {
                let interaction = operation.interaction;
                let warnings = settled.warnings;
                let looking = as_it_stands(service, caller, interaction, wish, warnings);
                return Box::pin(looking).await;
            }
            Ok(answer(settled, caller, service.store.now(), wish))
        }
        // Boxed: it is rare, and would make every start carry room for it.
        Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {
            Box::pin(replay(service, caller, operation, wish)).await
        }
        Err(error) => Err(error),
    }
}

/// The id is known: the same start again, a start after its end, or a conflict.
async fn replay(
    service: &Arc<Service>,
    caller: &Caller,
    operation: &Arc<StartOperation>,
    wish: &Wish,
) -> Result<Answer, Error> {
    let interaction = operation.interaction;
    let known = service.known(caller, interaction).await?;
    let late = operation.start.late_token;
    let (mut repeated, mut warnings) = (true, operation.warnings());
    let Some(known) = known else {
        let expired = Err(Error::WebTokenRefused(Refused::Expired));
        return if late { expired } else { Ok(removed(caller, operation)) };
    };
    let same = |verb| guard(&known, verb).map(|fingerprint| fingerprint == operation.fingerprint);
    let begun_by_its_end = guard(&known, Verb::Start).is_some_and(|print| print.is_empty());
    match (begun_by_its_end, same(Verb::Start), same(Verb::Attach)) {
        (false, Some(true), _) | (true, _, Some(true)) => {}
        (true, _, None) if late => return Err(Error::WebTokenRefused(Refused::Expired)),
        (true, _, None) => {
            let attach = Arc::new(AttachOperation(Arc::clone(operation)));
            match service.store.run(attach).await {
                Ok(Verdict::Committed(settled)) => {
                    service.remember_labels(caller, &settled);
                    (repeated, warnings) = (false, settled.warnings);
                }
                // Another start came late at the same moment: was it this one?
                Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {
                    let known = service.known(caller, interaction).await?;
                    let print = known.as_ref().and_then(|known| guard(known, Verb::Attach));
                    if print != Some(operation.fingerprint.as_slice()) {
                        return Err(Error::StartConflict);
                    }
                }
                Err(Error::InteractionNotFound) => return Ok(removed(caller, operation)),
                Err(error) => return Err(error),
            }
        }
        _ => return Err(Error::StartConflict),
    }
    let signed_in = |hint: &HintRecord| hint.kind == HintKind::WebToken.code();
    if operation.start.normalised.unproven.is_some() && known.state.hints.iter().any(signed_in) {
        // It was decided on a proof that cannot be repeated now: whoever repeats it may be anybody.
        let answer = degraded(caller, &operation.start, Degraded::BudgetExhausted);
        return Ok(Answer { warnings, ..answer });
    }
    match as_it_stands(service, caller, interaction, wish, warnings).await {
        // It went by time, or with its customer.
        Err(Error::InteractionNotFound) => Ok(removed(caller, operation)),
        answer if repeated => {
            service.traced(caller, Verb::Repeat, &traces::About::of(interaction), answer, whom)
        }
        answer => answer,
    }
}

pub(super) fn guard(known: &Known, verb: Verb) -> Option<&[u8]> {
    let guard = known.entry.guards.iter().find(|guard| guard.verb == verb);
    guard.map(|guard| guard.fingerprint.as_slice())
}

pub(super) struct StartOperation {
    pub service: Arc<Service>,
    pub caller: Caller,
    pub start: Start,
    pub interaction: Token,
    pub fingerprint: Vec<u8>,
    pub begun: Time,
}

impl StartOperation {
    fn new(service: &Arc<Service>, caller: &Caller, start: Start) -> Self {
        let secrets = &caller.tenant.secrets;
        let interaction = secrets.interaction(&start.about.source, &start.about.interaction_id);
        let fingerprint = secrets.fingerprint(&content(&start)).to_vec();
        let begun = start.start_time.unwrap_or_else(|| service.store.now());
        let (service, caller) = (Arc::clone(service), caller.clone());
        Self { service, caller, start, interaction, fingerprint, begun }
    }

    pub fn warnings(&self) -> Vec<Warning> {
        self.start.normalised.notices.iter().cloned().map(Warning::from).collect()
    }

    pub fn state(&self) -> State {
        let start = &self.start;
        State {
            about: Some(start.about.clone()),
            channel: start.channel.clone(),
            direction: start.direction.code(),
            audience: start.audience.code(),
            start_time: self.begun.0,
            start_given: start.start_time.is_some(),
            line_type: start.line_type.code(),
            attestation: start.attestation.code(),
            locale: start.locale.clone(),
            time_zone: start.time_zone.clone(),
            contact: self.interaction.0.to_vec(),
            newest_event: self.begun.0,
            ..State::default()
        }
    }
}

/// What makes two starts the same: channel, direction and the hints after normalisation.
fn content(start: &Start) -> Vec<&[u8]> {
    let direction: &[u8] = match start.direction {
        Direction::Inbound => b"inbound",
        Direction::Outbound => b"outbound",
    };
    // A token counts as issuer and subject, whether there was a key to check it with or not.
    let unproven = start.normalised.unproven.iter().map(|named| (named, HintKind::WebToken));
    let hints = start.normalised.hints.iter().map(|hint| (&hint.identifier, hint.kind));
    let shown = hints.chain(unproven).map(|(identifier, kind)| (identifier, kind.shown_as()));
    let mut hints: Vec<(&Identifier, &str)> = shown.collect();
    hints.sort_unstable();
    // A number that called and is listed as well is two hints once its line is known.
    hints.dedup();
    let mut parts: Vec<&[u8]> = Vec::with_capacity(3 + 4 * hints.len());
    parts.extend([start.channel.as_bytes(), direction]);
    for (identifier, shown_as) in hints {
        parts.push(shown_as.as_bytes());
        parts.extend(
            [&identifier.scheme, &identifier.namespace, &identifier.value].map(|it| it.as_bytes()),
        );
    }
    parts.extend(start.normalised.customer_ref.as_ref().map(|named| named.as_bytes()));
    parts
}

impl Operation for StartOperation {
    type Answer = Settled;
    type Refusal = Error;

    fn tenant(&self) -> crate::ids::TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Settled>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            let mut state = self.state();
            let mut warnings = self.warnings();
            let hints = &self.start.normalised.hints;
            let named = self.start.normalised.customer_ref.as_deref();
            let continued = continued(&mut desk, &self.start.about, self.begun).await?;
            state.conversation = continued.conversation;
            warnings.extend(continued.warning);
            if let Some(before) = continued.before {
                let hints = without_caller_number(hints);
                let said = (&hints[..], named);
                let inheriting = inherit(&mut desk, &mut state, self.interaction, &before, said);
                warnings.extend(Box::pin(inheriting).await?);
            } else {
                warnings.extend(
                    decide_first(&mut desk, &mut state, self.interaction, hints, named).await?,
                );
            }
            let entry = Entry {
                interaction: self.interaction,
                verb: Verb::Start,
                part: Vec::new(),
                fingerprint: self.fingerprint.clone(),
                time: self.begun,
                caller: &self.caller.key_id,
            };
            journaling::write(&mut desk, &state, entry).await?;
            let settled = settled(&mut desk, state, warnings).await?;
            Ok(desk.propose(settled))
        })
    }
}

/// The hint that is no evidence in a continuation: often our own extension.
const CALLER_NUMBER: &str = "identity_hints.caller_number";

/// The hints that are evidence in a continuation.
pub(super) fn without_caller_number(hints: &[Hint]) -> Vec<Hint> {
    hints.iter().filter(|hint| hint.field != CALLER_NUMBER).cloned().collect()
}

/// The first decision on an interaction: on a customer that is known, on a candidate that is to be
/// confirmed, or on somebody new.
pub(super) async fn decide_first(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    hints: &[Hint],
    named: Option<&str>,
) -> Result<Vec<Warning>, Error> {
    let now = Time(state.start_time);
    let mut warnings = Vec::new();
    let mut known = None;
    if let Some(named) = named {
        known = resolve(desk, named).await?;
        if known.is_none() {
            warnings.push(Warning::unknown_customer_ref("identity_hints.customer_ref"));
        }
    }
    state.named = known.map_or_else(Vec::new, |id| id.0.to_vec());
    state.hints = hints.iter().map(recognise::hint_record).collect();
    let looked = look(desk, hints, known, None).await?;
    let decision = judge(desk, &looked, known, state);
    state.decision = Some(recognise::record(desk, &looked, &decision, now, false).await?);
    let best = decision.candidates.first().map(|candidate| candidate.customer);
    match (decision.recommendation, best) {
        (Recommendation::Reuse, Some(best)) => {
            let basis = Basis::Decided(decision.assurance.unwrap_or(Assurance::Asserted));
            // Where the primary identifier decided, what it overruled stays whose it is.
            let own = |index: usize| !looked.points_elsewhere(index, best);
            settle(desk, state, interaction, best, &looked, basis, own).await?;
        }
        (Recommendation::Confirm, Some(best)) => {
            recognise::warn_of_archived(desk, &looked, &decision);
            state.customer = best.0.to_vec();
            // Seen from now on, owned by nobody yet.
            desk.effects.heads.extend(&looked.unseen);
        }
        _ => {
            let visitor = looked.first_sign_in();
            let new = visitor.map_or_else(|| new_customer(desk, now), Ok)?;
            state.made_customer = visitor.is_none();
            settle(desk, state, interaction, new, &looked, Basis::NewCustomer, |_| true).await?;
        }
    }
    Ok(warnings)
}

/// It went by time, or with its customer: only that it took place is left.
fn removed(caller: &Caller, operation: &StartOperation) -> Answer {
    let answer = degraded(caller, &operation.start, Degraded::StoreUnavailable);
    Answer { degraded: None, warnings: vec![Warning::removed()], ..answer }
}

/// No decision: no customer, nothing disclosed.
fn degraded(caller: &Caller, start: &Start, why: Degraded) -> Answer {
    let state = State {
        about: Some(start.about.clone()),
        channel: start.channel.clone(),
        audience: start.audience.code(),
        ..State::default()
    };
    let nothing =
        Settled { disclosure: crate::context::Disclosure::Never, ..Settled::of_nobody(state) };
    let mut answer = answer(nothing, caller, Time(0), &Wish { history_limit: 0 });
    answer.standing = Standing { recommendation: Recommendation::Ignore, ..answer.standing };
    answer.degraded = Some(why);
    answer
}
