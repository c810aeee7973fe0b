//! SQLite's log is moved into the file beside the writer, and begins anew.

use std::sync::Arc;

use threadline::store::{Effects, Engine};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{effects, label, start, token};

/// Labels of one write, all over the table: each on a page of its own once there are many.
const LABELS: u64 = 250;
/// Some 100,000 rows in all, and nearly as many pages of 4 KiB.
const WRITES: u64 = 400;
/// Half of what the log would be that is never moved.
const MOST_BYTES: u64 = 190 << 20;

pub(crate) async fn the_log_begins_anew_while_it_is_written(database: Arc<Database>) {
    if database.engine == Engine::Postgres {
        return;
    }
    let bench = Bench::open(&database).await;
    for number in 0..WRITES {
        let scattered = |one: u64| (number * LABELS + one).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let labels = (0..LABELS).map(|one| label(scattered(one))).collect();
        let own = Effects { labels, ..effects(vec![start(token(number))]) };
        bench.write(Write::of(bench.tenant, own)).await;
    }
    let log = format!("{}-wal", database.url.trim_start_matches("sqlite:"));
    let bytes = std::fs::metadata(&log).expect("a log").len();
    assert!(bytes < MOST_BYTES, "a log of {bytes} bytes");
    bench.store.close().await;
}
