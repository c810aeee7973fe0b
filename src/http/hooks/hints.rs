//! What a helpdesk shows of a customer.

use serde_json::{Map, Value, json};

use super::taking::Take;

/// Hints that have a field of their own.
pub const FIELDS: [&str; 5] =
    ["caller_number", "whatsapp_id", "telegram_user_id", "discord_user_id", "visitor_id"];

/// What a value is a hint of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// An e-mail address.
    Email,
    /// A number that nobody called from.
    Phone,
    /// One of [`FIELDS`].
    Field(&'static str),
    /// An id of this namespace.
    External(String),
}

/// How a hint is taken.
#[derive(Clone, Debug)]
pub struct HintTake {
    /// What it is.
    pub shown: Shown,
    /// Its value.
    pub take: Take,
    /// The name of how far the helpdesk vouches for it; without it the default of kind and channel.
    pub assurance: Option<&'static str>,
}

impl HintTake {
    /// What the settings call it.
    pub(super) fn place(&self) -> String {
        match &self.shown {
            Shown::Email => "hints.email".into(),
            Shown::Phone => "hints.phone".into(),
            Shown::Field(name) => format!("hints.{name}"),
            Shown::External(namespace) => format!("hints.external_ids.{namespace}"),
        }
    }

    /// Adds a value to `IdentityHints`.
    pub(super) fn show(&self, value: &str, hints: &mut Map<String, Value>) {
        let (kind, namespace) = match (&self.shown, self.assurance) {
            (Shown::Field(name), _) => return drop(hints.insert((*name).into(), value.into())),
            (Shown::Email, None) => return drop(hints.insert("email".into(), value.into())),
            (Shown::External(namespace), None) => {
                let ids = hints.entry("external_ids").or_insert_with(|| Map::new().into());
                ids[namespace.as_str()] = value.into();
                return;
            }
            (Shown::Email, Some(_)) => ("email", ""),
            (Shown::Phone, _) => ("phone", ""),
            (Shown::External(namespace), Some(_)) => ("external", namespace.as_str()),
        };
        let assurance = self.assurance.unwrap_or("ASSURANCE_UNSPECIFIED");
        let one = json!({"kind": kind, "namespace": namespace, "value": value,
            "assurance": assurance});
        let all = hints.entry("identifiers").or_insert_with(|| Vec::<Value>::new().into());
        if let Value::Array(all) = all {
            all.push(one);
        }
    }
}

/// Takes out of `IdentityHints` what a refusal names: a helpdesk's fields hold whatever somebody wrote
/// into them, and a ticket is not lost for that. Whether anything was taken out, and nothing else was
/// wrong.
pub(super) fn without_refused(end: &mut Value, refused: &[String]) -> bool {
    let of_hints = |field: &String| field.starts_with("identity_hints");
    if refused.is_empty() || !refused.iter().all(of_hints) {
        return false;
    }
    let Some(hints) = end.get_mut("identity_hints").and_then(Value::as_object_mut) else {
        return false;
    };
    let mut places = Vec::new();
    for field in refused {
        let field = field.trim_start_matches("identity_hints").trim_start_matches('.');
        let (name, rest) = field.split_once('[').unwrap_or((field, ""));
        let inner = rest.split(']').next().unwrap_or_default();
        match name {
            "identifiers" => places.extend(inner.parse::<usize>()),
            "external_ids" if !inner.is_empty() => {
                if let Some(ids) = hints.get_mut(name).and_then(Value::as_object_mut) {
                    ids.remove(inner);
                }
            }
            _ => drop(hints.remove(name)),
        }
    }
    if let Some(all) = hints.get_mut("identifiers").and_then(Value::as_array_mut) {
        let mut place = 0..;
        all.retain(|_| place.next().is_none_or(|at| !places.contains(&at)));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_left_out_and_nothing_else() {
        let end = json!({"identity_hints": {"email": "x", "whatsapp_id": "y",
            "external_ids": {"crm_id": "1", "other": "2"},
            "identifiers": [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}]}});
        let without = |refused: &[&str]| {
            let mut end = end.clone();
            let refused: Vec<String> = refused.iter().map(|it| (*it).to_owned()).collect();
            without_refused(&mut end, &refused).then(|| end["identity_hints"].clone())
        };
        let left = without(&[
            "identity_hints.email",
            "identity_hints.external_ids[other]",
            "identity_hints.identifiers[0].value",
            "identity_hints.identifiers[2]",
        ]);
        let expected = json!({"whatsapp_id": "y", "external_ids": {"crm_id": "1"},
            "identifiers": [{"kind": "b"}]});
        assert_eq!(left, Some(expected));
        assert_eq!(without(&["identity_hints.email", "summary"]), None);
        assert_eq!(without(&[]), None);
    }
}
