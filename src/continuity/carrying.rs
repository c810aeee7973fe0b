//! What an interaction gave one customer, on its way to another.

use std::collections::BTreeSet;

use super::Error;
use super::consenting;
use super::desk::Desk;
use super::filing::{customer_key, mark_dispute, put_block};
use super::load;
use super::record::{BlockRecord, State, ValueRecord};
use super::sealing::Slot;
use super::waiting::wait;
use crate::ids::{CustomerId, Token};
use crate::store::rows::{BlockKind, BlockRow, FactRow};
use crate::store::{Removal, history};

/// The facts and values that one interaction gave a customer, opened.
#[derive(Default)]
pub(super) struct Carried {
    facts: Vec<(FactRow, String)>,
    blocks: Vec<(BlockKind, BlockRecord)>,
}

impl Carried {
    /// Without what was taken out of the interaction: the facts are gone, and the values cleared, so
    /// that nothing older stands in for them.
    pub fn redact(
        &mut self,
        fact: impl Fn(&FactRow) -> bool,
        value: impl Fn(BlockKind, &str) -> bool,
    ) {
        self.facts.retain(|(row, _)| !fact(row));
        for (kind, block) in &mut self.blocks {
            let named = block.values.iter_mut().filter(|it| value(*kind, &it.name));
            named.for_each(|it| it.value = None);
        }
    }

    /// Leaves its customer: values have the times they were given, and what hid them stays behind.
    pub fn leaving(mut self) -> Self {
        for (_, block) in &mut self.blocks {
            for value in &mut block.values {
                value.expire = value.own_expire.take().unwrap_or(value.expire);
            }
        }
        self
    }

    /// With lasting values that are no better proven than their next customer is.
    pub fn no_stronger(mut self, assurance: i64) -> Self {
        for (_, block) in self.blocks.iter_mut().filter(|(kind, _)| *kind == BlockKind::Profile) {
            block.assurance = block.assurance.min(assurance);
        }
        self
    }

    /// Whether a value that was said at that time ends early because one of these hid it when it came.
    fn hid(&self, value: &ValueRecord, set: i64) -> bool {
        let hides = |it: &ValueRecord| {
            it.name == value.name && it.own_expire.unwrap_or(it.expire) == value.expire
        };
        let variables = self.blocks.iter().filter(|(kind, _)| *kind == BlockKind::Variables);
        let mut newer = variables.filter(|(_, block)| block.set > set);
        value.own_expire.is_some() && newer.any(|(_, block)| block.values.iter().any(hides))
    }

    /// Values wait in the interaction until somebody says whose they are; its intents it holds
    /// anyhow.
    pub fn wait_in(self, state: &mut State) {
        for (kind, mut block) in self.blocks {
            block.values.iter_mut().for_each(|value| value.said = block.set);
            match kind {
                BlockKind::Variables => wait(&mut state.values, block.values),
                BlockKind::Profile => wait(&mut state.attributes, block.values),
                BlockKind::Consents => consenting::wait(&mut state.consents, block.consents),
            }
        }
    }
}

/// Opens what an interaction gave a customer, so that another can receive it.
pub(super) async fn carry(
    desk: &mut Desk<'_, '_>,
    from: CustomerId,
    interaction: Token,
) -> Result<Carried, Error> {
    let tenant = desk.tenant_id();
    let key = customer_key(desk, from).await?;
    let (facts, blocks) = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let facts = history::facts(connection, tenant, from, Some(interaction)).await?;
                let of = Some(interaction);
                Ok((facts, history::blocks_of(connection, tenant, from, of).await?))
            })
        }))
        .await?;
    if blocks.iter().any(|row| row.kind == BlockKind::Profile) {
        reopen(desk, from).await?;
    }
    let mut carried = Carried { facts: Vec::new(), blocks: Vec::new() };
    for row in facts {
        let (intent, reference) = (row.intent, row.reference);
        let slot = Slot::Fact { customer: from, interaction, intent, reference };
        let text = slot.open_text(tenant, &key, &row.content)?;
        carried.facts.push((row, text));
    }
    for row in &blocks {
        let mut record = load::open_block(tenant, &key, row)?;
        if record.first_position == 0 {
            (record.first_position, record.first_part) = (row.position, row.part);
        }
        carried.blocks.push((row.kind, record));
    }
    carried.blocks.sort_by_key(|(_, record)| (record.first_position, record.first_part));
    Ok(carried)
}

/// What somebody chose may be on its way: what it was chosen over is a conflict again then, and is found.
async fn reopen(desk: &mut Desk<'_, '_>, customer: CustomerId) -> Result<(), Error> {
    let Some(person) = desk.person(customer, true).await? else { return Ok(()) };
    let context = person.context.clone().unwrap_or_default();
    if context.profile.iter().any(|write| write.resolves.is_some()) {
        mark_dispute(desk, customer);
    }
    Ok(())
}

/// What others gave the customer, came late and ends with what leaves now, has its own time again, as
/// far as nothing else hides it. A block is never changed: all that those others gave is written anew,
/// and keeps its place. What leaves is to be among the removals by now.
pub(super) async fn uncover(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    interaction: Token,
    leaving: &Carried,
) -> Result<(), Error> {
    if leaving.blocks.iter().all(|(kind, _)| *kind != BlockKind::Variables) {
        return Ok(());
    }
    let mut again = Vec::new();
    for other in covered(desk, customer, interaction, leaving).await? {
        let mut carried = carry(desk, customer, other).await?;
        let blocks = std::mem::take(&mut carried.blocks);
        again.extend(blocks.into_iter().map(|(kind, block)| (other, kind, block)));
        desk.effects.removals.push(Removal::Content { customer, interaction: other });
        receive(desk, customer, other, carried).await?;
    }
    again.sort_by_key(|(_, _, block)| (block.first_position, block.first_part));
    for (other, kind, mut block) in again {
        let set = block.set;
        let variables = block.values.iter_mut().filter(|_| kind == BlockKind::Variables);
        for value in variables.filter(|value| leaving.hid(value, set)) {
            value.expire = value.own_expire.take().unwrap_or(value.expire);
        }
        put_block(desk, customer, other, kind, block).await?;
    }
    Ok(())
}

/// Who else gave a customer a value that ends with what leaves.
async fn covered(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    interaction: Token,
    leaving: &Carried,
) -> Result<BTreeSet<Token>, Error> {
    let tenant = desk.tenant_id();
    let key = customer_key(desk, customer).await?;
    let rows = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { history::blocks_of(connection, tenant, customer, None).await })
        }))
        .await?;
    let mut others = BTreeSet::new();
    let is_other =
        |row: &&BlockRow| row.kind == BlockKind::Variables && row.interaction != interaction;
    for row in rows.iter().filter(is_other) {
        // One that is damaged keeps no contact from moving: nobody reads it.
        let Ok(block) = load::open_block(tenant, &key, row) else { continue };
        if block.values.iter().any(|value| leaving.hid(value, block.set)) {
            others.insert(row.interaction);
        }
    }
    Ok(others)
}

/// Gives a customer what an interaction had given another.
pub(super) async fn receive(
    desk: &mut Desk<'_, '_>,
    to: CustomerId,
    interaction: Token,
    carried: Carried,
) -> Result<(), Error> {
    let key = customer_key(desk, to).await?;
    for (row, text) in carried.facts {
        let (intent, reference) = (row.intent, row.reference);
        let slot = Slot::Fact { customer: to, interaction, intent, reference };
        let content =
            slot.seal_bytes(desk.tenant_id(), &key, text.as_bytes(), &desk.service.entropy);
        desk.effects.facts.push(FactRow { customer: to, content, ..row });
    }
    for (kind, record) in carried.blocks {
        put_block(desk, to, interaction, kind, record).await?;
    }
    desk.take_in_hand(to).await?.touch();
    Ok(())
}
