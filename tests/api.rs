//! Black-box tests through the real gRPC API, each case on both engines where it matters.

#[path = "rest/calls.rs"]
mod calls;
#[path = "support/collector.rs"]
mod collector;
#[path = "rest/plant.rs"]
mod plant;
mod support;

use support::issuer;

/// The cases by subject.
mod api {
    mod access;
    mod archiving;
    mod auditing;
    mod auth;
    mod bad_hints;
    mod bad_input;
    mod bad_reads;
    mod becoming;
    mod certified_doors;
    mod checkpoints;
    mod chosen;
    mod circumstances;
    mod client_certificates;
    mod conflicts;
    mod consent_required;
    mod consents;
    mod console_entries;
    mod customers;
    mod doors;
    mod duplicates;
    mod emptied;
    mod encryption;
    mod erased_rows;
    mod erasing;
    mod erasing_corners;
    mod erasing_late;
    mod explaining;
    mod export_command;
    mod exporting;
    mod gaps;
    mod going_on;
    mod helpdesk;
    mod hooks;
    mod http;
    mod idempotency;
    mod identifiers;
    mod importing;
    mod key_sets;
    mod late_facts;
    mod late_words;
    mod long_readers;
    mod memory;
    mod merge_command;
    mod merging;
    mod merging_corners;
    mod merging_twice;
    mod metrics;
    mod moving;
    mod person;
    mod protected;
    mod purging;
    mod put_back;
    mod rate_limits;
    mod readiness;
    mod reading;
    mod reassigning;
    mod redacting;
    mod redacting_texts;
    mod reloading;
    mod remembering;
    mod replay;
    mod reply_rights;
    mod replying;
    mod replying_elsewhere;
    mod rest;
    mod rest_odd;
    mod retention;
    mod rights;
    mod root_keys;
    mod rotating;
    mod scrape;
    mod settling;
    mod somebody_else;
    mod sticky_calls;
    mod sticky_references;
    mod sticky_values;
    mod sweeping;
    mod sweeping_much;
    mod ties;
    mod traces;
    mod transport;
    mod visitors;
    mod watching;
    mod watching_again;
    mod watching_customers;
    mod watching_damaged;
    mod watching_ends;
    mod watching_removed;
    mod watching_shown;
    mod web_tokens;
}
