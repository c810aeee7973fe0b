//! Backups: what `threadline backup` writes while the store is served comes back whole, on either
//! engine; what is damaged, mixed up or half done is refused; whoever was erased stays so.
//!
//! The commands are the real binary's. To add a case: a function in `tests/backup/`, a line below.

#[path = "store/audit.rs"]
mod audit;
#[path = "backup/coming_back.rs"]
mod coming_back;
#[path = "store/database.rs"]
mod database;
#[path = "backup/erased.rs"]
mod erased;
#[path = "backup/ground.rs"]
mod ground;
#[path = "store/invariants.rs"]
mod invariants;
#[path = "store/keys.rs"]
mod keys;
#[path = "backup/refused.rs"]
mod refused;
#[path = "store/serving.rs"]
mod serving;
#[path = "backup/tables.rs"]
mod tables;
#[path = "backup/webhooks.rs"]
mod webhooks;
#[path = "backup/while_serving.rs"]
mod while_serving;

use database::Database;
use threadline::store::Engine;

/// Each case on both engines. It is given the database that is backed up.
macro_rules! cases {
    ($($file:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::on(super::Engine::Sqlite, async |it| super::$file::$case(it).await).await;
            })+)+
        }
        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::on(super::Engine::Postgres, async |it| super::$file::$case(it).await).await;
            })+)+
        }
    };
}

cases! {
    tables: every_table_comes_back;
    coming_back: everybody_is_who_they_were, it_goes_on_as_a_store_of_its_own, old_keys_go;
    erased: older_rows_with_the_newest_keys, older_keys_with_the_newest_erasures,
        what_belonged_to_others_before, who_has_no_key_is_removed;
    webhooks: no_endpoint_comes_back_switched_on;
    while_serving: what_was_acknowledged_before_is_in_it;
    refused: a_damaged_file, what_does_not_belong_together, one_that_was_killed_half_way;
}

async fn on(engine: Engine, case: impl AsyncFnOnce(&Database)) {
    let Some(database) = Database::fresh(engine).await else { return };
    case(&database).await;
    database.remove().await;
}
