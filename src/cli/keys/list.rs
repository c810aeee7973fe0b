//! `threadline keys list`: every key and its life, without its secret.

use crate::cli::audit::{called, tenants};
use crate::cli::table::line;
use crate::clock::Time;
use crate::continuity::Service;
use crate::identity::Assurance;
use crate::store::api_keys::ApiKeyRow;

/// What stands above each column, and how wide it is.
const COLUMNS: [(&str, usize); 10] = [
    ("key", 20),
    ("tenant", 16),
    ("roles", 28),
    ("source", 12),
    ("may address", 16),
    ("at most", 13),
    ("calls/s", 16),
    ("created", 20),
    ("expires", 20),
    ("last used", 20),
];

/// All keys, or those of one tenant, as a table.
///
/// # Errors
/// When there is no tenant of that name, and the store's.
pub(super) async fn list(service: &Service, only: Option<&str>) -> anyhow::Result<String> {
    let now = service.store().now();
    let mut text = line(COLUMNS, COLUMNS.map(|(name, _)| name.to_owned()), "state");
    for tenant in tenants(service, only).await? {
        let name = called(&tenant);
        for key in service.store().api_keys(tenant.tenant).await? {
            text.push_str(&row(&key, &name, now));
        }
    }
    Ok(text)
}

fn row(key: &ApiKeyRow, tenant: &str, now: Time) -> String {
    let or = |at: Time, otherwise: &str| match at.0 {
        0 => otherwise.to_owned(),
        _ => time(at),
    };
    let calls = match (key.rate, key.burst) {
        (0, _) => "-".to_owned(),
        (rate, 0) => rate.to_string(),
        (rate, burst) => format!("{rate}, {burst} at once"),
    };
    let cells = [
        format!("{}_{}", key.tenant.0, key.id),
        tenant.to_owned(),
        key.roles.clone(),
        key.source.clone(),
        key.may_address.clone(),
        ceiling(key.max_assurance).to_owned(),
        calls,
        time(key.created),
        or(key.expires, "never"),
        or(key.used, "never"),
    ];
    line(COLUMNS, cells, &state(key, now))
}

/// The most that its word is worth, as `--max-assurance` says it.
fn ceiling(code: i64) -> &'static str {
    match Assurance::from_code(code) {
        Some(Assurance::Asserted) => "asserted",
        Some(Assurance::Carried) => "carried",
        Some(Assurance::Authenticated) => "authenticated",
        Some(Assurance::Verified) => "verified",
        None => "-",
    }
}

/// Why it does not work, or what replaces it.
fn state(key: &ApiKeyRow, now: Time) -> String {
    let mut said = Vec::new();
    if key.revoked.0 != 0 {
        said.push(format!("revoked {}", time(key.revoked)));
    } else if key.expires.0 != 0 && key.expires <= now {
        said.push("expired".to_owned());
    }
    if !key.replaced_by.is_empty() {
        said.push(format!("replaced by {}_{}", key.tenant.0, key.replaced_by));
    }
    said.join(", ")
}

/// A time to the second, in UTC.
pub(in crate::cli) fn time(at: Time) -> String {
    format!("{:.0}", jiff::Timestamp::from_millisecond(at.0).unwrap_or_default())
}
