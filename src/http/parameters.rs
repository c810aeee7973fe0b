//! What path and query say of a request.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::json;
use super::rules::{Named, decoded};
use crate::identity::Violation;

/// Parameters of one query.
const MOST_PARAMETERS: usize = 256;

/// A request that has no body: every field comes in the query, `a.b=` is field `b` of field `a`, a
/// list is a parameter that is repeated.
///
/// # Errors
/// Everything that does not fit.
pub(super) fn from_query(
    of: &MessageDescriptor,
    query: &str,
) -> Result<DynamicMessage, Vec<Violation>> {
    let (mut value, mut wrong) = (Map::new(), Vec::new());
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for parameter in parameters.take(MOST_PARAMETERS + 1) {
        let (name, text) = parameter.split_once('=').unwrap_or((parameter, ""));
        let read = match (spaced(name), spaced(text)) {
            (Some(name), Some(text)) => insert(&mut value, of, &name, &name, text),
            _ => Err(violation("", "holds what is not UTF-8, percent-encoded")),
        };
        wrong.extend(read.err());
    }
    if query.split('&').count() > MOST_PARAMETERS {
        wrong.push(violation("", "has too many parameters"));
    }
    if wrong.is_empty() { json::from_value(of, &Value::Object(value)) } else { Err(wrong) }
}

/// Sets what the path says. A body may say the same once more, and nothing else.
///
/// # Errors
/// Fields of which path and body say different things.
pub(super) fn add_path(message: &mut DynamicMessage, named: Named) -> Result<(), Vec<Violation>> {
    let mut wrong = Vec::new();
    for (field, text) in named {
        let said = prost_reflect::Value::String(text);
        if message.has_field(&field) && *message.get_field(&field) != said {
            wrong.push(violation(field.name(), "is not what the path says"));
        }
        message.set_field(&field, said);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Names every parameter of a request that has a body: there is nothing left for a query to say.
///
/// # Errors
/// When there is one.
pub(super) fn none(query: &str) -> Result<(), Vec<Violation>> {
    let named = query.split('&').filter(|parameter| !parameter.is_empty());
    let wrong = named.take(MOST_PARAMETERS).map(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        violation(json::printable(name), "is not a parameter: what is asked comes in the body")
    });
    let wrong: Vec<Violation> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A text of a query, where a `+` is a space.
pub(super) fn spaced(text: &str) -> Option<String> {
    decoded(&text.replace('+', " "))
}

fn violation(field: &str, description: &str) -> Violation {
    Violation { field: field.to_owned(), description: description.to_owned() }
}

fn insert(
    into: &mut Map<String, Value>,
    of: &MessageDescriptor,
    whole: &str,
    name: &str,
    text: String,
) -> Result<(), Violation> {
    let place = || whole.split('.').map(json::printable).collect::<Vec<_>>().join(".");
    let wrong = |why: &str| Err(violation(&place(), why));
    let (first, rest) = name.split_once('.').map_or((name, None), |(a, b)| (a, Some(b)));
    let field = of.get_field_by_json_name(first).or_else(|| of.get_field_by_name(first));
    let Some(field) = field else { return wrong("is not a parameter of this request") };
    let nested = match field.kind() {
        Kind::Message(inner) if !json::is_well_known(&inner) => Some(inner),
        _ => None,
    };
    match (nested, rest) {
        (Some(inner), Some(rest)) if !field.is_map() && !field.is_list() => {
            let entry = into.entry(field.name()).or_insert_with(|| Value::Object(Map::new()));
            match entry {
                Value::Object(into) => insert(into, &inner, whole, rest, text),
                _ => wrong("is said twice"),
            }
        }
        (None, None) if field.is_list() => {
            let entry = into.entry(field.name()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = entry {
                items.push(plain(&field, text));
            }
            Ok(())
        }
        (None, None) => match into.insert(field.name().to_owned(), plain(&field, text)) {
            None => Ok(()),
            Some(_) => wrong("is said twice"),
        },
        _ => wrong("cannot come in a query"),
    }
}

/// A text as JSON would have it: numbers may be texts there, too.
fn plain(field: &FieldDescriptor, text: String) -> Value {
    match (field.kind(), text.as_str()) {
        (Kind::Bool, "true") => true.into(),
        (Kind::Bool, "false") => false.into(),
        (Kind::Enum(_), number) if number.parse::<i32>().is_ok() => {
            number.parse::<i32>().unwrap_or_default().into()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::rules::POOL;

    fn read(name: &str, query: &str) -> Result<String, Vec<String>> {
        let of = POOL.get_message_by_name(&format!("threadline.v1.{name}")).expect(name);
        match from_query(&of, query) {
            Ok(message) => Ok(json::write(&message, false, false).expect("JSON")),
            Err(wrong) => Err(wrong
                .into_iter()
                .map(|it| format!("{} {}", it.field, it.description))
                .collect()),
        }
    }

    #[test]
    fn a_query_says_what_a_body_would() {
        let read = |query| read("ListInteractionsRequest", query).unwrap();
        assert_eq!(read(""), "{}");
        assert_eq!(
            read("customerRef=a%20b+c&page_size=7&channel=%C3%A9"),
            r#"{"customer_ref":"a b c","channel":"é","page_size":7}"#
        );
    }

    #[test]
    fn lists_messages_times_and_enums_come_in_a_query_too() {
        let read = |query| read("UpsertCustomerRequest", query).unwrap();
        assert_eq!(
            read("customer.disclosure=DISCLOSURE_NEVER&update_time=2026-01-01T00:00:00Z"),
            r#"{"customer":{"disclosure":"DISCLOSURE_NEVER"},"update_time":"2026-01-01T00:00:00Z"}"#
        );
        assert_eq!(read("assurance=2"), r#"{"assurance":"ASSURANCE_CARRIED"}"#);
        assert_eq!(read("update_mask=profile,variables"), r#"{"update_mask":"profile,variables"}"#);
    }

    #[test]
    fn what_does_not_fit_is_named_and_no_value_repeated() {
        let wrong = |query| read("ListInteractionsRequest", query).unwrap_err();
        assert_eq!(wrong("chanel=canary"), ["chanel is not a parameter of this request"]);
        assert_eq!(wrong("page_size=canary"), ["page_size is not a whole number of 32 bits"]);
        assert_eq!(wrong("channel=a&channel=canary"), ["channel is said twice"]);
        for odd in ["a%FF=canary", "channel=%ZZ", "channel=canary%2", "a%=1"] {
            assert_eq!(wrong(odd), [" holds what is not UTF-8, percent-encoded"], "{odd}");
        }
        assert_eq!(wrong("4155550101=canary"), ["… is not a parameter of this request"]);
        assert!(wrong(&"channel=a&".repeat(300)).contains(&" has too many parameters".to_owned()));
        let odd = read("UpsertCustomerRequest", "customer.profile.name=x&customer=y").unwrap_err();
        assert_eq!(
            odd,
            ["customer.profile.name cannot come in a query", "customer cannot come in a query"]
        );
    }
}
