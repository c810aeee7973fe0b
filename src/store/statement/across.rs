//! The statements that look across tenants on purpose: all of them, and why each does.
//!
//! Whoever adds one shows nobody's rows to anybody: no request may come here.

use sqlx::query::Query;
use sqlx::{Any, any::AnyArguments};

use crate::store::Engine;

/// What is asked of all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Across {
    /// Every tenant's own row: for local commands, and for sweeps and checkpoints, which then go on
    /// tenant by tenant.
    Tenants,
    /// The highest number that a tenant has: the next one gets the one after it.
    LastTenant,
    /// The newest time that any batch was written at: SQLite has no clock of its own, and ours must
    /// not fall below it.
    StoreTime,
    /// The tables of the schema, their columns and types, in order: three texts a row, and nobody's.
    Catalogue(Engine),
    /// The newest migration that was applied: nobody's.
    Migration,
    /// The oldest root key version that new keys of each tenant may be wrapped with: for rotating.
    OldestVersions,
    /// The lowest of those: a version below may be retired.
    LowestVersion,
    /// Which endpoints events are sent to, and which instance does it: any instance may, so each looks
    /// at those of all tenants, and then goes on endpoint by endpoint.
    Webhooks,
}

impl Across {
    const fn text(self) -> &'static str {
        match self {
            Self::Tenants => {
                "SELECT tenant, name, test, data_key, secrets FROM tenant ORDER BY tenant"
            }
            Self::LastTenant => "SELECT CAST(COALESCE(MAX(tenant), 0) AS BIGINT) FROM tenant",
            Self::StoreTime => {
                "SELECT CAST(COALESCE(MAX(store_time), 0) AS BIGINT) FROM tenant_head"
            }
            Self::Catalogue(Engine::Sqlite) => {
                "SELECT CAST(m.name AS TEXT), CAST(c.name AS TEXT), CAST(c.type AS TEXT) \
                 FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
                 ORDER BY m.name, c.cid"
            }
            Self::Catalogue(Engine::Postgres) => {
                "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT), \
                 CAST(c.data_type AS TEXT) FROM information_schema.columns c \
                 JOIN information_schema.tables t ON t.table_schema = c.table_schema \
                 AND t.table_name = c.table_name WHERE c.table_schema = current_schema() \
                 AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position"
            }
            Self::Migration => {
                "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM _sqlx_migrations"
            }
            Self::OldestVersions => "SELECT tenant, root_version FROM tenant_head ORDER BY tenant",
            // Without a tenant nothing is wrapped.
            Self::LowestVersion => {
                "SELECT CAST(COALESCE(MIN(root_version), 9223372036854775807) AS BIGINT) \
                 FROM tenant_head"
            }
            Self::Webhooks => {
                "SELECT tenant, endpoint, changed, holder, held_until FROM webhook_endpoint \
                 WHERE state = 1 ORDER BY tenant, endpoint"
            }
        }
    }
}

/// A statement that looks across tenants.
pub(in crate::store) fn across<'q>(which: Across) -> Query<'q, Any, AnyArguments> {
    sqlx::query_with(which.text(), AnyArguments::default())
}
