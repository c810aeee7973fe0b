//! Web-hooks: what happens is told to a receiver over HTTP, whatever becomes of receiver and instances,
//! and never to an address inside.

#[path = "store/database.rs"]
mod database;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/spawned.rs"]
mod spawned;
#[expect(dead_code, unused_imports, reason = "the tests of the API need more")]
mod support;

/// The cases by subject.
mod webhooks {
    mod commands;
    mod damaged;
    mod damaged_people;
    mod delivering;
    mod erased;
    mod failing;
    mod giving_up;
    mod ground;
    mod inside;
    mod lagging;
    mod pacing;
    mod put_back;
    mod receiver;
    mod restarting;
    mod secrets;
    mod taking_over;
}
