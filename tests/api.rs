//! Black-box tests through the real gRPC API, each case on both engines where it matters.

mod support;

/// The cases by subject.
mod api {
    mod access;
    mod auditing;
    mod auth;
    mod bad_hints;
    mod bad_input;
    mod bad_reads;
    mod checkpoints;
    mod circumstances;
    mod conflicts;
    mod customers;
    mod duplicates;
    mod encryption;
    mod explaining;
    mod idempotency;
    mod identifiers;
    mod importing;
    mod key_sets;
    mod merge_command;
    mod merging;
    mod merging_corners;
    mod merging_twice;
    mod moving;
    mod rate_limits;
    mod reading;
    mod reassigning;
    mod redacting;
    mod remembering;
    mod replay;
    mod rotating;
    mod settling;
    mod sweeping;
    mod ties;
    mod transport;
    mod visitors;
    mod web_tokens;
}
