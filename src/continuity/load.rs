//! Loads that open what they read: customers with their keys and contexts.

mod labels;
mod values;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Error;
use super::record::{BlockRecord, ContactRecord, MessageRecord};
use super::sealing::Slot;
use super::service::Service;
use super::settling::token_of;
use super::tenant::Tenant;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{
    Context, Disclosure, IntentFact, IntentStatus, LaterMessage, Messages, PastIntent,
    PastInteraction, RunningContact, Sensitivity,
};
use crate::crypto::{DataKey, Wrapped};
use crate::identity::Direction;
use crate::ids::{CustomerId, KeyId, Stamp, TenantId};
use crate::store::history::{self, History, MOST_CONSENTS};
use crate::store::read::{self, Person, WrappedKey};
use crate::store::rows::{BlockRow, FactRow, InteractionRow};
use crate::store::{self, Connection};

pub(super) use labels::Texts;
pub(super) use values::values_of;

/// What a load gives: the store's own failure outside, ours inside.
pub(super) type Loaded<T> = Result<Result<T, Error>, store::Error>;

/// The data keys among `ids`, unwrapped.
pub(super) async fn keys(
    service: &Service,
    tenant: TenantId,
    connection: &mut Connection,
    ids: &[KeyId],
) -> Loaded<HashMap<KeyId, Arc<DataKey>>> {
    let wrapped = read::data_keys(connection, tenant, ids).await?;
    let mut keys = HashMap::with_capacity(wrapped.len());
    for key in wrapped {
        let id = key.0;
        match unwrapped(service, tenant, key).await {
            Ok(key) => keys.insert(id, key),
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Ok(keys))
}

async fn unwrapped(
    service: &Service,
    tenant: TenantId,
    (id, version, bytes): WrappedKey,
) -> Result<Arc<DataKey>, Error> {
    let key = service.keyring.unwrap(tenant, id, &Wrapped { version, bytes }).await?;
    Ok(Arc::new(key))
}

/// The customers that exist among `ids`, with their contexts if asked.
pub(super) async fn people(
    service: &Service,
    tenant: &Tenant,
    connection: &mut Connection,
    ids: &[CustomerId],
    with_context: bool,
) -> Loaded<Vec<Remembered>> {
    let rows = read::people(connection, tenant.id, ids).await?;
    let mut people = match opened(service, tenant.id, rows).await {
        Ok(people) => people,
        Err(error) => return Ok(Err(error)),
    };
    if with_context {
        let asked: Vec<(CustomerId, Arc<DataKey>)> =
            people.iter().map(|one| (one.row.customer, Arc::clone(&one.key))).collect();
        match contexts(service, tenant, connection, &asked).await? {
            Ok(contexts) => people.iter_mut().zip(contexts).for_each(|(person, (context, _))| {
                person.context = Some(Arc::new(context));
            }),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(people))
}

/// Customers as they were read, with their keys unwrapped; without contexts.
///
/// # Errors
/// [`Error::Sealed`] when a key is gone or does not open.
pub(super) async fn opened(
    service: &Service,
    tenant: TenantId,
    found: HashMap<CustomerId, Person>,
) -> Result<Vec<Remembered>, Error> {
    let mut people = Vec::with_capacity(found.len());
    for mut person in found.into_values() {
        let key = match person.key.take() {
            Some(wrapped) => unwrapped(service, tenant, wrapped).await?,
            None if service.without_keys => {
                Arc::new(DataKey::stand_in(person.row.data_key, &service.entropy))
            }
            None => return Err(Error::Sealed),
        };
        people.push(Remembered::unopened(person, key));
    }
    Ok(people)
}

/// The contexts of customers whose keys these are, in this order, each with the customer's stamp of the
/// same moment.
pub(super) async fn contexts(
    service: &Service,
    tenant: &Tenant,
    connection: &mut Connection,
    asked: &[(CustomerId, Arc<DataKey>)],
) -> Loaded<Vec<(Context, Option<Stamp>)>> {
    let now = service.store.now();
    let mut contexts = Vec::with_capacity(asked.len());
    for (customer, key) in asked {
        let rows = history::history(connection, tenant.id, *customer, now).await?;
        let texts = Texts::of(service, tenant.id, &rows.facts);
        let texts = match texts.completed(service, tenant, connection).await? {
            Ok(texts) => texts,
            Err(error) => return Ok(Err(error)),
        };
        match open_context(tenant.id, key, &rows, &texts) {
            Ok(context) => contexts.push((context, rows.stamp)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(contexts))
}

/// The same, with everybody who belongs to one set with them: all of one moment, if the connection
/// is inside a transaction.
pub(super) async fn sets(
    service: &Service,
    tenant: &Tenant,
    connection: &mut Connection,
    ids: &[CustomerId],
    with_context: bool,
) -> Loaded<Vec<Remembered>> {
    let mut found = match people(service, tenant, connection, ids, with_context).await? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let known: HashSet<CustomerId> = found.iter().map(|person| person.row.customer).collect();
    let others = found.iter().flat_map(|person| &person.members).copied();
    let others: BTreeSet<CustomerId> = others.filter(|member| !known.contains(member)).collect();
    if !others.is_empty() {
        let others: Vec<CustomerId> = others.into_iter().collect();
        match people(service, tenant, connection, &others, with_context).await? {
            Ok(others) => found.extend(others),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(found))
}

pub(super) fn open_context(
    tenant: TenantId,
    key: &DataKey,
    rows: &History,
    texts: &Texts,
) -> Result<Context, Error> {
    let mut context = Context::default();
    for row in &rows.interactions {
        context.history.push(open_contact(tenant, key, row)?.0);
    }
    for row in &rows.running {
        context.running.extend(open_running(tenant, key, row)?);
    }
    for row in &rows.facts {
        if let Some(text) = texts.of_fact(row) {
            context.facts.push(open_fact(tenant, key, row, text)?);
        }
    }
    for row in &rows.blocks {
        values_of(&open_block(tenant, key, row)?, row, &mut context);
    }
    context.consents.incomplete = context.consents.blocks >= MOST_CONSENTS as usize;
    Ok(context)
}

/// A contact on file, as history and as the record it was sealed from.
pub(super) fn open_contact(
    tenant: TenantId,
    key: &DataKey,
    row: &InteractionRow,
) -> Result<(PastInteraction, ContactRecord), Error> {
    let (customer, ended, interaction) = (row.customer, row.ended, row.interaction);
    let slot = Slot::Contact { customer, ended, interaction, revision: row.revision };
    let record: ContactRecord = slot.open(tenant, key, &row.content)?;
    let about = record.about.clone().unwrap_or_default();
    let ending = record.ending.clone().unwrap_or_default();
    let sensitivity = |code| Sensitivity::from_code(code).unwrap_or(Sensitivity::Normal);
    let intents = ending.intents.into_iter().map(|intent| PastIntent {
        intent: intent.intent,
        reference: intent.reference,
        status: IntentStatus::from_code(intent.status).unwrap_or(IntentStatus::Open),
        sensitivity: sensitivity(intent.sensitivity),
    });
    let past = PastInteraction {
        interaction,
        interaction_id: about.interaction_id,
        source: about.source,
        channel: row.channel.clone(),
        direction: Direction::from_code(row.direction).unwrap_or(Direction::Inbound),
        start: row.started,
        end: row.ended,
        summary: ending.summary,
        summary_sensitivity: sensitivity(ending.sensitivity),
        intents: intents.collect(),
        disposition: ending.disposition,
        sentiment: ending.sentiment,
        csat: ending.csat,
        agent_ref: about.agent_ref,
        confirmed: row.confirmed,
        never_ended: ending.never_ended,
        redacted: Time(record.redacted),
        messages: messages(row, about.thread_ref, &record),
    };
    Ok((past, record))
}

/// A contact on file that goes on; `None` for one of which nobody knows whose it is.
pub(super) fn open_running(
    tenant: TenantId,
    key: &DataKey,
    row: &InteractionRow,
) -> Result<Option<RunningContact>, Error> {
    let (past, _) = open_contact(tenant, key, row)?;
    let PastInteraction { interaction, channel, start, messages, confirmed, .. } = past;
    Ok(confirmed.then_some(RunningContact { interaction, channel, start, messages }))
}

fn messages(row: &InteractionRow, thread_ref: String, record: &ContactRecord) -> Messages {
    Messages {
        conversation: token_of(&record.conversation).unwrap_or(row.contact),
        thread_ref,
        inbound: row.direction == Direction::Inbound.code(),
        later: record.messages.iter().map(message).collect(),
    }
}

/// A message as it is sealed.
pub(super) fn message(record: &MessageRecord) -> LaterMessage {
    LaterMessage {
        channel: record.channel.clone(),
        thread_ref: record.thread_ref.clone(),
        time: Time(record.time),
    }
}

pub(super) fn open_fact(
    tenant: TenantId,
    key: &DataKey,
    row: &FactRow,
    text: &str,
) -> Result<IntentFact, Error> {
    let (customer, interaction) = (row.customer, row.interaction);
    let (intent, reference) = (row.intent, row.reference);
    let slot = Slot::Fact { customer, interaction, intent, reference };
    Ok(IntentFact {
        interaction,
        contact: row.contact,
        intent: text.to_owned(),
        reference: slot.open_text(tenant, key, &row.content)?,
        status: IntentStatus::from_code(row.status).unwrap_or(IntentStatus::Open),
        sensitivity: Sensitivity::from_code(row.sensitivity).unwrap_or(Sensitivity::Sensitive),
        time: row.time,
        channel: row.channel.clone(),
        counts: row.counts,
    })
}

/// A block of values.
pub(super) fn open_block(
    tenant: TenantId,
    key: &DataKey,
    row: &BlockRow,
) -> Result<BlockRecord, Error> {
    let (customer, kind) = (row.customer, row.kind);
    let slot = Slot::Block { customer, kind, interaction: row.interaction, part: row.part };
    slot.open(tenant, key, &row.content)
}

/// The customer's own rule, as stored.
pub(super) fn disclosure(person: &Remembered) -> Disclosure {
    // A code that a newer version wrote is taken for the strictest.
    Disclosure::from_code(person.row.disclosure).unwrap_or(Disclosure::Never)
}
