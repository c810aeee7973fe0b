//! Reads ids that other systems gave: external ids with their namespace, and
//! the ids of messaging platforms.

/// The longest value of an id, in characters.
pub(super) const MAX_VALUE: usize = 256;
/// The longest namespace or kind, in characters.
pub(super) const MAX_NAMESPACE: usize = 64;

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
pub fn namespace_mistake(namespace: &str) -> Option<String> {
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

/// Whether a value is a number of more than 64 bits.
pub(super) fn is_beyond_ids(value: &str) -> bool {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits && value.parse::<u64>().is_err()
}

/// Senders that Telegram itself writes as, and anonymous administrators of groups: one id, many
/// people.
const TELEGRAMS_OWN: [&str; 3] = ["777000", "1087968824", "136817688"];

/// Whether a Telegram id is one under which Telegram sends for others.
pub(super) fn is_telegrams_own(id: &str) -> bool {
    TELEGRAMS_OWN.contains(&id)
}

/// What a WhatsApp id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WhatsappId<'a> {
    /// A phone number, with or without its `+`.
    Phone(&'a str),
    /// A user id that is no phone number, in its canonical form: a business-scoped id (`US.…`),
    /// known to one business only, or an id under which WhatsApp hides a number (`…@lid`).
    Opaque(String),
    /// A user name, which its owner can change, a group, or nothing of WhatsApp's.
    Neither,
}

/// The most letters and digits of a business-scoped id, behind its country.
const SCOPED_ID: usize = 128;

/// Tells the forms of WhatsApp id apart; `whatsapp:` before and the server name after it are
/// taken off.
pub(super) fn whatsapp_id(value: &str) -> WhatsappId<'_> {
    let value = value.trim();
    let value = match value.get(..9) {
        Some(scheme) if scheme.eq_ignore_ascii_case("whatsapp:") => value[9..].trim(),
        _ => value,
    };
    let (id, server) = value.split_once('@').unwrap_or((value, ""));
    // A point is a separator of phone numbers too, but every business-scoped id has letters.
    let letters = id.chars().any(char::is_alphabetic);
    // `:12` behind the number is one of the sender's devices.
    let sender = id.split(':').next().unwrap_or(id);
    match server.to_ascii_lowercase().as_str() {
        "lid" => match numeric_id(sender) {
            Some(hidden) => WhatsappId::Opaque(format!("{hidden}@lid")),
            None => WhatsappId::Neither,
        },
        "s.whatsapp.net" | "c.us" if !letters => WhatsappId::Phone(sender),
        "" if !letters => WhatsappId::Phone(id),
        "" => business_scoped(id).map_or(WhatsappId::Neither, WhatsappId::Opaque),
        _ => WhatsappId::Neither,
    }
}

/// Country, point, then up to 128 letters and digits, whose case counts; `ENT.` before them marks
/// an id that a company's businesses share. The country is written in upper case.
fn business_scoped(id: &str) -> Option<String> {
    let (country, rest) = id.split_once('.')?;
    let own = rest.strip_prefix("ENT.").unwrap_or(rest);
    let fits = country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (1..=SCOPED_ID).contains(&own.len())
        && own.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| format!("{}.{rest}", country.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (text, number) in [
            ("whatsapp:+19045558060", "+19045558060"),
            ("19045558060@c.us", "19045558060"),
            ("19045558060@s.whatsapp.net", "19045558060"),
            ("19045558060:12@s.whatsapp.net", "19045558060"),
            (" 19045558060 ", "19045558060"),
        ] {
            assert_eq!(whatsapp_id(text), WhatsappId::Phone(number), "{text}");
        }
        for (text, id) in [
            ("US.13491208655302741918", "US.13491208655302741918"),
            ("us.13491208655302741918", "US.13491208655302741918"),
            ("whatsapp:GB.aB3", "GB.aB3"),
            ("US.ENT.11815799212886844830", "US.ENT.11815799212886844830"),
            ("123456789012345@lid", "123456789012345@lid"),
            ("123456789012345:12@lid", "123456789012345@lid"),
            ("whatsapp:123456789012345:0@LID", "123456789012345@lid"),
        ] {
            assert_eq!(whatsapp_id(text), WhatsappId::Opaque(id.into()), "{text}");
        }
        let long = format!("US.{}", "1".repeat(SCOPED_ID + 1));
        for text in [
            "sarah.lee",
            "@sarah",
            "USA.1349",
            "US.",
            "US.13-49",
            "120363025246125486@g.us",
            "status@broadcast",
            ":12@lid",
            "sarah:12@lid",
            &long,
        ] {
            assert_eq!(whatsapp_id(text), WhatsappId::Neither, "{text}");
        }
    }

    #[test]
    fn limits_count_characters() {
        assert_eq!(value_mistake(&"é".repeat(256), MAX_VALUE), None);
        assert!(value_mistake(&"é".repeat(257), MAX_VALUE).is_some());
        assert!(value_mistake("a\0b", MAX_VALUE).is_some());
    }
}
