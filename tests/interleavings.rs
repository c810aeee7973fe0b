//! Interleavings by hand: what happens once in a year between requests, instances and processes
//! happens here when it is asked for, and is named after it. Also budgets and back-pressure, and a
//! database that stalls, cuts connections or loses an answer.
//!
//! Each case runs on SQLite, and on the PostgreSQL that `THREADLINE_TEST_POSTGRES` names
//! (`./test.sh` starts one); on SQLite a second instance on the same file is another process. To
//! add a case: a function in `tests/interleavings/`, a line below.

#[path = "store/audit.rs"]
mod audit;
#[path = "store/bench.rs"]
#[expect(dead_code, reason = "only what fills a queue is shared")]
mod bench;
#[path = "interleavings/budget.rs"]
mod budget;
#[path = "interleavings/cancelling.rs"]
mod cancelling;
#[path = "interleavings/cuts.rs"]
mod cuts;
#[path = "store/database.rs"]
mod database;
#[path = "interleavings/erasing.rs"]
mod erasing;
#[path = "interleavings/erasing_looks.rs"]
mod erasing_looks;
#[path = "interleavings/instance.rs"]
mod instance;
#[path = "store/invariants.rs"]
mod invariants;
#[path = "store/keys.rs"]
mod keys;
#[path = "interleavings/keys_given_up.rs"]
mod keys_given_up;
#[path = "interleavings/keys_unseen.rs"]
mod keys_unseen;
#[path = "interleavings/losing.rs"]
mod losing;
#[path = "interleavings/one_batch.rs"]
mod one_batch;
#[path = "interleavings/outsiders.rs"]
mod outsiders;
#[path = "interleavings/proxy.rs"]
mod proxy;
#[path = "store/rows.rs"]
#[expect(dead_code, reason = "only what fills a queue is shared")]
mod rows;
#[path = "store/serving.rs"]
#[expect(dead_code, reason = "the server here has a wheel; only the requests are shared")]
mod serving;
#[path = "interleavings/stalls.rs"]
mod stalls;
#[path = "interleavings/swept.rs"]
mod swept;
#[path = "interleavings/two_instances.rs"]
mod two_instances;
#[path = "interleavings/wheel.rs"]
mod wheel;

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

macro_rules! interleavings {
    ($($file:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $($(#[test] fn $case() { super::run(super::Engine::Sqlite, super::$file::$case); })+)+
        }
        mod postgres {
            $($(#[test] fn $case() { super::run(super::Engine::Postgres, super::$file::$case); })+)+
        }
    };
}

interleavings! {
    two_instances: two_starts_at_once_for_one_unknown_number_on_two_instances,
        a_new_second_owner_of_a_cached_identifier_on_the_other_instance,
        an_end_on_a_between_decide_and_commit_on_b, a_load_that_overlaps_a_write,
        two_ends_of_one_customer_at_once, an_amendment_on_b_of_what_a_remembers;
    erasing: an_erasure_between_decide_and_commit_of_a_start,
        an_erasure_between_decide_and_commit_of_a_start_by_ref,
        a_start_between_decide_and_commit_of_an_erasure,
        an_erasure_between_decide_and_commit_of_an_end,
        an_end_between_decide_and_commit_of_an_erasure, an_erasure_and_a_merge_at_once,
        a_read_that_is_written_after_the_erasure, an_erasure_of_somebody_who_is_looked_at,
        the_same_erasure_twice_at_once;
    erasing_looks: an_erasure_between_two_looks;
    keys_unseen: a_revoked_key_that_cannot_be_looked_at, a_key_that_is_looked_at_slowly;
    keys_given_up: looks_that_are_given_up_keep_no_reader,
        a_start_with_a_key_that_nobody_has_seen, a_look_that_outlives_its_start,
        guesses_that_are_given_up_end;
    swept: an_entry_swept_and_made_again;
    one_batch: equal_and_different_requests_of_one_id_in_one_batch,
        a_batch_with_one_op_that_data_makes_fail, deadlock_between_batches_of_two_instances,
        a_lock_that_is_not_free_in_time, an_instance_that_stops_inside_a_batch;
    cancelling: a_request_cancelled_while_queued, a_request_cancelled_while_taken,
        a_request_cancelled_after_commit;
    losing: a_commit_whose_answer_is_lost, a_batch_that_is_lost_before_its_commit;
    outsiders: another_process_writing_while_serve_runs;
    budget: a_start_whose_budget_ends_while_waiting_is_never_run,
        a_start_whose_budget_ends_while_taken_is_committed,
        a_start_whose_budget_ends_before_it_is_queued, a_full_queue_refuses_at_once;
    stalls: a_database_that_stalls_for_100_ms, a_database_that_stalls_for_a_second,
        a_database_that_stalls_for_ever, a_database_that_stalls_is_not_ready_until_it_answers;
    cuts: idle_connections_that_were_cut_fail_nobody, connections_cut_within_a_batch_fail_nobody,
        an_answer_to_a_commit_that_the_network_loses, idle_connections_that_fell_silent,
        a_batch_that_falls_silent_in_the_middle;
}
