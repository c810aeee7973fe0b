//! Merges as they are read: the edges between customers, with their history.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::read::{bytes16, time};
use super::rows::{MergeRow, MergeState};
use super::statement::{self, Keyed, keyed};
use crate::ids::{CustomerId, TenantId, Token};

const TABLE: &str = "customer_merge";
const BY_ID: Keyed = keyed!(
    "SELECT merge_id, one, other, state, made, undone, content, revision \
     FROM customer_merge WHERE tenant = $1 AND merge_id"
);
/// By the indexes alone: asked for more, SQLite would walk all of the tenant's merges.
const IDS: [Keyed; 2] = [
    keyed!("SELECT merge_id FROM customer_merge WHERE tenant = $1 AND one"),
    keyed!("SELECT merge_id FROM customer_merge WHERE tenant = $1 AND other"),
];

/// Every merge that one of these customers ever took part in, by its id.
///
/// # Errors
/// As the database's.
pub async fn merges(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
) -> Result<Vec<MergeRow>, Error> {
    let mut ids: BTreeSet<Token> = BTreeSet::new();
    for sql in IDS {
        for row in statement::select_in(connection, tenant, sql, customers).await? {
            ids.insert(Token(bytes16(&row, 0, TABLE)?));
        }
    }
    let ids: Vec<Token> = ids.into_iter().collect();
    let rows = statement::select_in(connection, tenant, BY_ID, &ids).await?;
    rows.iter().map(merge_row).collect()
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
    let rows = statement::select_in(connection, tenant, BY_ID, &[merge_id]).await?;
    rows.first().map(merge_row).transpose()
}

fn merge_row(row: &AnyRow) -> Result<MergeRow, Error> {
    Ok(MergeRow {
        merge_id: Token(bytes16(row, 0, TABLE)?),
        one: CustomerId(bytes16(row, 1, TABLE)?),
        other: CustomerId(bytes16(row, 2, TABLE)?),
        state: MergeState::from_code(row.try_get(3)?).ok_or(Error::Damaged { table: TABLE })?,
        made: time(row, 4)?,
        undone: time(row, 5)?,
        content: row.try_get(6)?,
        revision: row.try_get(7)?,
    })
}
