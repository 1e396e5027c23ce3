//! A server that speaks Google's API, with nothing in it and open to everybody.

use std::process::Command;

use controlplane::Program;
use hyper::Request;

use crate::{gateway::sent, server::Server};

const FAKE_GCS: Program = Program {
    name: "fake-gcs-server",
    purpose: "the test of a listing by Google's API",
    // It knows no version: one on PATH is not used.
    version_args: &["--help"],
    skew: 0,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lake/go/fake-gcs-server"),
    go_mod: include_str!("go/fake-gcs-server/go.mod"),
    module: "github.com/fsouza/fake-gcs-server",
    package: "github.com/fsouza/fake-gcs-server",
    tags: "",
    variables: &[],
    build_time: "about two minutes",
};

/// Such a server.
pub struct Google {
    pub url: String,
    _server: Server,
}

impl Google {
    pub fn start() -> Self {
        let server = Server::start("fake-gcs-server", |address, _| {
            let (host, port) = address.split_once(':').unwrap();
            let mut command = Command::new(FAKE_GCS.find().unwrap());
            command.args([
                "-scheme",
                "http",
                "-backend",
                "memory",
                "-host",
                host,
                "-port",
                port,
                "-public-host",
                address,
            ]);
            command
        });
        Self { url: format!("http://{}", server.address), _server: server }
    }

    async fn post(&self, path: &str, body: String) {
        let request = Request::builder().method("POST").uri(format!("{}{path}", self.url));
        sent(request.header("content-type", "application/json").body(body.into()).unwrap()).await;
    }

    /// Makes a bucket.
    pub async fn bucket(&self, bucket: &str) {
        self.post("/storage/v1/b", format!("{{\"name\":\"{bucket}\"}}")).await;
    }

    /// Writes an object.
    pub async fn put(&self, bucket: &str, name: &str, body: &str) {
        let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}");
        self.post(&path, body.to_owned()).await;
    }
}
