//! A tenant as the use cases know it: its keys, opened, and its policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allowance::{Allowance, KEY_RATE, Quota, TENANT_RATE};
use super::counts::TenantCounts;
use super::web_tokens::TrustedIssuer;
use crate::context::{self, Redaction, Retention};
use crate::crypto::{DataKey, OpenError, Place, RootKeys, TenantSecrets, open, seal};
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
    /// The purpose that a customer must have agreed to before anything of their context is shown;
    /// empty when none is asked for.
    pub disclosure_requires_consent: Arc<str>,
    /// What of it lasts how long.
    pub retention: Retention,
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
            disclosure_requires_consent: Arc::default(),
            retention: Retention::default(),
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
    pub secrets: Arc<TenantSecrets>,
    /// Its own data key.
    pub key: Arc<DataKey>,
    /// What it chose.
    pub policy: Arc<TenantPolicy>,
    /// The name of those choices, stored with each decision.
    pub policy_version: String,
    /// What is left of the calls of all its keys.
    pub quota: Arc<Quota>,
    /// What is counted of it.
    pub counts: Arc<TenantCounts>,
    /// How often the policies had changed when it got this one.
    pub(super) round: u64,
}

impl Tenant {
    /// The same tenant with another policy.
    pub(super) fn with(&self, policy: Arc<TenantPolicy>, quota: Arc<Quota>, round: u64) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            test: self.test,
            secrets: Arc::clone(&self.secrets),
            key: Arc::clone(&self.key),
            policy_version: policy.identity.version(),
            policy,
            quota,
            counts: Arc::clone(&self.counts),
            round,
        }
    }
}

fn secrets_place(tenant: TenantId) -> Place<'static> {
    Place { tenant, table: "tenant", key: &[], column: "secrets", revision: 0 }
}

/// The key and the sealed secrets of a new tenant.
///
/// # Errors
/// [`OpenError`] when that version of the root key is not there.
pub fn new_tenant(
    tenant: TenantId,
    (root, version): (&RootKeys, i64),
    entropy: &Entropy,
) -> Result<(NewKey, Vec<u8>), OpenError> {
    let key = DataKey::generate(entropy);
    let wrapped = root.wrap(version, tenant, &key, entropy)?;
    let secrets = TenantSecrets::generate(entropy).to_bytes();
    let sealed = seal(&key, &secrets_place(tenant), &secrets[..], entropy);
    Ok(((key.id(), wrapped.version, wrapped.bytes), sealed))
}

/// Opens a tenant's row with its data key.
///
/// # Errors
/// [`OpenError`] when the row is not the right one.
pub fn open_tenant(
    row: TenantRow,
    key: DataKey,
    policy: Arc<TenantPolicy>,
    round: u64,
    counts: TenantCounts,
) -> Result<Tenant, OpenError> {
    let secrets = open(&key, &secrets_place(row.tenant), &row.secrets)?;
    let secrets: &[u8; 96] = secrets.as_slice().try_into().map_err(|_| OpenError)?;
    Ok(Tenant {
        id: row.tenant,
        name: row.name,
        test: row.test,
        secrets: Arc::new(TenantSecrets::from_bytes(secrets)),
        key: Arc::new(key),
        policy_version: policy.identity.version(),
        quota: Arc::new(Quota::of(policy.tenant_calls)),
        policy,
        counts: Arc::new(counts),
        round,
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
