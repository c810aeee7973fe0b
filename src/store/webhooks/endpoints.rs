//! Endpoints as rows, and who holds them.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::admin::GREETING;
use crate::store::rows::Verb;
use crate::store::statement::{self, Across, Arguments, across, scoped};
use crate::store::{Error, Store};

const TABLE: &str = "webhook_endpoint";

/// Whether events are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// They are.
    On = 1,
    /// Somebody switched it off.
    Off = 2,
    /// It said that it is gone for good.
    Gone = 3,
    /// It has accepted nothing for too long.
    Failed = 4,
    /// It came back from a backup: since then it may have been removed, switched off, or given another
    /// secret.
    Restored = 5,
}

impl EndpointState {
    const ALL: [Self; 5] = [Self::On, Self::Off, Self::Gone, Self::Failed, Self::Restored];
}

/// An endpoint as stored.
#[derive(Clone)]
pub struct EndpointRow {
    /// Its random name within the tenant.
    pub endpoint: i64,
    /// Sealed: address, secrets, which events.
    pub content: Vec<u8>,
    /// Random, new with every writing of the content.
    pub revision: i64,
    /// Whether events are sent to it.
    pub state: EndpointState,
    /// Store time.
    pub created: Time,
    /// Random, new when whoever delivers has to look again.
    pub changed: i64,
    /// Of the journal all up to here is delivered, or has a row of its own.
    pub position: i64,
    /// Store time since when nothing was accepted; zero while it is.
    pub failing_since: Time,
}

/// An endpoint that is switched on, as every instance sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub tenant: TenantId,
    /// Its name.
    pub endpoint: i64,
    /// Random, new when whoever delivers has to look again.
    pub changed: i64,
    /// The instance that delivers; zero for none.
    pub holder: i64,
    /// Store time until when no other instance does.
    pub held_until: Time,
}

/// Who holds an endpoint, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The instance.
    pub holder: i64,
    /// Store time.
    pub until: Time,
}

/// Endpoints with all that is read of them, under a condition that begins with the tenant.
macro_rules! endpoints {
    ($condition:literal) => {
        scoped!(concat!(
            "SELECT endpoint, content, revision, state, created, changed, position, failing_since \
             FROM webhook_endpoint WHERE ",
            $condition
        ))
    };
}

impl Store {
    /// A tenant's endpoints, oldest first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn webhook_endpoints(&self, tenant: TenantId) -> Result<Vec<EndpointRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = endpoints!("tenant = $1 ORDER BY created, endpoint");
        let query = statement::query(sql, Arguments::of(tenant));
        query.fetch_all(&mut *connection).await?.iter().map(endpoint_row).collect()
    }

    /// One endpoint.
    ///
    /// # Errors
    /// As the database's.
    pub async fn webhook_endpoint(
        &self,
        tenant: TenantId,
        endpoint: i64,
    ) -> Result<Option<EndpointRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = endpoints!("tenant = $1 AND endpoint = $2");
        let query = statement::query(sql, named(tenant, endpoint));
        query.fetch_optional(&mut *connection).await?.as_ref().map(endpoint_row).transpose()
    }

    /// Adds an endpoint, unless the tenant has `most` already; whether it was added. `by` is how the
    /// audit calls it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_webhook(
        self: &Arc<Self>,
        tenant: TenantId,
        row: EndpointRow,
        most: i64,
        by: &str,
    ) -> Result<bool, Error> {
        let (store, entry) = (Arc::clone(self), self.entry(by, Verb::CreateWebhook));
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let sql = scoped!("SELECT COUNT(*) FROM webhook_endpoint WHERE tenant = $1");
                let count = statement::query(sql, Arguments::of(tenant));
                if count.fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? >= most {
                    return Ok(false);
                }
                let sql = scoped!(
                    "INSERT INTO webhook_endpoint (tenant, endpoint, content, revision, state, \
                     created, changed, position, failing_since, holder, held_until) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0)"
                );
                let mut arguments = named(tenant, row.endpoint);
                arguments.push(&row.content);
                arguments.push(&row.revision);
                arguments.push(&(row.state as i64));
                arguments.push(&row.created);
                arguments.push(&row.changed);
                arguments.push(&row.position);
                statement::query(sql, arguments).execute(&mut *connection).await?;
                crate::store::head::append(&store, connection, tenant, entry).await?;
                Ok(true)
            })
        }))
        .await
    }

    /// Writes an endpoint's content and state anew, unless somebody else has since it was read;
    /// whether it was done. An endpoint that is switched on has not failed yet.
    ///
    /// # Errors
    /// As the database's.
    pub async fn change_webhook(
        self: &Arc<Self>,
        tenant: TenantId,
        ((revision, state), row): ((i64, EndpointState), EndpointRow),
        (by, verb): (&str, Verb),
    ) -> Result<bool, Error> {
        let (store, entry) = (Arc::clone(self), self.entry(by, verb));
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let sql = scoped!(
                    "UPDATE webhook_endpoint SET content = $3, revision = $4, state = $5, \
                     changed = $6, failing_since = 0 \
                     WHERE tenant = $1 AND endpoint = $2 AND revision = $7 AND state = $8"
                );
                let mut arguments = named(tenant, row.endpoint);
                arguments.push(&row.content);
                arguments.push(&row.revision);
                arguments.push(&(row.state as i64));
                arguments.push(&row.changed);
                arguments.push(&revision);
                arguments.push(&(state as i64));
                let done = statement::query(sql, arguments).execute(&mut *connection).await?;
                let done = done.rows_affected() > 0;
                if done {
                    crate::store::head::append(&store, connection, tenant, entry).await?;
                }
                Ok(done)
            })
        }))
        .await
    }

    /// Removes an endpoint with all that waits for it; whether there was one.
    ///
    /// # Errors
    /// As the database's.
    pub async fn remove_webhook(
        self: &Arc<Self>,
        tenant: TenantId,
        endpoint: i64,
        by: &str,
    ) -> Result<bool, Error> {
        let (store, entry) = (Arc::clone(self), self.entry(by, Verb::RemoveWebhook));
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let sql =
                    scoped!("SELECT 1 FROM webhook_endpoint WHERE tenant = $1 AND endpoint = $2");
                let query = statement::query(sql, named(tenant, endpoint));
                if query.fetch_optional(&mut *connection).await?.is_none() {
                    return Ok(false);
                }
                // First, as in an erasure, which takes deliveries as well: neither waits for the other.
                crate::store::head::append(&store, connection, tenant, entry).await?;
                for sql in [
                    scoped!("DELETE FROM webhook_endpoint WHERE tenant = $1 AND endpoint = $2"),
                    scoped!("DELETE FROM webhook_delivery WHERE tenant = $1 AND endpoint = $2"),
                ] {
                    statement::query(sql, named(tenant, endpoint))
                        .execute(&mut *connection)
                        .await?;
                }
                Ok(true)
            })
        }))
        .await
    }

    /// The endpoints of all tenants that are switched on: whom an instance could deliver to.
    ///
    /// # Errors
    /// As the database's.
    pub async fn wanted_webhooks(&self) -> Result<Vec<Wanted>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let rows = across(Across::Webhooks).fetch_all(&mut *connection).await?;
        let wanted = |row: &AnyRow| {
            Ok(Wanted {
                tenant: TenantId(row.try_get(0)?),
                endpoint: row.try_get(1)?,
                changed: row.try_get(2)?,
                holder: row.try_get(3)?,
                held_until: Time(row.try_get(4)?),
            })
        };
        rows.iter().map(wanted).collect()
    }

    /// Holds an endpoint that is switched on, unless another instance does at `now`.
    ///
    /// # Errors
    /// As the database's.
    pub async fn hold_webhook(
        &self,
        tenant: TenantId,
        endpoint: i64,
        hold: Hold,
        now: Time,
    ) -> Result<Option<EndpointRow>, Error> {
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let sql = scoped!(
                    "UPDATE webhook_endpoint SET holder = $3, held_until = $4 WHERE tenant = $1 \
                     AND endpoint = $2 AND state = 1 AND (holder = $3 OR held_until < $5)"
                );
                let mut arguments = named(tenant, endpoint);
                arguments.push(&hold.holder);
                arguments.push(&hold.until);
                arguments.push(&now);
                let held = statement::query(sql, arguments).execute(&mut *connection).await?;
                if held.rows_affected() == 0 {
                    return Ok(None);
                }
                let sql = endpoints!("tenant = $1 AND endpoint = $2");
                let query = statement::query(sql, named(tenant, endpoint));
                query.fetch_optional(&mut *connection).await?.as_ref().map(endpoint_row).transpose()
            })
        }))
        .await
    }
}

/// Tenant and endpoint, as the first two arguments.
pub(super) fn named(tenant: TenantId, endpoint: i64) -> Arguments {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&endpoint);
    arguments
}

fn endpoint_row(row: &AnyRow) -> Result<EndpointRow, Error> {
    let code: i64 = row.try_get(3)?;
    let state = EndpointState::ALL.into_iter().find(|state| *state as i64 == code);
    Ok(EndpointRow {
        endpoint: row.try_get(0)?,
        content: row.try_get(1)?,
        revision: row.try_get(2)?,
        state: state.ok_or(Error::Damaged { table: TABLE })?,
        created: Time(row.try_get(4)?),
        changed: row.try_get(5)?,
        position: row.try_get(6)?,
        failing_since: Time(row.try_get(7)?),
    })
}
