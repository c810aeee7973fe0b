//! A RedactInteraction, checked and read.

use super::limits::{self, Check};
use super::proto;
use super::redacting::content;
use super::requests::{Parsed, finish, own_source};
use crate::continuity::Caller;
use crate::continuity::redact_interaction::Redacting;
use crate::continuity::redactions::Field;

/// Checks and reads it.
pub(super) fn redact(
    mut request: proto::RedactInteractionRequest,
    caller: &Caller,
) -> Parsed<Redacting> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("interaction_id", &request.interaction_id, limits::ID);
    check.required("request_id", &request.request_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    check.at_most("fields", request.fields.len(), limits::FIELDS);
    let mut fields = Vec::new();
    for (index, text) in request.fields.iter().take(limits::FIELDS).enumerate() {
        let place = format!("fields[{index}]");
        match Field::parse(text) {
            Some(field) => {
                check.line(place, field.name().unwrap_or_default(), limits::NAME);
                fields.push(field);
            }
            None => check.bad(place, FIELDS),
        }
    }
    if fields.is_empty() {
        fields.push(Field::Summary);
    }
    let redacting = Redacting {
        source: request.source,
        interaction_id: request.interaction_id,
        request_id: request.request_id,
        content,
        fields,
    };
    finish(check, redacting)
}

const FIELDS: &str = "must be summary, disposition, conversion, intents, intents.NAME, variables, \
                      variables.NAME, profile or profile.NAME";
