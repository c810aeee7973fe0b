//! Recorded events as the requests that a real client would send.

use prost_types::Timestamp;
use serde_json::json;

use super::events::{End, Hints, Start, Text};
use crate::clock::Clock;
use crate::crypto::web_token::SigningKey;
use crate::grpc::proto::end_interaction_request::IdentityFeedback;
use crate::grpc::proto::{
    Attestation, EndInteractionRequest, IdentityConfirmed, IdentityHints, IdentityRejected, Intent,
    IntentStatus, LineType, StartInteractionRequest, Telco, VariableInput,
};

/// What a client that knows who it was says at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Feedback {
    /// It was this customer, as answered.
    Confirmed(String),
    /// It was somebody else: this customer, or nobody known yet.
    Rejected(Option<String>),
}

/// Who issues the web tokens of a replay.
const ISSUER: &str = "threadline-replay";
/// For whom.
const AUDIENCE: &str = "threadline";
/// For how long, in seconds.
const LIFE: i64 = 600;

/// A web token for a subject of the world, signed now; its times are the clock's, not the world's.
/// None without a key, or without a signature.
fn web_token(key: Option<&SigningKey>, hints: &Hints) -> Option<String> {
    let (key, subject) = (key?, hints.jwt_sub.as_ref()?);
    let now = Clock::System.now().0 / 1_000;
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject.0, "iat": now, "exp": now + LIFE,
    });
    key.token(&claims).ok()
}

/// The start as it is sent. A signed-in subject travels in a web token if there is a key to sign it
/// with, else as the external id `user_id`.
pub(super) fn start(start: &Start, key: Option<&SigningKey>) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: start.id.clone(),
        channel: start.channel.clone(),
        identity_hints: Some(identity_hints(&start.hints, key)),
        telco: telco(&start.hints),
        start_time: Some(timestamp(start.ts)),
        history_limit: Some(0),
        ..StartInteractionRequest::default()
    }
}

/// The end as it is sent: with the ref that was answered, or with everything a
/// start says when none was.
pub(super) fn end(
    start: &Start,
    end: &End,
    answered: Option<&str>,
    feedback: Option<Feedback>,
    key: Option<&SigningKey>,
) -> EndInteractionRequest {
    let mut request = EndInteractionRequest {
        interaction_id: end.id.clone(),
        end_time: Some(timestamp(end.ts)),
        summary: end.summary.clone(),
        intents: intent(end).into_iter().collect(),
        variables: end.vars.iter().map(|(name, value)| (name.clone(), variable(value))).collect(),
        identity_feedback: feedback.map(identity_feedback),
        ..EndInteractionRequest::default()
    };
    match answered {
        Some(customer_ref) => request.customer_ref = customer_ref.to_owned(),
        None => {
            request.channel = start.channel.clone();
            request.identity_hints = Some(identity_hints(&start.hints, key));
            request.telco = telco(&start.hints);
            request.start_time = Some(timestamp(start.ts));
        }
    }
    request
}

fn identity_hints(hints: &Hints, key: Option<&SigningKey>) -> IdentityHints {
    let mut external_ids: std::collections::BTreeMap<_, _> = hints
        .external_ids
        .iter()
        .flatten()
        .map(|(namespace, value)| (namespace.clone(), value.0.clone()))
        .collect();
    let web_token = web_token(key, hints);
    if let Some(subject) = hints.jwt_sub.as_ref().filter(|_| web_token.is_none()) {
        external_ids.insert("user_id".to_owned(), subject.0.clone());
    }
    IdentityHints {
        caller_number: text(&hints.ani),
        email: text(&hints.email),
        external_ids,
        whatsapp_id: text(&hints.whatsapp_id),
        telegram_user_id: text(&hints.telegram_id),
        discord_user_id: text(&hints.discord_id),
        web_token: web_token.unwrap_or_default(),
        ..IdentityHints::default()
    }
}

fn text(value: &Option<Text>) -> String {
    value.as_ref().map(|value| value.0.clone()).unwrap_or_default()
}

fn telco(hints: &Hints) -> Option<Telco> {
    let line_type = match text(&hints.line_type).to_ascii_lowercase().as_str() {
        "mobile" => LineType::Mobile,
        "landline" => LineType::Landline,
        "voip" => LineType::Voip,
        _ => LineType::Unspecified,
    };
    let attestation = match text(&hints.attestation).to_ascii_lowercase().as_str() {
        "a" => Attestation::A,
        "b" => Attestation::B,
        "c" => Attestation::C,
        "failed" => Attestation::Failed,
        _ => Attestation::Unspecified,
    };
    let known = line_type != LineType::Unspecified || attestation != Attestation::Unspecified;
    known.then(|| Telco { line_type: line_type.into(), attestation: attestation.into() })
}

fn intent(end: &End) -> Option<Intent> {
    let status = match end.status.as_str() {
        "resolved" => IntentStatus::Resolved,
        "abandoned" => IntentStatus::Abandoned,
        "escalated" => IntentStatus::Escalated,
        _ => IntentStatus::Open,
    };
    (!end.intent.is_empty()).then(|| Intent {
        intent: end.intent.clone(),
        status: status.into(),
        ..Intent::default()
    })
}

fn variable(value: &Text) -> VariableInput {
    VariableInput { value: value.0.clone(), ..VariableInput::default() }
}

fn identity_feedback(feedback: Feedback) -> IdentityFeedback {
    match feedback {
        Feedback::Confirmed(customer_ref) => {
            IdentityFeedback::IdentityConfirmed(IdentityConfirmed { customer_ref })
        }
        Feedback::Rejected(customer_ref) => {
            IdentityFeedback::IdentityRejected(IdentityRejected { customer_ref })
        }
    }
}

/// Seconds since 1970, kept to the millisecond.
fn timestamp(seconds: f64) -> Timestamp {
    let milliseconds = (seconds * 1_000.0).round() as i64;
    Timestamp {
        seconds: milliseconds.div_euclid(1_000),
        nanos: (milliseconds.rem_euclid(1_000) * 1_000_000) as i32,
    }
}
