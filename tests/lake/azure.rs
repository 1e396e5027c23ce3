//! Azurite, Microsoft's own server for tests, with nothing in it. npm installs it once below the user's cache folder.
//!
//! It needs Node.js 20 or later with npm; without, it fails and says so.

use std::{path::PathBuf, process::Command};

use hyper::Request;
use object_store::{
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential},
    client::HttpRequestBody,
};

use crate::{gateway::sent, server::Server};

/// What it needs itself is left to npm.
const PACKAGE: &str = "azurite@3.37.0";

/// The account that it always has, with the key that everybody knows.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server with one storage account.
pub struct Azure {
    /// Of the account.
    pub url: String,
    _server: Server,
}

impl Azure {
    pub fn start() -> Self {
        let program = program();
        let server = Server::start("azurite", |address, _| {
            let (host, port) = address.split_once(':').unwrap();
            let mut command = Command::new("node");
            command.arg(&program).args(["--blobHost", host, "--blobPort", port]);
            command.args(["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
            command
        });
        Self { url: format!("http://{}/{ACCOUNT}", server.address), _server: server }
    }

    async fn send(&self, request: hyper::http::request::Builder, body: &str) {
        let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(ACCOUNT_KEY).unwrap());
        let mut request = request.method("PUT").body(HttpRequestBody::from(body.to_owned())).unwrap();
        AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request).unwrap();
        sent(request).await;
    }

    /// Makes a container.
    pub async fn container(&self, container: &str) {
        self.send(Request::builder().uri(format!("{}/{container}?restype=container", self.url)), "").await;
    }

    /// Writes a blob.
    pub async fn put(&self, path: &str, body: &str) {
        let request = Request::builder().uri(format!("{}/{path}", self.url)).header("x-ms-blob-type", "BlockBlob");
        // The signature covers it.
        self.send(request.header("content-length", body.len()), body).await;
    }
}

/// Azurite's blob service.
fn program() -> PathBuf {
    const PROGRAM: &str = "node_modules/azurite/dist/src/blob/main.js";
    let path = format!("lake/{}", PACKAGE.replace('@', "-"));
    let what = format!("{PACKAGE} for the test of listings of Azure");
    let folder = controlplane::kept(&path, PROGRAM, &what, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-fund", "--no-audit", "--ignore-scripts", "--loglevel=error", "--prefix"]);
        npm.arg(folder).arg(PACKAGE);
        vec![npm]
    });
    let needs = "this test needs Node.js 20 or later with npm on PATH; install it, or leave the test out with \
                 `cargo test --workspace -- --skip azurite`";
    folder.expect(needs).join(PROGRAM)
}
