//! Compiles the protocol with protox: no protoc needed.
//!
//! `UpdateInteractionResponse` has exactly the fields of
//! `StartInteractionResponse`, so both are one Rust type; a test holds the two
//! descriptors against each other. Generated messages carry personal data and
//! get no `Debug` of their own.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    let files = [
        "threadline/v1/interaction_service.proto",
        "threadline/v1/customer_service.proto",
        "threadline/v1/error_reason.proto",
    ];
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(files)?;
    let descriptors = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("threadline.binpb"), &descriptors)?;

    tonic_prost_build::configure()
        // A message with a map encodes the same way every time: replays are told by their content.
        .btree_map(".")
        // Its messages begin with less room than tonic's.
        .codec_path("crate::grpc::codec::Codec")
        // Fakes of tests implement what their test calls.
        .generate_default_stubs(true)
        .skip_debug(["."])
        .extern_path(
            ".threadline.v1.UpdateInteractionResponse",
            "crate::grpc::proto::StartInteractionResponse",
        )
        .compile_fds(prost_types_set(&descriptors)?)?;
    Ok(())
}

fn prost_types_set(
    bytes: &[u8],
) -> Result<tonic_prost_build::FileDescriptorSet, Box<dyn std::error::Error>> {
    Ok(tonic_prost_build::FileDescriptorSet::decode(bytes)?)
}
