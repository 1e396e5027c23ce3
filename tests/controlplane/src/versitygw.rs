//! A real S3 server over a folder: each folder in it is a bucket, and each file an object.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::Program;

/// The server, which is built once.
pub const VERSITYGW: Program = Program {
    name: "versitygw",
    purpose: "a real S3 server",
    version_args: &["--version"],
    skew: 0,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/../lake/go/versitygw"),
    go_mod: include_str!("../../lake/go/versitygw/go.mod"),
    module: "github.com/versity/versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
    tags: "",
    variables: &["main.Version={version}"],
    build_time: "about a minute",
};

/// What starts it at `address` over the absolute folder `data`, for this access key and its secret.
///
/// # Errors
/// It cannot be built.
pub fn versitygw(address: &str, (key, secret): (&str, &str), region: &str, data: &Path) -> Result<Command> {
    let mut command = Command::new(VERSITYGW.find()?);
    command.args(["--port", address, "--access", key, "--secret", secret, "--region", region]);
    command.args(["--keep-alive", "--quiet", "posix"]).arg(data);
    Ok(command)
}
