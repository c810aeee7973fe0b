//! One operation of a restore: what it says in the journal, and what goes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::clock::Time;
use crate::continuity::Error;
use crate::continuity::desk::{Desk, Known};
use crate::continuity::erasure::erase;
use crate::continuity::joining;
use crate::continuity::journaling::{self, Entry};
use crate::continuity::record::{ErasureRecord, RequestRecord};
use crate::continuity::service::Service;
use crate::continuity::settling::withdraw;
use crate::continuity::tenant::Tenant;
use crate::continuity::theirs::{Theirs, Walked, of_members, rows_of};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::{Outcome, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads};

/// Who a restore is, in the journal.
const RESTORE: &str = "restore";

/// What one operation does.
pub(super) enum Task {
    /// Says that something was put back; what names it.
    Begin(Vec<u8>),
    /// Takes these customers away.
    Customers(Vec<CustomerId>),
    /// Keeps the places of these interactions and requests, and nothing of them.
    Places(Vec<(Token, Verb)>),
}

/// What is left of who goes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Leaves {
    /// What tells those who come late that they were erased.
    Tombstones,
    /// Nothing: nobody is known to have erased them.
    Nothing,
}

/// What of the journal was walked for an operation.
pub(super) type Walk = Mutex<Walked>;

/// An operation.
pub(super) struct Removing {
    pub service: Arc<Service>,
    pub tenant: Arc<Tenant>,
    pub task: Task,
    pub leaves: Leaves,
    pub walked: Walk,
}

impl Removing {
    /// Says in the journal what is done.
    fn say(&self, desk: &mut Desk<'_, '_>, interaction: Token, verb: Verb, theirs: &Theirs) {
        let erasure = ErasureRecord {
            customers: theirs.everybody.len() as i64,
            interactions: theirs.interactions.len() as i64,
            journal_entries: theirs.rows.len() as i64,
            ..ErasureRecord::default()
        };
        let record = RequestRecord { erasure: Some(erasure), ..RequestRecord::default() };
        let entry = Entry {
            interaction,
            verb,
            part: Vec::new(),
            fingerprint: Vec::new(),
            time: self.now(),
            caller: RESTORE,
        };
        journaling::write_unnamed(desk, &record, entry);
    }

    fn now(&self) -> Time {
        self.service.store().now()
    }

    /// Everything of these customers, who are in nobody's set any more.
    async fn customers(
        &self,
        desk: &mut Desk<'_, '_>,
        customers: &[CustomerId],
    ) -> Result<Theirs, Error> {
        let name = *customers.first().ok_or(Error::AlreadyDone)?;
        let theirs = of_members(desk, name, customers.to_vec(), &self.walked).await?;
        if theirs.everybody.is_empty() {
            return Err(Error::AlreadyDone);
        }
        let ids: Vec<CustomerId> = theirs.everybody.keys().copied().collect();
        for (id, person) in desk.people(&ids, false).await? {
            if person.members.iter().any(|member| !theirs.holds(Some(*member))) {
                joining::leave(desk, id).await?;
            }
        }
        // Nothing is to be written of those who go.
        desk.working.retain(|id, _| !theirs.holds(Some(*id)));
        desk.effects
            .merges
            .retain(|row| !theirs.holds(Some(row.one)) && !theirs.holds(Some(row.other)));
        Ok(theirs)
    }

    /// What the journal holds of these interactions and requests, whosever they were.
    async fn places(
        &self,
        desk: &mut Desk<'_, '_>,
        places: &[(Token, Verb)],
    ) -> Result<Theirs, Error> {
        let mut theirs = of_members(desk, CustomerId([0; 16]), Vec::new(), &self.walked).await?;
        // What comes later is nobody's: nobody else writes.
        theirs.until = i64::MAX;
        for (token, verb) in places {
            if desk.entry(*token).await?.is_some_and(|entry| entry.erased) {
                // It was kept before this restore was killed.
                continue;
            }
            if let Some(known) = filed(desk, (*token, *verb)).await? {
                withdraw(desk, &mut known.state.clone(), *token).await?;
                desk.effects.strip.retain(|stripped| stripped != token);
            }
            match verb {
                Verb::Start => drop(theirs.interactions.insert(*token)),
                verb => drop(theirs.requests.insert((*token, *verb))),
            }
        }
        let kept = theirs.requests.iter().map(|(token, _)| *token);
        let kept: BTreeSet<Token> = theirs.interactions.iter().copied().chain(kept).collect();
        if kept.is_empty() {
            return Err(Error::AlreadyDone);
        }
        for rows in rows_of(desk, kept).await?.into_values() {
            theirs.rows.extend(rows.into_keys());
        }
        Ok(theirs)
    }

    async fn go(&self, desk: &mut Desk<'_, '_>, theirs: &Theirs) -> Result<(), Error> {
        self.say(desk, Token(self.service.entropy.bytes()), Verb::Erase, theirs);
        erase(desk, theirs, self.now(), RESTORE).await?;
        if let (Leaves::Nothing, Some(erasure)) = (self.leaves, &mut desk.effects.erasure) {
            erasure.tombstones.clear();
            erasure.places.retain(|row| row.outcome != Outcome::Erased);
        }
        Ok(())
    }
}

impl Operation for Removing {
    type Answer = ();
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<()>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            match &self.task {
                Task::Begin(named) => {
                    let theirs =
                        of_members(&mut desk, CustomerId([0; 16]), Vec::new(), &self.walked);
                    let theirs = theirs.await?;
                    self.say(&mut desk, token_of_restore(named), Verb::Restore, &theirs);
                }
                Task::Customers(customers) => {
                    let theirs = self.customers(&mut desk, customers).await?;
                    self.go(&mut desk, &theirs).await?;
                }
                Task::Places(places) => {
                    let theirs = self.places(&mut desk, places).await?;
                    self.go(&mut desk, &theirs).await?;
                }
            }
            Ok(desk.propose(()))
        })
    }
}

/// The same for the same restore: it says once that it took place.
fn token_of_restore(named: &[u8]) -> Token {
    let hash: [u8; 32] = Sha256::digest(named).into();
    let mut token = [0; 16];
    token.copy_from_slice(&hash[..16]);
    Token(token)
}

/// An interaction that is on somebody's file, whose key is there; nothing for a request.
async fn filed(
    desk: &mut Desk<'_, '_>,
    (token, verb): (Token, Verb),
) -> Result<Option<Known>, Error> {
    if verb != Verb::Start {
        return Ok(None);
    }
    let known = desk.interaction(token).await?;
    Ok(known.filter(|known| known.state.settled || known.state.filed_at.is_some()))
}

/// Whether a place is an interaction's that is on somebody's file: that is taken back by itself, since
/// it counts what else is there.
pub(super) async fn is_filed(
    service: &Arc<Service>,
    tenant: &Arc<Tenant>,
    place: (Token, Verb),
) -> Result<bool, Error> {
    let mut reads = Reads::Fresh(Arc::clone(service.store()));
    let mut desk = Desk::new(service, tenant, &mut reads);
    match filed(&mut desk, place).await {
        Err(Error::Erased) => Ok(false),
        found => Ok(found?.is_some()),
    }
}
