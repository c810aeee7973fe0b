//! Lets interactions go that are past retention: what was said in them, and what they alone gave
//! reason for. That they took place stays in the journal, with the hashes of what it held, so that the
//! audit verifies and a late retry is known.
//!
//! An interaction is as old as the last start, update or end of it that was received: the sweep that
//! walks the journal lets it go when it comes to that row, and passes by all others of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::filing;
use super::limits;
use super::load;
use super::purge_customer::is_identified;
use super::record::{BlockRecord, HintRecord, State, SupportRecord, ValueRecord};
use super::service::Service;
use super::settling::{customer_of, refold, remaining};
use super::sweep;
use super::tenant::Tenant;
use super::unopened;
use crate::clock::Time;
use crate::context::IntentStatus;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::history;
use crate::store::rows::{BlockKind, BlockRow, FactRow, Verb};
use crate::store::sweep::{OldRow, SAID};
use crate::store::{Boxed, Operation, Proposed, Reads, Removal};

/// Interactions of one operation at most: they are one customer's, whose file is read once for all.
const AT_ONCE: usize = 16;
/// Requests of one operation at most. Each may be another customer's, who is named by a row of their
/// own: of those one operation writes no more than 32 (`MOST_JOURNAL_ROWS` of the store).
const REQUESTS: usize = 32;

/// The rows of a step as operations take them: each customer's interactions together.
pub(super) fn groups(rows: Vec<OldRow>) -> Vec<Vec<OldRow>> {
    let (requests, interactions): (Vec<OldRow>, Vec<OldRow>) =
        rows.into_iter().partition(|row| row.is_request);
    let mut by_customer: BTreeMap<Option<CustomerId>, Vec<OldRow>> = BTreeMap::new();
    for row in interactions {
        by_customer.entry(row.customer).or_default().push(row);
    }
    let own = by_customer.values().flat_map(|rows| rows.chunks(AT_ONCE));
    own.chain(requests.chunks(REQUESTS)).map(<[OldRow]>::to_vec).collect()
}

pub(super) struct ExpireOperation {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    rows: Vec<OldRow>,
    now: Time,
}

/// What goes with interactions of one customer.
#[derive(Default)]
struct Leaving {
    interactions: Vec<Token>,
    supports: Vec<SupportRecord>,
    displaced: Vec<HintRecord>,
}

impl ExpireOperation {
    pub fn new(service: &Arc<Service>, tenant: &Arc<Tenant>, rows: Vec<OldRow>, now: Time) -> Self {
        let (service, tenant) = (Arc::clone(service), Arc::clone(tenant));
        Self { service, tenant, rows, now }
    }

    async fn expire(&self, desk: &mut Desk<'_, '_>) -> Result<u64, Error> {
        if self.rows.iter().all(|row| row.is_request) {
            return self.strip_requests(desk).await;
        }
        let (mut leaving, mut gone) = (BTreeMap::<CustomerId, Leaving>::new(), 0);
        for row in &self.rows {
            let Some((entry, state)) = desk.journaled::<State>(row.interaction).await? else {
                continue;
            };
            let said = entry.guards.iter().rev().find(|guard| SAID.contains(&guard.verb));
            let is_newest = said.is_some_and(|guard| guard.position == row.position);
            if !is_newest || entry.state.is_empty() {
                continue;
            }
            // Of a customer who was removed nothing can be read any more.
            let owner = match &state {
                Some(state) => self.leave(desk, state, row.interaction, &mut leaving).await?,
                None => None,
            };
            desk.effects.strip.push(row.interaction);
            let customer = owner.or(row.customer);
            let named = sweep::row(row.interaction, Verb::Expire, customer, self.now);
            desk.effects.journal.push(named);
            gone += 1;
        }
        if gone == 0 {
            return Err(Error::AlreadyDone);
        }
        for (customer, leaving) in leaving {
            self.let_go(desk, customer, leaving).await?;
        }
        Ok(gone)
    }

    /// What requests were answered goes as well; that they were made stays. A row names each customer
    /// whom they changed and to whom nothing points: it may have been the last that was known of them,
    /// and by that row they are looked at again. All others are when their last identifier goes.
    async fn strip_requests(&self, desk: &mut Desk<'_, '_>) -> Result<u64, Error> {
        let named: BTreeSet<CustomerId> = self.rows.iter().filter_map(|row| row.customer).collect();
        let named: Vec<CustomerId> = named.into_iter().collect();
        // Who was erased or removed meanwhile is named nowhere any more. Nothing of them is opened.
        let there = unopened::people(desk, &named).await?;
        let left = there.into_values().filter(|person| !is_identified(person));
        let left: BTreeSet<CustomerId> = left.map(|person| person.row.customer).collect();
        let mut named: Vec<Option<CustomerId>> = left.into_iter().map(Some).collect();
        if named.is_empty() {
            named.push(None);
        }
        desk.effects.strip.extend(self.rows.iter().map(|row| row.interaction));
        for customer in named {
            let own = Token(self.service.entropy.bytes());
            desk.effects.journal.push(sweep::row(own, Verb::Expire, customer, self.now));
        }
        Ok(self.rows.len() as u64)
    }

    /// Takes an interaction off the file it is on; whose that is.
    async fn leave(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &State,
        interaction: Token,
        leaving: &mut BTreeMap<CustomerId, Leaving>,
    ) -> Result<Option<CustomerId>, Error> {
        let Some(named) = customer_of(&state.customer) else { return Ok(None) };
        let Some(person) = desk.person(named, false).await? else { return Ok(None) };
        let customer = person.row.customer;
        if !state.settled && state.filed_at.is_none() {
            return Ok(None);
        }
        if let Some(filed_at) = state.filed_at {
            let ended = Time(filed_at);
            desk.effects.removals.push(Removal::Interaction { customer, ended, interaction });
        }
        desk.effects.removals.push(Removal::Passing { customer, interaction });
        let own = leaving.entry(customer).or_default();
        own.interactions.push(interaction);
        if state.settled {
            own.supports.extend(state.supports.iter().cloned());
            own.displaced.extend(state.displaced.iter().cloned());
        }
        Ok(Some(customer))
    }

    /// What the contacts of a customer alone gave reason for goes with them.
    async fn let_go(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        leaving: Leaving,
    ) -> Result<(), Error> {
        let others = remaining(desk, customer, &leaving.interactions).await?;
        let working = desk.take_in_hand(customer).await?;
        let folded = refold(working, &others, &leaving.supports);
        limits::give_back(desk, customer, &leaving.displaced, |token| folded.get(&token).cloned());
        let (facts, blocks) = self.on_file(desk, customer, &leaving.interactions).await?;
        let goes = |interaction: Token| leaving.interactions.contains(&interaction);
        for fact in brought_back(&facts, goes) {
            desk.effects.removals.push(Removal::Fact {
                customer,
                interaction: fact.interaction,
                intent: fact.intent,
                reference: fact.reference,
            });
        }
        for block in blocks {
            self.keep_hidden(desk, customer, &block).await?;
        }
        Ok(())
    }

    /// A customer's facts, and the blocks that these interactions gave them and that still count.
    async fn on_file(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        interactions: &[Token],
    ) -> Result<(Vec<FactRow>, Vec<BlockRow>), Error> {
        let (tenant, of) = (desk.tenant_id(), interactions.to_vec());
        let (facts, mut blocks) = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move {
                    let mut blocks = Vec::new();
                    for interaction in of {
                        let of = Some(interaction);
                        blocks.extend(history::blocks_of(connection, tenant, customer, of).await?);
                    }
                    Ok((history::facts(connection, tenant, customer, None).await?, blocks))
                })
            }))
            .await?;
        blocks.retain(|row| row.kind == BlockKind::Variables && row.expire > self.now);
        Ok((facts, blocks))
    }

    /// A value that outlives its interaction goes with it, and what it hid must not come back: until
    /// it would have expired, its name says that there is nothing.
    async fn keep_hidden(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        row: &BlockRow,
    ) -> Result<(), Error> {
        let key = filing::customer_key(desk, customer).await?;
        let block = load::open_block(desk.tenant_id(), &key, row)?;
        let values = block.values.into_iter().filter(|value| value.expire > self.now.0);
        let values = values.map(|value| ValueRecord { value: None, ..value }).collect();
        let cleared = BlockRecord { set: block.set, values, ..BlockRecord::default() };
        if cleared.values.is_empty() {
            return Ok(());
        }
        let kind = BlockKind::Variables;
        filing::put_block(desk, customer, row.interaction, kind, cleared).await
    }
}

/// Facts of contacts that stay, and that one of those that go had settled: received later, they tell of
/// what was before. Without what settled it, their matter would be open again.
fn brought_back(facts: &[FactRow], goes: impl Fn(Token) -> bool) -> Vec<&FactRow> {
    let order = |fact: &FactRow| (fact.time, fact.interaction);
    let settles = |fact: &&FactRow| {
        goes(fact.interaction)
            && IntentStatus::from_code(fact.status).is_some_and(|status| !status.is_open())
    };
    let settled: Vec<&FactRow> = facts.iter().filter(settles).collect();
    let is_settled = |fact: &&FactRow| {
        let by = |other: &&&FactRow| {
            (other.intent, other.reference) == (fact.intent, fact.reference)
                && order(other) > order(fact)
        };
        !goes(fact.interaction) && settled.iter().any(|other| by(&other))
    };
    facts.iter().filter(is_settled).collect()
}

impl Operation for ExpireOperation {
    type Answer = u64;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<u64>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            let gone = self.expire(&mut desk).await?;
            Ok(desk.propose(gone))
        })
    }
}
