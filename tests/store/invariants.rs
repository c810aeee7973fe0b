//! What must be true of the rows whatever was done, read past the store.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, Row as _};
use threadline::store::rows::Verb;

async fn none(connection: &mut AnyConnection, what: &str, sql: &'static str) {
    let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("a count");
    assert_eq!(found, 0, "{what}");
}

/// Fails unless rows agree with one another.
pub(crate) async fn verify(connection: &mut AnyConnection, tenant: i64) {
    let missing = [
        (
            "a link without a head",
            "SELECT COUNT(*) FROM link l LEFT JOIN head h ON h.tenant = l.tenant \
             AND h.token = l.token WHERE h.token IS NULL",
        ),
        (
            "a link without a customer",
            "SELECT COUNT(*) FROM link l LEFT JOIN customer c ON c.tenant = l.tenant \
             AND c.customer = l.customer WHERE c.customer IS NULL OR LENGTH(c.moved_to) > 0",
        ),
        (
            "a contact without a customer",
            "SELECT COUNT(*) FROM interaction i LEFT JOIN customer c ON c.tenant = i.tenant \
             AND c.customer = i.customer WHERE c.customer IS NULL OR LENGTH(c.moved_to) > 0",
        ),
        (
            "a customer without a data key",
            "SELECT COUNT(*) FROM customer c LEFT JOIN data_key k ON k.tenant = c.tenant \
             AND k.data_key = c.data_key WHERE k.data_key IS NULL AND LENGTH(c.moved_to) = 0",
        ),
        (
            "a fact without its contact",
            "SELECT COUNT(*) FROM intent_fact f LEFT JOIN interaction i ON i.tenant = f.tenant \
             AND i.customer = f.customer AND i.interaction = f.interaction \
             WHERE i.customer IS NULL",
        ),
        (
            "two rows at one position",
            "SELECT COUNT(*) FROM (SELECT position FROM journal GROUP BY tenant, position \
             HAVING COUNT(*) > 1) AS twice",
        ),
        (
            "contacts that are not the counted interactions",
            "SELECT COUNT(*) FROM customer c WHERE LENGTH(c.moved_to) = 0 AND c.contacts <> \
             (SELECT COUNT(*) FROM interaction i WHERE i.tenant = c.tenant \
             AND i.customer = c.customer AND i.counted = 1)",
        ),
        (
            "a counted interaction that is not settled",
            "SELECT COUNT(*) FROM interaction WHERE counted = 1 AND confirmed = 0",
        ),
    ];
    for (what, sql) in missing {
        none(connection, what, sql).await;
    }
    ends_are_filed_once(connection, tenant).await;
    crate::audit::verify(connection, tenant).await;
}

/// Every interaction that ended is in exactly one history: its customer's.
async fn ends_are_filed_once(connection: &mut AnyConnection, tenant: i64) {
    let sql = "SELECT interaction, customer, verb FROM journal WHERE tenant = $1 ORDER BY position";
    let rows = sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("a journal");
    let (mut ended, mut newest) = (BTreeSet::new(), BTreeMap::new());
    for row in &rows {
        let interaction: Vec<u8> = row.get(0);
        if row.get::<i64, _>(2) == Verb::End as i64 {
            ended.insert(interaction.clone());
        }
        newest.insert(interaction, row.get::<Vec<u8>, _>(1));
    }
    let sql = "SELECT interaction, customer FROM interaction WHERE tenant = $1 AND state > 0";
    let rows = sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("contacts");
    let mut filed: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for row in &rows {
        filed.entry(row.get(0)).or_default().push(row.get(1));
    }
    for interaction in &ended {
        let places = filed.get(interaction).map_or(&[][..], Vec::as_slice);
        assert_eq!(places, [newest[interaction].clone()], "filed once, with its customer");
    }
    for interaction in filed.keys() {
        assert!(ended.contains(interaction), "what is filed as ended has an end");
    }
}
