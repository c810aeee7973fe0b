//! How a service is run: settings looked at before they count, settings changed while it serves, an
//! end that breaks nothing off, a log for machines or for people, and the files that deploy it. The
//! real binary, real signals.

#[path = "operating/checking.rs"]
mod checking;
#[path = "store/database.rs"]
mod database;
#[path = "operating/deploying.rs"]
mod deploying;
#[path = "store/keys.rs"]
mod keys;
#[path = "operating/logging.rs"]
mod logging;
#[path = "operating/missing.rs"]
mod missing;
#[path = "operating/reloading.rs"]
mod reloading;
#[path = "operating/served.rs"]
mod served;
#[path = "operating/stopping.rs"]
mod stopping;

/// Runs each named case, an `async fn(Engine)`, as one test on SQLite and one on PostgreSQL.
macro_rules! each_engine {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            use threadline::store::Engine;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$case(Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$case(Engine::Postgres).await;
            }
        }
    )+};
}
pub(crate) use each_engine;
