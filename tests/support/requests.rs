//! The smallest requests that tests start from, to be filled with `..`.

use std::collections::BTreeMap;

use threadline::clock::Time;
use threadline::grpc::proto::{
    EndInteractionRequest, GetInteractionRequest, IdentityConfirmed, IdentityHints,
    IdentityRejected, Intent, IntentStatus, LineType, MergeCustomersRequest,
    ReassignInteractionRequest, RedactInteractionRequest, StartInteractionRequest, Telco,
    UnmergeCustomersRequest, UpdateInteractionRequest, VariableInput, end_interaction_request,
    update_interaction_request,
};

/// A start with nothing but its id and channel.
pub fn start(id: &str, channel: &str) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: id.into(),
        channel: channel.into(),
        ..Default::default()
    }
}

/// A start with hints.
pub fn start_with(id: &str, channel: &str, hints: IdentityHints) -> StartInteractionRequest {
    StartInteractionRequest { identity_hints: Some(hints), ..start(id, channel) }
}

/// A call from a mobile: linked once, it is enough for `reuse` within some days.
pub fn call(id: &str, number: &str) -> StartInteractionRequest {
    StartInteractionRequest {
        telco: line(LineType::Mobile),
        ..start_with(id, "voice", number_hint(number))
    }
}

/// A call from a fixed line: alone, it is never enough for `reuse` after one contact.
pub fn landline_call(id: &str, number: &str) -> StartInteractionRequest {
    StartInteractionRequest { telco: line(LineType::Landline), ..call(id, number) }
}

/// What the network says of a line.
pub fn line(line_type: LineType) -> Option<Telco> {
    Some(Telco { line_type: line_type as i32, ..Default::default() })
}

/// The hint of a caller number.
pub fn number_hint(number: &str) -> IdentityHints {
    IdentityHints { caller_number: number.into(), ..Default::default() }
}

/// The hint of an e-mail address.
pub fn email_hint(email: &str) -> IdentityHints {
    IdentityHints { email: email.into(), ..Default::default() }
}

/// The hint of one external id.
pub fn external_hint(namespace: &str, value: &str) -> IdentityHints {
    let external_ids = BTreeMap::from([(namespace.to_owned(), value.to_owned())]);
    IdentityHints { external_ids, ..Default::default() }
}

/// An update with nothing but its ids.
pub fn update(id: &str, update_id: &str) -> UpdateInteractionRequest {
    UpdateInteractionRequest {
        interaction_id: id.into(),
        update_id: update_id.into(),
        ..Default::default()
    }
}

/// An update that confirms the candidate that was named.
pub fn confirm(id: &str, update_id: &str) -> UpdateInteractionRequest {
    let said = IdentityConfirmed { customer_ref: String::new() };
    let said = update_interaction_request::IdentityFeedback::IdentityConfirmed(said);
    UpdateInteractionRequest { identity_feedback: Some(said), ..update(id, update_id) }
}

/// An update that rejects: it is somebody new, or the customer named here.
pub fn reject(id: &str, update_id: &str, who: Option<&str>) -> UpdateInteractionRequest {
    let said = IdentityRejected { customer_ref: who.map(str::to_owned) };
    let said = update_interaction_request::IdentityFeedback::IdentityRejected(said);
    UpdateInteractionRequest { identity_feedback: Some(said), ..update(id, update_id) }
}

/// An end of a known interaction.
pub fn end(id: &str) -> EndInteractionRequest {
    EndInteractionRequest { interaction_id: id.into(), ..Default::default() }
}

/// An end that names one intent.
pub fn end_with(id: &str, intent: &str, status: IntentStatus) -> EndInteractionRequest {
    EndInteractionRequest { intents: vec![intent_of(intent, status)], ..end(id) }
}

/// An end's rejection.
pub fn end_rejects(who: Option<&str>) -> Option<end_interaction_request::IdentityFeedback> {
    let said = IdentityRejected { customer_ref: who.map(str::to_owned) };
    Some(end_interaction_request::IdentityFeedback::IdentityRejected(said))
}

/// An end's confirmation of the candidate that was named.
pub fn end_confirms() -> Option<end_interaction_request::IdentityFeedback> {
    let said = IdentityConfirmed { customer_ref: String::new() };
    Some(end_interaction_request::IdentityFeedback::IdentityConfirmed(said))
}

/// One intent.
pub fn intent_of(intent: &str, status: IntentStatus) -> Intent {
    Intent { intent: intent.into(), status: status as i32, ..Default::default() }
}

/// One variable with the default time to live.
pub fn variable(name: &str, value: &str) -> BTreeMap<String, VariableInput> {
    let input = VariableInput { value: value.into(), ..Default::default() };
    BTreeMap::from([(name.to_owned(), input)])
}

/// A merge of two customers.
pub fn merge(request_id: &str, one: &str, other: &str) -> MergeCustomersRequest {
    MergeCustomersRequest {
        request_id: request_id.into(),
        customer_ref: one.into(),
        other_customer_ref: other.into(),
        reason: "one person, says the desk".into(),
        ..Default::default()
    }
}

/// An unmerge of one merge.
pub fn unmerge(request_id: &str, merge_id: &str) -> UnmergeCustomersRequest {
    UnmergeCustomersRequest {
        request_id: request_id.into(),
        merge_id: merge_id.into(),
        ..Default::default()
    }
}

/// A reassignment: to that customer, or to somebody new.
pub fn reassign(id: &str, request_id: &str, who: Option<&str>) -> ReassignInteractionRequest {
    ReassignInteractionRequest {
        interaction_id: id.into(),
        request_id: request_id.into(),
        customer_ref: who.map(str::to_owned),
        ..Default::default()
    }
}

/// A redaction of these fields.
pub fn redact(id: &str, request_id: &str, fields: &[&str]) -> RedactInteractionRequest {
    RedactInteractionRequest {
        interaction_id: id.into(),
        request_id: request_id.into(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ..Default::default()
    }
}

/// Which interaction to show.
pub fn get(id: &str) -> GetInteractionRequest {
    GetInteractionRequest { interaction_id: id.into(), ..Default::default() }
}

/// A moment as the protocol writes it.
pub fn at(time: Time) -> Option<prost_types::Timestamp> {
    let (seconds, milliseconds) = (time.0.div_euclid(1_000), time.0.rem_euclid(1_000));
    Some(prost_types::Timestamp { seconds, nanos: milliseconds as i32 * 1_000_000 })
}
