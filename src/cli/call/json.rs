//! JSON to messages, by the protocol's own JSON mapping with the
//! field names of the protocol files.

use std::io::Read;

use anyhow::{Context as _, anyhow, bail};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde::de::IgnoredAny;

use crate::http;

/// The largest input that is read, in bytes: tonic's own limit on a message.
const MAX_INPUT_BYTES: u64 = 4 * 1024 * 1024;

/// The JSON that the argument means: itself, `@FILE`, or `-` for standard input.
///
/// # Errors
/// When it cannot be read, is not text, or is larger than 4 MiB.
pub(super) fn read(argument: &str) -> anyhow::Result<String> {
    if argument == "-" {
        return bounded(std::io::stdin().lock()).context("standard input");
    }
    match argument.strip_prefix('@') {
        Some(path) => {
            let file = std::fs::File::open(path).with_context(|| format!("cannot open {path}"))?;
            bounded(file).with_context(|| path.to_owned())
        }
        None => Ok(argument.to_owned()),
    }
}

fn bounded(from: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    from.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text).context("cannot be read as text")?;
    if text.len() as u64 > MAX_INPUT_BYTES {
        bail!("is larger than {MAX_INPUT_BYTES} bytes");
    }
    Ok(text)
}

/// Every JSON value of `text` as a request of the method; a client stream may have several.
///
/// # Errors
/// When the text is not JSON, or does not fit the request.
pub(super) fn requests(
    method: &MethodDescriptor,
    text: &str,
) -> anyhow::Result<Vec<DynamicMessage>> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut requests, mut begin) = (Vec::new(), 0);
    while let Some(value) = values.next() {
        value.context("this is not JSON")?;
        // What ends a value is in the text.
        let value = &text[begin..values.byte_offset()];
        begin = values.byte_offset();
        let request = http::read(&method.input(), value.as_bytes()).map_err(|wrong| {
            let wrong = wrong.iter().map(|one| match one.field.as_str() {
                "" => one.description.clone(),
                field => format!("{field}: {}", one.description),
            });
            let wrong = wrong.collect::<Vec<_>>().join("; ");
            anyhow!("the JSON does not fit {}: {wrong}", method.input().name())
        })?;
        requests.push(request);
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::*;
    use crate::http::write;

    fn method(name: &str) -> MethodDescriptor {
        Catalogue::load().unwrap().find(name).unwrap()
    }

    #[test]
    fn a_request_reads_both_spellings_and_prints_the_protocols_in_its_order() {
        let start = method("StartInteraction");
        let given = r#"{"identityHints": {"external_ids": {"z": "1", "a": "2", "m": "3"},
            "caller_number": "+12125550123"}, "channel": "voice", "interactionId": "call-1",
            "startTime": "2026-11-22T09:30:00Z", "telco": {"line_type": "LINE_TYPE_MOBILE"}}"#;
        let message = requests(&start, given).unwrap().remove(0);
        assert_eq!(
            write(&message, false, false).unwrap(),
            r#"{"interaction_id":"call-1","channel":"voice","identity_hints":{"caller_number":"+12125550123","external_ids":{"a":"2","m":"3","z":"1"}},"telco":{"line_type":"LINE_TYPE_MOBILE"},"start_time":"2026-11-22T09:30:00Z"}"#
        );
        let all = write(&message, true, true).unwrap();
        assert!(all.contains("\"queue\": \"\""), "{all}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_field() {
        let start = method("StartInteraction");
        let unknown = requests(&start, r#"{"interaction": "x"}"#).unwrap_err();
        let unknown = format!("{unknown:#}");
        assert!(unknown.contains("StartInteractionRequest"), "{unknown}");
        assert!(unknown.contains("interaction"), "{unknown}");
        assert!(requests(&start, "{").is_err());
        assert!(requests(&start, "[]").is_err());
        assert!(requests(&start, "{} {").is_err());
        let sideways = requests(&start, r#"{} {"direction": "SIDEWAYS"}"#).unwrap_err();
        assert!(sideways.to_string().contains("direction: is not one of "), "{sideways}");
        assert!(sideways.to_string().contains("DIRECTION_INBOUND"), "{sideways}");
    }

    #[test]
    fn several_values_are_several_requests() {
        let start = method("StartInteraction");
        assert_eq!(requests(&start, " \n").unwrap().len(), 0);
        assert_eq!(requests(&start, "{} {}\n{\"channel\":\"voice\"}\n").unwrap().len(), 3);
    }

    #[test]
    fn a_file_is_read_and_an_oversized_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read(&format!("@{}", path.display())).unwrap(), "{}");
        std::fs::write(&path, vec![b' '; MAX_INPUT_BYTES as usize + 1]).unwrap();
        assert!(read(&format!("@{}", path.display())).is_err());
        assert!(read("@/nowhere/at/all").is_err());
    }
}
