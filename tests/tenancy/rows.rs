//! All rows of one tenant, as text: what must not have changed by a byte, stamps among it.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use threadline::ids::TenantId;

use crate::support::{Engine, World};

/// Columns that change although nobody has asked for it: keys' last uses are noted now and then.
const NOTED_LATE: &[(&str, &str)] = &[("api_key", "used")];

/// Every row that the tenant has, by table.
pub async fn of(world: &World, tenant: TenantId) -> BTreeMap<String, Vec<String>> {
    let mut connection = world.connect().await;
    let columns = match world.engine {
        Engine::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
             WHERE m.type = 'table'"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
             FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sqlx::query(columns).fetch_all(&mut connection).await.expect("the tables") {
        tables.entry(row.get(0)).or_default().push(row.get(1));
    }
    tables.retain(|_, columns| columns.iter().any(|column| column == "tenant"));
    assert!(tables.len() > 10, "only {} tables", tables.len());
    let mut found = BTreeMap::new();
    for (table, columns) in tables {
        let kept = columns.iter().filter(|column| !NOTED_LATE.contains(&(&*table, column)));
        let shown: Vec<String> = kept.map(|column| shown(world.engine, column)).collect();
        let text = format!(
            "SELECT {} FROM {table} WHERE tenant = {} ORDER BY 1",
            shown.join(" || '|' || "),
            tenant.0
        );
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await;
        let rows = rows.expect("the rows").iter().map(|row| row.get(0)).collect();
        found.insert(table, rows);
    }
    connection.close().await.expect("the database");
    found
}

fn shown(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => format!("quote(\"{column}\")"),
        Engine::Postgres => format!("COALESCE(CAST(\"{column}\" AS TEXT), 'null')"),
    }
}
