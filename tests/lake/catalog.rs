//! A real Iceberg catalog, Apache's, with its tables on the S3 server, and what writes to them. Maven and pip install them once
//! below the user's cache folder.
//!
//! It needs a JDK 17 or later, Maven, and Python 3.10 or later with venv; without, it fails and says so.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    certificates::Issued,
    gateway::{Gateway, KEY, REGION, SECRET},
    python::Environment,
    server::{self, LONG, Server},
};

const POM: &str = include_str!("java/pom.xml");
const SOURCES: [(&str, &str); 2] =
    [("Lake.java", include_str!("java/Lake.java")), ("Compact.java", include_str!("java/Compact.java"))];

/// The bucket with the tables.
const WAREHOUSE: &str = "warehouse";

const PYTHON: Environment = Environment {
    area: "lake",
    packages: &["pyiceberg==0.12.0", "pyarrow==26.0.1", "s3fs==2026.9.0"],
    purpose: "the tests of tables in a real Iceberg catalog",
    tests: "iceberg",
};

/// A catalog, and the store of its tables.
pub struct Catalog<'a> {
    pub url: String,
    token: &'a str,
    gateway: &'a Gateway,
    server: Server,
}

/// What pyiceberg says of a table after it wrote to it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Written {
    /// Where its newest metadata file is.
    pub location: String,
    /// The current snapshot.
    pub snapshot: i64,
}

impl<'a> Catalog<'a> {
    /// With a token it lets nobody in who does not bring it; with a certificate it speaks TLS alone.
    pub async fn start(gateway: &'a Gateway, token: &'a str, tls: Option<&Issued>) -> Self {
        gateway.bucket(WAREHOUSE).await;
        let server = Server::start("iceberg", |address, folder| {
            let (host, port) = address.split_once(':').unwrap();
            let mut command = java("org.apache.iceberg.rest.Lake");
            command.args([host, port, token]);
            command.arg(tls.map_or_else(PathBuf::new, |tls| {
                server::write(tls, folder);
                folder.to_owned()
            }));
            command.arg(format!("uri=jdbc:sqlite:{}", folder.join("catalog.db").display()));
            command.arg(format!("warehouse=s3://{WAREHOUSE}/wh"));
            command.args(["catalog-impl=org.apache.iceberg.jdbc.JdbcCatalog", "jdbc.schema-version=V1"]);
            // It tells whoever loads a table how to read its files, as catalogs of clouds do.
            command.arg("include-credentials=true").args(storage(gateway));
            command
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { url: format!("{scheme}://{}", server.address), token, gateway, server }
    }

    /// Writes to a table with pyiceberg, whose actions `tables.py` has; `None` where it is gone then, or without a snapshot.
    pub fn write(&self, table: &str, actions: &[&str]) -> Option<Written> {
        let mut properties = json!({
            "type": "rest",
            "uri": self.url,
            "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
            "s3.endpoint": self.gateway.url,
            "s3.access-key-id": KEY,
            "s3.secret-access-key": SECRET,
            "s3.region": REGION,
        });
        if !self.token.is_empty() {
            properties["token"] = self.token.into();
        }
        let mut command = Command::new(PYTHON.programs().join("python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lake/tables.py"));
        command.arg(properties.to_string()).arg(table).args(actions);
        serde_json::from_str(&said(command)).unwrap()
    }

    /// Compacts a table as another engine does.
    pub fn compact(&self, table: &str) {
        let mut command = java("Compact");
        command.arg(table).arg(format!("uri={}", self.url)).args(storage(self.gateway));
        assert_eq!(said(command).trim(), "replace");
    }

    /// How many requests it has answered so.
    pub fn answered(&self, status: u16, path: &str) -> usize {
        let line = format!("{status} GET {path}");
        self.server.log().lines().filter(|logged| *logged == line).count()
    }
}

/// How the catalog and whoever compacts reach the store.
fn storage(gateway: &Gateway) -> [String; 6] {
    [
        "io-impl=org.apache.iceberg.aws.s3.S3FileIO".to_owned(),
        "s3.path-style-access=true".to_owned(),
        format!("s3.endpoint={}", gateway.url),
        format!("s3.access-key-id={KEY}"),
        format!("s3.secret-access-key={SECRET}"),
        format!("client.region={REGION}"),
    ]
}

/// A program that ends by itself and well.
fn said(mut command: Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = controlplane::output(command, LONG).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One of our classes, with what it needs.
fn java(class: &str) -> Command {
    let folder = classes();
    let mut command = Command::new("java");
    // Little memory, and soon there.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
    command.arg("-cp").arg(class_path(&folder)).arg(class);
    command
}

fn class_path(folder: &Path) -> String {
    format!("{}:{}/*", folder.join("classes").display(), folder.join("lib").display())
}

/// The folder with our classes and what they need.
fn classes() -> PathBuf {
    let mut version = Sha256::new();
    version.update(POM);
    SOURCES.iter().for_each(|(_, source)| version.update(source));
    let version: String = version.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lake/java/");
    let what = "Apache's Iceberg catalog for the tests of tables in a real one";
    let folder = controlplane::kept(&format!("lake/iceberg-{version}"), "classes/Compact.class", what, |folder| {
        let mut maven = Command::new("mvn");
        maven.args(["--batch-mode", "--quiet", "--strict-checksums", "--file"]).arg(format!("{here}pom.xml"));
        maven.args([
            "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
            "-DincludeScope=runtime",
        ]);
        maven.arg(format!("-DoutputDirectory={}", folder.join("lib").display()));
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(folder.join("classes")).arg("-cp").arg(class_path(folder));
        javac.args(SOURCES.map(|(name, _)| format!("{here}{name}")));
        vec![maven, javac]
    });
    folder.expect(
        "this test needs a JDK 17 or later and Maven on PATH (Debian: default-jdk-headless, maven); install them, or leave the \
         test out with `cargo test --workspace -- --skip iceberg`",
    )
}
