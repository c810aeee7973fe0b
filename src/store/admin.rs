//! Tenants: few rows, written by local commands.
//!
//! They are chores of this process's writer; a server that has the same SQLite file open notices
//! another process's writes by the file's data version.

use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use super::reads::{Load, who_calls};
use super::root_keys::RootKeyState;
use super::statement::{self, Across, Arguments, Scoped, scoped};
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{KeyId, TenantId};

/// A tenant as stored.
#[derive(Clone)]
pub struct TenantRow {
    /// Its number.
    pub tenant: TenantId,
    /// The operator's name for it.
    pub name: String,
    /// Whether its rows are purged after 7 days.
    pub test: bool,
    /// Its own data key.
    pub data_key: KeyId,
    /// Its sealed index, fingerprint and pseudonym keys.
    pub secrets: Vec<u8>,
}

/// A wrapped key of a new tenant: name, root version, bytes.
pub type NewKey = (KeyId, i64, Vec<u8>);

/// Shows whether a reader is broken, before a request meets it.
pub(super) const GREETING: Scoped = scoped!("SELECT 1");

impl Store {
    /// All tenants, by number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, Error> {
        let mut connection = self.readers.acquire().await?;
        let query = statement::across(Across::Tenants);
        query.fetch_all(&mut *connection).await?.iter().map(tenant_row).collect()
    }

    /// One tenant; `None` when there is none of that number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenant(self: &Arc<Self>, tenant: TenantId) -> Result<Option<TenantRow>, Error> {
        let sql =
            scoped!("SELECT tenant, name, test, data_key, secrets FROM tenant WHERE tenant = $1");
        let look: Load<Option<TenantRow>> = Box::new(move |connection| {
            Box::pin(async move {
                let query = statement::query(sql, Arguments::of(tenant));
                let row = query.fetch_optional(connection).await?;
                row.as_ref().map(tenant_row).transpose()
            })
        });
        who_calls(self, look).await
    }

    /// Adds a tenant under the next free number, which `seal` is told so that it can bind the
    /// tenant's secrets to it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_tenant(
        &self,
        name: &str,
        test: bool,
        seal: impl FnOnce(TenantId) -> (NewKey, Vec<u8>) + Send + 'static,
    ) -> Result<TenantRow, Error> {
        let (name, now) = (name.to_owned(), self.clock.now());
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let last =
                    statement::across(Across::LastTenant).fetch_one(&mut *connection).await?;
                let tenant = TenantId(last.try_get::<i64, _>(0)? + 1);
                let (key, secrets) = seal(tenant);
                let row = TenantRow { tenant, name, test, data_key: key.0, secrets };
                insert_tenant(connection, &row, &key, now).await?;
                Ok(row)
            })
        }))
        .await
    }

    /// Executes one statement as a chore; how many rows it touched.
    pub(super) async fn execute(&self, sql: Scoped, arguments: Arguments) -> Result<u64, Error> {
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                Ok(statement::query(sql, arguments).execute(connection).await?.rows_affected())
            })
        }))
        .await
    }
}

async fn insert_tenant(
    connection: &mut AnyConnection,
    row: &TenantRow,
    (data_key, version, wrapped): &NewKey,
    now: Time,
) -> Result<(), Error> {
    hold_version(connection, *version).await?;
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(&row.name);
    arguments.push(&row.test);
    arguments.push(&now);
    arguments.push(&row.data_key);
    arguments.push(&row.secrets);
    let sql = scoped!(
        "INSERT INTO tenant (tenant, name, test, created, data_key, secrets) \
               VALUES ($1, $2, $3, $4, $5, $6)"
    );
    statement::query(sql, arguments).execute(&mut *connection).await?;
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(data_key);
    arguments.push(version);
    arguments.push(wrapped);
    let sql = scoped!(
        "INSERT INTO data_key (tenant, data_key, root_version, wrapped) VALUES ($1, $2, $3, $4)"
    );
    statement::query(sql, arguments).execute(&mut *connection).await?;
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(&vec![0u8; 32]);
    arguments.push(&now);
    arguments.push(version);
    let sql = scoped!(
        "INSERT INTO tenant_head (tenant, position, audit_hash, store_time, root_version) \
         VALUES ($1, 0, $2, $3, $4)"
    );
    statement::query(sql, arguments).execute(&mut *connection).await?;
    Ok(())
}

/// Holds the row of the version that wraps a new tenant's key until the tenant is there: whoever
/// retires the version meanwhile waits, and then sees the tenant.
async fn hold_version(connection: &mut AnyConnection, version: i64) -> Result<(), Error> {
    let mut arguments = Arguments::of(TenantId(0));
    arguments.push(&version);
    let sql = scoped!(
        "UPDATE root_key SET state = state WHERE tenant = $1 AND version = $2 \
               RETURNING state"
    );
    let held = statement::query(sql, arguments).fetch_optional(connection).await?;
    let state: Option<i64> = held.map(|row| row.try_get(0)).transpose()?;
    if state == Some(RootKeyState::Retired as i64) { Err(Error::RootKeyTooOld) } else { Ok(()) }
}

fn tenant_row(row: &sqlx::any::AnyRow) -> Result<TenantRow, Error> {
    Ok(TenantRow {
        tenant: TenantId(row.try_get(0)?),
        name: row.try_get(1)?,
        test: row.try_get::<i64, _>(2)? != 0,
        data_key: KeyId(row.try_get(3)?),
        secrets: row.try_get(4)?,
    })
}
