//! What a web-hook says: that something happened, when, and to what, by refs and ids and nothing else.
//! Whoever wants to know more asks the API with a key of their own, and is shown what that key may see.

use serde::Serialize;

use crate::clock::Time;
use crate::continuity::following::{Event, Happened};
use crate::ids::CustomerId;

/// The type of an event that was made to try an endpoint out.
pub const TEST_TYPE: &str = "webhook.test";

/// What an event's type is called.
pub(super) fn event_type(happened: Happened) -> &'static str {
    match happened {
        Happened::Started => "interaction.started",
        Happened::Updated => "interaction.updated",
        Happened::Ended => "interaction.ended",
        Happened::Amended => "interaction.amended",
        Happened::Closed => "interaction.closed",
        Happened::Redacted => "interaction.redacted",
        Happened::Reassigned => "interaction.reassigned",
        Happened::CustomerChanged => "customer.changed",
        Happened::CustomerMerged => "customer.merged",
        Happened::CustomerUnmerged => "customer.unmerged",
        Happened::CustomerErased => "customer.erased",
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Subject,
}

/// What it happened to: only what there is.
#[derive(Default, Serialize)]
struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_ref: Option<String>,
    /// Of somebody who was erased: what else they were called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_refs: Vec<String>,
}

/// An event's body.
pub(super) fn body(event: &Event) -> Vec<u8> {
    let (interaction_id, source) = event.names().unzip();
    let data = Subject {
        interaction_id,
        source,
        channel: event.channel().map(str::to_owned),
        customer_ref: event.settled_customer().map(CustomerId::to_ref),
        other_refs: event.erased().iter().skip(1).map(|one| one.to_ref()).collect(),
    };
    written(&Payload { r#type: event_type(event.happened), timestamp: rfc3339(event.time), data })
}

/// The body of an event that was made to try an endpoint out.
pub(super) fn test_body(now: Time) -> Vec<u8> {
    let data = Subject::default();
    written(&Payload { r#type: TEST_TYPE, timestamp: rfc3339(now), data })
}

fn written(payload: &Payload<'_>) -> Vec<u8> {
    // Texts under constant names always become JSON.
    serde_json::to_vec(payload).expect("texts are JSON")
}

/// To the millisecond, in UTC.
fn rfc3339(time: Time) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(time.0).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuity::webhooks::EVENT_TYPES;

    #[test]
    fn every_type_can_be_asked_for() {
        let all = [
            Happened::Started,
            Happened::Updated,
            Happened::Ended,
            Happened::Amended,
            Happened::Closed,
            Happened::Redacted,
            Happened::Reassigned,
            Happened::CustomerChanged,
            Happened::CustomerMerged,
            Happened::CustomerUnmerged,
            Happened::CustomerErased,
        ];
        assert_eq!(all.map(event_type), EVENT_TYPES);
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let body = String::from_utf8(test_body(Time(1_700_000_000_123))).expect("text");
        let expected =
            r#"{"type":"webhook.test","timestamp":"2023-11-14T22:13:20.123Z","data":{}}"#;
        assert_eq!(body, expected);
    }
}
