//! A real S3 server with nothing in it, and a client that writes to it.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use controlplane::{Process, Program};
use futures::{StreamExt, TryStreamExt, stream};
use hyper::Request;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::HttpRequestBody,
};

use crate::certificates::Issued;

pub const KEY: &str = "lake";
pub const SECRET: &str = "lake-secret";
pub const REGION: &str = "eu-central-1";

/// Far more than anything here takes, on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(180);

const VERSITYGW: Program = Program {
    name: "versitygw",
    purpose: "the tests of listings on a real S3 server",
    version_args: &["--version"],
    skew: 0,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lake/go/versitygw"),
    go_mod: include_str!("go/versitygw/go.mod"),
    module: "github.com/versity/versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
    tags: "",
    variables: &["main.Version={version}"],
    build_time: "about a minute",
};

/// Its files, which go when nobody needs them.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An S3 server. It ends first, then its folder goes.
pub struct Gateway {
    pub url: String,
    _process: Process,
    _folder: Folder,
}

impl Gateway {
    /// With a certificate it speaks TLS alone.
    pub fn start(tls: Option<&Issued>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("lake-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(folder.0.join("data")).unwrap();
        if let Some(tls) = tls {
            fs::write(folder.0.join("cert.pem"), &tls.chain).unwrap();
            fs::write(folder.0.join("key.pem"), &tls.key).unwrap();
        }
        let (address, process) =
            (0..5).find_map(|_| try_start(&folder.0, tls.is_some())).expect("versitygw does not start");
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { url: format!("{scheme}://{address}"), _process: process, _folder: folder }
    }

    async fn send(&self, method: &str, path: &str, body: &str) {
        let credential = AwsCredential { key_id: KEY.to_owned(), secret_key: SECRET.to_owned(), token: None };
        let body = HttpRequestBody::from(body.to_owned());
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url)).body(body).unwrap();
        AwsAuthorizer::new(&credential, "s3", REGION).try_authorize(&mut request, None).unwrap();
        let client: Client<_, HttpRequestBody> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
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

/// `None` where somebody else was faster to take the port, which the server does not choose itself.
fn try_start(folder: &Path, tls: bool) -> Option<(String, Process)> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new(VERSITYGW.find().unwrap());
    command.args([
        "--port",
        &address,
        "--access",
        KEY,
        "--secret",
        SECRET,
        "--region",
        REGION,
        "--keep-alive",
        "--quiet",
    ]);
    if tls {
        // It changes its folder before it reads them.
        command.arg("--cert").arg(folder.join("cert.pem")).arg("--key").arg(folder.join("key.pem"));
    }
    command.arg("posix").arg(folder.join("data"));
    let mut process = Process::spawn("versitygw", command, &folder.join("log")).unwrap();
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "{}", process.log_tail());
        if !process.is_running() {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.is_running().then_some((address, process))
}
