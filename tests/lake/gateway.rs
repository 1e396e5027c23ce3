//! A real S3 server with nothing in it, and a client that writes to it.

use std::fs;

use controlplane::versitygw;
use futures::{StreamExt, TryStreamExt, stream};
use hyper::Request;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::HttpRequestBody,
};

use crate::{
    certificates::Issued,
    server::{self, Server},
};

pub const KEY: &str = "lake";
pub const SECRET: &str = "lake-secret";
pub const REGION: &str = "eu-central-1";

/// An S3 server.
pub struct Gateway {
    pub url: String,
    _server: Server,
}

impl Gateway {
    /// With a certificate it speaks TLS alone.
    pub fn start(tls: Option<&Issued>) -> Self {
        let server = Server::start("versitygw", |address, folder| {
            let data = folder.join("data");
            fs::create_dir_all(&data).unwrap();
            let mut command = versitygw(address, (KEY, SECRET), REGION, &data).unwrap();
            if let Some(tls) = tls {
                // It changes its folder before it reads them.
                let [chain, key] = server::write(tls, folder);
                command.env("VGW_CERT", chain).env("VGW_KEY", key);
            }
            command
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { url: format!("{scheme}://{}", server.address), _server: server }
    }

    async fn send(&self, method: &str, path: &str, body: &str) {
        let credential = AwsCredential { key_id: KEY.to_owned(), secret_key: SECRET.to_owned(), token: None };
        let body = HttpRequestBody::from(body.to_owned());
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url)).body(body).unwrap();
        AwsAuthorizer::new(&credential, "s3", REGION).try_authorize(&mut request, None).unwrap();
        sent(request).await;
    }

    /// Makes a bucket.
    pub async fn bucket(&self, bucket: &str) {
        self.send("PUT", &format!("/{bucket}"), "").await;
    }

    /// Writes an object.
    pub async fn put(&self, path: &str, body: &str) {
        self.send("PUT", &format!("/{path}"), body).await;
    }

    /// Writes as many objects as there are paths.
    pub async fn put_all(&self, paths: impl IntoIterator<Item = String>) {
        let puts = stream::iter(paths).map(|path| async move {
            self.put(&path, "x").await;
            Ok::<_, ()>(())
        });
        puts.buffer_unordered(16).try_collect::<Vec<()>>().await.unwrap();
    }

    /// Removes an object.
    pub async fn remove(&self, path: &str) {
        self.send("DELETE", &format!("/{path}"), "").await;
    }
}

/// Sends a request that has to succeed.
pub async fn sent(request: Request<HttpRequestBody>) {
    let shown = format!("{} {}", request.method(), request.uri());
    let client: Client<_, HttpRequestBody> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.unwrap();
    assert!(answer.status().is_success(), "{shown}: {}", answer.status());
}
