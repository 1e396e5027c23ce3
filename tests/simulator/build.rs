//! Compiles `proto/`, the same files as the operator's, into the other end of the wire.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let descriptors = protox::compile(["milvus.proto"], ["../../proto"])?;
    // The service has a call named `Connect`, which would clash with the generated constructor of that name.
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
