//! Reads ids that other systems gave: external ids with their namespace, and
//! the ids of messaging platforms.

/// The longest value of an id, in characters.
pub(super) const MAX_VALUE: usize = 256;
/// The longest namespace or kind, in characters.
pub(super) const MAX_NAMESPACE: usize = 64;

/// Values that systems write when they have none: lower case.
const JUNK: [&str; 17] = [
    "-",
    "-1",
    "anonymous",
    "empty",
    "false",
    "guest",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "null",
    "test",
    "undefined",
    "unknown",
    "(null)",
    "(none)",
];

/// Whether a value is what systems write when they have none; it would join strangers.
pub(super) fn is_junk(value: &str) -> bool {
    let value = value.trim();
    value.bytes().all(|byte| byte == b'0') || JUNK.contains(&value.to_lowercase().as_str())
}

/// What is wrong with a value, without repeating it; `None` when it can be read.
pub(super) fn value_mistake(value: &str, longest: usize) -> Option<String> {
    if value.chars().any(char::is_control) {
        return Some("contains a control character".to_owned());
    }
    // Counting bytes first keeps a huge value from being walked twice.
    if value.len() > longest && value.chars().count() > longest {
        return Some(format!("is longer than {longest} characters"));
    }
    None
}

/// What is wrong with a namespace; `None` when it can be used.
pub(super) fn namespace_mistake(namespace: &str) -> Option<String> {
    if namespace.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    value_mistake(namespace, MAX_NAMESPACE)
}

/// Whether a kind of `identifiers` is well formed: lower-case letters, digits, `_`, `-`, `.`.
pub(super) fn is_kind(kind: &str) -> bool {
    (1..=MAX_NAMESPACE).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
}

/// A platform's numeric user id without leading zeros; `None` when it is no positive number of
/// 64 bits. Names are refused: their owners can change them.
pub(super) fn numeric_id(value: &str) -> Option<String> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = if digits { value.parse().ok()? } else { return None };
    (number > 0).then(|| number.to_string())
}

/// What a WhatsApp id is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhatsappId<'a> {
    /// A phone number, with or without its `+`.
    Phone(&'a str),
    /// A business-scoped user id: known to one business only, and no phone number.
    BusinessScoped(&'a str),
}

/// Tells the two forms of WhatsApp id apart; `whatsapp:` before and the server name after it are
/// taken off.
pub(super) fn whatsapp_id(value: &str) -> WhatsappId<'_> {
    let value = value.trim();
    let value = match value.get(..9) {
        Some(scheme) if scheme.eq_ignore_ascii_case("whatsapp:") => value[9..].trim(),
        _ => value,
    };
    let value = ["@s.whatsapp.net", "@c.us"]
        .iter()
        .find_map(|server| value.strip_suffix(server))
        .unwrap_or(value);
    // A point is a separator of phone numbers too, but every business-scoped id has letters.
    if value.chars().any(char::is_alphabetic) {
        WhatsappId::BusinessScoped(value)
    } else {
        WhatsappId::Phone(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_what_systems_write_for_nothing() {
        for value in ["", "null", "NONE", " n/a ", "-1", "0", "0000", "Anonymous", "test"] {
            assert!(is_junk(value), "{value:?}");
        }
        for value in ["10", "tester", "A-0", "nullable", "00x"] {
            assert!(!is_junk(value), "{value:?}");
        }
    }

    #[test]
    fn platform_ids_are_numbers_and_not_names() {
        assert_eq!(numeric_id(" 4427958297 ").as_deref(), Some("4427958297"));
        assert_eq!(numeric_id("007").as_deref(), Some("7"));
        for value in ["", "0", "-100", "+5", "@sarah", "1e5", "99999999999999999999999", "٣"] {
            assert_eq!(numeric_id(value), None, "{value:?}");
        }
    }

    #[test]
    fn whatsapp_ids_are_phones_or_business_scoped() {
        assert!(whatsapp_id("whatsapp:+19045558060") == WhatsappId::Phone("+19045558060"));
        assert!(whatsapp_id("19045558060@c.us") == WhatsappId::Phone("19045558060"));
        let scoped = "US.13491208655302741918";
        assert!(whatsapp_id(scoped) == WhatsappId::BusinessScoped(scoped));
    }

    #[test]
    fn limits_count_characters() {
        assert_eq!(value_mistake(&"é".repeat(256), MAX_VALUE), None);
        assert!(value_mistake(&"é".repeat(257), MAX_VALUE).is_some());
        assert!(value_mistake("a\0b", MAX_VALUE).is_some());
    }
}
