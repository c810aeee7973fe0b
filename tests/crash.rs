//! What was acknowledged stays, once and whole, whatever is killed: the server again and again in
//! the middle of its work, and PostgreSQL under a server that stays up.
//!
//! Here in a short form. `tests/crash.sh` runs the long one; `THREADLINE_KILLS`,
//! `THREADLINE_RESTARTS` and `THREADLINE_CRASH_SEED` choose how often and in which order.

#[path = "store/audit.rs"]
mod audit;
#[path = "crash/check.rs"]
mod check;
#[path = "crash/clients.rs"]
mod clients;
#[path = "crash/cluster.rs"]
mod cluster;
#[path = "store/database.rs"]
mod database;
#[path = "crash/dead_ends.rs"]
mod dead_ends;
#[path = "store/invariants.rs"]
mod invariants;
#[path = "store/keys.rs"]
mod keys;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/plan.rs"]
mod plan;
#[path = "crash/restarts.rs"]
mod restarts;
#[path = "crash/rows.rs"]
mod rows;
#[path = "store/spawned.rs"]
mod spawned;
#[path = "crash/story.rs"]
mod story;

use cluster::Cluster;
use database::Database;
use threadline::store::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_on_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    kills::survived(&database, plan::kills()).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    kills::survived(&database, plan::kills()).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_recovers_when_postgres_restarts() {
    let Some(mut cluster) = private_cluster() else { return };
    let database = Database::at(cluster.url.clone()).await;
    restarts::survived(&database, &mut cluster, plan::restarts()).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_recovers_from_connections_that_fell_silent() {
    let Some(mut cluster) = private_cluster() else { return };
    let database = Database::at(cluster.url.clone()).await;
    dead_ends::survived(&database, &mut cluster).await;
    database.remove().await;
}

fn private_cluster() -> Option<Cluster> {
    let cluster = Cluster::start();
    if cluster.is_none() {
        eprintln!("PostgreSQL's binaries are not found: what happens to it is not tested");
    }
    cluster
}
