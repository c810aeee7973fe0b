//! Walks a tenant's audit chain with a formula written a second time, from the rows alone.

use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

/// Fails unless every link follows from the one before and the rows it covers, every row is
/// covered, and the tenant's head holds the last link. How many rows there are.
pub(crate) async fn verify(connection: &mut AnyConnection, tenant: i64) -> usize {
    let sql = "SELECT verb, position, received, time, outcome, interaction, part, fingerprint, \
               channel, customer, caller, state, digest FROM journal WHERE tenant = $1 \
               ORDER BY position";
    let rows = sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("a journal");
    let sql = "SELECT position, entries, hash FROM audit_link WHERE tenant = $1 ORDER BY position";
    let links = sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("links");
    let (mut before, mut next) = (vec![0u8; 32], rows.iter());
    for link in &links {
        let mut hash = Sha256::new();
        hash.update(&before);
        let mut last = 0;
        for row in next.by_ref().take(link.get::<i64, _>(1) as usize) {
            hash.update(row_hash(row));
            last = row.get(1);
        }
        assert_eq!(link.get::<i64, _>(0), last, "a link stands at its last row");
        assert_eq!(link.get::<Vec<u8>, _>(2), hash.finalize().to_vec(), "link at {last}");
        before = link.get(2);
    }
    assert_eq!(next.len(), 0, "every row is covered by a link");
    let sql = "SELECT audit_hash FROM tenant_head WHERE tenant = $1";
    let head: Vec<u8> =
        sqlx::query_scalar(sql).bind(tenant).fetch_one(&mut *connection).await.expect("a head");
    assert_eq!(head, before, "the head holds the last link");
    rows.len()
}

fn row_hash(row: &AnyRow) -> Vec<u8> {
    let mut hash = Sha256::new();
    for column in 0..5 {
        hash.update(row.get::<i64, _>(column).to_be_bytes());
    }
    let digest = match row.get::<Vec<u8>, _>(12) {
        empty if empty.is_empty() => Sha256::digest(row.get::<Vec<u8>, _>(11)).to_vec(),
        digest => digest,
    };
    let parts: [Vec<u8>; 7] = [
        row.get(5),
        row.get(6),
        row.get(7),
        row.get::<String, _>(8).into_bytes(),
        row.get(9),
        row.get::<String, _>(10).into_bytes(),
        digest,
    ];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(&part);
    }
    hash.finalize().to_vec()
}
