//! What can be called, as the protocol's descriptors and their comments tell it.

use anyhow::Context as _;
use prost_reflect::{
    Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

use crate::grpc::proto::DESCRIPTORS;
use crate::http::{Commented as _, first_sentence};

/// Every service that a server offers: ours, health and reflection.
pub(super) struct Catalogue {
    pool: DescriptorPool,
}

impl Catalogue {
    /// Reads the descriptors that are built in.
    pub(super) fn load() -> anyhow::Result<Self> {
        let mut pool = DescriptorPool::decode(DESCRIPTORS).context("the protocol's descriptors")?;
        for more in
            [tonic_health::pb::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET]
        {
            pool.decode_file_descriptor_set(more).context("the descriptors of a library")?;
        }
        Ok(Self { pool })
    }

    /// The method of that name: `Method`, `Service/Method` or `package.Service/Method`.
    pub(super) fn find(&self, name: &str) -> Option<MethodDescriptor> {
        let (service, method) = match name.trim_start_matches('/').rsplit_once('/') {
            Some((service, method)) => (Some(service), method),
            None => (None, name),
        };
        let fits = |candidate: &ServiceDescriptor| {
            service.is_none_or(|name| name == candidate.name() || name == candidate.full_name())
        };
        self.pool
            .services()
            .filter(fits)
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .find(|candidate| candidate.name() == method)
    }

    /// Every method by service, with the first line of its documentation.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for service in self.pool.services() {
            text.push_str(&format!("{}\n", service.full_name()));
            for method in service.methods() {
                let comment = method.comment();
                let first = first_sentence(&comment);
                text.push_str(format!("  {:<24} {first}", method.name()).trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// The method's documentation, its request's fields with theirs, and those of the messages inside.
pub(super) fn describe(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let mut text = format!("{}/{}\n", service.full_name(), method.name());
    push_wrapped(&mut text, &method.comment(), "  ");
    let mut waiting = vec![method.input()];
    let mut shown = vec![];
    while let Some(message) = waiting.pop() {
        if shown.contains(&message) {
            continue;
        }
        text.push_str(&format!("\n{}\n", message.name()));
        let mut inner = vec![];
        for field in message.fields() {
            describe_field(&mut text, &field);
            inner.extend(inner_message(&field));
        }
        // Depth first, in the order of the fields: `waiting` is taken from its end.
        waiting.extend(inner.into_iter().rev());
        shown.push(message);
    }
    text
}

fn describe_field(text: &mut String, field: &FieldDescriptor) {
    text.push_str(&format!("  {}: {}\n", field.name(), type_name(field)));
    push_wrapped(text, &field.comment(), "      ");
    if let Kind::Enum(values) = field.kind() {
        let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
        push_wrapped(text, &names.join(" | "), "      ");
    }
}

/// The message that a field holds, unless it is one that JSON writes as a plain value.
fn inner_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let kind = if field.is_map() {
        field.kind().as_message()?.map_entry_value_field().kind()
    } else {
        field.kind()
    };
    kind.as_message().filter(|one| one.package_name() != "google.protobuf").cloned()
}

fn type_name(field: &FieldDescriptor) -> String {
    if field.is_map() {
        let value = field.kind().as_message().map(MessageDescriptor::map_entry_value_field);
        let value = value.map_or_else(String::new, |value| kind_name(&value.kind()));
        return format!("map from string to {value}");
    }
    let name = kind_name(&field.kind());
    match field.cardinality() {
        Cardinality::Repeated => format!("list of {name}"),
        _ => name,
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            "time, such as \"2026-11-22T09:30:00Z\"".to_owned()
        }
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(values) => values.name().to_owned(),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

/// Appends `words`, broken into lines of at most 100 columns.
fn push_wrapped(text: &mut String, words: &str, indent: &str) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && indent.len() + line.chars().count() + 1 + word.len() > 100 {
            text.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        text.push_str(&format!("{indent}{line}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_every_form_of_their_name() {
        let catalogue = Catalogue::load().unwrap();
        for name in [
            "StartInteraction",
            "InteractionService/StartInteraction",
            "threadline.v1.InteractionService/StartInteraction",
            "/threadline.v1.InteractionService/StartInteraction",
        ] {
            let found = catalogue.find(name).unwrap();
            assert_eq!(found.full_name(), "threadline.v1.InteractionService.StartInteraction");
        }
        assert!(catalogue.find("CustomerService/StartInteraction").is_none());
        assert!(catalogue.find("startinteraction").is_none());
        assert!(catalogue.find("Health/Check").is_some());
    }

    #[test]
    fn every_method_of_ours_is_listed_with_its_first_sentence() {
        let list = Catalogue::load().unwrap().list();
        for line in [
            "threadline.v1.InteractionService",
            "StartInteraction         Who is this, and what were we talking about?",
            "EndInteraction           Saves what happened, durably, with or without an earlier start.",
            "GetCustomer              What is known of one customer.",
        ] {
            assert!(list.contains(line), "{line} is missing in\n{list}");
        }
    }

    #[test]
    fn a_request_is_described_field_by_field_also_inside() {
        let method = Catalogue::load().unwrap().find("StartInteraction").unwrap();
        let text = describe(&method);
        for line in [
            "  interaction_id: string\n      The caller's own id, unique per source. Required;",
            "  start_time: time, such as",
            "  direction: Direction\n",
            "DIRECTION_UNSPECIFIED | DIRECTION_INBOUND | DIRECTION_OUTBOUND",
            "\nIdentityHints\n",
            "  external_ids: map from string to string",
            "  identifiers: list of Identifier",
            "\nTelco\n",
        ] {
            assert!(text.contains(line), "{line:?} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert_eq!(text.matches("\nTelco\n").count(), 1);
    }
}
