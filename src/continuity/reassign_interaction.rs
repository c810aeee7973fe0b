//! ReassignInteraction: a contact was settled on the wrong customer.
//!
//! Replay? → whose it is → take everything it gave → give it to its customer → write → answer. Its
//! intents, variables and links follow; the old customer keeps nothing of it.

use std::sync::Arc;

use super::Error;
use super::absorb::{Feedback, News, absorb};
use super::answer::{Settled, Warning, Wish, answer, settled};
use super::caller::{Caller, Role};
use super::desk::{Desk, Known};
use super::get_interaction::{as_it_stands, whom};
use super::journaling::{self, Entry};
use super::service::Service;
use super::traces::About;
use super::update_interaction::MOST_UPDATES;
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads};

/// A reassignment, parsed.
#[derive(Clone)]
pub struct Reassigning {
    /// The source that named the interaction; empty for the key's own.
    pub source: String,
    /// Which interaction.
    pub interaction_id: String,
    /// This request's own id.
    pub request_id: String,
    /// The request in canonical form: what makes two reassignments the same.
    pub content: Vec<u8>,
    /// Whose it is; `None` for somebody new.
    pub customer_ref: Option<String>,
}

/// The answer to a reassignment.
pub struct Reassigned {
    /// The caller's own id.
    pub interaction_id: String,
    /// Whose it is now.
    pub customer: Option<CustomerId>,
    /// Whether a customer was made for it.
    pub new_customer: bool,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
}

impl Service {
    /// Moves an interaction to its customer.
    ///
    /// # Errors
    /// [`Error::InteractionNotFound`], [`Error::CustomerNotFound`], [`Error::RequestConflict`] for a
    /// known request id with other content, [`Error::TooManyUpdates`], those of roles and sources,
    /// and the store's.
    pub async fn reassign_interaction(
        self: &Arc<Self>,
        caller: &Caller,
        reassigning: Reassigning,
    ) -> Result<Reassigned, Error> {
        caller.needs(&[Role::Agent, Role::Helpdesk, Role::Admin])?;
        let source = caller.addresses(&reassigning.source)?;
        let secrets = &caller.tenant.secrets;
        let interaction = secrets.interaction(&source, &reassigning.interaction_id);
        let operation = Arc::new(ReassignOperation {
            service: Arc::clone(self),
            caller: caller.clone(),
            interaction,
            part: secrets.text("request_id", &reassigning.request_id).0.to_vec(),
            fingerprint: secrets.fingerprint(&[&reassigning.content]).to_vec(),
            now: self.store.now(),
            customer_ref: reassigning.customer_ref,
        });
        // Nothing of the customer's context is told: nothing of it is asked for.
        let wish = Wish { history_limit: 0 };
        let answer = match self.change(operation).await? {
            Some(settled) if settled.complete => {
                self.remember_labels(caller, &settled);
                answer(settled, caller, self.store.now(), &wish)
            }
            Some(settled) => {
                as_it_stands(self, caller, interaction, &wish, settled.warnings).await?
            }
            None => {
                let answer = as_it_stands(self, caller, interaction, &wish, Vec::new()).await;
                self.traced(caller, Verb::Repeat, &About::of(interaction), answer, whom)?
            }
        };
        Ok(Reassigned {
            interaction_id: reassigning.interaction_id,
            customer: answer.customer,
            new_customer: answer.view.new_customer,
            warnings: answer.warnings,
        })
    }
}

/// Whether it may be done: not when it was done already, nor more often than one is updated. However
/// much was said of a contact otherwise, it can be put right.
///
/// # Errors
/// [`Error::AlreadyDone`], [`Error::RequestConflict`], [`Error::TooManyUpdates`].
fn may_reassign(known: &Known, own: (&[u8], &[u8])) -> Result<(), Error> {
    if known.not_done(Verb::Reassign, own, Error::RequestConflict)? >= MOST_UPDATES {
        return Err(Error::TooManyUpdates);
    }
    Ok(())
}

struct ReassignOperation {
    service: Arc<Service>,
    caller: Caller,
    interaction: Token,
    part: Vec<u8>,
    fingerprint: Vec<u8>,
    now: Time,
    customer_ref: Option<String>,
}

impl Operation for ReassignOperation {
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
            may_reassign(&known, own)?;
            let mut state = known.state;
            let feedback = Some(Feedback::Rejected(self.customer_ref.clone()));
            let news = News { feedback, ..News::default() };
            news.allowed(&self.caller)?;
            let ceiling = self.caller.max_assurance;
            let warnings = absorb(&mut desk, &mut state, self.interaction, &news, ceiling).await?;
            let entry = Entry {
                interaction: self.interaction,
                verb: Verb::Reassign,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuity::record::State;
    use crate::store::read::{JournalEntry, JournalGuard};

    const SAID: &[u8] = b"what it said";

    /// An interaction that was started, and of which each of these was done so often since.
    fn known(done: &[(Verb, usize)]) -> Known {
        let verbs = done.iter().flat_map(|(verb, times)| std::iter::repeat_n(*verb, *times));
        let guard = |(position, verb): (i64, Verb)| JournalGuard {
            verb,
            part: position.to_be_bytes().to_vec(),
            fingerprint: SAID.to_vec(),
            position,
        };
        let guards = (1..).zip(std::iter::once(Verb::Start).chain(verbs)).map(guard).collect();
        let received = Time(0);
        let entry =
            JournalEntry { guards, state: Vec::new(), customer: None, received, erased: false };
        Known { entry: Arc::new(entry), state: State::default() }
    }

    #[test]
    fn what_was_updated_and_ended_however_often_can_be_put_right() {
        let ticket = known(&[(Verb::Update, MOST_UPDATES), (Verb::End, MOST_UPDATES)]);
        assert!(may_reassign(&ticket, (b"new", SAID)).is_ok());
        let moved = known(&[(Verb::Reassign, MOST_UPDATES - 1)]);
        assert!(may_reassign(&moved, (b"new", SAID)).is_ok());
        let moved = known(&[(Verb::Reassign, MOST_UPDATES)]);
        let refused = may_reassign(&moved, (b"new", SAID));
        assert!(matches!(refused, Err(Error::TooManyUpdates)));
        let first = 2_i64.to_be_bytes();
        let again = may_reassign(&moved, (&first, SAID));
        assert!(matches!(again, Err(Error::AlreadyDone)), "it is answered however often it moved");
    }
}
