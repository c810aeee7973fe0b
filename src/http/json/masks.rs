//! The mask of a request: one text of paths, separated by commas. The protocol's own mapping reads all
//! of a path as lowerCamelCase. Here only what stands before its first dot is a field's name, in either
//! spelling; what stands behind it is a name of the caller's own, such as `variables.Home_City`, and
//! stays as it is: read in another way, it would be somebody's other variable.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field};
use serde_json::Value;
use serde_json::value::RawValue;

/// Whether it is a mask.
pub(super) fn is_mask(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(of) if of.full_name() == "google.protobuf.FieldMask")
}

/// A mask that was taken out of what a request says.
pub(super) struct Mask {
    field: FieldDescriptor,
    paths: Vec<Field>,
}

impl Mask {
    fn of(field: FieldDescriptor, text: &str) -> Self {
        let paths = text.split(',').filter(|path| !path.is_empty());
        Self { field, paths: paths.map(|path| Field::String(read(path))).collect() }
    }

    /// The request with it.
    pub fn put_into(self, mut request: DynamicMessage) -> DynamicMessage {
        if let Kind::Message(of) = self.field.kind() {
            let mut mask = DynamicMessage::new(of);
            mask.set_field_by_name("paths", Field::List(self.paths));
            request.set_field(&self.field, Field::Message(mask));
        }
        request
    }
}

/// The text of a request apart from its mask; nothing where it has none that can be read.
pub(super) fn apart(of: &MessageDescriptor, text: &[u8]) -> Option<(Vec<u8>, Mask)> {
    let field = field(of)?;
    let mut entries: BTreeMap<String, &RawValue> = serde_json::from_slice(text).ok()?;
    let said = names(&field).iter().find_map(|name| entries.remove(*name))?;
    let said: String = serde_json::from_str(said.get()).ok()?;
    Some((serde_json::to_vec(&entries).ok()?, Mask::of(field, &said)))
}

/// The same of a value.
pub(super) fn apart_from_value(of: &MessageDescriptor, value: &Value) -> Option<(Value, Mask)> {
    let (field, mut entries) = (field(of)?, value.as_object()?.clone());
    let said = names(&field).iter().find_map(|name| entries.remove(*name))?;
    let mask = Mask::of(field, said.as_str()?);
    Some((entries.into(), mask))
}

fn field(of: &MessageDescriptor) -> Option<FieldDescriptor> {
    of.fields().find(|field| is_mask(&field.kind()) && !field.is_list())
}

/// Either spelling of a field's name.
fn names(field: &FieldDescriptor) -> [&str; 2] {
    [field.json_name(), field.name()]
}

fn read(path: &str) -> String {
    match path.split_once('.') {
        Some((field, name)) => format!("{}.{name}", in_snake_case(field)),
        None => in_snake_case(path),
    }
}

fn in_snake_case(field: &str) -> String {
    let mut snake = String::with_capacity(field.len() + 4);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::{from_value, read as read_text};
    use crate::http::rules::POOL;

    fn upsert() -> MessageDescriptor {
        POOL.get_message_by_name("threadline.v1.UpsertCustomerRequest").expect("ours")
    }

    /// The paths of a mask, read as a text and as a value.
    fn paths(name: &str, mask: &str) -> Vec<String> {
        let value = serde_json::json!({"request_id": "a", name: mask});
        let text = read_text(&upsert(), value.to_string().as_bytes()).expect("a request");
        assert_eq!(text, from_value(&upsert(), &value).expect("a request"));
        assert_eq!(text.get_field_by_name("request_id").unwrap().as_str(), Some("a"));
        let mask = text.get_field_by_name("update_mask").unwrap();
        let paths = mask.as_message().unwrap().get_field_by_name("paths").unwrap();
        let paths = paths.as_list().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
        paths.collect()
    }

    #[test]
    fn a_callers_own_name_stays_as_it_is() {
        for name in ["update_mask", "updateMask"] {
            let own = "variables.orderStatus,variables.order_status,variables.order_1,\
                       variables.Home_City,profile.a.bC,consents.é";
            assert_eq!(paths(name, own), own.split(',').collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_fields_name_is_read_in_either_spelling() {
        let read = paths("update_mask", "lastSeen,last_seen,lastSeen.lastSeen,,profile");
        assert_eq!(read, ["last_seen", "last_seen", "last_seen.lastSeen", "profile"]);
        assert_eq!(paths("update_mask", ""), [""; 0]);
    }

    #[test]
    fn what_is_no_text_is_no_mask() {
        for odd in ["7", "[\"profile\"]", "{\"paths\":[\"profile\"]}"] {
            let text = format!("{{\"update_mask\":{odd}}}");
            let wrong = read_text(&upsert(), text.as_bytes()).expect_err("refused");
            assert_eq!(wrong[0].field, "update_mask", "{odd}");
            assert!(wrong[0].description.starts_with("is not a list of paths"), "{odd}");
        }
        // Beside something that does not fit, it is not said to be wrong as well.
        let text = r#"{"update_mask":"variables.order_1","requestId":7}"#;
        let wrong = read_text(&upsert(), text.as_bytes()).expect_err("refused");
        assert_eq!(wrong.iter().map(|it| &*it.field).collect::<Vec<_>>(), ["requestId"]);
        let unset = read_text(&upsert(), br#"{"update_mask":null}"#).expect("a request");
        assert!(!unset.has_field_by_name("update_mask"));
        let broken = read_text(&upsert(), b"{\"update_mask\":\"a\"").expect_err("refused");
        assert!(broken[0].description.starts_with("is not JSON: see line 1"), "{broken:?}");
    }

    /// Whoever puts a mask elsewhere has to read it there as well.
    #[test]
    fn masks_stand_in_requests_only_and_once() {
        for message in POOL.all_messages().filter(|it| it.package_name() == "threadline.v1") {
            let masks = message.fields().filter(|it| is_mask(&it.kind())).collect::<Vec<_>>();
            let asked = message.name().ends_with("Request");
            assert!(masks.is_empty() || asked && masks.len() == 1 && !masks[0].is_list());
        }
    }
}
