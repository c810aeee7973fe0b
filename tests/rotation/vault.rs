//! What lies in `data_key`: many wrapped keys to rotate, and which versions open them.

use sqlx::Row as _;
use threadline::crypto::{DataKey, RootKeys, Wrapped};
use threadline::ids::{Entropy, KeyId, TenantId};

use crate::database::Database;

/// Puts so many more data keys into tenant 1, wrapped by `version`, as many customers would have them.
pub(crate) async fn fill(database: &Database, keys: &RootKeys, version: i64, count: usize) {
    let mut connection = database.connect().await;
    sqlx::query("BEGIN").execute(&mut connection).await.expect("a transaction");
    for _ in 0..count {
        let key = DataKey::generate(&Entropy::System);
        let wrapped = keys.wrap(version, TenantId(1), &key, &Entropy::System).expect("wrapped");
        let sql = "INSERT INTO data_key (tenant, data_key, root_version, wrapped) \
                   VALUES (1, $1, $2, $3)";
        let insert = sqlx::query(sql).bind(key.id().0).bind(version).bind(wrapped.bytes);
        insert.execute(&mut connection).await.expect("a row");
    }
    sqlx::query("COMMIT").execute(&mut connection).await.expect("a commit");
}

/// How many keys versions below `version` wrap.
pub(crate) async fn below(database: &Database, version: i64) -> i64 {
    let mut connection = database.connect().await;
    let sql = "SELECT COUNT(*) FROM data_key WHERE root_version < $1";
    let count = sqlx::query_scalar(sql).bind(version).fetch_one(&mut connection).await;
    count.expect("a count")
}

/// How many rows there are, and how many of them these keys open.
pub(crate) async fn opened(database: &Database, keys: &RootKeys) -> (usize, usize) {
    let mut connection = database.connect().await;
    let sql = "SELECT tenant, data_key, root_version, wrapped FROM data_key";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the rows");
    let opens = rows.iter().filter(|row| {
        // Whatever version the row names: nothing may open it.
        keys.versions().into_iter().chain([row.get(2)]).any(|version| {
            let wrapped = Wrapped { version, bytes: row.get(3) };
            keys.unwrap(TenantId(row.get(0)), KeyId(row.get(1)), &wrapped).is_ok()
        })
    });
    (rows.len(), opens.count())
}
