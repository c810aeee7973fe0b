//! WatchInteractions and WatchCustomer: who may watch what, and what the audit holds of it. How it is
//! followed is `following`; the streams themselves are `events`.
//!
//! A stream leaves an entry when it is opened, and one for each customer whom it shows, once an hour
//! (ADR 0057).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::following::{Event, Filter};
use super::list_interactions::subject;
use super::naming;
use super::service::Service;
use super::traces::About;
use crate::cache::Remembered;
use crate::context::{Context, consented};
use crate::ids::CustomerId;
use crate::store::Reads;
use crate::store::rows::Verb;

/// What somebody wants to watch, parsed.
#[derive(Clone, Debug)]
pub enum Watched {
    /// Interactions that fit all that is named.
    Interactions {
        /// Only this customer's; empty for all. Admin only.
        customer_ref: String,
        /// Only this agent's; empty for all.
        agent_ref: String,
        /// Only of this queue; empty for all.
        queue: String,
        /// Only of this channel; empty for all.
        channel: String,
    },
    /// One customer.
    Customer {
        /// The customer. Admin only, unless an interaction is named too.
        customer_ref: String,
        /// An interaction settled on the customer.
        interaction_id: String,
        /// That interaction's source.
        source: String,
    },
}

impl Watched {
    /// Whether it is one customer.
    pub fn is_customer(&self) -> bool {
        matches!(self, Self::Customer { .. })
    }

    /// What it is called in the audit.
    fn verb(&self) -> Verb {
        match self {
            Self::Interactions { .. } => Verb::WatchInteractions,
            Self::Customer { .. } => Verb::WatchCustomer,
        }
    }

    /// What tells it apart from everything else that could be watched: of whom a token is no use for
    /// another.
    pub fn scope(&self, caller: &Caller) -> Vec<Vec<u8>> {
        let parts: Vec<&str> = match self {
            Self::Interactions { customer_ref, agent_ref, queue, channel } => {
                vec!["interactions", customer_ref, agent_ref, queue, channel]
            }
            Self::Customer { customer_ref, interaction_id, source } => {
                let source = if source.is_empty() { &caller.source } else { &**source };
                vec!["customer", customer_ref, interaction_id, source]
            }
        };
        parts.into_iter().map(|part| part.as_bytes().to_vec()).collect()
    }

    fn about(&self, caller: &Caller) -> About {
        match self {
            Self::Interactions { customer_ref, .. } => About::customers(&[customer_ref]),
            Self::Customer { customer_ref, interaction_id, source } => {
                About::named(caller, customer_ref, source, interaction_id)
            }
        }
    }
}

impl Service {
    /// Whether it may be watched, and which events are meant. Leaves an entry, also of a refusal.
    ///
    /// # Errors
    /// [`Error::RoleRequired`], [`Error::CustomerNotFound`], [`Error::Erased`], for a customer those of
    /// [`Service::get_customer`], and the store's.
    pub async fn watch(
        self: &Arc<Self>,
        caller: &Caller,
        watched: &Watched,
    ) -> Result<Filter, Error> {
        let filter = self.may_watch(caller, watched).await;
        let named = |filter: &Filter| filter.customer.into_iter().collect();
        self.traced(caller, watched.verb(), &watched.about(caller), filter, named)
    }

    async fn may_watch(
        self: &Arc<Self>,
        caller: &Caller,
        watched: &Watched,
    ) -> Result<Filter, Error> {
        caller.needs(&[Role::Agent, Role::Admin])?;
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        match watched {
            Watched::Interactions { customer_ref, agent_ref, queue, channel } => {
                let customer = match customer_ref.as_str() {
                    "" => None,
                    named => {
                        caller.needs(&[Role::Admin])?;
                        Some(naming::named(&mut desk, named).await?)
                    }
                };
                Ok(Filter {
                    customer,
                    agent_ref: agent_ref.clone(),
                    queue: queue.clone(),
                    channel: channel.clone(),
                    sources: Some(addressed(caller)),
                    changes: false,
                    erasures: false,
                })
            }
            Watched::Customer { customer_ref, interaction_id, source } => {
                let named = (&**customer_ref, &**source, &**interaction_id);
                let subject = subject(&mut desk, caller, named).await?;
                Ok(Filter { customer: Some(subject.customer), changes: true, ..Filter::default() })
            }
        }
    }

    /// Whether it may still be watched, and this be told of it: an agent sees a customer only as
    /// long as the interaction through which they see them is settled on that customer, and, where
    /// the tenant asks for consent, is told nothing of one who has not agreed: their history would
    /// not be listed either.
    ///
    /// # Errors
    /// [`Error::NotSettled`] when it is somebody else's by now; else as [`Service::watch`].
    pub async fn may_be_told(
        self: &Arc<Self>,
        caller: &Caller,
        watched: &Watched,
        filter: &Filter,
    ) -> Result<bool, Error> {
        // Roles and sources are the key's, which is looked at by itself.
        let Watched::Customer { .. } = watched else { return Ok(true) };
        if caller.has(Role::Admin) {
            return Ok(true);
        }
        let now = self.may_watch(caller, watched).await?;
        let (Some(then), Some(now)) = (filter.customer, now.customer) else { return Ok(true) };
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let (then, now) = (desk.person(then, false).await?, desk.person(now, false).await?);
        let set_name = |person: &Option<Arc<Remembered>>| person.as_ref().map(|it| it.set_name());
        if set_name(&then) != set_name(&now) {
            return Err(Error::NotSettled);
        }
        match now {
            Some(person) => has_agreed(&mut desk, &person).await,
            None => Ok(true),
        }
    }

    /// Leaves the entry of an event that is about to be shown.
    ///
    /// # Errors
    /// [`crate::store::Error::QueueFull`] while too many wait: it must not be shown yet.
    pub fn trace_event(
        self: &Arc<Self>,
        caller: &Caller,
        watched: &Watched,
        event: &Event,
        shown: Option<CustomerId>,
    ) -> Result<(), Error> {
        let about = About::of(event.token);
        self.traced(caller, watched.verb(), &about, Ok(()), |()| shown.into_iter().collect())
    }
}

/// Whether somebody, with all who are one person with them, has agreed to be shown.
async fn has_agreed(desk: &mut Desk<'_, '_>, person: &Arc<Remembered>) -> Result<bool, Error> {
    let asks = Arc::clone(&desk.tenant.policy.disclosure_requires_consent);
    if asks.is_empty() {
        return Ok(true);
    }
    let set = desk.set_of(person, true).await?;
    let contexts = set.iter().filter_map(|member| member.context.clone()).collect();
    Ok(consented(&Context::gathered(contexts), &asks))
}

fn addressed(caller: &Caller) -> BTreeSet<String> {
    let others = caller.may_address.iter().cloned();
    others.chain([caller.source.to_string()]).collect()
}
