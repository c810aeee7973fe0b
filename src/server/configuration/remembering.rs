//! How long variables live, and in which zone and language a brief is.

use super::PolicyFile;
use crate::context;
use crate::continuity::tenant::TenantPolicy;

/// Time zone and locale of briefs.
pub(super) fn voice(
    file: &PolicyFile,
    (time_zone, locale): (String, String),
    place: &str,
    wrong: &mut Vec<String>,
) -> (String, String) {
    let time_zone = file.time_zone.clone().unwrap_or(time_zone);
    if !context::valid_time_zone(&time_zone) {
        wrong.push(format!("{place}.time_zone: is not an IANA time zone"));
    }
    let locale = file.locale.clone().unwrap_or(locale);
    if !context::valid_locale(&locale) {
        wrong.push(format!("{place}.locale: is not a BCP 47 language tag"));
    }
    (time_zone, locale)
}

/// How long variables live: by default, and at most.
pub(super) fn lifetimes(
    file: &PolicyFile,
    base: &TenantPolicy,
    place: &str,
    wrong: &mut Vec<String>,
) -> (i64, i64) {
    let most = file.max_ttl_seconds.unwrap_or(base.max_ttl_seconds);
    let default = file.default_ttl_seconds.unwrap_or(base.default_ttl_seconds);
    let longest = context::MAX_TTL_SECONDS;
    if !(1..=longest).contains(&most) {
        wrong.push(format!("{place}.max_ttl_seconds: must be from 1 to {longest}"));
    }
    if !(1..=most).contains(&default) {
        wrong.push(format!("{place}.default_ttl_seconds: must be from 1 to max_ttl_seconds"));
    }
    (default, most)
}
