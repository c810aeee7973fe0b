//! The ONE mapping of errors to the wire: a code, a documented reason, every bad field, when to
//! come back. No text of a driver and no value of a request ever gets here.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::proto::ErrorReason;
use crate::continuity::Error;
use crate::crypto::web_token::Refused;
use crate::identity::Violation;
use crate::store;

/// The `domain` of every ErrorInfo.
pub const DOMAIN: &str = "threadline.v1";

/// A retry soon after is likely to succeed.
const SOON: Duration = Duration::from_millis(100);
/// Message and details travel in headers, as they are encoded there; clients refuse headers of more
/// than 8 KiB or so, and there are others.
const MOST_HEADER_BYTES: usize = 7_168;
/// The message names no further field once it is so long, as it is encoded.
const MOST_MESSAGE_BYTES: usize = 1_024;
/// The message names so many fields; the details name more.
const MOST_FIELDS_IN_MESSAGE: usize = 12;
/// What details take beside the message and what they name: the reason, and the names of their types.
const BYTES_AROUND: usize = 512;
/// What a field takes in them beside its name and what is said of it.
const BYTES_OF_A_FIELD: usize = 12;
/// A retry should leave the store some time.
const LATER: Duration = Duration::from_secs(1);

/// A status with its reason and everything a client can act on.
pub fn status(error: &Error) -> Status {
    match error {
        Error::Invalid(violations) => invalid(violations, ErrorReason::InvalidField),
        Error::WebTokenRefused(refused) => refused_token(*refused),
        Error::InteractionNotFound => {
            plain(Code::NotFound, ErrorReason::InteractionNotFound, "no such interaction")
        }
        Error::CustomerNotFound => {
            plain(Code::NotFound, ErrorReason::CustomerNotFound, "no such customer")
        }
        Error::StartConflict => plain(
            Code::AlreadyExists,
            ErrorReason::StartConflict,
            "this interaction_id was started with another channel, direction or hints",
        ),
        Error::UpdateConflict => plain(
            Code::AlreadyExists,
            ErrorReason::UpdateConflict,
            "this update_id was used with other content",
        ),
        Error::EndConflict => plain(
            Code::AlreadyExists,
            ErrorReason::EndConflict,
            "this interaction has ended with other content; amend it with a higher revision",
        ),
        Error::RequestConflict
        | Error::SameCustomer
        | Error::SetTooLarge
        | Error::ExportInterrupted
        | Error::MergeNotFound => of_customers(error),
        Error::NotSettled => plain(
            Code::FailedPrecondition,
            ErrorReason::InteractionNotSettled,
            "the interaction is not settled on a customer whose history may be read",
        ),
        Error::VerificationRequired
        | Error::RoleRequired
        | Error::SourceNotAllowed
        | Error::BackfillRequired
        | Error::MissingApiKey
        | Error::InvalidApiKey
        | Error::ExpiredApiKey => of_caller(error),
        Error::RateLimited(wait) => retry(
            Code::ResourceExhausted,
            ErrorReason::RateLimited,
            "the API key or its tenant calls more often than it may",
            *wait,
        ),
        Error::TooManyUpdates => plain(
            Code::ResourceExhausted,
            ErrorReason::TooManyUpdates,
            "this interaction has been updated too often",
        ),
        Error::RootKeyMissing(_) | Error::RootKeySource(_) => {
            tracing::error!(%error, "this instance's root key is not up to date");
            of_store(&store::Error::RootKeyTooOld)
        }
        Error::ResumeTokenRefused
        | Error::WatcherTooSlow(_)
        | Error::WatchInterrupted(_)
        | Error::TooManyWatchers => of_watching(error),
        Error::Sealed => {
            tracing::error!("a sealed value did not open");
            plain(Code::Internal, ErrorReason::Internal, "internal error")
        }
        Error::Store(error) => of_store(error),
        error => of_change(error),
    }
}

/// Why a customer was not changed.
fn of_change(error: &Error) -> Status {
    match error {
        Error::CustomerAmbiguous(violations) => {
            let mut details =
                ErrorDetails::with_error_info(name(ErrorReason::CustomerAmbiguous), DOMAIN, []);
            for violation in violations.iter().take(MOST_FIELDS_IN_MESSAGE) {
                details.add_bad_request_violation(&violation.field, &violation.description);
            }
            let message = "the identifiers point to more than one customer";
            Status::with_error_details(Code::FailedPrecondition, message, details)
        }
        Error::IdentifierShared => plain(
            Code::FailedPrecondition,
            ErrorReason::IdentifierShared,
            "more customers have this identifier than one may have",
        ),
        Error::ConflictNotFound => plain(
            Code::NotFound,
            ErrorReason::ConflictNotFound,
            "no such conflict is open; list them again",
        ),
        Error::Erased => plain(
            Code::NotFound,
            ErrorReason::Erased,
            "it was erased with its person, and nothing brings it back",
        ),
        Error::PreviewOutdated => plain(
            Code::FailedPrecondition,
            ErrorReason::PreviewOutdated,
            "this is not what would be erased now, or it was previewed too long ago",
        ),
        _ => plain(Code::Internal, ErrorReason::Internal, "internal error"),
    }
}

/// What a caller may not do, or who is none.
fn of_caller(error: &Error) -> Status {
    let (code, reason, message) = match error {
        Error::VerificationRequired => (
            Code::PermissionDenied,
            ErrorReason::VerificationRequired,
            "a bot says who it is only after a PIN or a one-time password",
        ),
        Error::RoleRequired => (
            Code::PermissionDenied,
            ErrorReason::RoleRequired,
            "the API key's roles do not cover this call",
        ),
        Error::SourceNotAllowed => (
            Code::PermissionDenied,
            ErrorReason::SourceNotAllowed,
            "the API key may not address this source",
        ),
        Error::BackfillRequired => (
            Code::PermissionDenied,
            ErrorReason::BackfillRoleRequired,
            "times in the past need the backfill role",
        ),
        Error::MissingApiKey => (
            Code::Unauthenticated,
            ErrorReason::MissingApiKey,
            "send authorization: Bearer <API key>",
        ),
        Error::InvalidApiKey => {
            (Code::Unauthenticated, ErrorReason::InvalidApiKey, "unknown or revoked API key")
        }
        Error::ExpiredApiKey => {
            (Code::Unauthenticated, ErrorReason::ExpiredApiKey, "the API key has expired")
        }
        _ => (Code::Internal, ErrorReason::Internal, "internal error"),
    };
    plain(code, reason, message)
}

/// What changes customers, and cannot.
fn of_customers(error: &Error) -> Status {
    let (code, reason, message) = match error {
        Error::RequestConflict => (
            Code::AlreadyExists,
            ErrorReason::RequestConflict,
            "this request_id was used with other content",
        ),
        Error::SameCustomer => {
            (Code::InvalidArgument, ErrorReason::SameCustomer, "both refs name the same customer")
        }
        Error::SetTooLarge => (
            Code::FailedPrecondition,
            ErrorReason::SetTooLarge,
            "more than 64 customers would be one person",
        ),
        Error::MergeNotFound => (
            Code::NotFound,
            ErrorReason::MergeNotFound,
            "no merge of this id, or between these two, is in force",
        ),
        Error::ExportInterrupted => (
            Code::Aborted,
            ErrorReason::ExportInterrupted,
            "the customer was merged, parted or erased meanwhile; this export is not whole",
        ),
        _ => (Code::Internal, ErrorReason::Internal, "internal error"),
    };
    plain(code, reason, message)
}

/// Why a stream was not opened, or has ended; where it did, with the token to go on with.
fn of_watching(error: &Error) -> Status {
    let (code, reason, message, after, resume_token) = match error {
        Error::ResumeTokenRefused => {
            let reason = ErrorReason::ResumeTokenRefused;
            return plain(
                Code::InvalidArgument,
                reason,
                "resume_token was not given for this call and filter",
            );
        }
        Error::WatcherTooSlow(token) => (
            Code::ResourceExhausted,
            ErrorReason::WatcherTooSlow,
            "events came faster than they were read; watch again with resume_token",
            Duration::ZERO,
            Some(token),
        ),
        Error::WatchInterrupted(token) => (
            Code::Unavailable,
            ErrorReason::WatchInterrupted,
            "the stream had to end; watch again with resume_token",
            SOON,
            Some(token),
        ),
        _ => (
            Code::ResourceExhausted,
            ErrorReason::TooManyWatchers,
            "as many streams are open as may be",
            LATER,
            None,
        ),
    };
    let token = resume_token.map(|token| ("resume_token".to_owned(), token.clone()));
    let token: HashMap<String, String> = token.into_iter().collect();
    let mut details = ErrorDetails::with_error_info(name(reason), DOMAIN, token);
    details.set_retry_info(Some(after));
    Status::with_error_details(code, message, details)
}

fn of_store(error: &store::Error) -> Status {
    match error {
        store::Error::QueueFull => retry(
            Code::ResourceExhausted,
            ErrorReason::QueueFull,
            "too many requests wait to be written",
            SOON,
        ),
        store::Error::Busy => {
            retry(Code::Unavailable, ErrorReason::StoreUnavailable, "the store is busy", SOON)
        }
        store::Error::Unavailable | store::Error::Stalled | store::Error::RootKeyTooOld => retry(
            Code::Unavailable,
            ErrorReason::StoreUnavailable,
            "the store does not answer in time",
            LATER,
        ),
        // It let nobody in: a password or an address that has changed is for operators to mend.
        store::Error::Configuration(_) => {
            tracing::error!(%error, "the store cannot be used");
            retry(
                Code::Unavailable,
                ErrorReason::StoreUnavailable,
                "the store cannot be used",
                LATER,
            )
        }
        error => {
            tracing::error!(%error, "a defect of ours");
            plain(Code::Internal, ErrorReason::Internal, "internal error")
        }
    }
}

/// A web token among other bad fields.
pub(super) fn bad_token(refused: Refused) -> Violation {
    let (field, description) = ("identity_hints.web_token".to_owned(), refused.to_string());
    Violation { field, description }
}

fn refused_token(refused: Refused) -> Status {
    let reason = name(ErrorReason::WebTokenRefused);
    let cause = ("cause".to_owned(), refused.cause().to_owned());
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, [cause]);
    let Violation { field, description } = bad_token(refused);
    let message = format!("the web token is refused: {description}");
    details.add_bad_request_violation(field, description);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// All bad fields at once; those that do not work yet have a reason of their own. Of many, as many are
/// named as there is room for in headers.
pub fn invalid(violations: &[Violation], reason: ErrorReason) -> Status {
    let mut details = ErrorDetails::with_error_info(name(reason), DOMAIN, []);
    let message = naming(violations);
    // Details are in base64, four letters for three bytes, and hold the message once more.
    let room = MOST_HEADER_BYTES.saturating_sub(encoded_length(&message)) / 4 * 3;
    let mut bytes = BYTES_AROUND + message.len();
    for (told, violation) in violations.iter().enumerate() {
        bytes += violation.field.len() + violation.description.len() + BYTES_OF_A_FIELD;
        if told > 0 && bytes > room {
            break;
        }
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A message that names bad fields, the first in any case.
fn naming(violations: &[Violation]) -> String {
    if let [whole] = violations
        && whole.field.is_empty()
    {
        // What is wrong with all of it is wrong with no field.
        return format!("bad request: {}", whole.description);
    }
    let fields: Vec<&str> =
        violations.iter().map(|one| one.field.as_str()).filter(|field| !field.is_empty()).collect();
    let (mut message, mut told) = ("bad fields: ".to_owned(), 0);
    for field in fields.iter().take(MOST_FIELDS_IN_MESSAGE) {
        if told > 0 {
            if encoded_length(&message) + encoded_length(field) > MOST_MESSAGE_BYTES {
                break;
            }
            message.push_str(", ");
        }
        message.push_str(field);
        told += 1;
    }
    let rest = fields.len() - told;
    if rest > 0 {
        message.push_str(&format!(" and {rest} more"));
    }
    message
}

/// How long a message is in `grpc-message`: what is not plain takes three bytes a byte there.
fn encoded_length(message: &str) -> usize {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#%<>`?{}".contains(&byte);
    message.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum()
}

/// More is coming than there is room for, before it is known of whom.
pub fn crowded() -> Status {
    let said = "too many unfinished requests are coming at once";
    retry(Code::ResourceExhausted, ErrorReason::QueueFull, said, SOON)
}

/// The write may or may not be durable when the client's deadline ends.
pub(super) fn deadline_exceeded() -> Status {
    retry(
        Code::DeadlineExceeded,
        ErrorReason::DeadlineExceeded,
        "the deadline ended before the write was known to be durable",
        SOON,
    )
}

/// A refusal with its reason, and nothing else to tell.
pub fn plain(code: Code, reason: ErrorReason, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(name(reason), DOMAIN, []);
    Status::with_error_details(code, message, details)
}

fn retry(code: Code, reason: ErrorReason, message: &str, after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(name(reason), DOMAIN, []);
    details.set_retry_info(Some(after));
    Status::with_error_details(code, message, details)
}

/// A reason as clients see it: without the enum's prefix.
pub fn name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}
