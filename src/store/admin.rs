//! Tenants, API keys and the root key's check value: few rows, written by local commands.
//!
//! They are chores of this process's writer; a server that has the same SQLite file open notices
//! another process's writes by the file's data version.

use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use super::rows::{JournalRow, Outcome, Verb};
use super::statement::{self, Arguments};
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{KeyId, TenantId, Token};

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

/// An API key as stored.
#[derive(Clone)]
pub struct ApiKeyRow {
    /// Whose.
    pub tenant: TenantId,
    /// The public part.
    pub id: String,
    /// SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// Role names, comma-separated.
    pub roles: String,
    /// The source its interaction ids belong to.
    pub source: String,
    /// Other sources it may name, comma-separated.
    pub may_address: String,
    /// Code of the explicit ceiling; 0 when none.
    pub max_assurance: i64,
    /// Store time.
    pub created: Time,
    /// Store time; zero while valid.
    pub revoked: Time,
}

/// A wrapped key of a new tenant: name, root version, bytes.
pub type NewKey = (KeyId, i64, Vec<u8>);

const TENANT: &str = "SELECT tenant, name, test, data_key, secrets FROM tenant ";
const API_KEY: &str = "SELECT tenant, id, hash, roles, source, may_address, max_assurance, created, \
                       revoked FROM api_key ";
/// Shows whether a reader is broken, before a request meets it.
const GREETING: &str = "SELECT 1";

impl Store {
    /// All tenants, by number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, Error> {
        let mut connection = self.readers.acquire().await?;
        let query =
            statement::query_text(format!("{TENANT} ORDER BY tenant"), Arguments::default());
        query.fetch_all(&mut *connection).await?.iter().map(tenant_row).collect()
    }

    /// One tenant; `None` when there is none of that number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let text = format!("{TENANT} WHERE tenant = $1");
        let query = statement::query_text(text, Arguments::of(tenant));
        query.fetch_optional(&mut *connection).await?.as_ref().map(tenant_row).transpose()
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
                let sql = "SELECT CAST(COALESCE(MAX(tenant), 0) AS BIGINT) FROM tenant";
                let last: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
                let tenant = TenantId(last + 1);
                let (key, secrets) = seal(tenant);
                let row = TenantRow { tenant, name, test, data_key: key.0, secrets };
                insert_tenant(connection, &row, &key, now).await?;
                Ok(row)
            })
        }))
        .await
    }

    /// Executes one statement as a chore; how many rows it touched.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        arguments: Arguments,
    ) -> Result<u64, Error> {
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                Ok(statement::query(sql, arguments).execute(connection).await?.rows_affected())
            })
        }))
        .await
    }

    /// Adds an API key, and an entry to the tenant's chain with it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_api_key(self: &Arc<Self>, key: &ApiKeyRow) -> Result<(), Error> {
        let mut arguments = Arguments::of(key.tenant);
        arguments.push(&key.id);
        arguments.push(&key.hash);
        arguments.push(&key.roles);
        arguments.push(&key.source);
        arguments.push(&key.may_address);
        arguments.push(&key.max_assurance);
        arguments.push(&key.created);
        arguments.push(&key.revoked);
        let sql = "INSERT INTO api_key (tenant, id, hash, roles, source, may_address, max_assurance, \
                   created, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        self.change_key(key.tenant, &key.id, Verb::CreateKey, (sql, arguments)).await.map(drop)
    }

    /// Changes keys by one statement; how many. What changed one is in the journal, in the same
    /// transaction, under the key's own name: who runs commands has the database.
    async fn change_key(
        self: &Arc<Self>,
        tenant: TenantId,
        id: &str,
        verb: Verb,
        (sql, arguments): (&'static str, Arguments),
    ) -> Result<u64, Error> {
        let store = Arc::clone(self);
        let row = JournalRow {
            interaction: Token(self.entropy.bytes()),
            verb,
            part: Vec::new(),
            position: 0,
            fingerprint: Vec::new(),
            received: Time(0),
            time: self.now(),
            channel: String::new(),
            customer: None,
            caller: id.to_owned(),
            outcome: Outcome::Done,
            state: Vec::new(),
            digest: Vec::new(),
            strips: Vec::new(),
        };
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let query = statement::query(sql, arguments);
                let changed = query.execute(&mut *connection).await?.rows_affected();
                if changed > 0 {
                    super::head::append(&store, connection, tenant, row).await?;
                }
                Ok(changed)
            })
        }))
        .await
    }

    /// The API key of that tenant and public part.
    ///
    /// # Errors
    /// As the database's.
    pub async fn api_key(&self, tenant: TenantId, id: &str) -> Result<Option<ApiKeyRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&id.to_owned());
        let text = format!("{API_KEY} WHERE tenant = $1 AND id = $2");
        let query = statement::query_text(text, arguments);
        query.fetch_optional(&mut *connection).await?.as_ref().map(api_key_row).transpose()
    }

    /// All API keys of a tenant, oldest first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKeyRow>, Error> {
        let mut connection = self.readers.acquire().await?;
        let text = format!("{API_KEY} WHERE tenant = $1 ORDER BY created, id");
        let query = statement::query_text(text, Arguments::of(tenant));
        query.fetch_all(&mut *connection).await?.iter().map(api_key_row).collect()
    }

    /// Revokes an API key; whether there was one to revoke.
    ///
    /// # Errors
    /// As the database's.
    pub async fn revoke_api_key(
        self: &Arc<Self>,
        tenant: TenantId,
        id: &str,
    ) -> Result<bool, Error> {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&id.to_owned());
        arguments.push(&self.clock.now());
        let sql = "UPDATE api_key SET revoked = $3 WHERE tenant = $1 AND id = $2 AND revoked = 0";
        Ok(self.change_key(tenant, id, Verb::RevokeKey, (sql, arguments)).await? > 0)
    }

    /// The check values of the root keys this store was used with: version and sealed constant.
    ///
    /// # Errors
    /// As the database's.
    pub async fn root_key_checks(&self) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let mut connection = self.readers.acquire().await?;
        let sql = "SELECT version, check_value FROM root_key WHERE tenant = $1";
        let query = statement::query(sql, Arguments::of(TenantId(0)));
        let rows = query.fetch_all(&mut *connection).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Keeps the check value of a root key that is used for the first time.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_root_key_check(&self, version: i64, check: Vec<u8>) -> Result<(), Error> {
        let mut arguments = Arguments::of(TenantId(0));
        arguments.push(&version);
        arguments.push(&check);
        let sql = "INSERT INTO root_key (tenant, version, check_value) VALUES ($1, $2, $3) \
                   ON CONFLICT DO NOTHING";
        self.execute(sql, arguments).await.map(drop)
    }
}

async fn insert_tenant(
    connection: &mut AnyConnection,
    row: &TenantRow,
    (data_key, version, wrapped): &NewKey,
    now: Time,
) -> Result<(), Error> {
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(&row.name);
    arguments.push(&row.test);
    arguments.push(&now);
    arguments.push(&row.data_key);
    arguments.push(&row.secrets);
    let sql = "INSERT INTO tenant (tenant, name, test, created, data_key, secrets) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    statement::query(sql, arguments).execute(&mut *connection).await?;
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(data_key);
    arguments.push(version);
    arguments.push(wrapped);
    let sql =
        "INSERT INTO data_key (tenant, data_key, root_version, wrapped) VALUES ($1, $2, $3, $4)";
    statement::query(sql, arguments).execute(&mut *connection).await?;
    let mut arguments = Arguments::of(row.tenant);
    arguments.push(&vec![0u8; 32]);
    arguments.push(&now);
    let sql =
        "INSERT INTO tenant_head (tenant, position, audit_hash, store_time) VALUES ($1, 0, $2, $3)";
    statement::query(sql, arguments).execute(&mut *connection).await?;
    Ok(())
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

fn api_key_row(row: &sqlx::any::AnyRow) -> Result<ApiKeyRow, Error> {
    Ok(ApiKeyRow {
        tenant: TenantId(row.try_get(0)?),
        id: row.try_get(1)?,
        hash: row.try_get(2)?,
        roles: row.try_get(3)?,
        source: row.try_get(4)?,
        may_address: row.try_get(5)?,
        max_assurance: row.try_get(6)?,
        created: Time(row.try_get(7)?),
        revoked: Time(row.try_get(8)?),
    })
}
