//! `/v1/calls/end`: this is what happened. An end without a start is one, too.

use serde_json::{Map, Value, json};

use super::super::calling::Calls;
use super::reading::Reading;
use super::refusing::Problem;
use super::{Desk, add_identifier, count, time};
use crate::grpc::{MAX_WORD, WRITE_WITHIN};
use crate::identity::is_email;

/// The longest number that is looked at, in bytes.
const LONGEST_NUMBER: usize = 64;

/// Answers an end.
///
/// # Errors
/// What is wrong with it, or why it cannot be remembered.
pub(super) async fn end<C: Calls>(
    desk: &Desk<'_, C>,
    mut reading: Reading,
) -> Result<Value, Problem> {
    let call_id = reading.call_id();
    let intents = intents(&mut reading);
    let line_type = reading.line_type();
    let variables = reading.variables();
    let shown = reading.hints();
    if !shown.identifies() {
        reading.wrong(&["customer_ref"], "customer_ref or identity_hints is required");
    }
    reading.done()?;
    let (mut hints, own) = desk.hints(shown, WRITE_WITHIN / 2).await?;
    let echoed = hints.remove("customer_ref");
    let said = |name: &str| variables.get(name).and_then(Value::as_str).unwrap_or_default();
    // Somebody typed it: what is none is a variable like any other, and no reason to lose the end.
    for (kind, is_one) in [("email", is_email as fn(&str) -> bool), ("phone", is_dialled)] {
        let typed = said(kind).trim();
        if is_one(typed) && !typed.contains(char::is_control) {
            add_identifier(&mut hints, kind, "", typed, "ASSURANCE_ASSERTED");
        }
    }
    let kept = variables.iter().map(|(name, value)| (name.clone(), json!({"value": value})));
    let mut end = json!({
        "interaction_id": call_id,
        "customer_ref": echoed.unwrap_or_default().as_str().unwrap_or_default(),
        "identity_hints": hints,
        "channel": channel(said("channel")),
        "summary": said("summary"),
        "intents": intents,
        "variables": kept.collect::<Map<_, _>>(),
    });
    if let Some(line_type) = line_type {
        end["telco"] = json!({"line_type": line_type});
    }
    let answer = desk.call("EndInteraction", end).await?;
    Ok(json!({
        "call_id": call_id,
        "customer_ref": own.map_or_else(|| answer["customer_ref"].clone(), Value::from),
        "call_start": time(&answer["start_time"]),
        "call_end": time(&answer["end_time"]),
        "duration_seconds": count(&answer["duration_seconds"]),
        "intents_updated": count(&answer["intents_updated"]),
        "variables_updated": count(&answer["variables_updated"]),
    }))
}

/// The one intent of this dialect; the older one says only whether it is open.
fn intents(reading: &mut Reading) -> Vec<Value> {
    let intent = reading.text(&["intent"]);
    let open = reading.boolean("intent_is_open");
    let status = match reading.text(&["intent_status"]).as_deref() {
        Some("open") => "INTENT_STATUS_OPEN",
        Some("resolved") => "INTENT_STATUS_RESOLVED",
        Some("abandoned") => "INTENT_STATUS_ABANDONED",
        Some(_) => {
            let said = "intent_status must be open, resolved or abandoned";
            reading.wrong(&["intent_status"], said);
            return Vec::new();
        }
        None if open == Some(false) => "INTENT_STATUS_RESOLVED",
        None => "INTENT_STATUS_OPEN",
    };
    intent.into_iter().map(|intent| json!({"intent": intent, "status": status})).collect()
}

/// Whether a text may be a telephone number; whether it is one is seen later, and if not, warned of.
fn is_dialled(text: &str) -> bool {
    text.len() <= LONGEST_NUMBER && text.chars().any(char::is_numeric)
}

/// The channel that the variable of this name tells of, as it is called here. Names of channels are
/// words: of what somebody typed, everything else is `_`.
fn channel(said: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let word: String = said.trim().chars().take(MAX_WORD).map(letter).collect();
    match word.as_str() {
        "" | "phone" | "call" | "telephone" => "voice".to_owned(),
        "chat" | "webchat" => "web_chat".to_owned(),
        _ => word,
    }
}
