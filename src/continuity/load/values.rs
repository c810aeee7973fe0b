//! An opened block's values, as parts of a context.

use std::sync::Arc;

use crate::clock::Time;
use crate::context::{
    AttributeWrite, Chosen, ConsentState, ConsentWrite, Context, Order, Overruled, Sensitivity,
    VariableWrite,
};
use crate::continuity::record::{BlockRecord, ChoiceRecord};
use crate::continuity::settling::token_of;
use crate::identity::Assurance;
use crate::ids::CustomerId;
use crate::store::rows::{BlockKind, BlockRow};

/// Adds the values of an opened block.
pub(in crate::continuity) fn values_of(block: &BlockRecord, row: &BlockRow, context: &mut Context) {
    match row.kind {
        BlockKind::Variables => context.variables.extend(variables(block, row)),
        BlockKind::Profile => {
            context.profile.extend(attributes(block, row));
            let contacts = block.acknowledged.iter().filter_map(|bytes| token_of(bytes));
            context.acknowledged.extend(contacts);
        }
        BlockKind::Consents => {
            context.consents.blocks += 1;
            consents(block, row.customer).for_each(|write| context.consents.add(write));
        }
    }
}

fn consents(block: &BlockRecord, customer: CustomerId) -> impl Iterator<Item = ConsentWrite> + '_ {
    block.consents.iter().map(move |said| ConsentWrite {
        customer,
        purpose: said.purpose.clone(),
        // A code that a newer version wrote is taken for the most restrictive.
        state: ConsentState::from_code(said.state).unwrap_or(ConsentState::Withdrawn),
        time: Time(said.time),
        channel: block.channel.clone(),
        source: block.source.clone(),
        interaction_id: block.interaction_id.clone(),
        evidence: said.evidence.clone(),
    })
}

fn variables<'b>(
    block: &'b BlockRecord,
    row: &BlockRow,
) -> impl Iterator<Item = VariableWrite> + 'b {
    let (of, order, kept) = (row.interaction, order(block, row), row.expire);
    block.values.iter().map(move |value| VariableWrite {
        name: value.name.clone(),
        value: value.value.clone(),
        ttl_seconds: value.ttl_seconds,
        set: Time(block.set),
        expire: Time(value.expire),
        own_expire: Time(value.own_expire.unwrap_or(value.expire)),
        sensitivity: Sensitivity::from_code(value.sensitivity).unwrap_or(Sensitivity::Sensitive),
        channel: block.channel.clone(),
        interaction_id: block.interaction_id.clone(),
        agent_ref: block.agent_ref.clone(),
        of,
        order,
        kept,
    })
}

fn attributes<'b>(
    block: &'b BlockRecord,
    row: &BlockRow,
) -> impl Iterator<Item = AttributeWrite> + 'b {
    let said = AttributeWrite {
        name: String::new(),
        value: None,
        sensitivity: Sensitivity::Normal,
        assurance: Assurance::from_code(block.assurance).unwrap_or(Assurance::Asserted),
        set: Time(block.set),
        order: order(block, row),
        of: row.interaction,
        resolves: None,
    };
    let chosen = said.clone();
    let values = block.values.iter().map(move |value| AttributeWrite {
        name: value.name.clone(),
        value: value.value.clone(),
        sensitivity: Sensitivity::from_code(value.sensitivity).unwrap_or(Sensitivity::Sensitive),
        ..said.clone()
    });
    let choices = block.choices.iter().filter_map(move |choice| {
        let (of, order) = (token_of(&choice.of)?, (choice.position, choice.part));
        let resolves = Some(Chosen { of, order, over: overruled(choice) });
        Some(AttributeWrite { name: choice.name.clone(), resolves, ..chosen.clone() })
    });
    values.chain(choices)
}

/// What was chosen over; `None` in a record that is older than the list of it.
fn overruled(choice: &ChoiceRecord) -> Option<Arc<Overruled>> {
    let named = choice.over.iter();
    let named = named.filter_map(|it| Some(((it.position, it.part), token_of(&it.of)?)));
    let mut writes: Vec<_> = named.collect();
    writes.sort_unstable();
    let with_older = choice.with_older;
    (!choice.over.is_empty()).then(|| Arc::new(Overruled { writes, with_older }))
}

/// When it was written: in the journal, and within its operation. What moved keeps its place: it is no
/// news where it comes to.
fn order(block: &BlockRecord, row: &BlockRow) -> Order {
    match block.first_position {
        0 => (row.position, row.part),
        moved => (moved, block.first_part),
    }
}
