//! Does the service keep its contract however requests, instances and failures interleave?
//!
//! Random work is played on the real code, its history recorded, and the history searched for an
//! order that a small model of the contract allows. `simulation` plays move by move under a seeded
//! scheduler. `THREADLINE_CHECK_SEEDS` says how many seeds, `THREADLINE_CHECK_SEED` plays one.

#[path = "consistency/calls.rs"]
mod calls;
#[path = "consistency/ground.rs"]
mod ground;
#[path = "consistency/model.rs"]
mod model;
#[path = "consistency/recording.rs"]
mod recording;
#[path = "consistency/shrink.rs"]
mod shrink;
#[path = "consistency/simulation.rs"]
mod simulation;
#[path = "consistency/steering.rs"]
mod steering;
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
