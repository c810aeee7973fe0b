//! Reads of a tenant that cannot be written for a while: they wait, and nobody else does.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};
use threadline::ids::{KeyId, TenantId};
use threadline::store::audit::traces::Read;
use threadline::store::rows::Verb;
use threadline::store::schedule::{Point, Steering};
use threadline::store::{Boxed, Error, Schedule};
use tokio::sync::watch;

use crate::batches::{Held, queued};
use crate::bench::{Bench, NOON, Write};
use crate::database::Database;
use crate::rows::{effects, journal, start, token};

/// Reads of one tenant that may wait.
const MOST: u64 = 1_024;
/// Places of the writer's queue that reads of all tenants may take: half.
const MOST_QUEUED: u64 = 2_048;
/// Batches of somebody else.
const OTHERS: u64 = 20;

fn reads(numbers: Range<u64>) -> Vec<Read> {
    let row = |number| journal(token(1_000_000 + number), Verb::GetCustomer, b"");
    numbers.map(|number| row(number).into()).collect()
}

async fn another_tenant(bench: &Bench) -> TenantId {
    tenant_of_key(bench, 8).await
}

async fn tenant_of_key(bench: &Bench, key: i64) -> TenantId {
    let seal = move |_| ((KeyId(key), 1, vec![1; 48]), vec![2; 16]);
    bench.store.add_tenant(&format!("other-{key}"), false, seal).await.expect("a tenant").tenant
}

async fn write(bench: &Bench, tenant: TenantId, number: u64) {
    bench.write(Write::of(tenant, effects(vec![start(token(number))]))).await;
}

/// How many reads of a tenant are in its journal, which is whole.
async fn written(connection: &mut AnyConnection, tenant: TenantId) -> i64 {
    crate::audit::verify(connection, tenant.0).await;
    let sql = "SELECT COUNT(*) FROM journal WHERE verb = 42 AND tenant = $1";
    sqlx::query_scalar(sql).bind(tenant.0).fetch_one(connection).await.expect("a count")
}

/// While one tenant's head is held, its reads are refused once too many wait, and nobody else's.
pub(crate) async fn one_tenants_reads_take_nobody_elses_room(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let other = another_tenant(&bench).await;
    let held = Held::by(&database).await;
    bench.store.trace(bench.tenant, reads(0..MOST)).expect("as many as may wait");
    let refused = bench.store.trace(bench.tenant, reads(MOST..MOST + 1));
    assert!(matches!(refused, Err(Error::QueueFull)), "more than may wait");
    bench.store.trace(other, reads(0..MOST)).expect("room of its own");
    held.release().await;
    bench.store.close().await;
    assert_eq!(bench.store.traces_waiting(), 0);
    let mut connection = database.connect().await;
    for tenant in [bench.tenant, other] {
        assert_eq!(written(&mut connection, tenant).await, MOST as i64, "{tenant:?}");
    }
}

/// Keeps the writer from taking anything more, once it has taken what it was armed for.
#[derive(Default)]
struct Gate {
    armed: AtomicBool,
    closed: watch::Sender<bool>,
}

impl Steering for Gate {
    fn at(&self, point: Point) -> Boxed<'static, Result<(), Error>> {
        if point == Point::Taken && self.armed.swap(false, Ordering::SeqCst) {
            self.closed.send_replace(true);
        }
        let mut closed = self.closed.subscribe();
        Box::pin(async move {
            if point == Point::Idle {
                // Whoever is gone holds nobody.
                let _ = closed.wait_for(|closed| !closed).await;
            }
            Ok(())
        })
    }
}

/// However many tenants read while the writer takes nothing, there is room for what is to be written.
pub(crate) async fn reads_leave_room_for_what_is_written(database: Arc<Database>) {
    Bench::open(&database).await.store.close().await;
    let gate = Arc::new(Gate::default());
    let schedule = Schedule::Steered(Arc::clone(&gate) as _);
    let bench = Bench::steered(&database, NOON, Duration::from_secs(60), schedule).await;
    let mut tenants = vec![bench.tenant];
    for key in 8..11 {
        tenants.push(tenant_of_key(&bench, key).await);
    }
    // The first batch of a connection trusts nothing that was read before it, and is decided again.
    write(&bench, bench.tenant, 0).await;
    gate.armed.store(true, Ordering::SeqCst);
    write(&bench, bench.tenant, 1).await;
    let mut taken = 0;
    for tenant in &tenants {
        for number in 0..MOST {
            match bench.store.trace(*tenant, reads(number..number + 1)) {
                Ok(()) => taken += 1,
                Err(error) => assert!(matches!(error, Error::QueueFull), "{error}"),
            }
        }
    }
    assert_eq!(taken, MOST_QUEUED);
    let operation = Arc::new(Write::of(bench.tenant, effects(vec![start(token(2))])));
    let running = queued(&bench, &operation).await;
    gate.closed.send_replace(false);
    running.await.expect("it ends").expect("there was room for it");
    bench.store.trace(tenants[3], reads(0..1)).expect("room again");
    bench.store.close().await;
    let mut connection = database.connect().await;
    let mut all = 0;
    for tenant in tenants {
        all += written(&mut connection, tenant).await;
    }
    assert_eq!(all, MOST_QUEUED as i64 + 1);
}

/// How often the writer has tried to commit something.
#[derive(Default)]
struct Tries(AtomicU64);

impl Steering for Tries {
    fn at(&self, point: Point) -> Boxed<'static, Result<(), Error>> {
        self.0.fetch_add(u64::from(point == Point::Taken), Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Takes a tenant's head away, or puts it back.
async fn rename_head(connection: &mut AnyConnection, from: i64, to: i64) {
    let sql = format!("UPDATE tenant_head SET tenant = {to} WHERE tenant = {from}");
    let renamed = connection.execute(AssertSqlSafe(sql)).await.expect("a head");
    assert_eq!(renamed.rows_affected(), 1);
}

/// A tenant's head is missing: its reads are tried again now and then, and not with every batch of
/// somebody else; nothing that is remembered of others is forgotten for it, and they read on. When
/// the head is there again, all is written.
pub(crate) async fn a_damaged_tenants_reads_hold_nobody_up(database: Arc<Database>) {
    Bench::open(&database).await.store.close().await;
    let tries = Arc::new(Tries::default());
    let schedule = Schedule::Steered(Arc::clone(&tries) as _);
    let bench = Bench::steered(&database, NOON, Duration::from_secs(60), schedule).await;
    let (other, damaged) = (another_tenant(&bench).await, bench.tenant);
    let mut connection = database.connect().await;
    rename_head(&mut connection, damaged.0, -1).await;
    // Somebody else has written the file: what SQLite's instance remembers is forgotten for that.
    write(&bench, other, 1).await;
    let unseen = || bench.heard.unseen.load(Ordering::SeqCst);
    let (forgotten, tried, begun) = (unseen(), tries.0.load(Ordering::SeqCst), Instant::now());
    bench.store.trace(damaged, reads(0..MOST)).expect("as many as may wait");
    for number in 2..2 + OTHERS {
        write(&bench, other, number).await;
    }
    // One for each of theirs, and now and then one for what fails.
    let tried = tries.0.load(Ordering::SeqCst) - tried;
    let most = OTHERS + 2 + begun.elapsed().as_secs();
    assert!(tried <= most, "{tried} tries in {:?}", begun.elapsed());
    assert_eq!(unseen(), forgotten, "what is remembered is kept");
    let refused = bench.store.trace(damaged, reads(MOST..MOST + 1));
    assert!(matches!(refused, Err(Error::QueueFull)), "they wait");
    bench.store.trace(other, reads(0..1)).expect("room of its own");
    write(&bench, other, 99).await;
    assert_eq!(written(&mut connection, other).await, 1, "others read on");
    rename_head(&mut connection, -1, damaged.0).await;
    write(&bench, damaged, 100).await;
    assert_eq!(written(&mut connection, damaged).await, MOST as i64, "they go with the next batch");
    assert_eq!(bench.store.traces_waiting(), 0);
    bench.store.close().await;
}
