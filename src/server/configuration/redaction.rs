//! `redact_cards` and `redact_patterns`: what of a tenant's texts is not kept.

use std::sync::Arc;

use serde::Deserialize;

use super::policy::PolicyFile;
use crate::context::{MAX_PATTERNS, Pattern, Redaction};

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PatternFile {
    name: String,
    pattern: String,
}

/// What is redacted: what the file says, else what `base` does. Names all that is wrong with it.
pub(super) fn chosen(
    file: &PolicyFile,
    base: Arc<Redaction>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Arc<Redaction> {
    if file.redact_cards.is_none() && file.redact_patterns.is_none() {
        return base;
    }
    let cards = file.redact_cards.unwrap_or(base.cards);
    let Some(own) = &file.redact_patterns else {
        return Arc::new(Redaction { cards, patterns: Arc::clone(&base.patterns) });
    };
    let place = format!("{place}.redact_patterns");
    if own.len() > MAX_PATTERNS {
        wrong.push(format!("{place}: has more than {MAX_PATTERNS} patterns"));
    }
    let mut patterns = Vec::with_capacity(own.len());
    for (index, one) in own.iter().enumerate().take(MAX_PATTERNS) {
        match Pattern::new(&one.name, &one.pattern) {
            Ok(pattern) => patterns.push(pattern),
            Err(mistake) => {
                // A bad name must not hide a bad pattern.
                let named =
                    mistake.starts_with("name").then(|| Pattern::new("named", &one.pattern));
                let more = named.and_then(Result::err);
                let all = [Some(mistake), more].into_iter().flatten();
                wrong.extend(all.map(|mistake| format!("{place}[{index}].{mistake}")));
            }
        }
    }
    Arc::new(Redaction { cards, patterns: patterns.into() })
}

#[cfg(test)]
mod tests {
    use crate::server::{Configuration, Layers};

    fn redacted(settings: &str, tenant: &str, text: &str) -> String {
        let read = Configuration::parse(settings, &Layers::default()).unwrap();
        read.policies.of(tenant).redaction.apply(text).0.into_owned()
    }

    #[test]
    fn a_tenant_chooses_what_is_redacted() {
        let settings = r#"
            [policy]
            redact_patterns = [{ name = "badge", pattern = "B-[0-9]{6}" }]
            [tenants.acme]
            redact_patterns = [{ name = "iban", pattern = "DE[0-9]{20}" }]
            [tenants.globex]
            redact_cards = false
            [tenants.initech]
            redact_patterns = []
        "#;
        let text = "4111111111111111 B-123456 DE89370400440532013000";
        for (tenant, expected) in [
            ("another", "411111******1111 [badge] DE89370400440532013000"),
            ("acme", "411111******1111 B-123456 [iban]"),
            ("globex", "4111111111111111 [badge] DE89370400440532013000"),
            ("initech", "411111******1111 B-123456 DE89370400440532013000"),
        ] {
            assert_eq!(redacted(settings, tenant, text), expected, "{tenant}");
        }
    }

    #[test]
    fn bad_patterns_are_named() {
        let settings = r#"
            [policy]
            redact_patterns = [
                { name = "fine", pattern = "a" },
                { name = "Bad Name", pattern = "a" },
                { name = "open", pattern = "(" },
                { name = "Two of them", pattern = "(" },
            ]
        "#;
        let Err(wrong) = Configuration::parse(settings, &Layers::default()) else {
            panic!("accepted")
        };
        assert_eq!(wrong.0.len(), 4, "{wrong}");
        assert!(wrong.0[0].starts_with("policy.redact_patterns[1].name: "), "{wrong}");
        assert!(wrong.0[1].starts_with("policy.redact_patterns[2].pattern: "), "{wrong}");
        let many = r#"{ name = "a", pattern = "a" },"#.repeat(17);
        let many = format!("[tenants.acme]\nredact_patterns = [{many}]");
        let Err(wrong) = Configuration::parse(&many, &Layers::default()) else {
            panic!("accepted")
        };
        assert!(wrong.0[0].contains("acme.redact_patterns: has more than 16"), "{wrong}");
    }
}
