//! EndInteraction: save what happened, durably, with or without an earlier start.
//!
//! Replay? → whose it is → what it says → file, count → write → answer.

use std::sync::Arc;

use super::Error;
use super::absorb::{Feedback, News, absorb};
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::catching_up::strictest;
use super::desk::{Desk, Known};
use super::ending;
use super::filing;
use super::journaling::{self, Entry};
use super::naming::resolve;
use super::record::{About, ConsentRecord, ConversionRecord, IntentRecord, State, ValueRecord};
use super::redactions;
use super::relinking;
use super::service::Service;
use super::settling::{self, customer_of};
use super::update_interaction::later_hints;
use super::working::Working;
use crate::clock::Time;
use crate::context::{Disclosure, Sensitivity};
use crate::identity::{Attestation, Direction, LineType, RawHints, Verification};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads, Verdict};

/// An end, parsed.
#[derive(Clone)]
pub struct End {
    /// What it says of itself; an empty source is the key's own.
    pub about: About,
    /// The request in canonical form: what makes two ends the same.
    pub content: Vec<u8>,
    /// The ref that the start answered.
    pub customer_ref: String,
    /// More hints, as they were shown.
    pub hints: RawHints,
    /// The channel; required when no start is known.
    pub channel: String,
    /// Who turned to whom.
    pub direction: Option<Direction>,
    /// What line the number is.
    pub line_type: LineType,
    /// What the network attests.
    pub attestation: Attestation,
    /// When it started.
    pub start_time: Option<Time>,
    /// When it ended.
    pub end_time: Option<Time>,
    /// The version of this end.
    pub revision: Option<i64>,
    /// Whether it says all there is to say of the outcome.
    pub complete: bool,
    /// What it was about.
    pub intents: Vec<IntentRecord>,
    /// Values to remember, and names to forget (without a value).
    pub variables: Vec<ValueRecord>,
    /// Lasting values to set, and names to remove (without a value).
    pub profile: Vec<ValueRecord>,
    /// What the customer says of consent; a time that was not given is 0.
    pub consents: Vec<ConsentRecord>,
    /// A new cap on what is shown of the customer. Admin only.
    pub disclosure: Option<Disclosure>,
    /// What happened.
    pub summary: String,
    /// Who may see summary and intents.
    pub sensitivity: Sensitivity,
    /// Somebody's word on who it was.
    pub feedback: Option<Feedback>,
    /// How the customer proved who they are.
    pub verification: Option<Verification>,
    /// How it closed.
    pub disposition: String,
    /// The customer's score.
    pub csat: Option<i32>,
    /// From −1 to 1.
    pub sentiment: Option<f64>,
    /// Whether it was passed on.
    pub escalated: bool,
    /// What it led to.
    pub conversion: Option<ConversionRecord>,
}

/// Looks at an end that was saved before and whose customer went meanwhile.
const LOOKS: usize = 2;

/// The answer to an end.
pub struct Ended {
    /// The caller's own id.
    pub interaction_id: String,
    /// In whose history it now is; nobody is named while it is not settled that it is a protected person.
    pub customer: Option<CustomerId>,
    /// When it started.
    pub start: Time,
    /// When it ended.
    pub end: Time,
    /// Intents recorded.
    pub intents_updated: i32,
    /// Variables set or cleared.
    pub variables_updated: i32,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
    labels: Vec<(Token, Arc<str>)>,
    /// Whether whose it was is not there any more.
    gone: bool,
}

impl Ended {
    /// It went by time, or with its customer: acknowledged, and nothing kept.
    fn removed(interaction_id: &str, now: Time) -> Self {
        Self {
            interaction_id: interaction_id.to_owned(),
            customer: None,
            start: now,
            end: now,
            intents_updated: 0,
            variables_updated: 0,
            warnings: vec![Warning::removed()],
            labels: Vec::new(),
            gone: true,
        }
    }
}

impl Service {
    /// Saves the end. When this returns, it is durable.
    ///
    /// # Errors
    /// [`Error::EndConflict`] for other content without a higher revision, [`Error::Invalid`],
    /// [`Error::CustomerNotFound`] when somebody is named who does not exist, those of roles and
    /// sources, and the store's.
    pub async fn end_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        end: End,
    ) -> Result<Ended, Error> {
        caller.may_end()?;
        if end.disclosure.is_some() {
            caller.needs(&[Role::Admin])?;
        }
        let source = caller.addresses(&end.about.source)?;
        caller.addresses(&end.about.continues_source)?;
        let mut end = end;
        end.about.source.clone_from(&source);
        let secrets = &caller.tenant.secrets;
        let interaction = secrets.interaction(&source, &end.about.interaction_id);
        let operation = Arc::new(EndOperation {
            service: Arc::clone(self),
            caller: caller.clone(),
            interaction,
            fingerprint: secrets.fingerprint(&[&end.content]).to_vec(),
            now: self.store.now(),
            end,
        });
        let mut verdict = self.store.run(Arc::clone(&operation)).await;
        if matches!(verdict, Ok(Verdict::Replay)) {
            // Somebody wrote under the same key: decided again, it says what that means.
            verdict = self.store.run(Arc::clone(&operation)).await;
        }
        match verdict {
            Ok(Verdict::Committed(ended)) => {
                for (token, text) in &ended.labels {
                    self.memory.keep_label(caller.tenant.id, *token, Arc::clone(text));
                }
                Ok(ended)
            }
            Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {
                Box::pin(self.ended_before(caller, &operation)).await
            }
            Err(error) => Err(error),
        }
    }

    /// What an end that was saved before answers, as it stands now.
    async fn ended_before(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &EndOperation,
    ) -> Result<Ended, Error> {
        let interaction_id = &operation.end.about.interaction_id;
        for _ in 0..LOOKS {
            let Some(known) = self.known(caller, operation.interaction).await? else { break };
            let mut reads = Reads::Fresh(Arc::clone(&self.store));
            let mut desk = Desk::new(self, &caller.tenant, &mut reads);
            let own = (operation.end.revision, &operation.fingerprint);
            let overtaken = ending::overtaken(&known, own.0, own.1).into_iter().collect();
            let ended = answer(&mut desk, &known.state, overtaken).await?;
            // Whose it is may have been erased between the two looks: then that is to be said.
            if !ended.gone {
                return Ok(ended);
            }
        }
        Ok(Ended::removed(interaction_id, operation.now))
    }
}

async fn answer(
    desk: &mut Desk<'_, '_>,
    state: &State,
    warnings: Vec<Warning>,
) -> Result<Ended, Error> {
    let ending = state.ending.clone().unwrap_or_default();
    let (customer, gone) = match customer_of(&state.customer) {
        Some(id) if desk.working.get(&id).is_some_and(Working::is_new) => (Some(id), false),
        Some(id) => match desk.person(id, false).await? {
            Some(person) => {
                let hidden = !state.settled
                    && strictest(&desk.set_of(&person, false).await?) == Disclosure::Never;
                (Some(person.set_name()).filter(|_| !hidden), false)
            }
            None => (None, true),
        },
        None => (None, false),
    };
    Ok(Ended {
        interaction_id: state.about.clone().unwrap_or_default().interaction_id,
        customer,
        start: Time(state.start_time),
        end: Time(ending.end_time),
        intents_updated: ending.intents_updated,
        variables_updated: ending.variables_updated,
        warnings,
        labels: std::mem::take(&mut desk.labels),
        gone,
    })
}

pub(super) struct EndOperation {
    service: Arc<Service>,
    pub caller: Caller,
    pub interaction: Token,
    fingerprint: Vec<u8>,
    pub now: Time,
    pub end: End,
}

impl Operation for EndOperation {
    type Answer = Ended;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<Ended>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            let known = desk.interaction(self.interaction).await?;
            match &known {
                Some(known) => ending::may_end(known, self.end.revision, &self.fingerprint)?,
                // It went by time, or with its customer. Written as if it had no start, half of it would stay.
                None if desk.has_heard_of(self.interaction) => return Err(Error::AlreadyDone),
                None => {}
            }
            let mut warnings = Vec::new();
            let without_start = known.is_none();
            let mut state = match known {
                Some(known) => Box::pin(self.news(&mut desk, known, &mut warnings)).await?,
                None => Box::pin(self.begin(&mut desk, &mut warnings)).await?,
            };
            self.conclude(&mut desk, &mut state, &mut warnings).await?;
            if without_start {
                // Keeps the start's place, so that a start that comes late finds the end.
                desk.effects.journal.push(ending::start_place(
                    self.interaction,
                    &state,
                    &self.caller.key_id,
                ));
            }
            let entry = Entry {
                interaction: self.interaction,
                verb: Verb::End,
                part: ending::part(self.end.revision),
                fingerprint: self.fingerprint.clone(),
                time: Time(state.ending.as_ref().map_or(self.now.0, |ending| ending.end_time)),
                caller: &self.caller.key_id,
            };
            journaling::write(&mut desk, &state, entry).await?;
            warnings.append(&mut desk.warnings);
            let ended = answer(&mut desk, &state, warnings).await?;
            Ok(desk.propose(ended))
        })
    }
}

impl EndOperation {
    /// A start is known: the end's hints, verification and word on who it was are news.
    async fn news(
        &self,
        desk: &mut Desk<'_, '_>,
        known: Known,
        warnings: &mut Vec<Warning>,
    ) -> Result<State, Error> {
        let mut state = known.state;
        let about = state.about.get_or_insert_default();
        let said = &self.end.about;
        for (known, said) in [
            (&mut about.agent_ref, &said.agent_ref),
            (&mut about.queue, &said.queue),
            (&mut about.thread_ref, &said.thread_ref),
        ] {
            if !said.is_empty() {
                known.clone_from(said);
            }
        }
        let normalised = later_hints(&state, &self.end.hints, &self.caller)?;
        warnings.extend(normalised.notices.into_iter().map(Warning::from));
        if !self.end.customer_ref.is_empty()
            && resolve(desk, &self.end.customer_ref).await?.is_none()
        {
            warnings.push(Warning::unknown_customer_ref("customer_ref"));
        }
        let news = self.said(normalised.hints, normalised.customer_ref);
        news.allowed(&self.caller)?;
        let ceiling = self.caller.max_assurance;
        warnings.extend(absorb(desk, &mut state, self.interaction, &news, ceiling).await?);
        Ok(state)
    }

    pub fn said(&self, hints: Vec<crate::identity::Hint>, named: Option<String>) -> News {
        let (feedback, verification) = (self.end.feedback.clone(), self.end.verification);
        News { hints, named, feedback, verification }
    }

    /// What it says is written to the customer's file, and counted if it is settled.
    async fn conclude(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &mut State,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), Error> {
        let counted = state.ending.as_ref().filter(|_| state.counted).map(|it| it.end_time);
        let ended = self.take_in(desk, state, warnings).await?;
        warnings.extend(redactions::apply(state).iter().map(Warning::stays_redacted));
        // Settled, it is written to the customer's file; else it waits in the interaction.
        filing::flush(desk, state, self.interaction).await?;
        self.cap(desk, state, warnings).await?;
        relinking::hold(desk, state, self.interaction).await?;
        filing::file(desk, state, self.interaction).await?;
        match counted {
            Some(before) if !filing::counts(state) || before != ended.0 => {
                settling::recount(desk, state, self.interaction).await
            }
            _ => filing::count(desk, state, self.interaction).await,
        }
    }

    async fn cap(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &State,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), Error> {
        let Some(disclosure) = self.end.disclosure else { return Ok(()) };
        match customer_of(&state.customer).filter(|_| state.settled) {
            Some(customer) => {
                desk.take_in_hand(customer).await?.touch().disclosure = disclosure.code();
            }
            None => warnings.push(Warning {
                code: "disclosure_not_set",
                field: "profile[disclosure]".into(),
                message: "the interaction is not settled; confirm the identity and end again"
                    .into(),
            }),
        }
        Ok(())
    }
}
