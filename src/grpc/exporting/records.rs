//! Each thing that is held as records. What a record has no field for is not there on purpose: it
//! says nothing of the person, or something of somebody else.

use data_encoding::HEXLOWER;

use super::interaction;
use crate::clock::Time;
use crate::context::IntentFact;
use crate::continuity::export_customer::{Export, Held, KnownTie};
use crate::continuity::joining::Merge;
use crate::continuity::record::{BlockRecord, RequestRecord};
use crate::grpc::answers::timestamp;
use crate::grpc::{merges, proto};
use crate::ids::{CustomerId, Token};
use crate::store::export::Entry;
use crate::store::rows::{BlockKind, BlockRow, CustomerRow, Outcome};
use proto::export_record::Record;

pub(super) fn count(of: i64) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

/// What names a contact in all records.
pub(super) fn key(interaction: Token) -> String {
    HEXLOWER.encode(&interaction.0)
}

/// All records of one thing.
pub(super) fn records(export: &Export, held: Held) -> Vec<Record> {
    match held {
        Held::Customer { row, set_name, disputed } => vec![customer(&row, set_name, disputed)],
        Held::Identifier(tie) => vec![identifier(&tie)],
        Held::Merge { customer, merge, both } => vec![merged(customer, &merge, both)],
        Held::Block { row, record } => values(&row, record),
        Held::Fact { customer, fact } => vec![intent(customer, fact)],
        Held::Contact { row, record } => interaction::on_file(&row, *record),
        Held::Interaction(versions) => interaction::in_journal(versions),
        Held::Perhaps(contact) => vec![interaction::perhaps(contact)],
        Held::Entry { entry, theirs, request } => {
            vec![in_audit(export, &entry, theirs, request.as_ref())]
        }
    }
}

fn customer(row: &CustomerRow, set_name: CustomerId, disputed: bool) -> Record {
    Record::Customer(proto::ExportedCustomer {
        customer_ref: row.customer.to_ref(),
        set_ref: set_name.to_ref(),
        moved_to_ref: row.moved_to.map_or_else(String::new, CustomerId::to_ref),
        create_time: timestamp(row.created),
        receive_time: timestamp(row.received),
        last_contact_time: timestamp(row.last_contact),
        contact_count: count(row.contacts),
        disclosure: row.disclosure as i32,
        disputed,
        archive_time: timestamp(row.archived),
    })
}

fn identifier(tie: &KnownTie) -> Record {
    let mut message =
        proto::ExportedIdentifier { customer_ref: tie.customer.to_ref(), ..Default::default() };
    if let Some(identifier) = &tie.identifier {
        message.kind.clone_from(&identifier.scheme);
        message.namespace.clone_from(&identifier.namespace);
        message.value.clone_from(&identifier.value);
    }
    if let Some(link) = &tie.link {
        message.assurance = link.assurance as i32;
        message.contact_count = count(link.uses);
        message.last_time = timestamp(link.newest);
        message.confirm_time = timestamp(link.confirmed);
        message.use_weight = link.weight;
    }
    if let Some(tie) = &tie.tie {
        message.direct_assurance = tie.assurance as i32;
        message.unlink_time = timestamp(tie.untied);
    }
    Record::Identifier(message)
}

fn merged(customer: CustomerId, merge: &Merge, both: bool) -> Record {
    let shown = merges::history(merge);
    let other = if merge.one == customer { merge.other } else { merge.one };
    Record::Merge(proto::ExportedMerge {
        customer_ref: customer.to_ref(),
        other_customer_ref: if both { other.to_ref() } else { String::new() },
        merge_id: shown.merge_id,
        state: shown.state,
        create_time: shown.create_time,
        undo_time: shown.undo_time,
        made_by: shown.made_by,
        source: shown.source,
        reason: shown.reason,
        evidence: shown.evidence,
        undone_by: shown.undone_by,
        undone_reason: shown.undone_reason,
    })
}

/// Lasting values that one write set, and somebody's word on which of two stands.
fn attributes(customer_ref: &str, block: &BlockRecord) -> Vec<Record> {
    let said = proto::ExportedAttribute {
        customer_ref: customer_ref.to_owned(),
        assurance: block.assurance as i32,
        time: timestamp(Time(block.set)),
        channel: block.channel.clone(),
        source: block.source.clone(),
        interaction_id: block.interaction_id.clone(),
        agent_ref: block.agent_ref.clone(),
        ..Default::default()
    };
    let values = block.values.iter().map(|one| proto::ExportedAttribute {
        name: one.name.clone(),
        value: one.value.clone().unwrap_or_default(),
        cleared: one.value.is_none(),
        sensitivity: one.sensitivity as i32,
        ..said.clone()
    });
    let choices = block.choices.iter().map(|one| proto::ExportedAttribute {
        name: one.name.clone(),
        resolves: true,
        chosen_time: timestamp(Time(one.set)),
        ..said.clone()
    });
    values.chain(choices).map(Record::Attribute).collect()
}

/// What one write set: a record for each value.
fn values(row: &BlockRow, block: BlockRecord) -> Vec<Record> {
    let customer_ref = row.customer.to_ref();
    let BlockRecord { set, values, consents, .. } = &block;
    match row.kind {
        BlockKind::Consents => consents
            .iter()
            .map(|one| {
                Record::Consent(proto::ExportedConsent {
                    customer_ref: customer_ref.clone(),
                    purpose: one.purpose.clone(),
                    state: one.state as i32,
                    time: timestamp(Time(one.time)),
                    evidence: one.evidence.clone(),
                    channel: block.channel.clone(),
                    source: block.source.clone(),
                    interaction_id: block.interaction_id.clone(),
                    agent_ref: block.agent_ref.clone(),
                })
            })
            .collect(),
        BlockKind::Profile => attributes(&customer_ref, &block),
        BlockKind::Variables => values
            .iter()
            .map(|one| {
                Record::Variable(proto::ExportedVariable {
                    customer_ref: customer_ref.clone(),
                    name: one.name.clone(),
                    value: one.value.clone().unwrap_or_default(),
                    cleared: one.value.is_none(),
                    sensitivity: one.sensitivity as i32,
                    time: timestamp(Time(*set)),
                    ttl_seconds: count(one.ttl_seconds),
                    expire_time: timestamp(Time(one.expire)),
                    keep_until_time: timestamp(row.expire),
                    channel: block.channel.clone(),
                    source: block.source.clone(),
                    interaction_id: block.interaction_id.clone(),
                    agent_ref: block.agent_ref.clone(),
                })
            })
            .collect(),
    }
}

fn intent(customer: CustomerId, fact: IntentFact) -> Record {
    Record::Intent(proto::ExportedIntent {
        customer_ref: customer.to_ref(),
        interaction_key: key(fact.interaction),
        intent: fact.intent,
        reference: fact.reference,
        status: fact.status.code() as i32,
        sensitivity: fact.sensitivity.code() as i32,
        time: timestamp(fact.time),
        channel: fact.channel,
        counts: fact.counts,
    })
}

/// An entry of the audit. Of a contact that turned out to be somebody else's only that their data
/// was looked at.
fn in_audit(
    export: &Export,
    entry: &Entry,
    theirs: bool,
    request: Option<&RequestRecord>,
) -> Record {
    let outcome = Outcome::name(entry.outcome).unwrap_or_default();
    Record::Entry(proto::ExportedEntry {
        position: entry.position,
        time: timestamp(entry.received),
        action: entry.verb().map_or_else(String::new, |verb| verb.name().to_owned()),
        outcome: outcome.to_owned(),
        caller: entry.caller.clone(),
        caller_source: export.source_of(&entry.caller).to_owned(),
        customer_ref: entry.customer.map_or_else(String::new, CustomerId::to_ref),
        interaction_key: if theirs { key(entry.interaction) } else { String::new() },
        created: request.is_some_and(|request| request.created),
        owner_count: request.map_or(0, |request| count(request.owners)),
    })
}
