//! RedactInteraction: a text that must not be kept was written into an interaction.
//!
//! Replay? → take it out of the interaction → out of its customer's file → write → answer. What is
//! taken out is gone from every row, the journal's too, and what comes later cannot bring it back.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::carrying;
use super::desk::{Desk, Known};
use super::filing;
use super::journaling::{self, Entry};
use super::record::State;
use super::redactions::{self, Field};
use super::service::Service;
use super::settling::{customer_of, refresh};
use super::traces::About;
use crate::clock::Time;
use crate::ids::{TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads, Removal};

/// One interaction is redacted so many times at most.
pub const MOST_REDACTIONS: usize = 100;

/// A redaction, parsed.
#[derive(Clone)]
pub struct Redacting {
    /// The source that named the interaction; empty for the key's own.
    pub source: String,
    /// Which interaction.
    pub interaction_id: String,
    /// This request's own id.
    pub request_id: String,
    /// The request in canonical form: what makes two redactions the same.
    pub content: Vec<u8>,
    /// What to take out.
    pub fields: Vec<Field>,
}

/// The answer to a redaction.
pub struct Redacted {
    /// The caller's own id.
    pub interaction_id: String,
    /// Everything that was taken out of it so far.
    pub fields: Vec<Field>,
    /// When something was last taken out.
    pub time: Time,
}

impl Redacted {
    fn of(interaction_id: String, state: &State) -> Self {
        Self { interaction_id, fields: redactions::of(state), time: redactions::newest(state) }
    }
}

impl Service {
    /// Takes texts out of an interaction, for good. When this returns, no row holds them.
    ///
    /// # Errors
    /// [`Error::InteractionNotFound`], [`Error::RequestConflict`] for a known request id with other
    /// content, [`Error::TooManyUpdates`], those of roles and sources, and the store's.
    pub async fn redact_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        redacting: Redacting,
    ) -> Result<Redacted, Error> {
        caller.needs(&[Role::Helpdesk, Role::Admin])?;
        let source = caller.addresses(&redacting.source)?;
        let secrets = &caller.tenant.secrets;
        let interaction = secrets.interaction(&source, &redacting.interaction_id);
        let operation = Arc::new(RedactOperation {
            service: Arc::clone(self),
            caller: caller.clone(),
            interaction,
            part: secrets.text("request_id", &redacting.request_id).0.to_vec(),
            fingerprint: secrets.fingerprint(&[&redacting.content]).to_vec(),
            now: self.store.now(),
            fields: redacting.fields,
        });
        let state = match self.change(operation).await? {
            Some(state) => state,
            None => {
                let known = self.known(caller, interaction).await;
                let known = known.and_then(|known| known.ok_or(Error::InteractionNotFound));
                let whom = |it: &Known| customer_of(&it.state.customer).into_iter().collect();
                self.traced(caller, Verb::Repeat, &About::of(interaction), known, whom)?.state
            }
        };
        Ok(Redacted::of(redacting.interaction_id, &state))
    }
}

struct RedactOperation {
    service: Arc<Service>,
    caller: Caller,
    interaction: Token,
    part: Vec<u8>,
    fingerprint: Vec<u8>,
    now: Time,
    fields: Vec<Field>,
}

impl Operation for RedactOperation {
    type Answer = State;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<State>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            let known = desk.interaction(self.interaction).await?;
            let known = known.ok_or(Error::InteractionNotFound)?;
            let own = (&*self.part, &*self.fingerprint);
            if known.not_done(Verb::Redact, own, Error::RequestConflict)? >= MOST_REDACTIONS {
                return Err(Error::TooManyUpdates);
            }
            let mut state = known.state;
            refresh(&mut desk, &mut state).await?;
            redactions::add(&mut state, &self.fields, self.now);
            redactions::apply(&mut state);
            if state.settled {
                self.rewrite(&mut desk, &state).await?;
            }
            if state.filed_at.is_some() {
                filing::file(&mut desk, &mut state, self.interaction).await?;
            }
            // Older rows of the interaction hold the same texts: only this one's state is left.
            desk.effects.strip.push(self.interaction);
            let entry = Entry {
                interaction: self.interaction,
                verb: Verb::Redact,
                part: self.part.clone(),
                fingerprint: self.fingerprint.clone(),
                time: self.now,
                caller: &self.caller.key_id,
            };
            journaling::write(&mut desk, &state, entry).await?;
            Ok(desk.propose(state))
        })
    }
}

impl RedactOperation {
    /// Writes what the interaction gave its customer anew, without the texts. Blocks are written
    /// once and never changed: the old ones go, with all they hold.
    async fn rewrite(&self, desk: &mut Desk<'_, '_>, state: &State) -> Result<(), Error> {
        let elsewhere =
            |it: &Field| matches!(it, Field::Intents(_) | Field::Variables(_) | Field::Profile(_));
        if !self.fields.iter().any(elsewhere) {
            return Ok(());
        }
        let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
        let interaction = self.interaction;
        let mut carried = carrying::carry(desk, customer, interaction).await?;
        let secrets = &desk.tenant.secrets;
        let intents: Vec<Option<Token>> = self
            .fields
            .iter()
            .filter(|it| matches!(it, Field::Intents(_)))
            .map(|it| it.name().map(|name| secrets.label("intent", name)))
            .collect();
        carried.redact(
            |fact| intents.iter().any(|one| one.is_none_or(|intent| intent == fact.intent)),
            |kind, name| self.fields.iter().any(|it| it.means_value(kind, name)),
        );
        desk.effects.removals.push(Removal::Content { customer, interaction });
        carrying::receive(desk, customer, interaction, carried).await
    }
}
