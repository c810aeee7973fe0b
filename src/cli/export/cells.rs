//! Records as lines of JSON and rows of tables, by the protocol's descriptors: a field that is added
//! there is in both.

use anyhow::Context as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};
use serde_json::Value as Json;

use crate::http;

/// A record as one line of JSON, without what was not said.
///
/// # Errors
/// When a value has no JSON form.
pub(super) fn line(record: &DynamicMessage) -> anyhow::Result<String> {
    Ok(http::write(record, false, false)?)
}

/// Every kind of record: the number of its field, its name, its columns.
pub(super) fn kinds(of: &MessageDescriptor) -> Vec<(u32, String, Vec<String>)> {
    let kind = |field: prost_reflect::FieldDescriptor| {
        let Kind::Message(message) = field.kind() else { return None };
        let columns = message.fields().map(|column| column.name().to_owned()).collect();
        Some((field.number(), field.name().to_owned(), columns))
    };
    of.fields().filter_map(kind).collect()
}

/// A record as a row of its kind's table; `None` for a record of no kind.
///
/// # Errors
/// When a value has no form.
pub(super) fn cells(record: &DynamicMessage) -> anyhow::Result<Option<(u32, Vec<String>)>> {
    let Some((field, Value::Message(inner))) = record.fields().next() else { return Ok(None) };
    let all =
        serde_json::from_str::<Json>(&http::write(inner, false, true)?).context("a record")?;
    let mut row = Vec::new();
    for column in inner.descriptor().fields() {
        let value = all.get(column.name()).unwrap_or(&Json::Null);
        let unset = column.supports_presence() && !inner.has_field(&column);
        row.push(match value {
            _ if unset => String::new(),
            Json::String(text) if matches!(column.kind(), Kind::String) => harmless(text),
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        });
    }
    Ok(Some((field.number(), row)))
}

/// A text that no spreadsheet takes for a formula. What people say may begin with `=`, and whoever
/// opens the table must not run it: an apostrophe in front makes it text, and is not shown.
fn harmless(text: &str) -> String {
    let first = text.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    let formula = |c: char| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠' | '|' | '%'
        )
    };
    if first.is_some_and(formula) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::grpc::proto::{self, export_record::Record};

    fn dynamic(record: Record) -> DynamicMessage {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
        let of = pool.get_message_by_name("threadline.v1.ExportRecord").unwrap();
        let record = proto::ExportRecord { record: Some(record) };
        DynamicMessage::decode(of, record.encode_to_vec().as_slice()).unwrap()
    }

    #[test]
    fn every_kind_is_a_flat_table() {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
        let of = pool.get_message_by_name("threadline.v1.ExportRecord").unwrap();
        assert!(kinds(&of).len() >= 12);
        for field in of.fields() {
            let Kind::Message(kind) = field.kind() else { panic!("{}", field.name()) };
            for column in kind.fields() {
                let flat = match column.kind() {
                    Kind::Message(inner) => inner.full_name() == "google.protobuf.Timestamp",
                    _ => !column.is_list() && !column.is_map(),
                };
                assert!(flat, "{}.{}", kind.name(), column.name());
            }
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let record = dynamic(Record::Variable(proto::ExportedVariable {
            name: "plan".into(),
            value: "gold, or \"silver\"".into(),
            sensitivity: 2,
            time: Some(prost_types::Timestamp { seconds: 1_762_178_400, nanos: 0 }),
            ttl_seconds: -1,
            ..Default::default()
        }));
        let (number, row) = cells(&record).unwrap().unwrap();
        assert_eq!(number, 5);
        let expected = ["", "plan", "gold, or \"silver\"", "false", "SENSITIVITY_SENSITIVE"];
        assert_eq!(row[..5], expected);
        assert_eq!(row[5], "2025-11-03T14:00:00Z");
        assert_eq!((row[6].as_str(), row[7].as_str()), ("-1", ""), "a number is no formula");
        let line = line(&record).unwrap();
        assert!(line.starts_with(r#"{"variable":{"name":"plan","value":"gold, or \"silver\"","#));
    }

    #[test]
    fn nothing_that_people_said_is_a_formula() {
        for text in ["=1+1", "+14155550101", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", "a=1", "jo@example.com", "1-2", "'=1"] {
            assert_eq!(harmless(text), text);
        }
    }
}
