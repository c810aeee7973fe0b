//! What happened since a place in the journal, opened for those who follow it.
//!
//! The journal says that something happened, and the interaction as it now stands says what may be
//! told of it: an event is answered as GetInteraction would answer at this moment, made of rows that
//! were all read at one moment. So a follower that is late is not shown whom an interaction was once
//! mistaken for, nor what was taken away since.
//!
//! Rows are opened once for all who follow; each of them sees their own answer
//! ([`Event::answer`]), which `context::disclosure` decides.

mod erased;
mod matching;
mod opening;
mod people;
mod reading;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Error;
use super::answer::{Answer, Settled, Wish, answer};
use super::caller::Caller;
use super::record::State;
use super::service::Service;
use super::settling::customer_of;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::ids::{CustomerId, Token};
use crate::store::rows::Verb;

pub use matching::Filter;

/// What a follower asks for.
#[derive(Clone)]
pub struct Interest {
    /// Which events.
    pub filter: Arc<Filter>,
    /// Whether the customer's context is wanted, too; without, none is opened.
    pub context: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// An interaction started.
    Started,
    /// More became known of it.
    Updated,
    /// It ended.
    Ended,
    /// Its end was amended.
    Amended,
    /// It was closed because no end came.
    Closed,
    /// Something was taken out of it for good.
    Redacted,
    /// It was moved to another customer.
    Reassigned,
    /// A customer was changed beside any contact.
    CustomerChanged,
    /// Two customers are one person now.
    CustomerMerged,
    /// They are not, after all.
    CustomerUnmerged,
    /// A customer was erased; only who has to be told of that hears of it.
    CustomerErased,
}

impl Happened {
    /// What a journal row says has happened; `None` for what nobody is told of: reads, keys, and what
    /// takes content away.
    fn of(verb: Verb) -> Option<Self> {
        Some(match verb {
            Verb::Start => Self::Started,
            Verb::Update | Verb::Attach => Self::Updated,
            Verb::End => Self::Ended,
            Verb::Close => Self::Closed,
            Verb::Redact => Self::Redacted,
            Verb::Reassign => Self::Reassigned,
            Verb::Upsert | Verb::Link | Verb::Unlink | Verb::Resolve => Self::CustomerChanged,
            Verb::Merge => Self::CustomerMerged,
            Verb::Unmerge => Self::CustomerUnmerged,
            Verb::Erase => Self::CustomerErased,
            Verb::Purge
            | Verb::Expire
            | Verb::Archive
            | Verb::GetInteraction
            | Verb::ListInteractions
            | Verb::GetCustomer
            | Verb::ListConflicts
            | Verb::PreviewMerge
            | Verb::Repeat
            | Verb::ExportCustomer
            | Verb::PreviewErase
            | Verb::WatchInteractions
            | Verb::WatchCustomer
            | Verb::CreateWebhook
            | Verb::UpdateWebhook
            | Verb::RotateWebhookSecret
            | Verb::RemoveWebhook
            | Verb::TestWebhook
            | Verb::ReplayDeadLetters
            | Verb::Fit
            | Verb::RotateRootKey
            | Verb::RetireRootKey
            | Verb::Backup
            | Verb::CreateKey
            | Verb::RevokeKey
            | Verb::ReplaceKey
            | Verb::Restore => return None,
        })
    }

    /// Whether it happened to a customer, beside any contact.
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Self::CustomerChanged
                | Self::CustomerMerged
                | Self::CustomerUnmerged
                | Self::CustomerErased
        )
    }
}

/// What a look behind a place in the journal gave.
pub enum Since {
    /// Something was committed since.
    Page(Page),
    /// Nothing was.
    Nothing,
    /// The journal ends before that place: the store was put back, and what happens now takes the places
    /// that had been handed out. Whoever goes on behind them is told nothing of it.
    PutBack,
}

/// What was found: events in order, and how far was looked.
pub struct Page {
    /// When it was read.
    pub read_at: Instant,
    /// All up to here has been looked at.
    pub position: i64,
    /// Whether there is more to look at right away.
    pub more: bool,
    /// What anybody who follows is interested in.
    pub events: Vec<Event>,
    /// What the sets of the customers whom interests name are called; who is not among them is not
    /// there any more.
    called: HashMap<CustomerId, CustomerId>,
}

impl Page {
    /// Whether an interest names a customer who is not there any more.
    pub fn is_gone(&self, interest: &Interest) -> bool {
        interest.filter.customer.is_some_and(|customer| !self.called.contains_key(&customer))
    }

    /// What the set of the customer whom an interest names is called.
    pub fn called(&self, interest: &Interest) -> Option<CustomerId> {
        interest.filter.customer.and_then(|customer| self.called.get(&customer).copied())
    }
}

/// One thing that happened.
pub struct Event {
    /// Its place in the journal.
    pub position: i64,
    /// What.
    pub happened: Happened,
    /// When, as the caller said.
    pub time: Time,
    /// When it was committed.
    pub received: Time,
    /// Which of the interests it fits, in order.
    pub fits: Vec<usize>,
    /// The interaction or request.
    pub(super) token: Token,
    to: To,
}

/// What it happened to.
#[derive(Clone)]
enum To {
    Interaction(Arc<Settled>),
    /// An interaction, and whose it is, of whom something is damaged: nothing can be answered of it.
    Unopened(Arc<State>, Option<CustomerId>),
    /// A customer, by the name of their set and by their own.
    Customer {
        named: CustomerId,
        own: CustomerId,
    },
    /// The refs of somebody who was erased; what their set was called comes first.
    Erased(Vec<CustomerId>),
}

impl Event {
    /// Whom it is about, by the name of their set.
    pub fn customer(&self) -> Option<CustomerId> {
        match &self.to {
            To::Interaction(settled) => settled.customer,
            To::Unopened(_, customer) => *customer,
            To::Customer { named, .. } => Some(*named),
            To::Erased(refs) => refs.first().copied(),
        }
    }

    /// Whose it is themselves, by whatever their set is called.
    pub fn own_customer(&self) -> Option<CustomerId> {
        match &self.to {
            To::Interaction(settled) => customer_of(&settled.state.customer),
            To::Unopened(state, _) => customer_of(&state.customer),
            To::Customer { own, .. } => Some(*own),
            To::Erased(_) => self.customer(),
        }
    }

    /// Every ref of whoever was erased; none of anybody else.
    pub fn erased(&self) -> &[CustomerId] {
        if let To::Erased(refs) = &self.to { refs } else { &[] }
    }

    /// The interaction or request, as it is named in the store.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The interaction's channel; `None` for a change beside any contact.
    pub fn channel(&self) -> Option<&str> {
        Some(&self.state()?.channel)
    }

    /// The interaction's id and source; `None` for a change beside any contact.
    pub fn names(&self) -> Option<(String, String)> {
        let about = self.state()?.about.clone().unwrap_or_default();
        Some((about.interaction_id, about.source))
    }

    /// Whether it can be shown: of what is damaged there are only [`names`](Self::names).
    pub fn opens(&self) -> bool {
        !matches!(self.to, To::Unopened(..))
    }

    /// Whether the caller's key may address the source of the interaction; so for a change beside any
    /// contact.
    pub fn is_addressed_by(&self, caller: &Caller) -> bool {
        let Some(state) = self.state() else { return true };
        let source = state.about.as_ref().map_or("", |about| &*about.source);
        caller.addresses(source).is_ok()
    }

    /// The interaction as it stands; `None` for a change beside any contact.
    fn state(&self) -> Option<&State> {
        match &self.to {
            To::Interaction(settled) => Some(&settled.state),
            To::Unopened(state, _) => Some(state),
            To::Customer { .. } | To::Erased(_) => None,
        }
    }

    /// What GetInteraction answers to this caller; `None` for a change beside any contact, and for what
    /// does not open.
    pub fn answer(&self, caller: &Caller, now: Time, history_limit: usize) -> Option<Answer> {
        let To::Interaction(settled) = &self.to else { return None };
        Some(answer(Settled::clone(settled), caller, now, &Wish { history_limit }))
    }
}

impl Service {
    /// What happened after `position` that fits one of the interests. A page looks only so far: `more`
    /// says whether to look on.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        position: i64,
        interests: &Arc<[Interest]>,
    ) -> Result<Since, Error> {
        let (id, service, tenant) = (tenant.id, Arc::clone(self), Arc::clone(tenant));
        let interests = Arc::clone(interests);
        let found = self.store.news(Box::new(move |connection| {
            Box::pin(async move {
                let read = reading::page(&service, &tenant, connection, position, &interests);
                read.await.map(Result::transpose)
            })
        }));
        let since = found.await?.transpose()?.unwrap_or(Since::Nothing);
        if matches!(since, Since::PutBack) {
            // What was found at places that are handed out again may be somebody else's.
            self.walks.forget_all(id);
        }
        Ok(since)
    }

    /// What happened at these places and fits one of the interests, in order, as it stands now; what
    /// is gone is not among it.
    ///
    /// # Errors
    /// The store's.
    pub async fn happened_at(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        positions: Vec<i64>,
        interests: &Arc<[Interest]>,
    ) -> Result<Vec<Event>, Error> {
        let (service, tenant) = (Arc::clone(self), Arc::clone(tenant));
        let interests = Arc::clone(interests);
        let found = self.store.news(Box::new(move |connection| {
            Box::pin(async move {
                let read = reading::at(&service, &tenant, connection, &positions, &interests);
                read.await.map(Some)
            })
        }));
        found.await?.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// What the sets of these customers are called by now; who is gone is not among them.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_names(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        customers: Vec<CustomerId>,
    ) -> Result<HashMap<CustomerId, CustomerId>, Error> {
        let tenant = tenant.id;
        let found = self.store.news(Box::new(move |connection| {
            Box::pin(async move { people::names(connection, tenant, customers).await.map(Some) })
        }));
        Ok(found.await?.unwrap_or_default())
    }

    /// The newest place in a tenant's journal, once it is durable.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest_position(self: &Arc<Self>, tenant: &Tenant) -> Result<i64, Error> {
        let id = tenant.id;
        let head = self.store.news(Box::new(move |connection| {
            Box::pin(async move { crate::store::follow::head(connection, id).await.map(Some) })
        }));
        Ok(head.await?.unwrap_or(0))
    }
}
