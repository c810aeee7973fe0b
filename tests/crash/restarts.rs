//! PostgreSQL is restarted and killed under a server that stays up and is under load: starts are
//! answered within their budget meanwhile, and everything works again soon after.

use std::sync::Arc;
use std::time::Duration;

use threadline::cli::client::{Connection, connect};
use tokio::sync::watch;

use crate::check;
use crate::clients::{Crowd, Manner};
use crate::cluster::{Cluster, Ending};
use crate::database::Database;
use crate::keys::new_key;
use crate::kills::acquainted;
use crate::ledger::Ledger;
use crate::plan::{self, BUDGET, RECOVERED_WITHIN, TRANSPORT, below};
use crate::spawned::Spawned;
use crate::story::Story;

/// Ends between two restarts: from the least to the least and this many more.
const MORE_ENDS: u64 = 120;
const LEAST_ENDS: u64 = 20;
/// PostgreSQL stays away for less than this, in milliseconds.
const AWAY: u64 = 2_000;
/// A start whose budget ended is answered as soon as its task is woken, and a little later at us.
const A_WAKE_UP: Duration = Duration::from_millis(20);

pub(crate) async fn survived(database: &Database, cluster: &mut Cluster, restarts: usize) {
    let entropy = plan::entropy(0);
    let key = new_key(database).await;
    let mut server = Spawned::begin(database, BUDGET, "info", "log");
    server.listens().await;
    let ledger = Arc::new(acquainted(&server.url, &key).await);
    let connection = connect(&server.url, Some(&key)).await.expect("it answers");
    nobody_meets_a_broken_connection(cluster, &connection, &ledger.told()).await;
    let url = watch::Sender::new(server.url.clone());
    let manners = |client| if client == 0 { Manner::Probing } else { Manner::Proceeding };
    let crowd = Crowd::gather(&ledger, &key, &url, manners);
    let mut recovered = Vec::new();
    for restart in 0..restarts {
        ledger.more_ends((LEAST_ENDS + below(&entropy, MORE_ENDS)) as usize).await;
        let ending = Ending::ALL[restart % Ending::ALL.len()];
        let pause = Duration::from_millis(below(&entropy, AWAY));
        let ready = tokio::task::block_in_place(|| cluster.restart(ending, pause));
        ledger.decided_since(ready).await;
        recovered.push(ready.elapsed());
        check::eight_read_again(&connection, &ledger.told()).await;
    }
    ledger.more_ends(LEAST_ENDS as usize).await;
    crowd.finish().await;
    check::eight_read_at_once(&connection, &ledger.told()).await;
    let findings = check::compare(database, &ledger, &server.url, &key).await;
    recovered.sort();
    let slowest_start = report(&ledger, &findings, &recovered);
    assert!(findings.none(), "seed {}: {findings:#?}", plan::seed());
    assert!(recovered.last().is_none_or(|slowest| *slowest <= RECOVERED_WITHIN), "{recovered:?}");
    let figures = ledger.figures();
    assert_eq!(figures.starts_refused, 0, "a start is decided or degraded, and never refused");
    assert!(slowest_start <= BUDGET + TRANSPORT, "{slowest_start:?} until a start was answered");
    assert!(figures.degraded + figures.unavailable > 0, "the restarts were noticed: {figures:?}");
}

/// While nobody calls, a restart breaks every idle connection of the readers; who calls next does not
/// notice.
async fn nobody_meets_a_broken_connection(
    cluster: &mut Cluster,
    connection: &Connection,
    told: &[Story],
) {
    check::eight_read_at_once(connection, told).await;
    tokio::task::block_in_place(|| cluster.restart(Ending::Fast, Duration::ZERO));
    check::eight_read_at_once(connection, told).await;
}

/// Says what came out; how long the slowest start took.
fn report(ledger: &Ledger, findings: &check::Findings, recovered: &[Duration]) -> Duration {
    let mut figures = ledger.figures();
    figures.start_took.sort();
    let took = &figures.start_took;
    let slowest = took.last().copied().unwrap_or_default();
    let late = took.iter().filter(|took| **took > BUDGET + A_WAKE_UP).count();
    let milliseconds = |one: Option<&Duration>| one.map_or(0, Duration::as_millis);
    eprintln!(
        "{} restarts (seed {}): {} starts decided, {} degraded, {} refused; {} ends acknowledged, {} \
         calls asked to come back; {} lost, {} twice, {} half; a start again after {} ms at most, {} \
         ms in the middle; slowest start {} ms, {late} past {} ms",
        recovered.len(),
        plan::seed(),
        figures.starts,
        figures.degraded,
        figures.starts_refused,
        figures.ends,
        figures.unavailable,
        findings.lost.len(),
        findings.twice.len(),
        findings.half.len(),
        milliseconds(recovered.last()),
        milliseconds(recovered.get(recovered.len() / 2)),
        slowest.as_millis(),
        (BUDGET + A_WAKE_UP).as_millis(),
    );
    slowest
}
