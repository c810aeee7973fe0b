//! Answers to protocol messages. What may be shown was decided before; nothing is added here.

use std::collections::BTreeMap;

use prost_types::Timestamp;

use super::explaining::{calibration, conflicts};
use super::status::name;
use super::{proto, replies};
use crate::clock::Time;
use crate::context::{
    AttributeWrite, Audience, Context, Disclosed, OpenIntent, Sensitivity, Shown, ShownConsent,
    ShownInteraction, VariableWrite, Viewpoint, brief, disclose, profile_conflicts, shows_outcome,
    shows_sensitive, what_is_shown,
};
use crate::continuity::end_interaction::Ended;
use crate::continuity::list_interactions::Listed;
use crate::continuity::reassign_interaction::Reassigned;
use crate::continuity::record::{ContactRecord, DecisionRecord, EndingRecord, IntentRecord, State};
use crate::continuity::redact_interaction::Redacted;
use crate::continuity::redactions;
use crate::continuity::{Answer, Degraded, Warning};
use crate::identity::{Recommendation, probability};
use crate::ids::CustomerId;

/// A moment on the wire; zero is no moment.
pub(super) fn timestamp(time: Time) -> Option<Timestamp> {
    let (seconds, millis) = (time.0.div_euclid(1_000), time.0.rem_euclid(1_000));
    (time.0 != 0).then(|| Timestamp { seconds, nanos: millis as i32 * 1_000_000 })
}

fn seconds(from: Time, to: Time) -> i32 {
    i32::try_from(to.since(from) / 1_000).unwrap_or(i32::MAX)
}

/// The answer to a start or an update. `explains` lists candidates also when nothing is disclosed:
/// for callers that measure decisions.
pub(super) fn context(mut answer: Answer, explains: bool) -> proto::StartInteractionResponse {
    let shown = what_is_shown(&answer.view);
    let about = answer.state.about.as_ref();
    let mut message = proto::StartInteractionResponse {
        interaction_id: about.map_or_else(String::new, |about| about.interaction_id.clone()),
        degraded: answer.degraded.is_some(),
        degraded_reason: answer.degraded.map_or_else(String::new, reason),
        warnings: warnings(&answer.warnings),
        ..Default::default()
    };
    if answer.degraded.is_some() {
        message.identity = Some(proto::Identity {
            level: proto::ConfidenceLevel::Low.into(),
            recommendation: proto::Recommendation::Ignore.into(),
            ..Default::default()
        });
        return message;
    }
    message.customer_ref = answer.customer.map_or_else(String::new, CustomerId::to_ref);
    message.new_customer = answer.view.new_customer;
    message.start_time = timestamp(Time(answer.state.start_time));
    if !answer.reads {
        return message;
    }
    message.identity = Some(identity(&mut answer, shown, explains));
    disclosed(&mut message, &answer);
    if shown != Shown::IdentityOnly {
        replies::fill(&mut message, &answer, shown);
    }
    message
}

fn reason(degraded: Degraded) -> String {
    let reason = match degraded {
        Degraded::BudgetExhausted => proto::ErrorReason::BudgetExhausted,
        Degraded::StoreUnavailable => proto::ErrorReason::StoreUnavailable,
    };
    name(reason).to_owned()
}

pub(super) fn warnings(warnings: &[Warning]) -> Vec<proto::Warning> {
    let warning = |it: &Warning| proto::Warning {
        code: it.code.to_owned(),
        field: it.field.clone(),
        message: it.message.clone(),
    };
    warnings.iter().map(warning).collect()
}

fn identity(answer: &mut Answer, shown: Shown, explains: bool) -> proto::Identity {
    let evidence = std::mem::take(&mut answer.standing.evidence);
    let standing = &answer.standing;
    let undecided = DecisionRecord::default();
    let decision = answer.state.decision.as_ref().unwrap_or(&undecided);
    let hidden = answer.view.disclosure == crate::context::Disclosure::Never;
    if hidden {
        // A protected person is answered as somebody new would be.
        return proto::Identity {
            level: proto::ConfidenceLevel::Low.into(),
            recommendation: proto::Recommendation::Ignore.into(),
            calibration: Some(calibration(decision)),
            ..Default::default()
        };
    }
    let private = answer.view.audience == Audience::Private;
    let asked = standing.recommendation == Recommendation::Confirm;
    let known = matches!(shown, Shown::Context | Shown::Unconsented);
    let named = private && (asked || explains || known);
    let evidence =
        evidence.into_iter().map(|(signal, log_odds)| proto::Evidence { signal, log_odds });
    let candidates = decision.candidates.iter().map(|candidate| proto::Candidate {
        customer_ref: customer(&candidate.customer),
        match_probability: probability(candidate.log_odds),
        label: if asked { candidate.label.clone() } else { String::new() },
        evidence: Vec::new(),
    });
    proto::Identity {
        confidence: standing.confidence,
        level: standing.level as i32,
        recommendation: standing.recommendation as i32,
        assurance: standing.assurance.map_or(0, |assurance| assurance as i32),
        match_probability: standing.probability,
        sources: decision.sources.clone(),
        evidence: evidence.collect(),
        candidates: if named { candidates.collect() } else { Vec::new() },
        conflicts: if private { conflicts(decision) } else { Vec::new() },
        calibration: Some(calibration(decision)),
    }
}

pub(super) fn customer(bytes: &[u8]) -> String {
    bytes.try_into().map_or_else(|_| String::new(), |id| CustomerId(id).to_ref())
}

fn disclosed(message: &mut proto::StartInteractionResponse, answer: &Answer) {
    let Disclosed {
        open_intents,
        variables,
        profile,
        history,
        withheld_count,
        withheld_variables,
        last_agent_ref,
        consents,
    } = disclose(&answer.context, &answer.view);
    let (locale, time_zone) = &answer.voice;
    message.brief = brief(&history, &answer.state.channel, answer.view.now, locale, time_zone);
    message.open_intents = open_intents.into_iter().map(open_intent).collect();
    message.variables =
        variables.into_iter().map(|(name, write)| (name.to_owned(), variable(write))).collect();
    message.profile = attributes(&answer.context, profile);
    message.recent_interactions = history.iter().map(recent).collect();
    message.withheld_count = withheld_count;
    message.withheld_variables = withheld_variables;
    message.last_agent_ref = last_agent_ref.to_owned();
    message.consents = consents.into_iter().map(consent).collect();
}

fn consent(it: ShownConsent<'_>) -> (String, proto::Consent) {
    let shown = proto::Consent {
        state: it.state.code() as i32,
        time: timestamp(it.time),
        channel: it.channel.to_owned(),
        source: it.source.to_owned(),
        interaction_id: it.interaction_id.to_owned(),
        evidence: it.evidence.to_owned(),
    };
    (it.purpose.to_owned(), shown)
}

fn open_intent(it: OpenIntent) -> proto::OpenIntent {
    proto::OpenIntent {
        status: it.status.code() as i32,
        attempt_count: it.attempt_count,
        first_time: timestamp(it.first_time),
        last_time: timestamp(it.last_time),
        intent: it.intent,
        reference: it.reference,
        last_channel: it.last_channel,
    }
}

fn variable(write: &VariableWrite) -> proto::Variable {
    proto::Variable {
        value: write.value.clone().unwrap_or_default(),
        source: Some(proto::VariableSource {
            channel: write.channel.clone(),
            interaction_id: write.interaction_id.clone(),
            agent_ref: write.agent_ref.clone(),
        }),
        ttl_seconds: i32::try_from(write.ttl_seconds).unwrap_or(i32::MAX),
        expire_time: timestamp(write.expire),
        sensitivity: write.sensitivity.code() as i32,
    }
}

/// Attributes as they are shown, with the mark of those that do not agree.
fn attributes(
    context: &Context,
    shown: Vec<(&str, &AttributeWrite)>,
) -> BTreeMap<String, proto::ProfileAttribute> {
    let conflicts = profile_conflicts(&context.profile);
    let conflicting = |name: &str| conflicts.iter().any(|conflict| conflict.kept.name == name);
    let one = |(name, write): (&str, &AttributeWrite)| {
        let shown = proto::ProfileAttribute { conflicting: conflicting(name), ..attribute(write) };
        (name.to_owned(), shown)
    };
    shown.into_iter().map(one).collect()
}

pub(super) fn attribute(write: &AttributeWrite) -> proto::ProfileAttribute {
    proto::ProfileAttribute {
        value: write.value.clone().unwrap_or_default(),
        sensitivity: write.sensitivity.code() as i32,
        assurance: write.assurance as i32,
        update_time: timestamp(write.set),
        conflicting: false,
    }
}

fn recent(it: &ShownInteraction<'_>) -> proto::RecentInteraction {
    let intents = it.intents.iter().map(|one| proto::Intent {
        intent: one.intent.clone(),
        status: one.status.code() as i32,
        reference: one.reference.clone(),
        sensitivity: one.sensitivity.code() as i32,
    });
    proto::RecentInteraction {
        time: timestamp(it.end),
        channel: it.channel.to_owned(),
        direction: it.direction as i32,
        summary: it.summary.to_owned(),
        intents: intents.collect(),
        disposition: it.disposition.to_owned(),
        sentiment: it.sentiment,
        csat: it.csat,
        agent_ref: it.agent_ref.to_owned(),
        confirmed: it.confirmed,
        interaction_id: it.interaction_id.to_owned(),
        source: it.source.to_owned(),
        start_time: timestamp(it.start),
        redact_time: timestamp(it.redacted),
    }
}

/// The answer to an end.
pub(super) fn ended(ended: Ended) -> proto::EndInteractionResponse {
    proto::EndInteractionResponse {
        interaction_id: ended.interaction_id,
        customer_ref: ended.customer.map_or_else(String::new, CustomerId::to_ref),
        start_time: timestamp(ended.start),
        end_time: timestamp(ended.end),
        duration_seconds: seconds(ended.start, ended.end),
        intents_updated: ended.intents_updated,
        variables_updated: ended.variables_updated,
        warnings: warnings(&ended.warnings),
    }
}

/// The answer to a reassignment.
pub(super) fn reassigned(it: Reassigned) -> proto::ReassignInteractionResponse {
    proto::ReassignInteractionResponse {
        interaction_id: it.interaction_id,
        customer_ref: it.customer.map_or_else(String::new, CustomerId::to_ref),
        new_customer: it.new_customer,
        warnings: warnings(&it.warnings),
    }
}

/// The answer to a redaction.
pub(super) fn redacted(it: Redacted) -> proto::RedactInteractionResponse {
    proto::RedactInteractionResponse {
        interaction_id: it.interaction_id,
        redacted_fields: it.fields.iter().map(ToString::to_string).collect(),
        redact_time: timestamp(it.time),
    }
}

/// An interaction's own facts. Summary and intents only where the caller may see the context.
pub(super) fn facts(answer: &Answer) -> proto::Interaction {
    let state: &State = &answer.state;
    let about = state.about.clone().unwrap_or_default();
    let view = &answer.view;
    let own = answer.reads && shows_outcome(view, state.settled);
    let sensitive = own && shows_sensitive(view);
    let ending = state.ending.as_ref();
    let status = match ending {
        None => proto::InteractionStatus::Active,
        Some(ending) if ending.never_ended => proto::InteractionStatus::NeverEnded,
        Some(_) => proto::InteractionStatus::Ended,
    };
    let mut message = proto::Interaction {
        interaction_id: about.interaction_id,
        source: about.source,
        channel: state.channel.clone(),
        direction: state.direction as i32,
        audience: state.audience as i32,
        status: status.into(),
        customer_ref: answer.customer.map_or_else(String::new, CustomerId::to_ref),
        settled: state.settled,
        start_time: timestamp(Time(state.start_time)),
        end_time: ending.and_then(|ending| timestamp(Time(ending.end_time))),
        agent_ref: about.agent_ref,
        queue: about.queue,
        brand: about.brand,
        thread_ref: about.thread_ref,
        continues_interaction_id: about.continues_interaction_id,
        continues_source: about.continues_source,
        verification: state.verification as i32,
        duration_seconds: ending
            .map(|ending| seconds(Time(state.start_time), Time(ending.end_time))),
        redact_time: timestamp(redactions::newest(state)),
        ..Default::default()
    };
    if let Some(ending) = ending {
        outcome(&mut message, ending, own, sensitive);
    }
    message
}

fn outcome(message: &mut proto::Interaction, ending: &EndingRecord, own: bool, sensitive: bool) {
    let allowed = |code| own && (sensitive || code != Sensitivity::Sensitive.code());
    if allowed(ending.sensitivity) {
        message.summary.clone_from(&ending.summary);
    }
    let intents = ending.intents.iter().filter(|intent| allowed(intent.sensitivity));
    message.intents = intents.map(intent).collect();
    if own {
        (message.disposition, message.escalated) = (ending.disposition.clone(), ending.escalated);
    }
    message.sentiment = ending.sentiment.filter(|_| own);
    message.csat = ending.csat.filter(|_| own);
    message.revision = ending.revision;
    message.conversion = ending.conversion.clone().filter(|_| own).map(|it| proto::Conversion {
        name: it.name,
        amount: it.amount,
        currency: it.currency,
    });
}

fn intent(it: &IntentRecord) -> proto::Intent {
    proto::Intent {
        intent: it.intent.clone(),
        status: it.status as i32,
        reference: it.reference.clone(),
        sensitivity: it.sensitivity as i32,
    }
}

/// One contact of a page.
pub(super) fn listed(customer: CustomerId, listed: Listed) -> proto::Interaction {
    let Listed { past, record, sensitive_allowed } = listed;
    let ContactRecord { about, ending, verification, audience, .. } = record;
    let about = about.unwrap_or_default();
    let status = match past.never_ended {
        true => proto::InteractionStatus::NeverEnded,
        false => proto::InteractionStatus::Ended,
    };
    let mut message = proto::Interaction {
        interaction_id: about.interaction_id,
        source: about.source,
        channel: past.channel,
        direction: past.direction as i32,
        audience: audience as i32,
        status: status.into(),
        customer_ref: customer.to_ref(),
        settled: past.confirmed,
        start_time: timestamp(past.start),
        end_time: timestamp(past.end),
        agent_ref: about.agent_ref,
        queue: about.queue,
        brand: about.brand,
        thread_ref: about.thread_ref,
        continues_interaction_id: about.continues_interaction_id,
        continues_source: about.continues_source,
        verification: verification as i32,
        duration_seconds: Some(seconds(past.start, past.end)),
        redact_time: timestamp(past.redacted),
        ..Default::default()
    };
    if let Some(ending) = &ending {
        outcome(&mut message, ending, true, sensitive_allowed);
    }
    message
}

/// Open intents, variables and profile of a customer, as a reader may see them.
pub(super) fn known_of(
    message: &mut proto::GetCustomerResponse,
    context: &Context,
    view: &Viewpoint,
) {
    let disclosed = disclose(context, view);
    message.open_intents = disclosed.open_intents.into_iter().map(open_intent).collect();
    message.variables = disclosed
        .variables
        .into_iter()
        .map(|(name, write)| (name.to_owned(), variable(write)))
        .collect();
    message.profile = attributes(context, disclosed.profile);
    message.withheld_count = disclosed.withheld_count;
    message.consents = disclosed.consents.into_iter().map(consent).collect();
}
