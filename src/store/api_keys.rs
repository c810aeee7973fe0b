//! API keys as rows: few, written by local commands, and by a server that notes when they were used.
//!
//! They are chores of this process's writer, as tenants are. What made, replaced or revoked one is in
//! the tenant's journal, in the same transaction, under the key's own name: who runs commands has the
//! database.

use std::sync::Arc;

use sqlx::Row as _;

use super::reads::{Load, who_calls};
use super::rows::{JournalRow, Outcome, Verb};
use super::statement::{self, Arguments, Scoped, scoped};
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{TenantId, Token};

/// An API key as stored.
#[derive(Clone)]
pub struct ApiKeyRow {
    /// Whose.
    pub tenant: TenantId,
    /// The public part.
    pub id: String,
    /// SHA-256 of the secret and what it belongs to.
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
    /// Store time at which it ends; zero when never.
    pub expires: Time,
    /// Store time of its last use, up to a minute early; zero before the first.
    pub used: Time,
    /// The public part of the key that it was rotated to; empty when none.
    pub replaced_by: String,
    /// Calls a second; zero when as the tenant's settings say.
    pub rate: i64,
    /// Calls at once; zero when as the tenant's settings say.
    pub burst: i64,
}

/// A key that was used: whose, its public part, and when (store time).
pub type Use = (TenantId, String, Time);

/// Keys with all their columns, under a condition that begins with the tenant.
macro_rules! keys {
    ($condition:literal) => {
        scoped!(concat!(
            "SELECT tenant, id, hash, roles, source, may_address, max_assurance, created, revoked, \
             expires, used, replaced_by, rate, burst FROM api_key WHERE ",
            $condition
        ))
    };
}
const ADD: Scoped = scoped!(
    "INSERT INTO api_key (tenant, id, hash, roles, source, may_address, max_assurance, created, \
     revoked, expires, used, replaced_by, rate, burst) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
);

impl Store {
    /// Adds an API key.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_api_key(self: &Arc<Self>, key: &ApiKeyRow) -> Result<(), Error> {
        let change = (ADD, values(key));
        let row = self.entry(&key.id, Verb::CreateKey);
        self.change_key(key.tenant, change, None, vec![row]).await.map(drop)
    }

    /// Changes a key by one statement, and then, if there was one to change, by another; whether
    /// there was.
    async fn change_key(
        self: &Arc<Self>,
        tenant: TenantId,
        (sql, arguments): (Scoped, Arguments),
        then: Option<(Scoped, Arguments)>,
        entries: Vec<JournalRow>,
    ) -> Result<bool, Error> {
        let store = Arc::clone(self);
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let query = statement::query(sql, arguments);
                let changed = query.execute(&mut *connection).await?.rows_affected() > 0;
                if changed {
                    if let Some((sql, arguments)) = then {
                        statement::query(sql, arguments).execute(&mut *connection).await?;
                    }
                    for row in entries {
                        super::head::append(&store, connection, tenant, row).await?;
                    }
                }
                Ok(changed)
            })
        }))
        .await
    }

    /// What the journal holds of something that a local command did, under the name of what it was
    /// done to.
    pub(super) fn entry(&self, id: &str, verb: Verb) -> JournalRow {
        JournalRow {
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
        }
    }

    /// The API key of that tenant and public part.
    ///
    /// # Errors
    /// As the database's.
    pub async fn api_key(
        self: &Arc<Self>,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<ApiKeyRow>, Error> {
        let arguments = named(tenant, id);
        let look: Load<Option<ApiKeyRow>> = Box::new(move |connection| {
            Box::pin(async move {
                let query = statement::query(keys!("tenant = $1 AND id = $2"), arguments);
                let row = query.fetch_optional(connection).await?;
                row.as_ref().map(api_key_row).transpose()
            })
        });
        who_calls(self, look).await
    }

    /// All API keys of a tenant, oldest first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKeyRow>, Error> {
        let mut connection = self.readers.acquire().await?;
        let sql = keys!("tenant = $1 ORDER BY created, id");
        let query = statement::query(sql, Arguments::of(tenant));
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
        let mut arguments = named(tenant, id);
        arguments.push(&self.now());
        let sql = scoped!(
            "UPDATE api_key SET revoked = $3 WHERE tenant = $1 AND id = $2 AND revoked = 0"
        );
        let row = self.entry(id, Verb::RevokeKey);
        self.change_key(tenant, (sql, arguments), None, vec![row]).await
    }

    /// Replaces `old` by `new`: adds the new key, and the old one ends at `ends`. Whether it was
    /// done: not if `old` was revoked or replaced by another key since it was read.
    ///
    /// # Errors
    /// As the database's.
    pub async fn replace_api_key(
        self: &Arc<Self>,
        old: &ApiKeyRow,
        new: &ApiKeyRow,
        ends: Time,
    ) -> Result<bool, Error> {
        let mut arguments = named(old.tenant, &old.id);
        arguments.push(&ends);
        arguments.push(&new.id);
        arguments.push(&old.replaced_by);
        let sql = scoped!(
            "UPDATE api_key SET expires = $3, replaced_by = $4 WHERE tenant = $1 \
                   AND id = $2 AND revoked = 0 AND replaced_by = $5"
        );
        let (ending, adding) = ((sql, arguments), Some((ADD, values(new))));
        let entries =
            vec![self.entry(&old.id, Verb::ReplaceKey), self.entry(&new.id, Verb::CreateKey)];
        self.change_key(old.tenant, ending, adding, entries).await
    }

    /// Notes when these few keys were used, all in one transaction; whoever notes keys that another
    /// instance may note as well brings them in order. What another instance noted later stays.
    ///
    /// # Errors
    /// As the database's.
    pub async fn note_uses(&self, uses: Vec<Use>) -> Result<(), Error> {
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let sql = scoped!(
                    "UPDATE api_key SET used = $3 WHERE tenant = $1 AND id = $2 AND used < $3"
                );
                for (tenant, id, used) in uses {
                    let mut arguments = named(tenant, &id);
                    arguments.push(&used);
                    statement::query(sql, arguments).execute(&mut *connection).await?;
                }
                Ok(())
            })
        }))
        .await
    }
}

fn named(tenant: TenantId, id: &str) -> Arguments {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&id.to_owned());
    arguments
}

fn values(key: &ApiKeyRow) -> Arguments {
    let mut arguments = named(key.tenant, &key.id);
    arguments.push(&key.hash);
    arguments.push(&key.roles);
    arguments.push(&key.source);
    arguments.push(&key.may_address);
    arguments.push(&key.max_assurance);
    arguments.push(&key.created);
    arguments.push(&key.revoked);
    arguments.push(&key.expires);
    arguments.push(&key.used);
    arguments.push(&key.replaced_by);
    arguments.push(&key.rate);
    arguments.push(&key.burst);
    arguments
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
        expires: Time(row.try_get(9)?),
        used: Time(row.try_get(10)?),
        replaced_by: row.try_get(11)?,
        rate: row.try_get(12)?,
        burst: row.try_get(13)?,
    })
}
