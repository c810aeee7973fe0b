//! Contacts as records: the contact itself, and what it said, showed and was decided on, each once.

use std::collections::HashSet;

use super::records::key;
use crate::clock::Time;
use crate::continuity::export_customer::{Perhaps, Versions};
use crate::continuity::record::{
    About, CandidateRecord, ConflictRecord, ConsentRecord, ContactRecord, EndingRecord, HintRecord,
    IntentRecord, MessageRecord, State, ValueRecord,
};
use crate::grpc::answers::timestamp;
use crate::grpc::proto;
use crate::ids::{CustomerId, Token};
use crate::store::export::Entry;
use crate::store::rows::InteractionRow;
use proto::export_record::Record;

/// A contact on file.
pub(super) fn on_file(row: &InteractionRow, record: ContactRecord) -> Vec<Record> {
    let ContactRecord {
        about, ending, verification, audience, messages, conflicts, redacted, ..
    } = record;
    let mut message = said_of_itself(row.customer, row.interaction, about.unwrap_or_default());
    message.place = proto::ExportPlace::History.into();
    message.receive_time = timestamp(row.received);
    message.settled = row.confirmed;
    message.channel.clone_from(&row.channel);
    message.direction = row.direction as i32;
    message.audience = audience as i32;
    message.verification = verification as i32;
    message.counted = row.counted;
    message.redact_time = timestamp(Time(redacted));
    message.start_time = timestamp(row.started);
    let intents = outcome(&mut message, ending);
    let mut parts = Parts::new(row.customer, row.interaction);
    parts.intents(&intents, message.end_time);
    parts.messages(&messages);
    parts.conflicts(0, &conflicts);
    parts.with(message)
}

/// A contact as the journal holds it: after each call, and all it said, showed and was decided on.
pub(super) fn in_journal(versions: Versions) -> Vec<Record> {
    let Versions { customer, interaction, versions } = versions;
    let mut parts = Parts::new(customer, interaction);
    for (entry, state) in versions {
        let version = version(customer, &entry, &state);
        let time = timestamp(entry.time);
        parts.intents(&state.intents, time);
        if let Some(ending) = &state.ending {
            parts.intents(&ending.intents, timestamp(Time(ending.end_time)));
        }
        parts.messages(&state.messages);
        parts.hints(&state.hints);
        parts.hints(&state.displaced);
        parts.waiting(&state, time);
        if let Some(decision) = &state.decision {
            parts.evidence(entry.position, &decision.candidates);
            parts.conflicts(entry.position, &decision.conflicts);
        }
        parts.records.push(Record::Interaction(version));
    }
    parts.records
}

/// A contact that may have been somebody else's.
pub(super) fn perhaps(contact: Perhaps) -> Record {
    Record::Interaction(proto::ExportedInteraction {
        customer_ref: contact.customer.to_ref(),
        interaction_key: key(contact.interaction),
        channel: contact.channel,
        start_time: timestamp(contact.started),
        receive_time: timestamp(contact.received),
        ..Default::default()
    })
}

fn said_of_itself(
    customer: CustomerId,
    interaction: Token,
    about: About,
) -> proto::ExportedInteraction {
    proto::ExportedInteraction {
        customer_ref: customer.to_ref(),
        interaction_key: key(interaction),
        interaction_id: about.interaction_id,
        source: about.source,
        agent_ref: about.agent_ref,
        queue: about.queue,
        brand: about.brand,
        thread_ref: about.thread_ref,
        continues_interaction_id: about.continues_interaction_id,
        continues_source: about.continues_source,
        status: proto::InteractionStatus::Active.into(),
        ..Default::default()
    }
}

/// How it ended; what it was about is a table of its own.
fn outcome(
    message: &mut proto::ExportedInteraction,
    ending: Option<EndingRecord>,
) -> Vec<IntentRecord> {
    let Some(ending) = ending else { return Vec::new() };
    message.status = match ending.never_ended {
        true => proto::InteractionStatus::NeverEnded,
        false => proto::InteractionStatus::Ended,
    }
    .into();
    message.end_time = timestamp(Time(ending.end_time));
    message.summary = ending.summary;
    message.sensitivity = ending.sensitivity as i32;
    message.disposition = ending.disposition;
    message.sentiment = ending.sentiment;
    message.csat = ending.csat;
    message.escalated = ending.escalated;
    message.revision = ending.revision;
    if let Some(conversion) = ending.conversion {
        message.conversion_name = conversion.name;
        message.conversion_amount = conversion.amount;
        message.conversion_currency = conversion.currency;
    }
    ending.intents
}

fn version(customer: CustomerId, entry: &Entry, state: &State) -> proto::ExportedInteraction {
    let about = state.about.clone().unwrap_or_default();
    let mut message = said_of_itself(customer, entry.interaction, about);
    message.place = proto::ExportPlace::Journal.into();
    message.action = entry.verb().map_or_else(String::new, |verb| verb.name().to_owned());
    message.position = entry.position;
    message.caller.clone_from(&entry.caller);
    message.receive_time = timestamp(entry.received);
    message.settled = state.settled;
    message.channel.clone_from(&state.channel);
    message.direction = state.direction as i32;
    message.audience = state.audience as i32;
    message.start_time = timestamp(Time(state.start_time));
    message.line_type = state.line_type as i32;
    message.attestation = state.attestation as i32;
    message.locale.clone_from(&state.locale);
    message.time_zone.clone_from(&state.time_zone);
    message.verification = state.verification as i32;
    message.counted = state.counted;
    if let Some(decision) = &state.decision {
        message.recommendation = decision.recommendation as i32;
        message.assurance = decision.assurance as i32;
        message.log_odds = decision.candidates.first().map(|own| own.log_odds);
        message.model_version.clone_from(&decision.model_version);
        message.policy_version.clone_from(&decision.policy_version);
    }
    outcome(&mut message, state.ending.clone());
    message
}

/// What belongs to one contact, each thing once.
struct Parts {
    customer_ref: String,
    interaction_key: String,
    records: Vec<Record>,
    seen: HashSet<Vec<u8>>,
}

impl Parts {
    fn new(customer: CustomerId, interaction: Token) -> Self {
        let (customer_ref, interaction_key) = (customer.to_ref(), key(interaction));
        Self { customer_ref, interaction_key, records: Vec::new(), seen: HashSet::new() }
    }

    fn with(mut self, message: proto::ExportedInteraction) -> Vec<Record> {
        self.records.push(Record::Interaction(message));
        self.records
    }

    /// Whether it is the first of its like.
    fn is_new(&mut self, message: &impl prost::Message) -> bool {
        self.seen.insert(message.encode_to_vec())
    }

    fn intents(&mut self, intents: &[IntentRecord], time: Option<prost_types::Timestamp>) {
        for said in intents {
            if self.is_new(said) {
                let time = if said.said == 0 { time } else { timestamp(Time(said.said)) };
                self.records.push(Record::Intent(proto::ExportedIntent {
                    customer_ref: self.customer_ref.clone(),
                    interaction_key: self.interaction_key.clone(),
                    intent: said.intent.clone(),
                    reference: said.reference.clone(),
                    status: said.status as i32,
                    sensitivity: said.sensitivity as i32,
                    time,
                    ..Default::default()
                }));
            }
        }
    }

    fn messages(&mut self, messages: &[MessageRecord]) {
        for sent in messages {
            if self.is_new(sent) {
                self.records.push(Record::Message(proto::ExportedMessage {
                    customer_ref: self.customer_ref.clone(),
                    interaction_key: self.interaction_key.clone(),
                    channel: sent.channel.clone(),
                    thread_ref: sent.thread_ref.clone(),
                    time: timestamp(Time(sent.time)),
                }));
            }
        }
    }

    fn hints(&mut self, hints: &[HintRecord]) {
        for hint in hints {
            if self.is_new(hint) {
                self.records.push(Record::Hint(proto::ExportedHint {
                    customer_ref: self.customer_ref.clone(),
                    interaction_key: self.interaction_key.clone(),
                    kind: hint.scheme.clone(),
                    namespace: hint.namespace.clone(),
                    value: hint.value.clone(),
                    assurance: hint.assurance as i32,
                    field: hint.field.clone(),
                }));
            }
        }
    }

    fn evidence(&mut self, position: i64, candidates: &[CandidateRecord]) {
        for candidate in candidates {
            if self.is_new(candidate) {
                for reason in &candidate.evidence {
                    self.because(position, reason.signal(), reason.log_odds);
                }
            }
        }
    }

    fn conflicts(&mut self, position: i64, conflicts: &[ConflictRecord]) {
        for conflict in conflicts {
            if self.is_new(conflict) {
                let kind = match conflict.namespace.as_str() {
                    "" => conflict.kind.clone(),
                    namespace => format!("{}:{namespace}", conflict.kind),
                };
                self.because(position, format!("conflict:{kind}"), 0.0);
            }
        }
    }

    fn because(&mut self, position: i64, signal: String, log_odds: f64) {
        self.records.push(Record::Evidence(proto::ExportedEvidence {
            customer_ref: self.customer_ref.clone(),
            interaction_key: self.interaction_key.clone(),
            position,
            signal,
            log_odds,
        }));
    }

    /// What waited until it was settled whose it is; some of it was replaced before that.
    fn waiting(&mut self, state: &State, time: Option<prost_types::Timestamp>) {
        let about = state.about.clone().unwrap_or_default();
        for value in &state.values {
            if self.is_new(value) {
                let ValueRecord { name, value, ttl_seconds, expire, sensitivity, .. } =
                    value.clone();
                self.records.push(Record::Variable(proto::ExportedVariable {
                    customer_ref: self.customer_ref.clone(),
                    cleared: value.is_none(),
                    name,
                    value: value.unwrap_or_default(),
                    sensitivity: sensitivity as i32,
                    time,
                    ttl_seconds: super::records::count(ttl_seconds),
                    expire_time: timestamp(Time(expire)),
                    channel: state.channel.clone(),
                    source: about.source.clone(),
                    interaction_id: about.interaction_id.clone(),
                    agent_ref: about.agent_ref.clone(),
                    ..Default::default()
                }));
            }
        }
        for value in &state.attributes {
            if self.is_new(value) {
                let ValueRecord { name, value, sensitivity, .. } = value.clone();
                self.records.push(Record::Attribute(proto::ExportedAttribute {
                    customer_ref: self.customer_ref.clone(),
                    cleared: value.is_none(),
                    name,
                    value: value.unwrap_or_default(),
                    sensitivity: sensitivity as i32,
                    time,
                    channel: state.channel.clone(),
                    source: about.source.clone(),
                    interaction_id: about.interaction_id.clone(),
                    agent_ref: about.agent_ref.clone(),
                    ..Default::default()
                }));
            }
        }
        for said in &state.consents {
            if self.is_new(said) {
                let ConsentRecord { purpose, state: code, time, evidence } = said.clone();
                self.records.push(Record::Consent(proto::ExportedConsent {
                    customer_ref: self.customer_ref.clone(),
                    purpose,
                    state: code as i32,
                    time: timestamp(Time(time)),
                    evidence,
                    channel: state.channel.clone(),
                    source: about.source.clone(),
                    interaction_id: about.interaction_id.clone(),
                    agent_ref: about.agent_ref.clone(),
                }));
            }
        }
    }
}
