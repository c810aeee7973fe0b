//! A customer's file: contacts, intent facts, values; put there, and counted.

use std::sync::Arc;

use super::Error;
use super::answer::standing;
use super::consenting;
use super::desk::Desk;
use super::outlasting::outlasts;
use super::record::{BlockRecord, ContactRecord, IntentRecord, State, ValueRecord};
use super::redactions;
use super::sealing::Slot;
use super::settling::{customer_of, token_of};
use super::untying;
use super::waiting::by_time;
use super::working::Working;
use crate::clock::Time;
use crate::context::reached;
use crate::crypto::DataKey;
use crate::identity::{Assurance, Direction, HintKind};
use crate::ids::{CustomerId, Token};
use crate::store::Removal;
use crate::store::rows::{
    BlockKind, BlockRow, DisputeRow, FactRow, InteractionRow, LabelRow, MergeState,
};

/// Codes of `interaction.state`.
const ACTIVE: i64 = 0;
const ENDED: i64 = 1;
const NEVER_ENDED: i64 = 2;

/// Puts an interaction on the file of its customer, in place of what was there of it.
pub(super) async fn file(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let about = state.about.clone().unwrap_or_default();
    let ended = Time(state.ending.as_ref().map_or(state.start_time, |ending| ending.end_time));
    let status = state
        .ending
        .as_ref()
        .map_or(ACTIVE, |ending| if ending.never_ended { NEVER_ENDED } else { ENDED });
    forget_filed(desk, state, customer, interaction, ended);
    let working = desk.take_in_hand(customer).await?;
    working.touch();
    let key = Arc::clone(&working.key);
    let disposition = state.ending.as_ref().map_or("", |ending| ending.disposition.as_str());
    let (agent, queue) =
        (label(desk, "agent", &about.agent_ref), label(desk, "queue", &about.queue));
    let brand = label(desk, "brand", &about.brand);
    let disposition = label(desk, "disposition", disposition);
    let shown = state.decision.as_ref().filter(|_| state.settled);
    let conflicts = shown.map_or_else(Vec::new, |decision| decision.conflicts.clone());
    if !conflicts.is_empty() {
        mark_dispute(desk, customer);
    }
    let record = ContactRecord {
        about: Some(about),
        ending: state.ending.clone(),
        supports: state.supports.clone(),
        verification: state.verification,
        audience: state.audience,
        vouched: is_vouched(state),
        messages: state.messages.clone(),
        conversation: state.conversation.clone(),
        conflicts,
        redacted: redactions::newest(state).0,
        heard: desk.first_heard(interaction).0,
    };
    let revision = desk.service.entropy.positive();
    let slot = Slot::Contact { customer, ended, interaction, revision };
    let row = InteractionRow {
        customer,
        ended,
        interaction,
        state: status,
        started: Time(state.start_time),
        received: Time(0),
        channel: state.channel.clone(),
        direction: state.direction,
        confirmed: state.settled,
        counted: counts(state),
        contact: token_of(&state.contact).unwrap_or(interaction),
        agent,
        queue,
        brand,
        disposition,
        content: slot.seal(desk.tenant_id(), &key, &record, &desk.service.entropy),
        revision,
    };
    desk.effects.interactions.retain(|one| one.interaction != interaction);
    desk.effects.interactions.push(row);
    state.filed_at = Some(ended.0);
    Ok(())
}

fn forget_filed(
    desk: &mut Desk<'_, '_>,
    state: &State,
    customer: CustomerId,
    interaction: Token,
    ended: Time,
) {
    if let Some(filed_at) = state.filed_at.filter(|filed_at| *filed_at != ended.0) {
        let removal = Removal::Interaction { customer, ended: Time(filed_at), interaction };
        if !desk.effects.removals.contains(&removal) {
            desk.effects.removals.push(removal);
        }
    }
}

/// Whether this interaction feeds the counters of its customer.
pub(super) fn counts(state: &State) -> bool {
    state.settled && state.ending.as_ref().is_some_and(|ending| ending.reached)
}

/// Whether somebody said who it is, or a VERIFIED token did: more than the service's own belief.
pub(super) fn is_vouched(state: &State) -> bool {
    let decided = state.decision.as_ref().map_or(0, |decision| decision.assurance);
    state.vouched >= Assurance::Carried.code() || decided >= Assurance::Verified.code()
}

/// Feeds the counters, once an interaction has ended and is settled, and only once.
pub(super) async fn count(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    if state.counted || !counts(state) {
        return Ok(());
    }
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let at = Time(state.ending.as_ref().map_or(state.start_time, |ending| ending.end_time));
    let (supports, vouched) = (state.supports.clone(), is_vouched(state));
    let began = untying::began(desk, state, interaction);
    let retention = desk.tenant.policy.retention;
    let working = desk.take_in_hand(customer).await?;
    working.count_contact(at);
    if retention.wakes(at, working.row.archived) {
        working.row.archived = Time(0);
    }
    for support in &supports {
        let kind = HintKind::from_code(support.kind);
        let token = token_of(&support.token).filter(|token| working.untied(*token) < began);
        if let (Some(token), Some(kind)) = (token, kind) {
            working.count_use(token, at, kind);
            if vouched {
                working.confirm_use(token, at);
            }
        }
    }
    state.counted = true;
    Ok(())
}

/// Writes what an interaction says of matters, as facts of its customer: each of the time it was said
/// at, so that writing it again says nothing new; of `time`, where that is not known.
pub(super) async fn write_facts(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
    intents: &[IntentRecord],
    time: Time,
) -> Result<(), Error> {
    if intents.is_empty() {
        return Ok(());
    }
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let key = customer_key(desk, customer).await?;
    let ending = state.ending.as_ref();
    for said in intents {
        let Some(intent) = label(desk, "intent", &said.intent) else { continue };
        let reference = (!said.reference.is_empty())
            .then(|| desk.tenant.secrets.text("intent_reference", &said.reference));
        let slot = Slot::Fact { customer, interaction, intent, reference };
        let text = said.reference.as_bytes();
        let row = FactRow {
            customer,
            interaction,
            intent,
            reference,
            status: said.status,
            counts: ending.is_some_and(|ending| ending.reached),
            time: said.time(time),
            contact: token_of(&state.contact).unwrap_or(interaction),
            channel: state.channel.clone(),
            sensitivity: said.sensitivity,
            content: slot.seal_bytes(desk.tenant_id(), &key, text, &desk.service.entropy),
        };
        let of = |row: &FactRow| (row.interaction, row.intent, row.reference);
        desk.effects.facts.retain(|row| of(row) != (interaction, intent, reference));
        desk.effects.facts.push(row);
    }
    desk.take_in_hand(customer).await?.touch();
    Ok(())
}

/// Takes from a customer's facts what an interaction does not say of these matters any more.
pub(super) fn forget_facts(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
    intents: &[IntentRecord],
) {
    let Some(customer) = customer_of(&state.customer).filter(|_| state.settled) else { return };
    let secrets = &desk.tenant.secrets;
    for it in intents {
        let intent = secrets.label("intent", &it.intent);
        let reference =
            (!it.reference.is_empty()).then(|| secrets.text("intent_reference", &it.reference));
        // It may have come here a moment ago, from another customer.
        let of = |row: &FactRow| (row.interaction, row.intent, row.reference);
        desk.effects.facts.retain(|row| of(row) != (interaction, intent, reference));
        desk.effects.removals.push(Removal::Fact { customer, interaction, intent, reference });
    }
}

/// Writes values that an interaction set, as blocks of its customer: each holds what was said at one
/// time; that is `set`, where it is not known.
pub(super) async fn write_values(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
    kind: BlockKind,
    values: Vec<ValueRecord>,
    (set, assurance): (Time, i64),
) -> Result<(), Error> {
    if values.is_empty() {
        return Ok(());
    }
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let about = state.about.clone().unwrap_or_default();
    for (set, values) in by_time(values, set) {
        let record = BlockRecord {
            set: set.0,
            values,
            channel: state.channel.clone(),
            interaction_id: about.interaction_id.clone(),
            agent_ref: about.agent_ref.clone(),
            source: about.source.clone(),
            assurance,
            ..BlockRecord::default()
        };
        put_block(desk, customer, interaction, kind, record).await?;
    }
    Ok(())
}

pub(super) async fn put_block(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    interaction: Token,
    kind: BlockKind,
    mut record: BlockRecord,
) -> Result<(), Error> {
    let key = customer_key(desk, customer).await?;
    let part = desk.next_part();
    let slot = Slot::Block { customer, kind, interaction, part };
    let expire = match kind {
        BlockKind::Variables => outlasts(desk, customer, &mut record).await?,
        // Attributes last until they are replaced or removed.
        // Nor does what was said of consent ever expire: the newest counts.
        BlockKind::Consents => i64::MAX,
        BlockKind::Profile => {
            note_dispute(desk, customer, &record).await?;
            i64::MAX
        }
    };
    let content = slot.seal(desk.tenant_id(), &key, &record, &desk.service.entropy);
    let row =
        BlockRow { customer, kind, interaction, part, position: 0, expire: Time(expire), content };
    desk.effects.blocks.push(row);
    desk.take_in_hand(customer).await?.touch();
    Ok(())
}

/// Marks a customer of whom something else is said than before, so that they are found; what
/// exactly does not agree is folded when somebody asks.
async fn note_dispute(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    record: &BlockRecord,
) -> Result<(), Error> {
    if record.values.is_empty() {
        return Ok(());
    }
    let is_new = desk.working.get(&customer).is_some_and(Working::is_new);
    let person = if is_new { None } else { desk.person(customer, true).await? };
    // What any of those said who are one person counts.
    let set = match &person {
        Some(person) => desk.set_of(person, true).await?,
        None => Vec::new(),
    };
    let said = || set.iter().filter_map(|it| it.context.as_ref()).flat_map(|it| &it.profile);
    let differs = |value: &ValueRecord| {
        let mut known = said().filter(|it| it.resolves.is_none());
        known.any(|it| it.name == value.name && it.value != value.value)
    };
    // What this very operation has written to them is not in their context yet, nor is whoever it
    // joins them with.
    let own = |it: &BlockRow| it.customer == customer && it.kind == BlockKind::Profile;
    let joined = desk.effects.merges.iter().any(|edge| edge.state == MergeState::InForce);
    if joined || desk.effects.blocks.iter().any(own) || record.values.iter().any(differs) {
        mark_dispute(desk, customer);
    }
    Ok(())
}

pub(super) fn mark_dispute(desk: &mut Desk<'_, '_>, customer: CustomerId) {
    let marks = &mut desk.effects.disputes;
    if marks.iter().all(|mark| mark.customer != customer) {
        marks.push(DisputeRow { customer });
    }
}

/// Writes what was said while it was not settled whose interaction it is. What nobody has settled
/// stays in the interaction: a stranger's words must not become a customer's context.
pub(super) async fn flush(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    if !state.settled {
        return Ok(());
    }
    let (at, intents) = match &state.ending {
        // What an update said after the end replaces what the end said of the same matter.
        Some(ending) => {
            let said = [ending.intents.as_slice(), state.intents.as_slice()].concat();
            (Time(ending.end_time), said)
        }
        None => (Time(state.newest_event), state.intents.clone()),
    };
    write_facts(desk, state, interaction, &intents, at).await?;
    let values = std::mem::take(&mut state.values);
    write_values(desk, state, interaction, BlockKind::Variables, values, (at, 0)).await?;
    let attributes = std::mem::take(&mut state.attributes);
    let strength = strength(state);
    write_values(desk, state, interaction, BlockKind::Profile, attributes, (at, strength)).await?;
    let consents = std::mem::take(&mut state.consents);
    consenting::write(desk, state, interaction, consents, at).await
}

/// Code of the assurance that lasting values have which an interaction says of its customer, as it now
/// stands.
pub(super) fn strength(state: &State) -> i64 {
    standing(state).assurance.unwrap_or(Assurance::Asserted).code()
}

/// Forgets rows that this very operation was about to give a customer.
pub(super) fn drop_unwritten(desk: &mut Desk<'_, '_>, customer: CustomerId, interaction: Token) {
    let effects = &mut desk.effects;
    let other = |whose: CustomerId, of: Token| (whose, of) != (customer, interaction);
    effects.interactions.retain(|row| other(row.customer, row.interaction));
    effects.facts.retain(|row| other(row.customer, row.interaction));
    effects.blocks.retain(|row| other(row.customer, row.interaction));
    desk.written.retain(|(of, _)| *of != customer);
}

pub(super) async fn customer_key(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
) -> Result<Arc<DataKey>, Error> {
    Ok(Arc::clone(&desk.take_in_hand(customer).await?.key))
}

/// The token of a label; its text goes into the dictionary unless it is known to be there.
pub(super) fn label(desk: &mut Desk<'_, '_>, class: &str, text: &str) -> Option<Token> {
    if text.is_empty() {
        return None;
    }
    let tenant = desk.tenant;
    let token = tenant.secrets.label(class, text);
    if desk.service.memory.label(tenant.id, token).is_none() {
        let slot = Slot::Label { token };
        let entropy = &desk.service.entropy;
        let content = slot.seal_bytes(tenant.id, &tenant.key, text.as_bytes(), entropy);
        desk.effects.labels.push(LabelRow { token, content });
        desk.labels.push((token, text.into()));
    }
    Some(token)
}

/// Whether the customer was reached: outbound contacts that nobody answered do not count.
pub(super) fn was_reached(state: &State, disposition: &str) -> bool {
    reached(Direction::from_code(state.direction).unwrap_or(Direction::Inbound), disposition)
}
