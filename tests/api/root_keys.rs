//! The root key's versions between instances: who missed a rotation, what was destroyed meanwhile, a
//! tenant in the making.

use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};
use threadline::cli::keys::{NewKey, create};
use threadline::clock::Clock;
use threadline::continuity::Service;
use threadline::continuity::rotate_root_key::{Rewrapped, StillNeeded};
use threadline::crypto::RootKeys;
use threadline::grpc::proto::EndInteractionRequest;
use threadline::ids::{Entropy, KeyId, TenantId};
use threadline::server::{Configuration, Layers, Serve};
use threadline::store::Schedule;
use threadline::store::root_keys::{Rewrap, WrappedRow};
use tonic::Code;

use crate::support::client::assert_refused;
use crate::support::requests::{call, email_hint, end, get, start};
use crate::support::{Engine, ROOT_KEY, World, each_engine};

each_engine!(
    who_missed_a_rotation_writes_nothing_with_the_old_version,
    what_was_destroyed_is_not_wrapped_anew,
    a_version_is_retired_only_when_nothing_needs_it,
);

/// The key of the worlds, and a second version.
pub(super) fn both() -> RootKeys {
    let one = RootKeys::from_base64(ROOT_KEY).expect("a key");
    one.with_new(2, &Entropy::seeded(7)).expect("two versions")
}

/// Another instance, which reads these versions.
pub(super) async fn instance(world: &World, keys: &RootKeys) -> anyhow::Result<Arc<Service>> {
    let database = Some(world.database.clone());
    let configuration = Configuration::parse("", &Layers { database, ..Layers::default() })?;
    let serve = Serve {
        configuration,
        root_key: Some(keys.to_text().to_string()),
        clock: Clock::System,
        entropy: Entropy::System,
        schedule: Schedule::Free,
    };
    serve.open().await
}

/// The second version wraps, without waiting for anybody who serves.
pub(super) async fn use_second(service: &Service) {
    service.announce_root_key(2).await.expect("announced");
    service.store().use_root_key(2).await.expect("in use");
}

async fn wrapped(world: &World) -> Vec<(i64, i64)> {
    let mut connection = world.connect().await;
    let sql = "SELECT root_version, COUNT(*) FROM data_key GROUP BY root_version ORDER BY 1";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the keys");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// It serves with the first version alone, and never hears of the second: as if it had been out of
/// reach while the others rotated.
async fn who_missed_a_rotation_writes_nothing_with_the_old_version(engine: Engine) {
    let world = World::on(engine).await;
    let phone = world.client(&World::new_key(&["telephony", "agent"])).await;
    phone.start(call("known", "+14155550100")).await.expect("a start");
    let other = instance(&world, &both()).await.expect("an instance");
    use_second(&other).await;
    let done = other.rewrap_keys().await.expect("wrapped anew");
    assert_eq!(done, Rewrapped { done: 2, left: 0 }, "the tenant's key and the customer's");
    assert_eq!(wrapped(&world).await, [(2, 2)]);

    // What others have wrapped it cannot open, and what somebody new needs it cannot wrap: either is
    // for another instance to do.
    let heard = world.running.service.follow_root_keys().await;
    assert!(heard.is_err_and(|error| error.to_string().contains("version 2")));
    match phone.get(get("known")).await {
        Ok(_) => assert_eq!(engine, Engine::Postgres, "only what is remembered can be shown"),
        refused => drop(assert_refused(refused, Code::Unavailable, "STORE_UNAVAILABLE")),
    }
    let new = phone.start(call("new", "+14155550101")).await.expect("an answer");
    assert!(new.degraded && new.customer_ref.is_empty(), "{}", new.degraded_reason);
    let alone = EndInteractionRequest {
        channel: "email".into(),
        identity_hints: Some(email_hint("ada@example.com")),
        ..end("alone")
    };
    let refused = assert_refused(phone.end(alone).await, Code::Unavailable, "STORE_UNAVAILABLE");
    assert!(refused.retry.is_some());
    let tenant = NewKey { tenant: "late".into(), ..World::new_key(&["admin"]) };
    assert!(create(&world.running.service, &tenant).await.is_err(), "no tenant either");
    assert_eq!(wrapped(&world).await, [(2, 2)], "nothing was wrapped with the old version");
    assert_eq!(other.retire_root_key(1).await.expect("a look"), Ok(2));
    assert_eq!(wrapped(&world).await, [(2, 2)]);
    other.store().close().await;
    world.close().await;
}

/// A sweep removes a customer between the look at the wrapped key and its new wrapping.
async fn what_was_destroyed_is_not_wrapped_anew(engine: Engine) {
    let world = World::on(engine).await;
    let phone = world.role("telephony").await;
    for id in ["one", "two"] {
        phone.start(start(id, "voice")).await.expect("a start");
    }
    let store = world.running.service.store();
    let tenant = TenantId(1);
    let rows = store.wrapped_below(tenant, KeyId(0), 2, 10).await.expect("the keys");
    assert_eq!(rows.len(), 3);
    let mut connection = world.connect().await;
    let sql = "DELETE FROM data_key WHERE data_key = $1";
    let gone = sqlx::query(sql).bind(rows[1].key.0).execute(&mut connection).await;
    assert_eq!(gone.expect("destroyed").rows_affected(), 1);
    let anew = |row: &WrappedRow, before: &[u8]| Rewrap {
        key: row.key,
        before: before.to_vec(),
        after: vec![9; 61],
    };
    let keys = vec![
        anew(&rows[0], &rows[0].wrapped),
        anew(&rows[1], &rows[1].wrapped),
        // Somebody else has wrapped it anew in the meantime.
        anew(&rows[2], b"what it was before"),
    ];
    assert_eq!(store.rewrap(tenant, 2, keys).await.expect("a rewrap"), 1);
    let left = store.wrapped_below(tenant, KeyId(0), 9, 10).await.expect("the keys");
    let left: Vec<(KeyId, i64)> = left.iter().map(|row| (row.key, row.version)).collect();
    assert_eq!(left, [(rows[0].key, 2), (rows[2].key, 1)], "what was destroyed stays so");
    world.close().await;
}

async fn a_version_is_retired_only_when_nothing_needs_it(engine: Engine) {
    let world = World::on(engine).await;
    world.role("telephony").await.start(start("one", "voice")).await.expect("a start");
    let service = instance(&world, &both()).await.expect("an instance");
    let retired = async |version| service.retire_root_key(version).await.expect("a look");
    assert_eq!(retired(1).await, Err(StillNeeded::Wraps));
    assert_eq!(retired(5).await, Err(StillNeeded::Unknown));
    use_second(&service).await;
    assert_eq!(retired(1).await, Err(StillNeeded::Open), "a tenant may get keys it wraps");
    for (tenant, _) in service.store().oldest_versions().await.expect("the tenants") {
        service.store().close_to_older(tenant, 2).await.expect("closed");
    }
    assert_eq!(retired(1).await, Err(StillNeeded::Keys(2)));
    service.rewrap_keys().await.expect("wrapped anew");
    // One key is damaged: whatever opens it is not thrown away.
    let mut connection = world.connect().await;
    let damage =
        "UPDATE data_key SET wrapped = $1 WHERE data_key = (SELECT MIN(data_key) FROM data_key)";
    let sql = "SELECT wrapped FROM data_key WHERE data_key = (SELECT MIN(data_key) FROM data_key)";
    let whole: Vec<u8> = sqlx::query(sql).fetch_one(&mut connection).await.expect("a key").get(0);
    let put = async |bytes: Vec<u8>, connection: &mut AnyConnection| {
        sqlx::query(damage).bind(bytes).execute(connection).await.expect("a write");
    };
    put(vec![1; whole.len()], &mut connection).await;
    assert_eq!(retired(1).await, Err(StillNeeded::Unopened(1)));
    put(whole, &mut connection).await;
    assert_eq!(retired(1).await, Ok(2));
    assert_eq!(retired(1).await, Ok(2), "done again, it is done");
    // The retired key alone opens nothing.
    let one = RootKeys::from_base64(ROOT_KEY).expect("a key");
    let refused = instance(&world, &one).await.err().expect("it does not begin");
    assert!(refused.to_string().contains("needs version 2"), "{refused}");
    let two = both().without(|version| version == 1).expect("the second");
    let alone = instance(&world, &two).await.expect("the second opens everything");
    alone.store().close().await;
    service.store().close().await;
    world.close().await;
}
