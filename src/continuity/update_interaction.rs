//! UpdateInteraction: what became known meanwhile.

use std::sync::Arc;

use super::Error;
use super::absorb::{Feedback, News, absorb};
use super::answer::{Answer, Settled, Warning, Wish, answer, settled};
use super::caller::{Caller, Role};
use super::consenting;
use super::desk::Desk;
use super::ending;
use super::filing;
use super::get_interaction::{as_it_stands, whom};
use super::journaling::{self, Entry};
use super::messages;
use super::record::{ConsentRecord, HintRecord, IntentRecord, MessageRecord, State, ValueRecord};
use super::redactions;
use super::service::Service;
use super::settling::customer_of;
use super::traces::About;
use super::waiting;
use crate::clock::Time;
use crate::context::Audience;
use crate::crypto::web_token::Refused;
use crate::identity::{
    Circumstances, Direction, HintKind, Normalised, RawHints, Verification, normalise,
};
use crate::ids::{TenantId, Token};
use crate::store::rows::{BlockKind, Verb};
use crate::store::{self, Boxed, Operation, Proposed, Reads, Verdict};

/// One interaction takes so many updates at most.
pub const MOST_UPDATES: usize = 1_000;
/// Updates answer so many earlier contacts.
const HISTORY: usize = 10;

/// An update, parsed.
#[derive(Clone)]
pub struct Update {
    /// The source that named the interaction; empty for the key's own.
    pub source: String,
    /// Which interaction.
    pub interaction_id: String,
    /// This update's own id.
    pub update_id: String,
    /// The request in canonical form: what makes two updates the same.
    pub content: Vec<u8>,
    /// More hints, as they were shown: the interaction's channel decides what they are worth.
    pub hints: RawHints,
    /// Who handles it now; empty when unchanged.
    pub agent_ref: String,
    /// Where it waits now; empty when unchanged.
    pub queue: String,
    /// Who hears the answer from now on.
    pub audience: Option<Audience>,
    /// What it is about.
    pub intents: Vec<IntentRecord>,
    /// A message of the customer; its time is zero when it came just now.
    pub message: Option<MessageRecord>,
    /// Values to remember; `expire` is filled in here.
    pub variables: Vec<ValueRecord>,
    /// What the customer says of consent; a time that was not given is 0.
    pub consents: Vec<ConsentRecord>,
    /// Somebody's word on who it is.
    pub feedback: Option<Feedback>,
    /// How the customer proved who they are.
    pub verification: Option<Verification>,
}

impl Service {
    /// Takes the update in and answers as a start would now.
    ///
    /// # Errors
    /// [`Error::InteractionNotFound`], [`Error::UpdateConflict`] for a known update id with other
    /// content, [`Error::Invalid`] for hints that cannot be read, [`Error::TooManyUpdates`], those
    /// of roles and sources, and the store's.
    pub async fn update_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        update: Update,
    ) -> Result<Answer, Error> {
        let roles = [Role::Telephony, Role::Bot, Role::Agent, Role::Helpdesk, Role::Backfill];
        caller.needs(&roles)?;
        let source = caller.addresses(&update.source)?;
        let secrets = &caller.tenant.secrets;
        let interaction = secrets.interaction(&source, &update.interaction_id);
        let operation = Arc::new(UpdateOperation {
            service: Arc::clone(self),
            caller: caller.clone(),
            interaction,
            part: secrets.text("update_id", &update.update_id).0.to_vec(),
            fingerprint: secrets.fingerprint(&[&update.content]).to_vec(),
            now: self.store.now(),
            update,
        });
        let wish = Wish { history_limit: HISTORY };
        let mut verdict = self.store.run(Arc::clone(&operation)).await;
        if matches!(verdict, Ok(Verdict::Replay)) {
            // Somebody wrote under the same key: decided again, it says what that means.
            verdict = self.store.run(Arc::clone(&operation)).await;
        }
        match verdict {
            Ok(Verdict::Committed(settled)) => {
                self.remember_labels(caller, &settled);
                if settled.complete {
                    return Ok(answer(settled, caller, self.store.now(), &wish));
                }
                as_it_stands(self, caller, interaction, &wish, settled.warnings).await
            }
            Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {
                self.may_repeat(caller, interaction, &operation.update.hints).await?;
                let answer = as_it_stands(self, caller, interaction, &wish, Vec::new()).await;
                self.traced(caller, Verb::Repeat, &About::of(interaction), answer, whom)
            }
            Err(error) => Err(error),
        }
    }

    /// Whoever repeats an update of somebody who has signed in must show their token again: while it
    /// cannot be verified, they may be anybody.
    async fn may_repeat(
        self: &Arc<Self>,
        caller: &Caller,
        interaction: Token,
        hints: &RawHints,
    ) -> Result<(), Error> {
        let Some(known) = self.known(caller, interaction).await? else { return Ok(()) };
        // One that comes late has been verified: nothing new is decided on it.
        let read = later_hints(&known.state, hints, caller);
        let unproven = read.is_ok_and(|hints| hints.unproven.is_some());
        let signed_in = |hint: &HintRecord| hint.kind == HintKind::WebToken.code();
        if unproven && known.state.hints.iter().any(signed_in) {
            return Err(Error::Store(store::Error::Unavailable));
        }
        Ok(())
    }
}

struct UpdateOperation {
    service: Arc<Service>,
    caller: Caller,
    interaction: Token,
    part: Vec<u8>,
    fingerprint: Vec<u8>,
    now: Time,
    update: Update,
}

impl Operation for UpdateOperation {
    type Answer = Settled;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Settled>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            let known = desk.interaction(self.interaction).await?;
            let known = known.ok_or(Error::InteractionNotFound)?;
            let own = (&*self.part, &*self.fingerprint);
            if known.not_done(Verb::Update, own, Error::UpdateConflict)? >= MOST_UPDATES {
                return Err(Error::TooManyUpdates);
            }
            let mut state = known.state;
            let normalised = later_hints(&state, &self.update.hints, &self.caller)?;
            let mut warnings: Vec<Warning> =
                normalised.notices.into_iter().map(Warning::from).collect();
            let news = News {
                hints: normalised.hints,
                named: normalised.customer_ref,
                feedback: self.update.feedback.clone(),
                verification: self.update.verification,
            };
            news.allowed(&self.caller)?;
            let at = self.event_time(&state, known.entry.received);
            self.note(&mut state, at);
            let ceiling = self.caller.max_assurance;
            let interaction = self.interaction;
            warnings.extend(absorb(&mut desk, &mut state, interaction, &news, ceiling).await?);
            warnings.extend(self.remember(&mut desk, &mut state, at).await?);
            let entry = Entry {
                interaction,
                verb: Verb::Update,
                part: self.part.clone(),
                fingerprint: self.fingerprint.clone(),
                time: self.now,
                caller: &self.caller.key_id,
            };
            journaling::write(&mut desk, &state, entry).await?;
            let settled = settled(&mut desk, state, warnings).await?;
            Ok(desk.propose(settled))
        })
    }
}

impl UpdateOperation {
    /// Takes over what changed of the interaction itself.
    fn note(&self, state: &mut State, at: Time) {
        let about = state.about.get_or_insert_default();
        if !self.update.agent_ref.is_empty() {
            about.agent_ref.clone_from(&self.update.agent_ref);
        }
        if !self.update.queue.is_empty() {
            about.queue.clone_from(&self.update.queue);
        }
        if let Some(audience) = self.update.audience {
            state.audience = audience.code();
        }
        state.newest_event = state.newest_event.max(at.0);
    }

    /// A replay of the past updates at the interaction's own time, not at ours. What has only gone on
    /// for long is updated now.
    fn event_time(&self, state: &State, received: Time) -> Time {
        let long_ago = state.start_given
            && received.since(Time(state.start_time)) > crate::clock::DAY
            && self.caller.has(Role::Backfill);
        if long_ago { Time(state.newest_event.max(state.start_time)) } else { self.now }
    }

    /// Takes over when the customer wrote; whether that was news. Nothing was sent later than now.
    fn listen(&self, state: &mut State, at: Time) -> bool {
        let just_now = at.0;
        self.update.message.clone().is_some_and(|mut message| {
            message.time = if message.time == 0 { just_now } else { message.time.min(self.now.0) };
            messages::take_in(state, message)
        })
    }

    /// Writes intents and variables to the customer, or keeps them until it is known whose they are.
    /// What was redacted from this interaction stays out of it: the warnings say so.
    async fn remember(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &mut State,
        at: Time,
    ) -> Result<Vec<Warning>, Error> {
        let heard = self.listen(state, at);
        let mut intents = ending::named_in_between(state, &self.update.intents, at);
        waiting::wait(&mut state.values, waiting::expiring(&self.update.variables, at));
        let consents = consenting::timed(&self.update.consents, at, self.now);
        if !state.settled {
            consenting::wait(&mut state.consents, consents.clone());
        }
        ending::within_limits(state)?;
        let fields = redactions::apply(state);
        let warnings = fields.iter().map(Warning::stays_redacted).collect();
        if !state.settled {
            if state.ending.is_some() && state.filed_at.is_some() {
                // Its candidate's file shows it: for as few eyes as was said now.
                filing::file(desk, state, self.interaction).await?;
            }
            return Ok(warnings);
        }
        intents.retain(|said| fields.iter().all(|it| !it.means_intent(&said.intent)));
        filing::write_facts(desk, state, self.interaction, &intents, at).await?;
        // Nothing waits in what is settled: these are this update's.
        let (kind, values) = (BlockKind::Variables, std::mem::take(&mut state.values));
        filing::write_values(desk, state, self.interaction, kind, values, (at, 0)).await?;
        if let Some(customer) = customer_of(&state.customer) {
            consenting::may_be_said(desk, customer, &consents, "consents").await?;
        }
        consenting::write(desk, state, self.interaction, consents, at).await?;
        if heard || state.ending.is_some() {
            filing::file(desk, state, self.interaction).await?;
        }
        Ok(warnings)
    }
}

/// Hints that come after the start are read by the interaction's own channel and direction.
pub(super) fn later_hints(
    state: &State,
    raw: &RawHints,
    caller: &Caller,
) -> Result<Normalised, Error> {
    if raw.web_token.is_late() {
        return Err(Error::WebTokenRefused(Refused::Expired));
    }
    let circumstances = Circumstances {
        channel: &state.channel,
        direction: Direction::from_code(state.direction).unwrap_or(Direction::Inbound),
        line_type: crate::identity::LineType::from_code(state.line_type).unwrap_or_default(),
        attestation: crate::identity::Attestation::from_code(state.attestation).unwrap_or_default(),
        max_assurance: caller.max_assurance,
        continuation: state.decision.as_ref().is_some_and(|decision| decision.inherited),
    };
    let normalised = normalise(raw, &circumstances, &caller.tenant.policy.identity);
    if normalised.violations.is_empty() {
        Ok(normalised)
    } else {
        Err(Error::Invalid(normalised.violations))
    }
}
