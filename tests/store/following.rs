//! Following the journal: in order, page by page, deaf to what is no event, told of nothing that the
//! disk does not have, and rung for by this process's commits.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use threadline::ids::TenantId;
use threadline::store::belonging;
use threadline::store::follow::{self, Entry};
use threadline::store::rows::{JournalRow, Verb};
use threadline::store::{Effects, Engine, Error};

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::log::{hide_log, put_log_back};
use crate::rows::{customer_id, effects, journal, start, token};

async fn after(bench: &Bench, position: i64, limit: i64) -> Result<Vec<Entry>, Error> {
    let tenant = bench.tenant;
    let found = bench.store.news(Box::new(move |connection| {
        Box::pin(async move {
            let head = follow::head(connection, tenant).await?;
            if head <= position {
                return Ok(None);
            }
            follow::entries_between(connection, tenant, (position, head), limit).await.map(Some)
        })
    }));
    Ok(found.await?.unwrap_or_default())
}

fn with_content(number: u64, verb: Verb) -> JournalRow {
    JournalRow { state: vec![1; 60], ..journal(token(number), verb, b"") }
}

/// What a read leaves: nothing but that it took place.
fn read() -> JournalRow {
    JournalRow { state: Vec::new(), ..journal(token(90), Verb::GetInteraction, b"") }
}

async fn write(bench: &Bench, row: JournalRow) {
    bench.write(Write::of(bench.tenant, effects(vec![row]))).await;
}

/// Rows come once, in the order of commit, whatever the page; what never had content is no event,
/// what was stripped still is.
pub(crate) async fn rows_are_followed_in_order(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let begun = after(&bench, 0, 100).await.expect("what is there").last().map(|it| it.position);
    let begun = begun.unwrap_or(0);
    for number in 1..=5 {
        write(&bench, with_content(number, Verb::Start)).await;
    }
    bench.store.trace(bench.tenant, vec![read().into()]).expect("room");
    // Moved: what it said before is stripped.
    let strip = Effects { strip: vec![token(3)], ..effects(vec![with_content(3, Verb::Reassign)]) };
    bench.write(Write::of(bench.tenant, strip)).await;
    let mut seen = Vec::new();
    let mut position = begun;
    loop {
        let page = after(&bench, position, 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        position = last.position;
        seen.extend(page);
    }
    assert!(seen.windows(2).all(|two| two[0].position < two[1].position), "in order");
    let told: Vec<(u64, Option<Verb>, bool)> = seen
        .iter()
        .filter_map(|row| {
            let number = (1..=5).find(|number| token(*number) == row.interaction)?;
            Some((number, row.verb, row.state.is_empty()))
        })
        .collect();
    let start = |number, stripped| (number, Some(Verb::Start), stripped);
    let moved = (3, Some(Verb::Reassign), false);
    let expected =
        [start(1, false), start(2, false), start(3, true), start(4, false), start(5, false), moved];
    assert_eq!(told, expected);
    assert!(seen.iter().all(|row| row.verb != Some(Verb::GetInteraction)), "a read is no event");
    bench.store.close().await;
}

/// Where a backup was put back billions of positions are nobody's: every part of a walk begins at a
/// row, and nothing of what is behind them is passed over.
pub(crate) async fn a_gap_is_not_walked_through(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let theirs =
        |number| JournalRow { customer: Some(customer_id(1)), ..with_content(number, Verb::Start) };
    write(&bench, theirs(1)).await;
    let mut past = database.connect().await;
    let sql = "UPDATE tenant_head SET position = position + 30000000000000";
    past.execute(sql).await.expect("a write");
    write(&bench, theirs(2)).await;
    let tenant = bench.tenant;
    let walked = bench.store.news(Box::new(move |connection| {
        Box::pin(async move {
            let head = follow::head(connection, tenant).await?;
            let (mut parts, mut after) = (Vec::new(), 0);
            while let Some(part) = follow::part(connection, tenant, (after, head), 1_000).await? {
                parts.push(part);
                after = part.1;
            }
            let (mut stretches, mut after) = (Vec::new(), 0);
            loop {
                let own = [customer_id(1)];
                let stretch = belonging::stretch(connection, tenant, &own, after).await?;
                stretches.push(stretch.found.len());
                after = stretch.until;
                if stretch.is_last {
                    return Ok(Some((head, parts, stretches)));
                }
            }
        })
    }));
    let (head, parts, stretches) = walked.await.expect("a walk").expect("something");
    assert_eq!((parts.len(), parts[1].1), (2, head));
    assert!(head > 30_000_000_000_000 && parts[1].0 > parts[0].1 + 1_000, "{parts:?}");
    assert_eq!(stretches, [1, 1]);
    bench.store.close().await;
}

/// What a power failure could still take back is told to nobody.
pub(crate) async fn news_wait_for_the_disk(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let head = after(&bench, 0, 100).await.expect("what the disk has is told");
    let last = head.last().map_or(0, |row| row.position);
    if database.engine == Engine::Sqlite {
        hide_log(&database);
        let lost = Write::of(bench.tenant, effects(vec![start(token(1))]));
        assert!(bench.store.run(Arc::new(lost)).await.is_err(), "the disk refuses");
        put_log_back(&database);
        // It can be read, and the disk is believed no more.
        assert!(after(&bench, i64::MAX, 100).await.is_ok(), "nothing is told: nothing is asked");
        assert!(matches!(after(&bench, last - 1, 100).await, Err(Error::Unavailable)));
    }
    bench.store.close().await;
}

async fn hears(listening: &threadline::store::Listener) -> bool {
    tokio::time::timeout(Duration::from_millis(300), listening.rung()).await.is_ok()
}

/// A commit rings for those who listen to its tenant, once; a read does not.
pub(crate) async fn commits_ring_for_their_tenant(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let own = bench.store.listen(bench.tenant);
    let second = bench.store.listen(bench.tenant);
    let others = bench.store.listen(TenantId(bench.tenant.0 + 1));
    write(&bench, start(token(1))).await;
    assert!(hears(&own).await && hears(&second).await);
    assert!(!hears(&others).await && !hears(&own).await, "another tenant's, and only once");
    bench.store.trace(bench.tenant, vec![read().into()]).expect("room");
    assert!(!hears(&own).await, "a read is nothing to look for");
    drop(own);
    write(&bench, start(token(2))).await;
    assert!(hears(&second).await, "the other one still listens");
    bench.store.close().await;
}
