//! Zendesk: how it signs, and how the events that it makes of tickets are read.

use std::collections::BTreeMap;

use tonic::codegen::http::header::HeaderName;

use super::condition::Condition;
use super::hints::{HintTake, Shown};
use super::mapping::{IntentTake, Mapping, Revision};
use super::proof::{Encoding, Part, Signed};
use super::taking::Take;
use crate::crypto::{Algorithm, DeliverySecrets};

/// Solved, closed without having been, or opened again; and whatever else happens to what is solved.
/// That a solved ticket is closed, days later and by itself, is no news.
const CLOSES: &str = "$[?@.status == 'SOLVED' || (@.previous == 'SOLVED' && @.current != 'CLOSED') \
    || (@.current == 'CLOSED' && @.previous != 'SOLVED')]";

/// How Zendesk signs: `base64(HMAC-SHA-256(secret, timestamp + body))`.
pub fn signed(secrets: DeliverySecrets, fresh_for: i64) -> Signed {
    Signed {
        secrets,
        header: HeaderName::from_static("x-zendesk-webhook-signature"),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Base64,
        prefix: String::new(),
        parts: vec![Part::Timestamp, Part::Body],
        timestamp: Some(HeaderName::from_static("x-zendesk-webhook-signature-timestamp")),
        fresh_for,
    }
}

/// The events of tickets (`zen:event-type:ticket.…`), version 2022-11-06.
///
/// # Errors
/// Never, as a test holds: these paths are our own.
pub fn mapping() -> Result<Mapping, String> {
    let path = |name: &str| Take::path(&format!("$.detail.{name}"));
    let channels = [
        ("email", "email"),
        ("voice", "voice"),
        ("phone", "voice"),
        ("voicemail", "voice"),
        ("phone_call_inbound", "voice"),
        ("phone_call_outbound", "voice"),
        ("chat", "web_chat"),
        ("native_messaging", "web_chat"),
        ("web_messaging", "web_chat"),
        ("whatsapp", "whatsapp"),
        ("telegram", "telegram"),
        ("sms", "sms"),
        ("facebook", "messenger"),
        ("instagram_dm", "instagram"),
    ];
    let statuses = [
        ("new", "open"),
        ("open", "open"),
        ("pending", "open"),
        ("hold", "open"),
        ("solved", "resolved"),
        ("closed", "resolved"),
        ("deleted", "abandoned"),
    ];
    let kinds = ["question", "incident", "problem", "task"].map(|kind| (kind, kind));
    let status = path("status")?.said(&words(&statuses), None);
    let texts = [("agent_ref", path("assignee_id")?), ("queue", path("group_id")?)];
    Ok(Mapping {
        closes: vec![
            Condition::new("$[?match(@, 'zen:event-type:ticket[.].*')]", &[])?,
            Condition::new(CLOSES, &[])?,
        ],
        interaction_id: path("id")?,
        revision: Revision::Taken(path("updated_at")?),
        channel: path("via.channel")?.said(&words(&channels), Some("ticket")),
        start_time: Some(path("created_at")?),
        end_time: Some(path("updated_at")?),
        texts: BTreeMap::from(texts),
        summary: Some(path("subject")?),
        csat: None,
        intents: vec![IntentTake {
            intent: path("type")?.said(&words(&kinds), Some("ticket")),
            reference: Some(path("id")?),
            status: Some(status),
        }],
        variables: BTreeMap::new(),
        hints: vec![HintTake {
            shown: Shown::External("zendesk_user".into()),
            take: path("requester_id")?,
            assurance: Some("ASSURANCE_CARRIED"),
        }],
        sensitive: false,
    })
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(word, instead)| ((*word).to_owned(), (*instead).to_owned())).collect()
}
