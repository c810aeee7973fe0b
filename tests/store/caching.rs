//! What the cache saves, and that it never answers with what was.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use threadline::grpc::proto::{IntentStatus, Recommendation, StartInteractionResponse};

use crate::database::Database;
use crate::keys::new_key;
use crate::serving::{Served, end, hints, start};

const TABLES: [&str; 12] = [
    "tenant",
    "data_key",
    "api_key",
    "customer",
    "head",
    "link",
    "interaction",
    "intent_fact",
    "block",
    "label",
    "journal",
    "audit_link",
];

async fn counts(connection: &mut AnyConnection) -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for table in TABLES {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let rows = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("a count");
        counts.insert(table, rows);
    }
    counts
}

async fn stamps(connection: &mut AnyConnection, table: &str) -> Vec<i64> {
    let sql = AssertSqlSafe(format!("SELECT stamp FROM {table} ORDER BY stamp"));
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.expect("stamps");
    rows.iter().map(|row| row.get(0)).collect()
}

fn recommended(answer: &StartInteractionResponse) -> Recommendation {
    answer.identity.as_ref().expect("an identity").recommendation()
}

async fn started(served: &mut Served, id: &str) -> StartInteractionResponse {
    let answer = served.interactions.start_interaction(start(id, hints(1))).await;
    let answer = answer.expect("an answer").into_inner();
    assert!(!answer.degraded, "{}", answer.degraded_reason);
    answer
}

async fn ended(served: &mut Served, id: &str) {
    served.interactions.end_interaction(end(id)).await.expect("an end");
}

pub(crate) async fn a_start_from_the_cache_reads_nothing(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut served = Served::on(&database, &key).await;
    started(&mut served, "one").await;
    ended(&mut served, "one").await;
    let loaded = started(&mut served, "two").await;
    let mut connection = database.connect().await;
    let before = counts(&mut connection).await;
    let (heads, customers) =
        (stamps(&mut connection, "head").await, stamps(&mut connection, "customer").await);
    let read = served.running.service.store().snapshots_read();
    let cached = started(&mut served, "three").await;
    assert_eq!(served.running.service.store().snapshots_read(), read, "nothing is read");
    let mut expected = before;
    for table in ["journal", "audit_link"] {
        *expected.get_mut(table).expect("a table") += 1;
    }
    assert_eq!(counts(&mut connection).await, expected, "its journal row, and nothing else");
    assert_eq!(stamps(&mut connection, "head").await, heads);
    assert_eq!(stamps(&mut connection, "customer").await, customers);
    // And the answer is the whole answer.
    assert!(recommended(&cached) == Recommendation::Reuse);
    assert_eq!(cached.customer_ref, loaded.customer_ref);
    assert_eq!(cached.variables["last"].value, "of one");
    assert_eq!(cached.open_intents.len(), 1);
    assert_eq!(cached.recent_interactions[0].summary, "summary of one");
    crate::audit::verify(&mut connection, 1).await;
    served.running.stop().await.expect("it stops");
}

/// The customer is new, ends, and comes back twice, amended meanwhile: their own instance reads
/// nothing from the store, and shows what another one reads there.
pub(crate) async fn what_was_written_is_not_read_again(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut served = Served::on(&database, &key).await;
    // Whatever everybody shares is known from here on: the key, the labels.
    served.interactions.start_interaction(start("else", hints(2))).await.expect("an answer");
    served.interactions.end_interaction(end("else")).await.expect("an end");
    let read = served.running.service.store().snapshots_read();
    started(&mut served, "one").await;
    let looked_up = served.running.service.store().snapshots_read();
    assert_eq!(looked_up, read + 1, "whether anybody has what it shows");
    ended(&mut served, "one").await;
    started(&mut served, "two").await;
    let mut amended = end("one");
    amended.revision = Some(1);
    amended.intents[0].reference = "INV-1".into();
    served.interactions.end_interaction(amended).await.expect("an amendment");
    ended(&mut served, "two").await;
    let own = started(&mut served, "three").await;
    assert_eq!(served.running.service.store().snapshots_read(), looked_up, "nothing is read");
    assert_eq!(own.variables["last"].value, "of two");
    let mut other = Served::on(&database, &key).await;
    let loaded = started(&mut other, "three").await;
    assert!(own.variables == loaded.variables && own.open_intents == loaded.open_intents);
    assert!(own.recent_interactions == loaded.recent_interactions);
    other.running.stop().await.expect("it stops");
    served.running.stop().await.expect("it stops");
}

/// Two servers on one database, each with a cache: what one acknowledged, the other shows.
pub(crate) async fn another_instance_is_seen(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut one = Served::on(&database, &key).await;
    let mut two = Served::on(&database, &key).await;
    started(&mut one, "first").await;
    ended(&mut one, "first").await;
    for round in 0..5 {
        let (own, other) = (format!("own {round}"), format!("other {round}"));
        started(&mut two, &own).await;
        started(&mut one, &other).await;
        ended(&mut one, &other).await;
        let seen = started(&mut two, &format!("after {round}")).await;
        assert_eq!(seen.variables["last"].value, format!("of {other}"), "round {round}");
        assert_eq!(seen.open_intents.len(), 1, "open again in round {round}");
        ended(&mut two, &own).await;
        let back = started(&mut one, &format!("back {round}")).await;
        assert_eq!(back.variables["last"].value, format!("of {own}"), "round {round}");
        let mut resolving = end(&format!("back {round}"));
        resolving.intents[0].status = IntentStatus::Resolved.into();
        one.interactions.end_interaction(resolving).await.expect("an end");
        let seen = started(&mut two, &format!("resolved {round}")).await;
        assert!(seen.open_intents.is_empty(), "resolved elsewhere in round {round}");
    }
    crate::audit::verify(&mut database.connect().await, 1).await;
    one.running.stop().await.expect("it stops");
    two.running.stop().await.expect("it stops");
}

/// A head's stamp says who its owners are: a use does not change it, a link does.
pub(crate) async fn stamps_change_with_links_only(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut served = Served::on(&database, &key).await;
    let mut connection = database.connect().await;
    started(&mut served, "one").await;
    ended(&mut served, "one").await;
    let heads = stamps(&mut connection, "head").await;
    let customers = stamps(&mut connection, "customer").await;
    assert_eq!((heads.len(), customers.len()), (2, 1));
    started(&mut served, "two").await;
    ended(&mut served, "two").await;
    assert_eq!(stamps(&mut connection, "head").await, heads, "the same owners");
    assert_ne!(stamps(&mut connection, "customer").await, customers, "another context");
    // A new identifier of the same customer is a new head; the others stay as they are.
    let mut more = hints(1);
    more.external_ids.insert("user_id".into(), "u-1".into());
    served.interactions.start_interaction(start("three", more)).await.expect("an answer");
    let later = stamps(&mut connection, "head").await;
    assert_eq!(later.len(), 3);
    assert_eq!(heads.iter().filter(|stamp| later.contains(stamp)).count(), 2);
    served.running.stop().await.expect("it stops");
}
