//! `/v1/calls/start`: who calls, and what were we talking about?

use serde_json::{Map, Value, json};

use super::super::calling::Calls;
use super::reading::Reading;
use super::refusing::Problem;
use super::{Desk, count, time};

/// The update that a repeated start with `identity_confirmed` stands for.
const CONFIRMED: &str = "identity_confirmed";

/// Answers a start.
///
/// # Errors
/// What is wrong with it, or why it cannot be answered.
pub(super) async fn start<C: Calls>(
    desk: &Desk<'_, C>,
    mut reading: Reading,
) -> Result<Value, Problem> {
    let call_id = reading.call_id();
    let line_type = reading.line_type();
    let confirmed = reading.boolean(CONFIRMED).unwrap_or_default();
    let shown = reading.hints();
    if !shown.identifies() {
        let said = "identity_hints must include ani, external_ids, or customer_ref";
        reading.wrong(&["identity_hints"], said);
    }
    reading.done()?;
    let (hints, own) = desk.hints(shown, desk.service.budget()).await?;
    let mut start = json!({
        "interaction_id": call_id, "channel": "voice", "identity_hints": hints,
    });
    if let Some(line_type) = line_type {
        start["telco"] = json!({"line_type": line_type});
    }
    let mut answer = desk.call("StartInteraction", start).await?;
    if answer["degraded"] == true {
        return Err(Problem::Degraded);
    }
    if confirmed && answer["identity"]["recommendation"] == "RECOMMENDATION_CONFIRM" {
        let update = json!({
            "interaction_id": call_id, "update_id": CONFIRMED, "identity_confirmed": {},
        });
        answer = desk.call("UpdateInteraction", update).await?;
    }
    Ok(answered(&call_id, &answer, own))
}

fn answered(call_id: &str, answer: &Value, own: Option<String>) -> Value {
    json!({
        "call_id": call_id,
        "customer_ref": own.map_or_else(|| answer["customer_ref"].clone(), Value::from),
        "call_start": time(&answer["start_time"]),
        "identity": identity(&answer["identity"]),
        "open_intents": open_intents(&answer["open_intents"]),
        "variables": variables(&answer["variables"]),
    })
}

fn identity(identity: &Value) -> Value {
    let word = |name: &str, prefix: &str, default: &str| {
        let said = identity[name].as_str().and_then(|it| it.strip_prefix(prefix));
        said.map_or_else(|| default.to_owned(), str::to_ascii_lowercase)
    };
    let mut sources: Vec<&str> = Vec::new();
    for tag in identity["sources"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let tag = source(tag);
        if !sources.contains(&tag) {
            sources.push(tag);
        }
    }
    // As it lists them: the number, other ids, how recent.
    sources.sort_by_key(|tag| (tag.starts_with("recency"), !tag.starts_with("ani")));
    json!({
        "confidence": identity["confidence"].as_f64().unwrap_or_default(),
        "level": word("level", "CONFIDENCE_LEVEL_", "low"),
        "sources": sources,
        "recommendation": word("recommendation", "RECOMMENDATION_", "ignore"),
    })
}

/// A tag of ours in the words of this dialect.
fn source(tag: &str) -> &str {
    match tag {
        "caller_number" | "caller_number:unknown" => "ani",
        "caller_number:mobile" => "ani:mobile",
        "caller_number:landline" => "ani:landline",
        "caller_number:voip" => "ani:voip",
        recency if recency.starts_with("recency:") => recency,
        // E-mail and phone come among the external ids, too.
        external if external.starts_with("external_id:") => "external_id",
        "email" | "phone" => "external_id",
        other => other,
    }
}

fn open_intents(intents: &Value) -> Value {
    let one = |intent: &Value| {
        json!({
            "intent": intent["intent"],
            // Passed on is open to a client that knows no more than open, resolved and abandoned.
            "status": "open",
            "attempt_count": count(&intent["attempt_count"]),
        })
    };
    intents.as_array().into_iter().flatten().map(one).collect()
}

fn variables(variables: &Value) -> Value {
    let one = |(name, variable): (&String, &Value)| {
        let said = json!({
            "value": variable["value"].as_str().unwrap_or_default(),
            // The call that set it.
            "source": variable["source"]["interaction_id"].as_str().unwrap_or_default(),
            "ttl_seconds": count(&variable["ttl_seconds"]),
        });
        (name.clone(), said)
    };
    let all = variables.as_object().into_iter().flatten().map(one);
    all.collect::<Map<_, _>>().into()
}
