//! The protocol's comments: they document every RPC, field and value, wherever that is shown.

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// Something of the protocol that has a comment.
pub trait Commented {
    /// The comment in front of it, on one line; empty when there is none.
    fn comment(&self) -> String;
}

/// Where a file's descriptor says that something lies.
macro_rules! commented {
    ($($kind:ty: $file:expr),+ $(,)?) => {$(
        impl Commented for $kind {
            fn comment(&self) -> String {
                let file: fn(&$kind) -> FileDescriptor = $file;
                leading(&file(self), self.path())
            }
        }
    )+};
}

commented! {
    ServiceDescriptor: |it| it.parent_file(),
    MethodDescriptor: |it| it.parent_service().parent_file(),
    MessageDescriptor: |it| it.parent_file(),
    FieldDescriptor: |it| it.parent_message().parent_file(),
    EnumDescriptor: |it| it.parent_file(),
    EnumValueDescriptor: |it| it.parent_enum().parent_file(),
}

fn leading(file: &FileDescriptor, path: &[i32]) -> String {
    let file = file.file_descriptor_proto();
    let places = file.source_code_info.as_ref().map(|source| source.location.as_slice());
    let place = places.unwrap_or_default().iter().find(|place| place.path == path);
    let lines = place.map(|place| place.leading_comments().to_owned()).unwrap_or_default();
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a comment says first.
pub fn first_sentence(text: &str) -> &str {
    let end = text.find(['.', '?']).map_or(text.len(), |at| at + 1);
    &text[..end]
}
