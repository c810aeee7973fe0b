//! Rotating the root key as an operator does it, with the real binary: under load, killed half-way, from
//! a file, the environment and a command; and what is left for the retired key.
//!
//! Here in a short form. `tests/rotation.sh` runs the long one on a release build;
//! `THREADLINE_ROTATIONS`, `THREADLINE_ROTATION_KEYS` and `THREADLINE_ROTATION_KILLS` choose how much.

#[path = "rotation/binary.rs"]
mod binary;
#[path = "store/database.rs"]
mod database;
#[path = "rotation/kills.rs"]
mod kills;
#[path = "rotation/load.rs"]
mod load;
#[path = "rotation/sources.rs"]
mod sources;
#[path = "rotation/vault.rs"]
mod vault;

use database::Database;
use threadline::store::Engine;

/// A number from the environment, or the one of the short form.
pub(crate) fn chosen(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_half_way_it_completes_on_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    kills::completed(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_half_way_it_completes_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    kills::completed(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_rotation_on_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    load::rotated(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_rotation_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    load::rotated(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_explained_on_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    sources::explained(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_explained_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    sources::explained(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_run_again_on_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    sources::printed(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_run_again_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    sources::printed(&database).await;
    database.remove().await;
}
