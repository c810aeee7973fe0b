//! How long variables, interactions and customers last, and in which zone and language a brief is.

use super::policy::PolicyFile;
use crate::clock::DAY;
use crate::context::{self, LEAST_KEPT, MOST_KEPT, Retention};
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

/// How long interactions are kept, and after how long customers are set aside.
pub(super) fn retention(
    file: &PolicyFile,
    base: Retention,
    place: &str,
    wrong: &mut Vec<String>,
) -> Retention {
    let mut chosen = |name: &str, given: &Option<String>, for_ever: &str, base| match given {
        None => base,
        Some(text) if text == for_ever => None,
        Some(text) => {
            let days = text.strip_suffix('d').and_then(|number| number.parse::<i64>().ok());
            let (least, most) = (LEAST_KEPT / DAY, MOST_KEPT / DAY);
            let days = days.filter(|days| (least..=most).contains(days));
            if days.is_none() {
                wrong.push(format!(
                    "{place}.{name}: must be from \"{least}d\" to \"{most}d\", or \"{for_ever}\""
                ));
            }
            days.map(|days| days * DAY)
        }
    };
    Retention {
        interactions: chosen(
            "interactions_kept",
            &file.interactions_kept,
            "unlimited",
            base.interactions,
        ),
        inactive: chosen(
            "customers_archived_after",
            &file.customers_archived_after,
            "never",
            base.inactive,
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::DAY;
    use crate::context::Retention;
    use crate::server::{Configuration, Layers};

    #[test]
    fn a_tenant_chooses_how_long_things_last() {
        let settings = r#"
            [policy]
            interactions_kept = "90d"
            [tenants.acme]
            interactions_kept = "unlimited"
            customers_archived_after = "never"
            [tenants.globex]
            customers_archived_after = "30d"
        "#;
        let read = Configuration::parse(settings, &Layers::default()).unwrap().policies;
        let days = |interactions: Option<i64>, inactive: Option<i64>| Retention {
            interactions: interactions.map(|days| days * DAY),
            inactive: inactive.map(|days| days * DAY),
        };
        assert_eq!(read.of("another").retention, days(Some(90), Some(365)));
        assert_eq!(read.of("acme").retention, days(None, None));
        assert_eq!(read.of("globex").retention, days(Some(90), Some(30)));
        let plain = Configuration::parse("", &Layers::default()).unwrap().policies;
        assert_eq!(plain.of("acme").retention, days(Some(730), Some(365)));
    }

    #[test]
    fn what_is_no_number_of_days_is_refused() {
        for wrong in ["29d", "36501d", "90", "90h", "d", "-1d", "never", "9999999999999999999999d"]
        {
            let settings = format!("[policy]\ninteractions_kept = \"{wrong}\"");
            let refused = Configuration::parse(&settings, &Layers::default()).err();
            let named = refused.expect("a refusal").0;
            assert!(
                named.len() == 1 && named[0].starts_with("policy.interactions_kept: "),
                "{wrong}"
            );
        }
        let settings = "[policy]\ncustomers_archived_after = \"unlimited\"";
        assert!(Configuration::parse(settings, &Layers::default()).is_err());
    }
}
