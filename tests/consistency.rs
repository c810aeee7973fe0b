//! Does the service keep its contract however requests, instances and failures interleave?
//!
//! Random work is played, its history recorded, and the history searched for an order that a small
//! model of the contract allows. `simulated`: the real code, move by move, under a seeded scheduler
//! and a virtual clock; what fails is made as small as it can be and plays again from its seed.
//! `served`: two instances of the real binary, that are killed meanwhile. `alternating`: what one
//! instance acknowledges, the other one shows.
//!
//! Here in a short form; `tests/consistency.sh` runs the long one. `THREADLINE_CHECK_SEEDS`,
//! `THREADLINE_CHECK_CALLS` and `THREADLINE_CHECK_ALTERNATIONS` say how much, and
//! `THREADLINE_CHECK_SEED` which seed.

#[path = "consistency/alternating.rs"]
mod alternating;
#[path = "consistency/answers.rs"]
mod answers;
#[path = "consistency/calls.rs"]
mod calls;
#[path = "consistency/crowd.rs"]
mod crowd;
#[path = "store/database.rs"]
mod database;
#[path = "consistency/direct.rs"]
mod direct;
#[path = "consistency/erasing.rs"]
mod erasing;
#[path = "consistency/ground.rs"]
mod ground;
#[path = "consistency/histories.rs"]
mod histories;
#[path = "consistency/joining.rs"]
mod joining;
#[path = "store/keys.rs"]
mod keys;
#[path = "consistency/known.rs"]
mod known;
#[path = "consistency/model.rs"]
mod model;
#[path = "consistency/person.rs"]
mod person;
#[path = "consistency/printing.rs"]
mod printing;
#[path = "consistency/recording.rs"]
mod recording;
#[path = "consistency/served.rs"]
mod served;
#[path = "consistency/shrink.rs"]
mod shrink;
#[path = "consistency/simulation.rs"]
mod simulation;
#[path = "store/spawned.rs"]
mod spawned;
#[path = "consistency/steering.rs"]
mod steering;
#[path = "consistency/too_late.rs"]
mod too_late;
#[path = "consistency/wgl.rs"]
mod wgl;
#[path = "consistency/wire.rs"]
mod wire;
#[path = "consistency/workload.rs"]
mod workload;

use threadline::store::Engine;

#[test]
fn simulated_on_sqlite() {
    shrink::seeds(Engine::Sqlite);
}

#[test]
fn simulated_on_postgres() {
    shrink::seeds(Engine::Postgres);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn served_on_sqlite() {
    crowd::served(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn served_on_postgres() {
    crowd::served(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alternating_on_sqlite() {
    alternating::read_your_writes(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alternating_on_postgres() {
    alternating::read_your_writes(Engine::Postgres).await;
}
