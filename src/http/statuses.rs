//! A status over HTTP: the code that `google.rpc.Code` names for it, and itself as JSON, with every
//! detail that a gRPC client gets.

use std::sync::LazyLock;

use http_body_util::Full;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use tonic::codegen::http::{HeaderValue, Method, Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::{StatusExt as _, pb};

use super::json;
use crate::grpc::proto::ErrorReason;
use crate::grpc::{reason_name, refusal, status};
use crate::identity::Violation;

/// What all answers are in, but for streams.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Not even a browser's own store keeps an answer.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// A peer whose request stopped coming: nobody's gateway is late.
const STOPPED: StatusCode = StatusCode::REQUEST_TIMEOUT;
/// What it is told. A write whose time is over has the same reason, and other words.
const STOPPED_COMING: &str = "the request stopped coming";

/// Details that an error may have.
static DETAILS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The library's own.
    DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("descriptors of a library")
});

/// Why a request did not become a call.
pub(super) enum Refused {
    /// No path of ours.
    NoRoute,
    /// A path of ours, under these methods.
    Verb(Vec<Method>),
    /// A body in another form than JSON.
    MediaType(&'static str),
    /// A body that is compressed, or something like it.
    Encoded,
    /// More bytes than a request may have.
    TooLarge,
    /// It stopped coming.
    Stopped,
    /// Fields that do not fit.
    Fields(Vec<Violation>),
    /// What the RPC itself said.
    Call(Status),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

impl From<Vec<Violation>> for Refused {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Fields(violations)
    }
}

impl Refused {
    /// Why a body goes on no more: there is no room for it, or it stopped.
    pub fn of_body(status: Status) -> Self {
        match status.code() {
            Code::ResourceExhausted => Self::Call(status),
            _ => Self::Stopped,
        }
    }

    /// As a client of the REST door gets it.
    pub fn answer(self) -> Response<Body> {
        let (status, code) = self.status();
        let mut answer = in_json(text(&status).into());
        *answer.status_mut() = code.0;
        let headers = answer.headers_mut();
        with_retry(headers, &status);
        if code.0 == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(verbs) = code.1 {
            headers.insert(ALLOW, verbs);
        }
        answer
    }

    /// The status, its HTTP code, and what would have been allowed.
    pub fn status(self) -> (Status, (StatusCode, Option<HeaderValue>)) {
        match self {
            Self::NoRoute => {
                let said = "no such path; /openapi.json lists those of REST, docs/rest.md names the others";
                let status = refusal(Code::NotFound, ErrorReason::RouteNotFound, said);
                (status, (StatusCode::NOT_FOUND, None))
            }
            Self::Verb(verbs) => {
                let verbs = verbs.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let said = format!("this path takes {verbs}");
                let status = refusal(Code::Unimplemented, ErrorReason::MethodNotAllowed, &said);
                let allowed = HeaderValue::try_from(verbs).ok();
                (status, (StatusCode::METHOD_NOT_ALLOWED, allowed))
            }
            Self::MediaType(said) => {
                let reason = ErrorReason::UnsupportedMediaType;
                let status = refusal(Code::InvalidArgument, reason, said);
                (status, (StatusCode::UNSUPPORTED_MEDIA_TYPE, None))
            }
            Self::Encoded => {
                let said = "send the body as it is, without content-encoding";
                let reason = ErrorReason::UnsupportedMediaType;
                let status = refusal(Code::InvalidArgument, reason, said);
                (status, (StatusCode::UNSUPPORTED_MEDIA_TYPE, None))
            }
            Self::TooLarge => {
                let said = "the request is larger than one mebibyte";
                let status = refusal(Code::OutOfRange, ErrorReason::RequestTooLarge, said);
                (status, (StatusCode::PAYLOAD_TOO_LARGE, None))
            }
            Self::Stopped => {
                let reason = ErrorReason::DeadlineExceeded;
                let status = refusal(Code::DeadlineExceeded, reason, STOPPED_COMING);
                (status, (STOPPED, None))
            }
            Self::Fields(violations) => {
                let status = status(&crate::continuity::Error::Invalid(violations));
                (status, (StatusCode::BAD_REQUEST, None))
            }
            Self::Call(status) => {
                let code = code_of_call(&status);
                (status, (code, None))
            }
        }
    }
}

/// The code of what an RPC said. The requests of a stream are read while their call goes on, and it
/// is the call that says why they came no more: that has the code which it has of one request.
fn code_of_call(said: &Status) -> StatusCode {
    let is_too_large = || {
        let reason = said.get_details_error_info().map(|it| it.reason);
        reason.is_some_and(|reason| reason == reason_name(ErrorReason::RequestTooLarge))
    };
    match said.code() {
        Code::OutOfRange if is_too_large() => StatusCode::PAYLOAD_TOO_LARGE,
        Code::DeadlineExceeded if said.message() == STOPPED_COMING => STOPPED,
        code => http_code(code),
    }
}

/// An answer in JSON, which nobody on the way keeps: it is about people.
pub(super) fn in_json(text: Bytes) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::new(text)));
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    answer
}

/// `Retry-After`, where the status says when.
pub(super) fn with_retry(headers: &mut tonic::codegen::http::HeaderMap, status: &Status) {
    let delay = status.get_details_retry_info().and_then(|it| it.retry_delay);
    if let Some(delay) = delay {
        // Whole seconds, and never earlier than was said.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, seconds.max(1).into());
    }
}

/// `google.rpc.Status` as JSON.
pub(super) fn text(status: &Status) -> String {
    let whole = match status.details() {
        [] => pb::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        }
        .encode_to_vec(),
        whole => whole.to_vec(),
    };
    let of = DETAILS.get_message_by_name("google.rpc.Status");
    let read = of.and_then(|of| DynamicMessage::decode(of, &*whole).ok());
    let text = read.and_then(|message| json::write(&message, false, false).ok());
    text.unwrap_or_else(|| format!(r#"{{"code":{}}}"#, i32::from(status.code())))
}

/// As `google/rpc/code.proto` maps them.
pub(super) fn http_code(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // 499, client closed request: a code of nginx that has no name in the library.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::continuity::Error;

    #[test]
    fn a_status_has_every_detail_in_json() {
        let field = "channel".to_owned();
        let wrong = vec![Violation { field, description: "is required".into() }];
        let text = text(&status(&Error::Invalid(wrong)));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "code": 3,
                "message": "bad fields: channel",
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                     "reason": "INVALID_FIELD", "domain": "threadline.v1"},
                    {"@type": "type.googleapis.com/google.rpc.BadRequest",
                     "field_violations": [{"field": "channel", "description": "is required"}]},
                ],
            })
        );
        assert_eq!(super::text(&Status::not_found("x")), r#"{"code":5,"message":"x"}"#);
    }

    /// What an RPC says by itself is no word on how its request came.
    #[test]
    fn a_call_whose_time_is_over_is_a_gateways() {
        let late = refusal(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, "too late");
        assert_eq!(Refused::from(late).answer().status(), 504);
        let far = Status::out_of_range("decoded message length too large");
        assert_eq!(Refused::from(far).answer().status(), 400);
    }

    #[test]
    fn whoever_is_to_wait_is_told_so_in_whole_seconds() {
        for (wait, told) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_400, "60")] {
            let limited = status(&Error::RateLimited(Duration::from_millis(wait)));
            let answer = Refused::Call(limited).answer();
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers()[RETRY_AFTER], told, "{wait}");
        }
    }
}
