//! What an interaction gave one customer, on its way to another.

use super::Error;
use super::consenting;
use super::desk::Desk;
use super::filing::{customer_key, put_block, wait};
use super::load;
use super::record::{BlockRecord, State};
use super::sealing::Slot;
use crate::ids::{CustomerId, Token};
use crate::store::history;
use crate::store::rows::{BlockKind, FactRow};

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

    /// Values wait in the interaction until somebody says whose they are; its intents it holds
    /// anyhow.
    pub fn wait_in(self, state: &mut State) {
        for (kind, block) in self.blocks {
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
    let mut carried = Carried { facts: Vec::new(), blocks: Vec::new() };
    for row in facts {
        let (intent, reference) = (row.intent, row.reference);
        let slot = Slot::Fact { customer: from, interaction, intent, reference };
        let text = slot.open_text(tenant, &key, &row.content)?;
        carried.facts.push((row, text));
    }
    let mut ordered = Vec::with_capacity(blocks.len());
    for row in &blocks {
        ordered.push((row.position, row.kind, load::open_block(tenant, &key, row)?));
    }
    // Blocks that moved once already share a position: the newer is then the later.
    ordered.sort_by_key(|(position, _, record)| (*position, record.set));
    carried.blocks = ordered.into_iter().map(|(_, kind, record)| (kind, record)).collect();
    Ok(carried)
}

/// Without what a later block of the same kind, assurance and time says of the same name: which of
/// the two was later lay in their places in the journal, and they will all have the same.
fn distinct(blocks: Vec<(BlockKind, BlockRecord)>) -> Vec<(BlockKind, BlockRecord)> {
    let mut distinct: Vec<(BlockKind, BlockRecord)> = Vec::with_capacity(blocks.len());
    for (kind, later) in blocks {
        for (of, earlier) in &mut distinct {
            if (*of, earlier.set, earlier.assurance) == (kind, later.set, later.assurance) {
                let said = |name: &str| later.values.iter().any(|value| value.name == name);
                earlier.values.retain(|value| !said(&value.name));
            }
        }
        distinct.push((kind, later));
    }
    distinct.retain(|(_, block)| !block.values.is_empty() || !block.consents.is_empty());
    distinct
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
    for (kind, record) in distinct(carried.blocks) {
        put_block(desk, to, interaction, kind, record).await?;
    }
    desk.take_in_hand(to).await?.touch();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::record::ValueRecord;
    use super::*;

    fn block(set: i64, values: &[(&str, &str)]) -> (BlockKind, BlockRecord) {
        let value = |(name, value): &(&str, &str)| ValueRecord {
            name: (*name).into(),
            value: Some((*value).into()),
            ..ValueRecord::default()
        };
        let values = values.iter().map(value).collect();
        (BlockKind::Variables, BlockRecord { set, values, ..BlockRecord::default() })
    }

    #[test]
    fn of_one_moment_the_later_value_stays() {
        let blocks = vec![
            block(1, &[("size", "S"), ("colour", "red")]),
            block(2, &[("size", "L")]),
            block(1, &[("size", "M")]),
        ];
        let left: Vec<(i64, String)> = distinct(blocks)
            .into_iter()
            .flat_map(|(_, one)| {
                one.values.into_iter().map(move |it| (one.set, it.value.unwrap_or_default()))
            })
            .collect();
        let expected = [(1, "red"), (2, "L"), (1, "M")].map(|(set, value)| (set, value.to_owned()));
        assert_eq!(left, expected);
    }
}
