//! Whole tables, of whatever shape: a backup's texts. The tenant is in each of them, put there by
//! nobody but this file; names are the catalogue's, never anything that a file says.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::Arguments;
use crate::ids::TenantId;
use crate::store::Engine;
use crate::store::backup::Value;
use crate::store::backup::schema::Table;

/// All rows of a tenant's table, its columns in the table's order.
pub(in crate::store) fn rows_of<'q>(
    table: &Table,
    tenant: TenantId,
) -> Query<'q, Any, AnyArguments> {
    let names: Vec<String> =
        table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    // The journal is the one that is read in the order in which it lies on the disk.
    let order = if table.name == "journal" { " ORDER BY position" } else { "" };
    let (names, name) = (names.join(", "), &table.name);
    let text = format!("SELECT {names} FROM \"{name}\" WHERE tenant = $1{order}");
    sqlx::query_with(AssertSqlSafe(text), Arguments::of(tenant).0)
}

/// Inserts rows of a table. On PostgreSQL the tenant is bound once; on SQLite, where numbered
/// parameters are slow, with every row (as in `inserting.rs`).
pub(in crate::store) fn insert_whole<'q>(
    engine: Engine,
    tenant: TenantId,
    table: &Table,
    rows: &[Vec<Value>],
) -> Query<'q, Any, AnyArguments> {
    let mut arguments = Arguments(AnyArguments::default());
    for (index, row) in rows.iter().enumerate() {
        if index == 0 || engine == Engine::Sqlite {
            arguments.push(&tenant.0);
        }
        row.iter().for_each(|value| match value {
            Value::Number(number) => arguments.push(number),
            Value::Text(text) => arguments.push(text),
            Value::Bytes(bytes) => arguments.push(bytes),
        });
    }
    sqlx::query_with(AssertSqlSafe(insert_text(engine, table, rows.len())), arguments.0)
}

fn insert_text(engine: Engine, table: &Table, rows: usize) -> String {
    let width = table.columns.len();
    let columns: String =
        table.columns.iter().map(|column| format!(", \"{}\"", column.name)).collect();
    let row = |row: usize| match engine {
        Engine::Sqlite => format!("(?{})", ", ?".repeat(width)),
        Engine::Postgres => {
            let first = 2 + row * width;
            let values = (first..first + width).map(|next| format!(", ${next}"));
            format!("($1{})", values.collect::<String>())
        }
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    let (name, conflict) = (&table.name, on_conflict(&table.name));
    format!("INSERT INTO \"{name}\" (tenant{columns}) VALUES {} {conflict}", rows.join(", "))
}

/// What becomes of a row that is there already. Of two states of an API key the stricter stands, so
/// that one that was revoked stays so.
fn on_conflict(table: &str) -> &'static str {
    match table {
        "api_key" => {
            "ON CONFLICT (tenant, id) DO UPDATE SET \
             revoked = CASE WHEN api_key.revoked = 0 \
             OR (excluded.revoked > 0 AND excluded.revoked < api_key.revoked) \
             THEN excluded.revoked ELSE api_key.revoked END, \
             expires = CASE WHEN api_key.expires = 0 \
             OR (excluded.expires > 0 AND excluded.expires < api_key.expires) \
             THEN excluded.expires ELSE api_key.expires END, \
             used = CASE WHEN excluded.used > api_key.used \
             THEN excluded.used ELSE api_key.used END, \
             replaced_by = CASE WHEN api_key.replaced_by = '' \
             THEN excluded.replaced_by ELSE api_key.replaced_by END"
        }
        _ => "ON CONFLICT DO NOTHING",
    }
}
