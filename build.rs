//! Compiles `proto/` without `protoc`: protox parses the files, tonic generates the code.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["milvus.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // The service has a call named `Connect`, which would clash with the generated constructor of that name.
        .build_transport(false)
        .build_server(std::env::var_os("CARGO_FEATURE_SIMULATOR").is_some())
        .compile_fds(descriptors)?;
    Ok(())
}
