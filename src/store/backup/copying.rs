//! Copying tables out: all of one moment, while others write.

use std::io;

use futures_util::TryStreamExt as _;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::schema::{self, Kind, Table};
use super::{CopyFailed, Origin, Value};
use crate::ids::TenantId;
use crate::store::statement::{self, Across, Arguments, scoped};
use crate::store::{Error, Store};

/// Takes what is copied, in order: the origin, then tables, each with its rows.
pub trait Taker: Send {
    /// What all of it is a copy of.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn begin(&mut self, origin: &Origin) -> io::Result<()>;

    /// The rows that follow are this tenant's, of this table.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn table(&mut self, tenant: TenantId, table: &Table) -> io::Result<()>;

    /// A row of the last table, its values in the order of the columns.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn row(&mut self, values: &[Value]) -> io::Result<()>;
}

impl Store {
    /// Copies every row of every tenant in one read transaction, row by row: as large as the store
    /// may be, no more than a few rows are in memory. While it goes on, SQLite's log is not taken
    /// away, and PostgreSQL keeps rows that were deleted meanwhile.
    ///
    /// # Errors
    /// As the database's and the taker's.
    pub async fn copy_out(&self, taker: &mut impl Taker) -> Result<(), CopyFailed> {
        let mut connection = self.reader(self.engine.begin_read()).await?;
        let copied = self.copy_all(&mut connection, taker).await;
        let ended =
            copied.is_ok() && statement::command(&mut connection, scoped!("COMMIT")).await.is_ok();
        if !ended {
            // A connection in an unknown state goes back to nobody.
            drop(connection.detach());
        }
        copied
    }

    async fn copy_all(
        &self,
        connection: &mut AnyConnection,
        taker: &mut impl Taker,
    ) -> Result<(), CopyFailed> {
        if let Some(unhurried) = self.engine.unhurried_transaction() {
            statement::command(connection, unhurried).await?;
        }
        self.saw_store_time(self.engine.store_time(connection).await?);
        let sql = scoped!("SELECT name FROM installation WHERE tenant = $1");
        let query = statement::query(sql, Arguments::of(TenantId(0)));
        let installation = query.fetch_one(&mut *connection).await?.try_get(0)?;
        let migration = schema::migration(connection).await?;
        taker.begin(&Origin { installation, migration, time: self.now() })?;
        let tables = schema::tables(connection).await?;
        let rows = statement::across(Across::Tenants).fetch_all(&mut *connection).await?;
        let numbers = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
        // The installation's own rows stand under 0.
        for tenant in std::iter::once(0).chain(numbers).map(TenantId) {
            for table in &tables {
                copy_table(connection, tenant, table, taker).await?;
            }
        }
        Ok(())
    }
}

async fn copy_table(
    connection: &mut AnyConnection,
    tenant: TenantId,
    table: &Table,
    taker: &mut impl Taker,
) -> Result<(), CopyFailed> {
    taker.table(tenant, table)?;
    let query = statement::rows_of(table, tenant);
    let mut rows = query.fetch(&mut *connection);
    let mut values = Vec::with_capacity(table.columns.len());
    while let Some(row) = rows.try_next().await? {
        values.clear();
        for (index, column) in table.columns.iter().enumerate() {
            values.push(value(&row, index, column.kind).map_err(|_| damaged(table))?);
        }
        taker.row(&values)?;
    }
    Ok(())
}

fn value(row: &AnyRow, index: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    Ok(match kind {
        Kind::Number => Value::Number(row.try_get(index)?),
        Kind::Text => Value::Text(row.try_get(index)?),
        Kind::Bytes => Value::Bytes(row.try_get(index)?),
    })
}

fn damaged(table: &Table) -> Error {
    Error::Configuration(format!("a row of {} holds what its columns cannot hold", table.name))
}
