//! An entry that is swept away and made again while another instance still remembers it.

use std::sync::Arc;

use sqlx::Executor as _;
use threadline::cli::keys::{NewKey, create};
use threadline::clock::{Clock, DAY, Time};
use threadline::store::Engine;
use threadline::store::schedule::Point;

use crate::database::Database;
use crate::instance::{Instance, call, decided, rows};
use crate::keys::settings;

/// When the clock of SQLite's store begins.
const NOON: Time = Time(1_700_000_000_000);

/// A key of a test tenant, whose customers are kept for seven days.
async fn test_key(database: &Database, clock: &Clock) -> String {
    let mut serve = settings(database);
    serve.clock = clock.clone();
    let service = serve.open().await.expect("a service");
    let key = NewKey {
        tenant: "trial".into(),
        roles: ["telephony", "admin"].map(str::to_owned).to_vec(),
        source: "pbx".into(),
        may_address: Vec::new(),
        max_assurance: None,
        test: true,
    };
    let text = create(&service, &key).await.expect("a key");
    service.store().close().await;
    text
}

async fn instance(database: &Database, clock: &Clock, key: &str) -> Instance {
    let mut serve = settings(database);
    serve.clock = clock.clone();
    Instance::with(serve, key).await
}

/// Eight days pass, for the store.
async fn a_week_passes(database: &Database, clock: &Clock) {
    match database.engine {
        Engine::Sqlite => clock.set(clock.now().plus(8 * DAY)),
        Engine::Postgres => {
            // The database's clock cannot be set: what it has received becomes older.
            let sql = "UPDATE journal SET received = received - 691200000";
            database.connect().await.execute(sql).await.expect("a superuser may do this");
        }
    }
}

pub(crate) async fn an_entry_swept_and_made_again(database: Arc<Database>) {
    let clock = match database.engine {
        Engine::Sqlite => Clock::manual(NOON),
        Engine::Postgres => Clock::System,
    };
    let key = test_key(&database, &clock).await;
    let a = instance(&database, &clock, &key).await;
    let b = instance(&database, &clock, &key).await;
    // Before B decides, and while it has decided on the old owner and written nothing.
    for (number, between) in (1..).zip([None, Some(Point::Proposed), Some(Point::Taken)]) {
        let id = |what: &str| format!("{what} {number}");
        let old = a.calls.started(&id("first"), number).await.customer_ref;
        a.calls.ended(&id("first")).await;
        let cached = b.calls.started(&id("cached"), number).await;
        assert_eq!(cached.customer_ref, old, "B remembers them from here on");
        a_week_passes(&database, &clock).await;
        let held = between.map(|point| b.wheel.hold(point));
        let mut deciding = None;
        if let Some(held) = &held {
            deciding = Some(b.calls.start(call(&id("again"), number)));
            held.arrived().await;
        }
        let swept = a.running.service.sweep().await.expect("a sweep");
        assert_eq!(swept.purged, if number == 1 { 1 } else { 2 }, "the older one goes, too");
        drop(held);
        let again = match deciding {
            Some(deciding) => decided(deciding.await),
            None => b.calls.started(&id("again"), number).await,
        };
        assert!(again.new_customer && again.customer_ref != old, "at {between:?}");
        assert!(again.variables.is_empty() && again.recent_interactions.is_empty());
        let seen = a.calls.started(&id("seen"), number).await;
        assert_eq!(seen.customer_ref, again.customer_ref, "both see the new one");
        let seen = b.calls.started(&id("seen, too"), number).await;
        assert_eq!(seen.customer_ref, again.customer_ref);
        assert_eq!(rows(&database, "customer").await, 1, "and there is no other");
    }
    if database.engine == Engine::Sqlite {
        // On PostgreSQL this test has falsified the journal.
        crate::audit::verify(&mut database.connect().await, 1).await;
    }
    a.stop().await;
    b.stop().await;
}
