//! Refusals as they travel.

use tonic::codegen::http::HeaderMap;

use super::*;

/// What clients take of headers.
const TAKEN: usize = 8_192;

fn wrong(field: String) -> Violation {
    Violation { field, description: "is longer than 4096 characters".into() }
}

/// The bytes of all headers that a refusal travels in.
fn header_bytes(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).expect("headers");
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn told(status: &Status) -> usize {
    status.get_details_bad_request().map_or(0, |it| it.field_violations.len())
}

#[test]
fn long_names_of_any_script_fit_into_headers() {
    for (letter, least) in [("ж", 10), ("x", 14), ("\u{1f600}", 5), ("%", 14), (" ", 14)] {
        let name = letter.repeat(120);
        let named = (0..14).map(|number| wrong(format!("variables[{name}{number}].value")));
        let refused = invalid(&named.collect::<Vec<_>>(), ErrorReason::InvalidField);
        let (bytes, told) = (header_bytes(&refused), told(&refused));
        assert!(bytes < TAKEN, "{letter:?}: {bytes} bytes");
        assert!(told >= least, "{letter:?}: {told} fields");
        let message = refused.message();
        assert!(message.starts_with(&format!("bad fields: variables[{name}0].value")), "{message}");
        let inside = message.matches("variables[").count();
        assert!(message.ends_with(&format!(" and {} more", 14 - inside)), "{message}");
    }
}

#[test]
fn many_short_names_fit_as_well() {
    let named = (0..1_000).map(|number| wrong(format!("intents[{number}].intent")));
    let refused = invalid(&named.collect::<Vec<_>>(), ErrorReason::InvalidField);
    assert!(header_bytes(&refused) < TAKEN, "{} bytes", header_bytes(&refused));
    assert!(told(&refused) >= 32, "{} fields", told(&refused));
    assert_eq!(refused.message().matches("intents[").count(), MOST_FIELDS_IN_MESSAGE);
    assert!(refused.message().ends_with(" and 988 more"), "{}", refused.message());
}

#[test]
fn a_length_is_counted_as_it_is_written() {
    for message in ["bad fields: a, b", "100 % \"<ж>\"", "`?{}#~[]\u{7f}\n"] {
        let mut headers = HeaderMap::new();
        Status::new(Code::Internal, message).add_header(&mut headers).expect("headers");
        assert_eq!(headers["grpc-message"].len(), encoded_length(message), "{message:?}");
    }
}
