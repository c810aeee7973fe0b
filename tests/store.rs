//! The store and the service on it: a contract that every engine keeps, what the cache saves,
//! and what stays true under concurrent work.
//!
//! Each case runs on SQLite, and on the PostgreSQL that `THREADLINE_TEST_POSTGRES` names
//! (`./test.sh` starts one). To add a case: a function in `tests/store/`, a line below.

#[path = "store/abandoning.rs"]
mod abandoning;
#[path = "store/at_once.rs"]
mod at_once;
#[path = "store/audit.rs"]
mod audit;
#[path = "store/batches.rs"]
mod batches;
#[path = "store/bench.rs"]
mod bench;
#[path = "store/caching.rs"]
mod caching;
#[path = "store/concurrency.rs"]
mod concurrency;
#[path = "store/database.rs"]
mod database;
#[path = "store/effects.rs"]
mod effects;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/following.rs"]
mod following;
#[path = "store/forgetting.rs"]
mod forgetting;
#[path = "store/invariants.rs"]
mod invariants;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/log.rs"]
mod log;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/order.rs"]
mod order;
#[path = "store/reads_waiting.rs"]
mod reads_waiting;
#[path = "store/rows.rs"]
mod rows;
#[path = "store/serving.rs"]
mod serving;
#[path = "store/stale.rs"]
mod stale;
#[path = "store/tampering.rs"]
mod tampering;
#[path = "store/time.rs"]
mod time;
#[path = "store/verifying.rs"]
mod verifying;

use std::sync::Arc;
use std::time::Duration;

use database::Database;
use threadline::store::Engine;

/// A case that takes longer hangs.
const CASE_WITHIN: Duration = Duration::from_secs(900);

fn run<F: Future<Output = ()>>(engine: Engine, case: impl FnOnce(Arc<Database>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let Some(database) = Database::fresh(engine).await.map(Arc::new) else { return };
        tokio::time::timeout(CASE_WITHIN, case(Arc::clone(&database)))
            .await
            .expect("no case hangs");
        if let Some(database) = Arc::into_inner(database) {
            database.remove().await;
        }
    });
    // Writers have threads of their own; what they still wait for is of no interest.
    runtime.shutdown_background();
}

macro_rules! contract {
    ($($file:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $($(#[test] fn $case() { super::run(super::Engine::Sqlite, super::$file::$case); })+)+
        }
        mod postgres {
            $($(#[test] fn $case() { super::run(super::Engine::Postgres, super::$file::$case); })+)+
        }
    };
}

contract! {
    opening: opens_twice, opens_twice_at_once, opens_in_four_processes_at_once,
        two_commands_make_a_tenant_at_once;
    batches: the_journal_guards_all_effects, equal_operations_of_one_batch_are_one,
        two_operations_on_one_key_do_not_share_a_batch, strangers_share_a_batch,
        many_of_one_shape_share_a_batch, tenants_wait_together,
        what_repeats_in_part_is_decided_again;
    stale: a_changed_head_is_decided_again, a_changed_customer_is_decided_again,
        a_changed_interaction_is_decided_again, a_token_seen_meanwhile_is_decided_again,
        the_third_decision_is_made_inside, a_refusal_inside_is_handed_over,
        two_instances_see_each_other, a_write_past_the_writer_is_noticed;
    effects: all_kinds_read_back, upserts_replace, removals_take_away_only_what_they_name,
        heads_get_new_stamps_only_when_named, many_rows_of_one_kind, more_owners_than_identify,
        a_stripped_journal_still_verifies, tenants_do_not_touch;
    at_once: customers_come_with_their_sets_keys_and_ties, more_customers_than_a_statement_takes,
        a_context_comes_whole_and_newest_first;
    order: positions_grow_in_commit_order, a_load_sees_one_moment;
    faults: what_data_makes_fail_fails_alone, a_full_queue_refuses_at_once,
        a_stalled_writer_refuses_at_once, closing_finishes_what_waits,
        a_held_head_keeps_no_other_tenant_waiting,
        a_look_goes_on_past_broken_connections;
    abandoning: an_abandoned_operation_never_runs, a_taken_operation_is_written_all_the_same;
    tampering: a_hundred_manipulations_are_found, a_rewritten_chain_is_found_by_a_checkpoint,
        what_was_forgotten_leaves_a_whole_chain, traces_wait_for_nobody_and_are_never_lost;
    reads_waiting: one_tenants_reads_take_nobody_elses_room,
        reads_leave_room_for_what_is_written, a_damaged_tenants_reads_hold_nobody_up;
    forgetting: much_is_forgotten_in_one_batch;
    time: store_time_never_goes_back;
    verifying: a_long_chain_verifies_within_a_minute;
    log: the_log_begins_anew_while_it_is_written, a_look_waits_for_the_disk,
        a_write_waits_for_the_disk;
    following: rows_are_followed_in_order, a_gap_is_not_walked_through, news_wait_for_the_disk,
        commits_ring_for_their_tenant;
    caching: a_start_from_the_cache_reads_nothing, what_was_written_is_not_read_again,
        another_instance_is_seen,
        stamps_change_with_links_only;
    concurrency: invariants_hold_under_concurrent_work;
}
