//! Walks a tenant's audit chain with a formula written a second time, from the rows alone.

use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Executor as _, Row as _};

/// All rows of a tenant's journal, in order, as [`row_hash`] reads them.
pub(crate) async fn rows(connection: &mut AnyConnection, tenant: i64) -> Vec<AnyRow> {
    let sql = "SELECT verb, position, received, time, outcome, interaction, part, fingerprint, \
               channel, customer, caller, state, digest, strips, hash FROM journal WHERE tenant = $1 \
               ORDER BY position";
    sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("a journal")
}

/// Fails unless every link follows from the one before and the rows it covers, every row is
/// covered, and the tenant's head holds the last link. How many rows there are.
pub(crate) async fn verify(connection: &mut AnyConnection, tenant: i64) -> usize {
    // Of one moment: reads leave entries behind their answers.
    let begin = match connection.backend_name() {
        "SQLite" => "BEGIN",
        _ => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    };
    connection.execute(begin).await.expect("a snapshot");
    let rows = rows(connection, tenant).await;
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
    let sql = "SELECT audit_hash, position FROM tenant_head WHERE tenant = $1";
    let head = sqlx::query(sql).bind(tenant).fetch_one(&mut *connection).await.expect("a head");
    assert_eq!(head.get::<Vec<u8>, _>(0), before, "the head holds the last link");
    let last = links.last().map_or(0, |link| link.get::<i64, _>(0));
    assert_eq!(head.get::<i64, _>(1), last, "and its position");
    connection.execute("COMMIT").await.expect("the end of a snapshot");
    rows.len()
}

/// A row's hash, from its columns alone.
pub(crate) fn row_hash(row: &AnyRow) -> Vec<u8> {
    let kept: Vec<u8> = row.get(14);
    if !kept.is_empty() {
        return kept;
    }
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
    let strips: Vec<u8> = row.get(13);
    if !strips.is_empty() {
        hash.update((strips.len() as u64).to_be_bytes());
        hash.update(&strips);
    }
    hash.finalize().to_vec()
}
