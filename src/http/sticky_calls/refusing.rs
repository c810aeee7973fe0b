//! Errors as this dialect has them. Every one is a status of the same calls first, so that nothing
//! is refused here that would not be refused elsewhere.

use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use tonic::codegen::http::{HeaderValue, Response, StatusCode};
use tonic_types::StatusExt as _;

use super::super::statuses::{Refused, in_json, with_retry};

/// A field and what is wrong with it.
pub(super) struct Issue {
    path: Vec<String>,
    message: String,
}

impl Issue {
    pub fn new(path: &[&str], message: impl Into<String>) -> Self {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Self { path, message: message.into() }
    }
}

/// Why a request is not answered.
pub(super) enum Problem {
    /// It cannot be read.
    Issues(Vec<Issue>),
    /// It was refused.
    Refused(Refused),
    /// There was no decision in time.
    Degraded,
}

impl Problem {
    pub fn issue(path: &[&str], message: &str) -> Self {
        Self::Issues(vec![Issue::new(path, message)])
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::Refused(Refused::Call(status))
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The answer that says so.
pub(super) fn refuse(problem: Problem) -> Response<Body> {
    let refused = match problem {
        Problem::Issues(issues) => return invalid(issues),
        Problem::Degraded => {
            let said = "no decision in time: send the same request again, or go on without";
            let mut answer = say(StatusCode::SERVICE_UNAVAILABLE, said, None);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return answer;
        }
        Problem::Refused(refused) => refused,
    };
    let (status, (code, allowed)) = refused.status();
    let violations = status.get_details_bad_request().map(|it| it.field_violations);
    if let Some(violations) = violations.filter(|_| code == StatusCode::BAD_REQUEST) {
        return invalid(violations.iter().map(|it| issue(&it.field, &it.description)).collect());
    }
    let reason = status.get_details_error_info().map(|it| it.reason).unwrap_or_default();
    let code = of_this_dialect(code, &reason);
    let said = match code {
        StatusCode::CONFLICT => "this call_id was used with other content",
        _ => status.message(),
    };
    let mut answer = say(code, said, Some(&reason));
    let headers = answer.headers_mut();
    with_retry(headers, &status);
    if code == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allowed) = allowed {
        headers.insert(ALLOW, allowed);
    }
    answer
}

/// Whoever was erased is gone, whatever the status says; a state that does not allow it conflicts.
fn of_this_dialect(code: StatusCode, reason: &str) -> StatusCode {
    match code {
        _ if reason.contains("ERASED") => StatusCode::GONE,
        StatusCode::BAD_REQUEST => StatusCode::CONFLICT,
        StatusCode::GATEWAY_TIMEOUT => StatusCode::SERVICE_UNAVAILABLE,
        code => code,
    }
}

fn invalid(issues: Vec<Issue>) -> Response<Body> {
    let issues: Vec<Value> =
        issues.iter().map(|it| json!({"path": it.path, "message": it.message})).collect();
    let body = json!({
        "error": "Bad Request",
        "message": "Validation failed",
        "details": {"issues": issues},
    });
    with(StatusCode::BAD_REQUEST, &body)
}

fn say(code: StatusCode, message: &str, reason: Option<&str>) -> Response<Body> {
    let error = code.canonical_reason().unwrap_or("Error");
    let mut body = json!({"error": error, "message": message});
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        body["details"] = json!({"reason": reason});
    }
    with(code, &body)
}

fn with(code: StatusCode, body: &Value) -> Response<Body> {
    let mut answer = in_json(body.to_string().into());
    *answer.status_mut() = code;
    answer
}

/// A field of the protocol under its name in this dialect.
fn issue(field: &str, description: &str) -> Issue {
    let hint = field.strip_prefix("identity_hints.");
    let path: Vec<&str> = match field {
        "interaction_id" => vec!["call_id"],
        _ if field.starts_with("intents") => vec!["intent"],
        _ if field.starts_with("variables[") => {
            let name = field.trim_start_matches("variables[").split(']').next();
            vec!["variables", name.unwrap_or_default()]
        }
        "summary" | "channel" => vec!["variables", field],
        _ => match hint {
            Some("caller_number") => vec!["identity_hints", "ani"],
            Some("dialed_number") => vec!["identity_hints", "dnis"],
            Some(other) if other.starts_with("external_ids") => {
                vec!["identity_hints", "external_ids"]
            }
            // A variable that is a hint as well, or a reference of the caller's own.
            Some(_) => vec!["identity_hints"],
            None => field.split('.').collect(),
        },
    };
    let name = path.last().copied().unwrap_or_default();
    Issue::new(&path, format!("{name} {description}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_place() {
        for (code, reason, expected) in [
            (401, "INVALID_API_KEY", 401),
            (403, "ROLE_REQUIRED", 403),
            (409, "START_CONFLICT", 409),
            (404, "CUSTOMER_ERASED", 410),
            (400, "ERASED", 410),
            (400, "INTERACTION_NOT_SETTLED", 409),
            (429, "RATE_LIMITED", 429),
            (503, "STORE_UNAVAILABLE", 503),
            (504, "DEADLINE_EXCEEDED", 503),
        ] {
            let code = StatusCode::from_u16(code).unwrap();
            assert_eq!(of_this_dialect(code, reason).as_u16(), expected, "{reason}");
        }
    }

    #[test]
    fn fields_have_the_names_of_this_dialect() {
        for (field, path) in [
            ("interaction_id", vec!["call_id"]),
            ("identity_hints.caller_number", vec!["identity_hints", "ani"]),
            ("identity_hints.external_ids[crm_id]", vec!["identity_hints", "external_ids"]),
            ("identity_hints.identifiers[0].value", vec!["identity_hints"]),
            ("variables[order].value", vec!["variables", "order"]),
            ("intents[0].intent", vec!["intent"]),
            ("telco.line_type", vec!["telco", "line_type"]),
        ] {
            assert_eq!(issue(field, "is odd").path, path, "{field}");
        }
    }
}
