//! SQLite's log: nothing is told before the disk has it; it is moved into the file beside the writer,
//! and begins anew.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use threadline::store::{Effects, Engine, Error, Reads, read};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{effects, label, start, token};

fn log_of(database: &Database) -> String {
    format!("{}-wal", database.url.trim_start_matches("sqlite:"))
}

/// Takes the log from where it was: SQLite goes on with its own handle, but nobody can ask the disk
/// for it any more.
pub(crate) fn hide_log(database: &Database) {
    let log = log_of(database);
    std::fs::rename(&log, format!("{log}-away")).expect("a log");
}

pub(crate) fn put_log_back(database: &Database) {
    let log = log_of(database);
    std::fs::rename(format!("{log}-away"), &log).expect("a log that was hidden");
}

async fn load(bench: &Bench) -> Result<(), Error> {
    load_and(bench, || ()).await
}

/// Does that once it has read: whoever connects while the log is hidden would make another one.
async fn load_and(bench: &Bench, then: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let (mut reads, tenant) = (Reads::Fresh(Arc::clone(&bench.store)), bench.tenant);
    let loaded = reads.load(Box::new(move |connection| {
        Box::pin(async move {
            let owners = read::owners(connection, tenant, &[token(1)]).await;
            then();
            owners
        })
    }));
    loaded.await.map(drop)
}

async fn look(bench: &Bench) -> Result<(), Error> {
    let (mut reads, tenant) = (Reads::Fresh(Arc::clone(&bench.store)), bench.tenant);
    let looked = reads.look(Box::new(move |connection| {
        Box::pin(async move { read::owners(connection, tenant, &[token(1)]).await })
    }));
    looked.await.map(drop)
}

async fn write(bench: &Bench, number: u64) -> Result<(), Error> {
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(number))])));
    bench.store.run(operation).await.map(drop)
}

pub(crate) async fn a_look_waits_for_the_disk(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    load(&bench).await.expect("what the disk has is told");
    if database.engine == Engine::Sqlite {
        let hidden = Arc::clone(&database);
        let refused = load_and(&bench, move || hide_log(&hidden)).await;
        assert!(matches!(refused, Err(Error::Unavailable)));
        put_log_back(&database);
        assert!(load(&bench).await.is_err(), "who was refused once believes the disk no more");
        assert!(look(&bench).await.is_err(), "nor does who looks without a transaction");
        assert!(bench.store.stalled(), "starts do not wait for it");
    }
    bench.store.close().await;
}

pub(crate) async fn a_write_waits_for_the_disk(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    write(&bench, 1).await.expect("what the disk has is acknowledged");
    if database.engine == Engine::Sqlite {
        hide_log(&database);
        assert!(matches!(write(&bench, 2).await, Err(Error::Unavailable)));
        put_log_back(&database);
        assert!(matches!(write(&bench, 3).await, Err(Error::Stalled)));
    }
    bench.store.close().await;
}

/// Labels of one write, all over the table: each on a page of its own once there are many.
const LABELS: u64 = 250;
/// Some 100,000 rows in all, and nearly as many pages of 4 KiB.
const WRITES: u64 = 400;
/// Half of what the log would be that is never moved.
const MOST_BYTES: u64 = 190 << 20;

/// Writes into one log, about a quarter of all, after which whoever moves it gets some time.
const MANY_WRITES: u64 = 100;
/// How often it gets a second: one that never moves it gets no more.
const MOST_PAUSES: u64 = 60;

/// How often the log has begun anew: SQLite counts that in its head.
fn times_begun(database: &Database) -> u32 {
    let mut head = [0; 16];
    let mut log = File::open(log_of(database)).expect("a log");
    log.read_exact(&mut head).expect("a head");
    let [.., first, second, third, fourth] = head;
    u32::from_be_bytes([first, second, third, fourth])
}

pub(crate) async fn the_log_begins_anew_while_it_is_written(database: Arc<Database>) {
    if database.engine == Engine::Postgres {
        return;
    }
    let bench = Bench::open(&database).await;
    let (mut begun, mut writes, mut pauses) = (0, 0, 0);
    for number in 0..WRITES {
        let scattered = |one: u64| (number * LABELS + one).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let labels = (0..LABELS).map(|one| label(scattered(one))).collect();
        let own = Effects { labels, ..effects(vec![start(token(number))]) };
        bench.write(Write::of(bench.tenant, own)).await;
        let times = times_begun(&database);
        (begun, writes) = (times, if times == begun { writes + 1 } else { 0 });
        // A busy machine moves less than is written.
        if writes > MANY_WRITES && pauses < MOST_PAUSES {
            pauses += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let bytes = std::fs::metadata(log_of(&database)).expect("a log").len();
    assert!(bytes < MOST_BYTES, "a log of {bytes} bytes");
    bench.store.close().await;
}
