//! How long a long chain takes to verify. The documents' figure is from
//! `THREADLINE_AUDIT_ENTRIES=1000000 ./test.sh --test store -- --nocapture long_chain`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadline::store::rows::{JournalRow, Verb};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{effects, journal, token};

/// Entries unless the environment says otherwise: enough for pages and links to be many.
const ENTRIES: u64 = 20_000;
/// Rows of one batch: as many as one commit has of operations.
const BATCH: u64 = 250;
/// Bytes of a sealed state: those of a contact with a summary.
const STATE: usize = 500;
/// A million may take so long.
const WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn a_long_chain_verifies_within_a_minute(database: Arc<Database>) {
    let wanted = std::env::var("THREADLINE_AUDIT_ENTRIES");
    let entries = wanted.map_or(ENTRIES, |text| text.parse().expect("a number"));
    let bench = Bench::open(&database).await;
    for first in (0..entries).step_by(BATCH as usize) {
        let row = |number: u64| JournalRow {
            customer: Some(crate::rows::customer_id(number % 1_000)),
            state: vec![number as u8; STATE],
            ..journal(token(100_000 + number), Verb::Start, b"")
        };
        let rows = (first..entries.min(first + BATCH)).map(row).collect();
        bench.write(Write::of(bench.tenant, effects(rows))).await;
    }
    let begun = Instant::now();
    let verified = bench.store.verify_audit(bench.tenant, Vec::new(), |_| {}).await;
    let (verified, took) = (verified.expect("a verdict"), begun.elapsed());
    let (engine, read) = (database.engine, verified.entries);
    writeln!(std::io::stderr(), "{engine:?}: {read} entries in {took:.1?}").expect("open");
    assert_eq!((verified.entries, verified.wrong), (entries + 1, 0));
    assert!(took < WITHIN, "{took:?}");
}
