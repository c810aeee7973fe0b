//! What the protocol's descriptors say of its calls and reasons: their names, which are all that logs,
//! metrics and traces ever call them. Whatever else a client asks for is not repeated.

use std::sync::LazyLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use rustc_hash::FxHashMap;
use tonic::Code;

use super::proto;

/// What calls that are not the protocol's are called: health, reflection, what nobody serves.
pub(super) const ANOTHER: &str = "other";

/// A call of the protocol.
pub(super) struct Call {
    /// `/package.Service/Method`.
    pub path: String,
    /// The method alone; no two services share one.
    pub name: String,
    /// Whether its answer is a stream.
    pub streams: bool,
}

/// What is known of the protocol.
pub(super) struct Protocol {
    /// Every call.
    pub calls: Vec<Call>,
    /// Every reason an error may have: those of the protocol without their prefix, then gRPC's codes,
    /// for what was refused before it reached us.
    pub reasons: Vec<String>,
    numbers: FxHashMap<String, usize>,
    reason_numbers: FxHashMap<String, usize>,
}

/// Read once.
pub(super) static PROTOCOL: LazyLock<Protocol> = LazyLock::new(|| {
    // They are our own, made by the build; without them calls have no names.
    let files = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
    let (mut calls, mut reasons) = (Vec::new(), Vec::new());
    for file in files.file.iter().filter(|file| file.package() == "threadline.v1") {
        for service in &file.service {
            calls.extend(service.method.iter().map(|method| Call {
                path: format!("/{}.{}/{}", file.package(), service.name(), method.name()),
                name: method.name().to_owned(),
                streams: method.server_streaming(),
            }));
        }
        for values in file.enum_type.iter().filter(|it| it.name() == "ErrorReason") {
            let named = values.value.iter().filter(|value| value.number() != 0);
            let bare = named.filter_map(|value| value.name().strip_prefix("ERROR_REASON_"));
            reasons.extend(bare.map(str::to_owned));
        }
    }
    // A code is called as gRPC calls it; one of that name is the protocol's own.
    for code in (1..=16).map(|code| code_name(Code::from_i32(code))) {
        if !reasons.iter().any(|reason| reason == code) {
            reasons.push(code.to_owned());
        }
    }
    let numbers = calls.iter().enumerate().map(|(at, call)| (call.path.clone(), at)).collect();
    let named = reasons.iter().enumerate();
    let reason_numbers = named.map(|(at, reason)| (reason.clone(), at)).collect();
    Protocol { calls, reasons, numbers, reason_numbers }
});

impl Protocol {
    /// Which call a path is; none for another one.
    pub fn number(&self, path: &str) -> Option<usize> {
        self.numbers.get(path).copied()
    }

    /// Which reason that is; none for one that is not ours.
    pub fn reason(&self, name: &str) -> Option<usize> {
        self.reason_numbers.get(name).copied()
    }

    /// The reason that a bare code stands for.
    pub fn reason_of(&self, code: Code) -> usize {
        // Every code but OK is among them, and OK is no reason.
        self.reason(code_name(code)).unwrap_or_default()
    }

    /// What a call is called: its path, if it is the protocol's.
    pub fn path(&self, call: Option<usize>) -> &str {
        call.map_or(ANOTHER, |number| &self.calls[number].path)
    }
}

/// The code as it stands in gRPC's documentation, such as `INVALID_ARGUMENT`.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_of_the_protocol_has_a_name_and_no_other_is_repeated() {
        for call in [
            "/threadline.v1.InteractionService/StartInteraction",
            "/threadline.v1.CustomerService/UnmergeCustomers",
            "/threadline.v1.CustomerService/ImportCustomers",
        ] {
            assert_eq!(PROTOCOL.path(PROTOCOL.number(call)), call);
        }
        assert!(PROTOCOL.calls.len() > 15);
        for stranger in ["", "/", "/threadline.v1.InteractionService/+4915112345678", "/api/v1/x"] {
            assert_eq!(PROTOCOL.path(PROTOCOL.number(stranger)), ANOTHER);
        }
    }

    #[test]
    fn a_method_alone_names_its_call() {
        let names: BTreeSet<&str> = PROTOCOL.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names.len(), PROTOCOL.calls.len());
    }

    #[test]
    fn every_code_and_reason_is_one_of_the_reasons() {
        for code in 1..=16 {
            let code = Code::from_i32(code);
            let number = PROTOCOL.reason_of(code);
            assert_eq!(PROTOCOL.reasons[number], code_name(code));
        }
        let number = PROTOCOL.reason("RATE_LIMITED").unwrap();
        assert_eq!(PROTOCOL.reasons[number], "RATE_LIMITED");
        assert!(PROTOCOL.reason("UNSPECIFIED").is_none() && PROTOCOL.reason("+49").is_none());
        let once: BTreeSet<&String> = PROTOCOL.reasons.iter().collect();
        assert_eq!(once.len(), PROTOCOL.reasons.len());
    }
}
