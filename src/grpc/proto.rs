//! The generated protocol `threadline.v1`, and its descriptors.

#![expect(
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    reason = "generated code; the protocol files carry the documentation"
)]

tonic::include_proto!("threadline.v1");

/// The encoded descriptors of the protocol and all it imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/threadline.binpb"));
