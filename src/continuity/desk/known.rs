//! What the journal knows of an interaction, or of a request that changed a customer.

use std::sync::Arc;

use super::Desk;
use crate::clock::Time;
use crate::continuity::Error;
use crate::continuity::record::State;
use crate::continuity::sealing::Slot;
use crate::crypto::{DataKey, key_id};
use crate::ids::{CustomerId, KeyId, Token};
use crate::store::gate::{Key, Listener as _};
use crate::store::read::{self, JournalEntry, JournalGuard};
use crate::store::rows::Verb;

/// An interaction as the journal knows it.
#[derive(Clone)]
pub struct Known {
    /// The operations so far.
    pub entry: Arc<JournalEntry>,
    /// Where it stands.
    pub state: State,
}

impl Known {
    /// The position of its newest operation.
    pub fn position(&self) -> Option<i64> {
        self.entry.newest().map(|guard| guard.position)
    }

    /// Whether an operation that has an id of its own may be done: how often its verb was before.
    ///
    /// # Errors
    /// [`Error::AlreadyDone`] when it was done with the same content, `conflict` when with other.
    pub fn not_done(
        &self,
        verb: Verb,
        (part, fingerprint): (&[u8], &[u8]),
        conflict: Error,
    ) -> Result<usize, Error> {
        let earlier = self.entry.guards.iter().filter(|guard| guard.verb == verb);
        match earlier.clone().find(|guard| guard.part == part) {
            Some(done) if done.fingerprint == fingerprint => Err(Error::AlreadyDone),
            Some(_) => Err(conflict),
            None => Ok(earlier.count()),
        }
    }
}

impl Desk<'_, '_> {
    /// An interaction; `None` when it was never heard of, or only that it took place is left.
    ///
    /// # Errors
    /// [`Error::Erased`] when it was erased with its person.
    pub async fn interaction(&mut self, token: Token) -> Result<Option<Known>, Error> {
        let journaled = self.journaled(token).await?;
        Ok(journaled.and_then(|(entry, state)| Some(Known { entry, state: state? })))
    }

    /// What the journal holds of an interaction or a request, and its newest state, unless that is
    /// gone, by time or with its customer; `None` when it was never heard of.
    ///
    /// # Errors
    /// [`Error::Erased`] when it was erased with its person.
    pub async fn journaled<R: prost::Message + Default>(
        &mut self,
        token: Token,
    ) -> Result<Option<(Arc<JournalEntry>, Option<R>)>, Error> {
        let entry = self.entry(token).await?;
        let newest = entry.as_ref().and_then(|entry| entry.newest()).cloned();
        self.read.interactions.push((token, newest.as_ref().map_or(0, |it| it.position)));
        let (Some(entry), Some(newest)) = (entry, newest) else { return Ok(None) };
        self.heard.insert(token, entry.received);
        if entry.erased {
            return Err(Error::Erased);
        }
        if entry.state.is_empty() {
            return Ok(Some((entry, None)));
        }
        let state = self.open_entry(token, &newest, &entry).await?;
        if state.is_none() && self.is_erased(token).await? {
            return Err(Error::Erased);
        }
        Ok(Some((entry, state)))
    }

    /// Whose an interaction is by now, by the journal's newest row: nothing is opened for it.
    ///
    /// # Errors
    /// The store's.
    pub async fn whose(&mut self, token: Token) -> Result<Option<CustomerId>, Error> {
        let entry = self.entry(token).await?;
        let newest = entry.as_ref().and_then(|entry| entry.newest()).map_or(0, |it| it.position);
        self.read.interactions.push((token, newest));
        Ok(entry.filter(|entry| !entry.erased).and_then(|entry| entry.customer))
    }

    /// Whether an interaction or a request was erased after its entry was read: the key went before it
    /// was asked for.
    async fn is_erased(&mut self, token: Token) -> Result<bool, Error> {
        let tenant = self.tenant.id;
        let now = self
            .reads
            .look(Box::new(move |connection| {
                Box::pin(async move { read::journal(connection, tenant, token).await })
            }))
            .await?;
        Ok(now.is_some_and(|entry| entry.erased))
    }

    /// What the newest row holds, opened; `None` when its customer was removed, and the key with them.
    /// What does not open is not remembered: whoever mends the row is believed at once.
    async fn open_entry<M: prost::Message + Default>(
        &mut self,
        token: Token,
        newest: &JournalGuard,
        entry: &JournalEntry,
    ) -> Result<Option<M>, Error> {
        let opened = self.try_open_entry(token, newest, entry).await;
        if matches!(opened, Err(Error::Sealed)) {
            self.service.memory.changed(&[Key::Interaction(self.tenant.id, token)]);
        }
        opened
    }

    async fn try_open_entry<M: prost::Message + Default>(
        &mut self,
        token: Token,
        newest: &JournalGuard,
        entry: &JournalEntry,
    ) -> Result<Option<M>, Error> {
        let id = key_id(&entry.state).ok_or(Error::Sealed)?;
        let Some(key) = self.key(id, entry.customer).await? else {
            if self.service.without_keys {
                // A restore: whoever was erased since has no key in the newer file.
                return Ok(None);
            }
            // A key is destroyed with its customer, and not before.
            let customer = entry.customer.ok_or(Error::Sealed)?;
            let destroyed = self.one(customer, false).await?.is_none();
            return if destroyed { Ok(None) } else { Err(Error::Sealed) };
        };
        let part = newest.part.clone();
        let slot = Slot::Journal { interaction: token, verb: newest.verb, part };
        Ok(Some(slot.open(self.tenant.id, &key, &entry.state)?))
    }

    /// Whether the journal holds anything of an interaction that was asked for, were it only that
    /// it took place.
    pub fn has_heard_of(&self, token: Token) -> bool {
        self.read.interactions.iter().any(|(known, position)| *known == token && *position > 0)
    }

    /// When an interaction was first heard of: now, if the journal held nothing of it.
    pub fn first_heard(&self, token: Token) -> Time {
        self.heard.get(&token).copied().unwrap_or_else(|| self.service.store.now())
    }

    /// What the journal holds of an interaction.
    pub async fn entry(&mut self, token: Token) -> Result<Option<Arc<JournalEntry>>, Error> {
        let tenant = self.tenant.id;
        if self.reads.uses_cache()
            && let Some(entry) = self.service.memory.interaction(tenant, token)
        {
            return Ok(Some(entry));
        }
        let sequence = self.gate().sequence();
        let entry = self
            .reads
            .look(Box::new(move |connection| {
                Box::pin(async move { read::journal(connection, tenant, token).await })
            }))
            .await?
            .map(Arc::new);
        if let Some(entry) = entry.as_ref().filter(|_| self.reads.uses_cache()) {
            self.service.memory.keep_interaction(tenant, token, entry, sequence);
        }
        Ok(entry)
    }

    /// The data key of that name, most likely this customer's; `None` when it was destroyed.
    pub async fn key(
        &mut self,
        id: KeyId,
        customer: Option<CustomerId>,
    ) -> Result<Option<Arc<DataKey>>, Error> {
        if id == self.tenant.key.id() {
            return Ok(Some(Arc::clone(&self.tenant.key)));
        }
        let remembered = self.working.values().find(|one| one.key.id() == id);
        if let Some(working) = remembered {
            return Ok(Some(Arc::clone(&working.key)));
        }
        if let Some(customer) = customer.filter(|_| self.reads.uses_cache()) {
            let person = self.service.memory.person(self.tenant.id, customer);
            if let Some(person) = person.filter(|person| person.key.id() == id) {
                return Ok(Some(Arc::clone(&person.key)));
            }
        }
        let service = Arc::clone(self.service);
        let tenant = self.tenant.id;
        let mut keys = self
            .reads
            .look(Box::new(move |connection| {
                Box::pin(async move {
                    crate::continuity::load::keys(&service, tenant, connection, &[id]).await
                })
            }))
            .await??;
        Ok(keys.remove(&id))
    }
}
