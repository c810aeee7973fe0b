//! Looks at keys that are given up: whoever calls is answered in time, and no reader stays with a
//! connection of which nobody will ever hear.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use threadline::cli::keys::create;
use threadline::crypto::ApiKey;
use threadline::ids::{Entropy, TenantId};
use threadline::store::reads::Load;
use threadline::store::schedule::Point;
use threadline::store::{Boxed, Engine, Reads, Store};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tonic::Code;

use crate::budget::comes_back_later;
use crate::database::Database;
use crate::instance::{Calls, Instance, call};
use crate::keys::{anything, new_key, settings};
use crate::proxy::Proxy;
use crate::stalls::eventually;

/// Connections that read.
const READERS: usize = 8;
/// Whoever looks waits no longer than this.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(200);
/// A reader gives up a connection that does not answer after a second; a loaded machine may be late.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
/// A store that answers shows a key by then, however loaded the machine is.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// So many looks at keys that nobody has seen go on without whoever waited for them.
const LOOKS: usize = 64;
/// The default budget of a start.
const BUDGET: Duration = Duration::from_millis(300);
/// What the way there and back may add to it on a machine that others use, too: whoever did wait would
/// wait for as long as the key is held.
const TRANSPORT: Duration = Duration::from_secs(3);

/// One look, and what kind.
type Look = fn(Arc<Store>) -> Boxed<'static, bool>;

/// At a key, in a task of its own.
fn at_a_key(store: Arc<Store>) -> Boxed<'static, bool> {
    let key = ApiKey::generate(TenantId(1), false, &Entropy::System);
    Box::pin(async move { store.api_key(key.tenant, &key.id).await.is_ok() })
}

/// At the tenant that a key is of.
fn at_a_tenant(store: Arc<Store>) -> Boxed<'static, bool> {
    Box::pin(async move { store.tenant(TenantId(1)).await.is_ok() })
}

/// At something else, in whoever looks.
fn at_root_keys(store: Arc<Store>) -> Boxed<'static, bool> {
    Box::pin(async move { store.root_keys().await.is_ok() })
}

/// All idle connections fall silent, and whoever meets one of them has gone before that is noticed.
pub(crate) async fn looks_that_are_given_up_keep_no_reader(database: Arc<Database>) {
    if database.engine == Engine::Sqlite {
        return; // Nothing falls silent between a process and its file.
    }
    let looks: [Look; 3] = [at_a_key, at_a_tenant, at_root_keys];
    for look in looks {
        keep_no_reader(&database, look).await;
    }
}

async fn keep_no_reader(database: &Database, look: Look) {
    let key = new_key(database).await;
    let proxy = Proxy::before(&database.url).await;
    let mut serve = settings(database);
    serve.configuration.database.clone_from(&proxy.url);
    let instance = Instance::with(serve, &key).await;
    let store = instance.running.service.store();
    let at_once = || join_all((0..READERS).map(|_| look(Arc::clone(store))));
    // The writer's is one more.
    while proxy.connections() <= READERS as u64 {
        assert!(at_once().await.into_iter().all(|answered| answered), "the database answers");
    }
    // The pool asks each that comes back whether it lives, and would wait for that answer for ever.
    while idle(&instance) < READERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.silence();
    let given_up = tokio::time::timeout(GIVEN_UP_AFTER, at_once()).await;
    assert!(given_up.is_err(), "silent connections do not answer");
    let begun = Instant::now();
    while !all_places_are_free(store).await {
        assert!(begun.elapsed() < SERVED_WITHIN, "readers stay with what is silent");
    }
    instance.stop().await;
}

/// Connections that wait in the pool.
fn idle(instance: &Instance) -> usize {
    let service = &instance.running.service;
    service.store().take_stock();
    let text = service.meters().text();
    let mut lines = text.lines();
    let said =
        lines.find_map(|it| it.strip_prefix(r#"threadline_database_connections{state="idle"} "#));
    said.and_then(|number| number.parse().ok()).expect("it is counted")
}

/// Whether so many read at one moment as there are places.
async fn all_places_are_free(store: &Arc<Store>) -> bool {
    let all = Arc::new(Barrier::new(READERS));
    let reading = (0..READERS).map(|_| {
        let (mut reads, all) = (Reads::Outside(Arc::clone(store)), Arc::clone(&all));
        async move {
            let load: Load<()> = Box::new(move |_| {
                Box::pin(async move {
                    all.wait().await;
                    Ok(())
                })
            });
            reads.load(load).await
        }
    });
    join_all(reading).await.iter().all(Result::is_ok)
}

/// An instance with the default budget, and a caller with a key that it has never looked at.
async fn with_an_unseen_key(database: &Database) -> (Instance, Calls) {
    let lasting = new_key(database).await;
    let mut serve = settings(database);
    serve.configuration.start_budget = BUDGET;
    let instance = Instance::with(serve, &lasting).await;
    let text = create(&instance.running.service, &anything()).await.expect("a key");
    let unseen = Calls::to(&instance.running, &text).await;
    (instance, unseen)
}

/// There is nothing to go by, not even for a degraded answer.
pub(crate) async fn a_start_with_a_key_that_nobody_has_seen(database: Arc<Database>) {
    let (instance, unseen) = with_an_unseen_key(&database).await;
    let held = instance.wheel.hold_every(Point::KeyRead);
    let starting = unseen.start(call("one", 1));
    let answer = tokio::time::timeout(BUDGET + TRANSPORT, starting).await;
    let answer = answer.expect("within its budget").expect("a call that ends");
    let refused = answer.err().expect("nobody knows who calls");
    comes_back_later(&refused, Code::Unavailable, "STORE_UNAVAILABLE");
    // Whoever has no budget waits until it is known.
    let waiting = instance.wheel.hold(Point::KeyAwaited);
    let reading =
        tokio::spawn(async move { unseen.get("one").await.err().map(|status| status.code()) });
    waiting.arrived().await;
    held.release();
    waiting.release();
    assert_eq!(reading.await.expect("a call that ends"), Some(Code::NotFound), "nothing was done");
    instance.stop().await;
}

/// A store that takes longer for a key than a start has: what it says is not lost with that start.
pub(crate) async fn a_look_that_outlives_its_start(database: Arc<Database>) {
    let (instance, unseen) = with_an_unseen_key(&database).await;
    let slow = instance.wheel.hold_every(Point::KeyRead);
    let answer = unseen.start(call("one", 1)).await.expect("a call that ends");
    let refused = answer.err().expect("nobody knows who calls");
    comes_back_later(&refused, Code::Unavailable, "STORE_UNAVAILABLE");
    slow.arrived().await;
    // Whatever is looked at from here on is not answered.
    let silent = instance.wheel.hold_every(Point::KeyRead);
    slow.release();
    let begun = Instant::now();
    while unseen.start(call("one", 1)).await.expect("a call that ends").is_err() {
        assert!(begun.elapsed() < SEEN_WITHIN, "what the look saw was thrown away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    silent.release();
    assert!(!eventually(&unseen, "one", 1).await.is_empty());
    instance.stop().await;
}

/// Whoever guesses keys and goes away holds up nobody: beyond some, looks end with who waits for them.
pub(crate) async fn guesses_that_are_given_up_end(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let held = instance.wheel.hold_every(Point::KeyRead);
    let guess = || {
        let service = Arc::clone(&instance.running.service);
        let text = ApiKey::generate(TenantId(1), false, &Entropy::System).text();
        tokio::spawn(async move { service.authenticate(&text).await.is_ok() })
    };
    let guesses: Vec<JoinHandle<bool>> = (0..LOOKS).map(|_| guess()).collect();
    held.arrived_times(LOOKS).await;
    guesses.iter().for_each(JoinHandle::abort);
    let another = guess();
    held.arrived_times(LOOKS + 1).await;
    another.abort();
    held.gave_up().await;
    held.release();
    instance.stop().await;
}
