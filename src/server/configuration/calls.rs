//! How much a tenant and each of its keys may call.

use super::policy::PolicyFile;
use super::within;
use crate::continuity::allowance::{Allowance, MOST_CALLS};

/// What the file says, else the allowances of before: of a key, and of the tenant.
pub(super) fn chosen(
    file: &PolicyFile,
    key: Allowance,
    tenant: Allowance,
    place: &str,
    wrong: &mut Vec<String>,
) -> (Allowance, Allowance) {
    let mut one = |what: &str, rate: Option<u64>, burst: Option<u64>, before: Allowance| {
        let mut calls = |name: &str, given: Option<u64>, before: i64| {
            let (least, most) = (1, MOST_CALLS.unsigned_abs());
            let name = format!("{place}.{what}_{name}");
            let value = within(wrong, &name, given, before.unsigned_abs(), least, most);
            i64::try_from(value).unwrap_or(MOST_CALLS)
        };
        let chosen = calls("rate", rate, before.rate);
        // Who chooses a rate and no burst gets the burst that belongs to it.
        let burst_of = if rate.is_some() { Allowance::of(chosen).burst } else { before.burst };
        Allowance { rate: chosen, burst: calls("burst", burst, burst_of) }
    };
    (
        one("key", file.key_rate, file.key_burst, key),
        one("tenant", file.tenant_rate, file.tenant_burst, tenant),
    )
}
