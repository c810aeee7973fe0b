//! The desk at which one decision is made: what was looked up, what it rests on, what it will
//! write.
//!
//! Look-ups go to the cache first, unless the decision is made inside the writer's transaction.
//! Whatever was looked up is in the read set: the decision is written only while it still holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Error;
use super::answer::Warning;
use super::catching_up::caught_up;
use super::journaling;
use super::outlasting::Written;
use super::service::Service;
use super::tenant::Tenant;
use super::working::Working;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::gate::Gate;
use crate::store::read::Owners;
use crate::store::{Effects, Proposal, Proposed, ReadSet, Reads};

mod gone;
mod known;
mod unknown;

pub(super) use known::Known;

pub(super) struct Desk<'d, 'c> {
    pub service: &'d Arc<Service>,
    pub tenant: &'d Arc<Tenant>,
    pub reads: &'d mut Reads<'c>,
    pub effects: Effects,
    pub working: BTreeMap<CustomerId, Working>,
    /// Labels that will be in the dictionary once this is written.
    pub labels: Vec<(Token, Arc<str>)>,
    /// Variables that this decision gives each customer.
    pub written: Vec<(CustomerId, Written)>,
    /// What the answer says of links that were not made.
    pub warnings: Vec<Warning>,
    read: ReadSet,
    /// The part of its last block; 0 before there is one.
    last_part: i64,
    /// Who was looked up already: one decision sees one state of each.
    seen: BTreeMap<CustomerId, Arc<Remembered>>,
    /// When the interactions that were looked up were first heard of.
    heard: BTreeMap<Token, Time>,
}

impl<'d, 'c> Desk<'d, 'c> {
    pub fn new(
        service: &'d Arc<Service>,
        tenant: &'d Arc<Tenant>,
        reads: &'d mut Reads<'c>,
    ) -> Self {
        let (effects, working, read) = (Effects::default(), BTreeMap::new(), ReadSet::default());
        let (labels, written, seen) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (warnings, heard) = (Vec::new(), BTreeMap::new());
        Self {
            service,
            tenant,
            reads,
            effects,
            working,
            labels,
            written,
            warnings,
            read,
            last_part: 0,
            seen,
            heard,
        }
    }

    /// The part of one more block: random, but for its place among those of this operation, which says
    /// what came later where all else is equal.
    pub fn next_part(&mut self) -> i64 {
        self.last_part = match self.last_part {
            0 => self.service.entropy.positive() >> PLACES << PLACES | 1,
            last => last + 1,
        };
        self.last_part
    }

    fn gate(&self) -> &Gate {
        self.service.store.gate()
    }

    /// Who owns each token.
    pub async fn owners(
        &mut self,
        tokens: &[Token],
    ) -> Result<FxHashMap<Token, Arc<Owners>>, Error> {
        let tenant = self.tenant.id;
        let mut found = FxHashMap::with_capacity_and_hasher(tokens.len(), FxBuildHasher);
        let mut missing = Vec::new();
        for token in tokens {
            let remembered = if self.reads.uses_cache() {
                self.service.memory.owners(tenant, *token)
            } else {
                None
            };
            match remembered {
                Some(owners) => drop(found.insert(*token, owners)),
                None if !missing.contains(token) => missing.push(*token),
                None => {}
            }
        }
        if !missing.is_empty() {
            let sequence = self.gate().sequence();
            let now = self.service.store.now();
            let mut looked = self.reads.find::<Owners>(tenant, missing.clone(), now).await?;
            for token in missing {
                let owners = looked.remove(&token).unwrap_or_default();
                let owners = Arc::new(owners);
                if self.reads.uses_cache() {
                    self.service.memory.keep_owners(tenant, token, &owners, sequence);
                }
                found.insert(token, owners);
            }
        }
        self.read.heads.extend(found.iter().map(|(token, owners)| (*token, owners.stamp)));
        Ok(found)
    }

    /// The customers that exist among `ids`; with their contexts if asked.
    pub async fn people(
        &mut self,
        ids: &[CustomerId],
        with_context: bool,
    ) -> Result<FxHashMap<CustomerId, Arc<Remembered>>, Error> {
        let tenant = self.tenant.id;
        let mut found = FxHashMap::with_capacity_and_hasher(ids.len(), FxBuildHasher);
        let mut missing = Vec::new();
        let enough = |person: &Arc<Remembered>| !with_context || person.is_opened();
        for id in ids {
            if let Some(person) = self.seen.get(id).filter(|person| enough(person)) {
                found.insert(*id, Arc::clone(person));
                continue;
            }
            let remembered =
                if self.reads.uses_cache() { self.remembered(*id, with_context)? } else { None };
            match remembered.filter(enough) {
                Some(person) => {
                    self.saw(&person);
                    found.insert(*id, person);
                }
                None => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            let sequence = self.gate().sequence();
            let loaded = self.read_people(missing, with_context).await?;
            for person in loaded {
                let person = Arc::new(person);
                if self.reads.uses_cache() {
                    self.service.memory.keep_person(tenant, &person, sequence);
                }
                self.saw(&person);
                found.insert(person.row.customer, person);
            }
        }
        Ok(found)
    }

    /// A customer that exists, as [`people`](Self::people) finds them: no move is followed.
    pub async fn one(
        &mut self,
        id: CustomerId,
        with_context: bool,
    ) -> Result<Option<Arc<Remembered>>, Error> {
        let seen = self.seen.get(&id).filter(|person| !with_context || person.is_opened());
        if let Some(person) = seen {
            return Ok(Some(Arc::clone(person)));
        }
        Ok(self.people(&[id], with_context).await?.remove(&id))
    }

    /// The customers that exist among `ids`, and everybody who belongs to one set with them.
    pub async fn sets(
        &mut self,
        ids: &[CustomerId],
        with_context: bool,
    ) -> Result<FxHashMap<CustomerId, Arc<Remembered>>, Error> {
        if !self.reads.uses_cache() {
            return self.sets_of_one_moment(ids, with_context).await;
        }
        // Read one after the other: the commit checks that all of it held at once.
        let mut found = self.people(ids, with_context).await?;
        let others: BTreeSet<CustomerId> = found
            .values()
            .flat_map(|person| person.members.iter().copied())
            .filter(|member| !found.contains_key(member))
            .collect();
        if !others.is_empty() {
            let others: Vec<CustomerId> = others.into_iter().collect();
            found.extend(self.people(&others, with_context).await?);
        }
        Ok(found)
    }

    /// The set of a customer that exists, themselves first; with their contexts if asked.
    pub async fn set_of(
        &mut self,
        person: &Arc<Remembered>,
        with_context: bool,
    ) -> Result<Vec<Arc<Remembered>>, Error> {
        let id = person.row.customer;
        if person.members.is_empty() && (!with_context || person.is_opened()) {
            return Ok(vec![Arc::clone(person)]);
        }
        let mut found = self.sets(&[id], with_context).await?;
        let Some(own) = found.remove(&id) else { return Err(self.why_gone(id).await?) };
        let others: BTreeMap<CustomerId, Arc<Remembered>> =
            own.members.iter().filter_map(|member| found.remove_entry(member)).collect();
        Ok([own].into_iter().chain(others.into_values()).collect())
    }

    /// A customer from the cache; asked for with their context, they have caught up.
    fn remembered(
        &self,
        id: CustomerId,
        with_context: bool,
    ) -> Result<Option<Arc<Remembered>>, Error> {
        let (tenant, memory) = (self.tenant, &self.service.memory);
        let sequence = self.gate().sequence();
        let Some(person) = memory.person(tenant.id, id) else { return Ok(None) };
        if !with_context || person.news.is_empty() {
            return Ok(Some(person));
        }
        let Some(person) = caught_up(self.service, tenant, &person, &[])? else { return Ok(None) };
        let person = Arc::new(person);
        memory.keep_person(tenant.id, &person, sequence);
        Ok(Some(person))
    }

    pub fn saw(&mut self, person: &Arc<Remembered>) {
        let customer = person.row.customer;
        self.read.customers.push((customer, person.row.stamp));
        self.seen.insert(customer, Arc::clone(person));
    }

    /// One customer, under the ref it resolves to now; `None` when it does not exist.
    pub async fn person(
        &mut self,
        id: CustomerId,
        with_context: bool,
    ) -> Result<Option<Arc<Remembered>>, Error> {
        let mut id = id;
        // A chain of moves is as long as somebody corrected one interaction again and again.
        for _ in 0..MOST_MOVES {
            let found = self.one(id, with_context).await?;
            match found.as_ref().and_then(|person| person.row.moved_to) {
                Some(next) => id = next,
                None => return Ok(found),
            }
        }
        Ok(None)
    }

    /// Takes a customer in hand, to change it.
    pub async fn take_in_hand(&mut self, id: CustomerId) -> Result<&mut Working, Error> {
        if !self.working.contains_key(&id) {
            let Some(person) = self.one(id, false).await? else {
                return Err(self.why_gone(id).await?);
            };
            self.working.insert(id, Working::known(&person));
        }
        // It was put there just now, if it was not there before.
        Ok(self.working.get_mut(&id).expect("a customer in hand"))
    }

    /// The proposal: everything in hand becomes rows.
    pub fn propose<A>(mut self, answer: A) -> Proposed<A> {
        journaling::write_merges(&mut self);
        for working in std::mem::take(&mut self.working).into_values() {
            working.into_effects(&mut self.effects);
        }
        Box::new(Proposal { read: self.read, effects: self.effects, answer })
    }

    pub fn tenant_id(&self) -> TenantId {
        self.tenant.id
    }
}

/// Bits of a block's part that tell the blocks of one operation apart: it has far fewer.
const PLACES: u32 = 16;
/// Refs are followed so many times at most.
const MOST_MOVES: usize = 16;
