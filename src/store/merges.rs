//! Merges as they are read: the edges between customers, with their history.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::read::{bytes16, time};
use super::rows::{MergeRow, MergeState};
use super::statement;
use crate::ids::{CustomerId, TenantId, Token};

/// Every merge that one of these customers ever took part in, by its id.
///
/// # Errors
/// As the database's.
pub async fn merges(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<Vec<MergeRow>, Error> {
    let mut found: BTreeMap<Token, MergeRow> = BTreeMap::new();
    let columns = "SELECT merge_id, one, other, state, made, undone, content FROM customer_merge";
    for side in ["one", "other"] {
        let sql = format!("{columns} WHERE tenant = $1 AND {side}");
        for row in statement::select_in(connection, tenant, &sql, customers, "").await? {
            let merge = merge_row(&row)?;
            found.insert(merge.merge_id, merge);
        }
    }
    Ok(found.into_values().collect())
}

/// One merge; `None` when there is none of this id.
///
/// # Errors
/// As the database's.
pub async fn merge(
    connection: &mut AnyConnection,
    tenant: TenantId,
    merge_id: Token,
) -> Result<Option<MergeRow>, Error> {
    let sql = "SELECT merge_id, one, other, state, made, undone, content FROM customer_merge \
               WHERE tenant = $1 AND merge_id";
    let rows = statement::select_in(connection, tenant, sql, &[merge_id], "").await?;
    rows.first().map(merge_row).transpose()
}

fn merge_row(row: &AnyRow) -> Result<MergeRow, Error> {
    const TABLE: &str = "customer_merge";
    Ok(MergeRow {
        merge_id: Token(bytes16(row, 0, TABLE)?),
        one: CustomerId(bytes16(row, 1, TABLE)?),
        other: CustomerId(bytes16(row, 2, TABLE)?),
        state: MergeState::from_code(row.try_get(3)?).ok_or(Error::Damaged { table: TABLE })?,
        made: time(row, 4)?,
        undone: time(row, 5)?,
        content: row.try_get(6)?,
    })
}
