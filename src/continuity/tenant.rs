//! A tenant as the use cases know it: its keys, opened, and its policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allowance::{Allowance, KEY_RATE, Quota, TENANT_RATE};
use super::web_tokens::TrustedIssuer;
use crate::context::{self, Redaction};
use crate::crypto::{DataKey, OpenError, Place, RootKeys, TenantSecrets, Wrapped, open, seal};
use crate::identity::{HintKind, Policy, Weights};
use crate::ids::{Entropy, TenantId};
use crate::store::admin::{NewKey, TenantRow};

/// What a tenant chose, or did not and has by default.
#[derive(Clone)]
pub struct TenantPolicy {
    /// Thresholds, namespaces, own numbers.
    pub identity: Policy,
    /// The weights of the model.
    pub weights: Arc<Weights>,
    /// IANA time zone of briefs, unless the start names one.
    pub time_zone: String,
    /// BCP 47 locale of briefs, unless the start names one.
    pub locale: String,
    /// Seconds a variable lives when nothing is said.
    pub default_ttl_seconds: i64,
    /// Seconds a variable lives at most.
    pub max_ttl_seconds: i64,
    /// What of its texts is not kept.
    pub redaction: Arc<Redaction>,
    /// Whose web tokens are trusted; nobody's without it.
    pub web_token: Option<Arc<TrustedIssuer>>,
    /// How much each key may call that says nothing of its own.
    pub key_calls: Allowance,
    /// How much all its keys together may call.
    pub tenant_calls: Allowance,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            identity: Policy::default(),
            weights: Arc::default(),
            time_zone: "UTC".into(),
            locale: "en-US".into(),
            default_ttl_seconds: context::DEFAULT_TTL_SECONDS,
            max_ttl_seconds: context::MAX_TTL_SECONDS,
            redaction: Arc::default(),
            web_token: None,
            key_calls: Allowance::of(KEY_RATE),
            tenant_calls: Allowance::of(TENANT_RATE),
        }
    }
}

/// The policies of all tenants.
#[derive(Clone, Default)]
pub struct Policies {
    /// For tenants that chose nothing of their own.
    pub default: Arc<TenantPolicy>,
    /// By tenant name.
    pub by_tenant: BTreeMap<String, Arc<TenantPolicy>>,
}

impl Policies {
    /// The policy of the tenant of that name.
    pub fn of(&self, tenant: &str) -> Arc<TenantPolicy> {
        Arc::clone(self.by_tenant.get(tenant).unwrap_or(&self.default))
    }
}

/// A tenant, opened.
pub struct Tenant {
    /// Its number.
    pub id: TenantId,
    /// The operator's name for it.
    pub name: String,
    /// Whether its rows are purged after 7 days.
    pub test: bool,
    /// Its blind index.
    pub secrets: TenantSecrets,
    /// Its own data key.
    pub key: Arc<DataKey>,
    /// What it chose.
    pub policy: Arc<TenantPolicy>,
    /// The name of those choices, stored with each decision.
    pub policy_version: String,
    /// What is left of the calls of all its keys.
    pub quota: Quota,
}

fn secrets_place(tenant: TenantId) -> Place<'static> {
    Place { tenant, table: "tenant", key: &[], column: "secrets", revision: 0 }
}

/// The key and the sealed secrets of a new tenant.
pub fn new_tenant(tenant: TenantId, root: &RootKeys, entropy: &Entropy) -> (NewKey, Vec<u8>) {
    let key = DataKey::generate(entropy);
    let wrapped = root.wrap(tenant, &key, entropy);
    let secrets = TenantSecrets::generate(entropy).to_bytes();
    let sealed = seal(&key, &secrets_place(tenant), &secrets[..], entropy);
    ((key.id(), wrapped.version, wrapped.bytes), sealed)
}

/// Opens a tenant's row.
///
/// # Errors
/// [`OpenError`] when the root key or the row is not the right one.
pub fn open_tenant(
    row: TenantRow,
    wrapped: &Wrapped,
    root: &RootKeys,
    policy: Arc<TenantPolicy>,
) -> Result<Tenant, OpenError> {
    let key = root.unwrap(row.tenant, row.data_key, wrapped)?;
    let secrets = open(&key, &secrets_place(row.tenant), &row.secrets)?;
    let secrets: &[u8; 96] = secrets.as_slice().try_into().map_err(|_| OpenError)?;
    Ok(Tenant {
        id: row.tenant,
        name: row.name,
        test: row.test,
        secrets: TenantSecrets::from_bytes(secrets),
        key: Arc::new(key),
        policy_version: policy.identity.version(),
        quota: Quota::of(policy.tenant_calls),
        policy,
    })
}

/// The namespace kinds a policy may name in `threadline.toml`.
pub fn namespace_kind(name: &str) -> Option<HintKind> {
    match name {
        "crm" => Some(HintKind::Crm),
        "account_number" => Some(HintKind::AccountNumber),
        _ => None,
    }
}
