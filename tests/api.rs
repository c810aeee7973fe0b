//! Black-box tests through the real gRPC API, each case on both engines where it matters.

mod support;

/// The cases by subject.
mod api {
    mod auth;
    mod bad_hints;
    mod bad_input;
    mod idempotency;
    mod moving;
    mod settling;
    mod transport;
}
