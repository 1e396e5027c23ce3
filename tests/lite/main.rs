//! Our adapter on milvus-lite, a server that the simulator's authors did not write: what it says of a collection is what Milvus'
//! own Python client says of it.
//!
//! It needs Python 3.10 or later with venv and pip; without, it fails and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use controlplane::{Port, Process, output};
use milvus_refresh_operator::milvus::{ConnectOptions, ErrorKind, IndexState, LoadState, Milvus, grpc::GrpcMilvus};
use python::Environment;
use serde_json::{Value, json};

mod python;

const PYTHON: Environment = Environment {
    area: "lite",
    packages: &["milvus-lite==3.2.2", "pymilvus==3.0.2"],
    purpose: "the test of the adapter",
    tests: "milvus_lite",
};

/// Far more than anything here takes, on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(300);
const COLLECTION: &str = "products";
/// One that all rows match, one that some do, one that none does.
const FILTERS: [&str; 3] = ["", "batch == \"25\"", "batch == \"26\""];

/// A folder that goes when nobody needs it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server with nothing in it. It ends first, then its folder and its port go.
struct Lite {
    url: String,
    _process: Process,
    _folder: Folder,
    _port: Port,
}

impl Lite {
    fn start() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("lite-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(&folder.0).unwrap();
        let port = Port::reserve().unwrap();
        let mut command = Command::new(PYTHON.programs().join("milvus-lite"));
        command.args(["server", "--host", "127.0.0.1", "--port", &port.number().to_string(), "--data-dir"]);
        command.arg(folder.0.join("data")).env("PYTHONUNBUFFERED", "1");
        let mut process = Process::spawn("milvus-lite", command, &folder.0.join("log")).unwrap();
        process.wait_for_line("MilvusLite gRPC server listening", LONG).unwrap();
        Self { url: format!("http://127.0.0.1:{}", port.number()), _process: process, _folder: folder, _port: port }
    }

    fn adapter(&self) -> GrpcMilvus {
        let address = self.url.clone();
        GrpcMilvus::connect(ConnectOptions { address, tls: None, login: None, request_timeout: LONG }).unwrap()
    }

    /// Does this with the collection by pymilvus, and gives what pymilvus then says of it.
    fn pymilvus(&self, action: &str) -> Value {
        let mut command = Command::new(PYTHON.programs().join("python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lite/collection.py"));
        command.args([&self.url, COLLECTION, action]).args(FILTERS);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = output(command, LONG).unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        serde_json::from_slice(&said.stdout).unwrap()
    }
}

/// What our adapter says, in the form of `collection.py`.
async fn adapter_says(milvus: &GrpcMilvus) -> Value {
    let state = match milvus.load_state("default", COLLECTION).await.unwrap() {
        LoadState::NotLoaded => "NotLoad",
        LoadState::Loading => "Loading",
        LoadState::Loaded => "Loaded",
    };
    let indexes = milvus.indexes("default", COLLECTION).await.unwrap();
    let indexes = indexes.into_iter().map(|index| {
        let state = if index.state == IndexState::Finished { "Finished" } else { "not finished" };
        json!({ "name": index.name, "state": state, "pending": index.pending_rows })
    });
    let mut counts = Vec::new();
    for filter in FILTERS {
        counts.push(match milvus.count("default", COLLECTION, filter).await {
            Ok(rows) => Value::from(rows),
            Err(error) if error.kind == ErrorKind::NotLoaded => Value::from("code 101"),
            Err(error) => panic!("{filter}: {error:?}"),
        });
    }
    json!({ "state": state, "indexes": indexes.collect::<Vec<_>>(), "counts": counts })
}

#[tokio::test]
async fn our_adapter_on_milvus_lite_agrees_with_pymilvus() {
    let lite = Lite::start();
    let milvus = lite.adapter();
    let theirs = lite.pymilvus("create");
    assert_eq!((&theirs["state"], &theirs["indexes"]), (&"Loaded".into(), &Value::Array(vec![])));
    assert_eq!(theirs["counts"], json!([50, 20, 0]));
    assert_eq!(adapter_says(&milvus).await, theirs, "without an index");

    let theirs = lite.pymilvus("index");
    assert_eq!(theirs["indexes"].as_array().unwrap().len(), 1);
    assert_eq!(adapter_says(&milvus).await, theirs, "with an index");

    let theirs = lite.pymilvus("delete");
    assert_eq!(theirs["counts"], json!([49, 20, 0]));
    assert_eq!(adapter_says(&milvus).await, theirs, "with a row less");

    // It counts the rows of what is not loaded, but only all of them; Milvus counts none.
    let theirs = lite.pymilvus("release");
    assert_eq!((&theirs["state"], &theirs["counts"]), (&"NotLoad".into(), &json!([49, "code 101", "code 101"])));
    assert_eq!(adapter_says(&milvus).await, theirs, "released");
}

#[tokio::test]
async fn milvus_lite_knows_no_segments_and_its_errors_keep_their_words() {
    let lite = Lite::start();
    let milvus = lite.adapter();
    lite.pymilvus("create");
    for segments in
        [milvus.mapped_segments("default", COLLECTION).await, milvus.served_segments("default", COLLECTION).await]
    {
        assert_eq!(segments.unwrap_err().kind, ErrorKind::Unsupported);
    }
    // A code of its own, where Milvus has 1100.
    let unreadable = milvus.count("default", COLLECTION, "batch ===").await.unwrap_err();
    assert_eq!(unreadable.kind, ErrorKind::Internal);
    assert!(unreadable.message.starts_with("unexpected character '=' at column 9"), "{unreadable}");
    assert!(!unreadable.message.contains('\n'), "{unreadable}");
    let missing = milvus.count("default", "missing", "").await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::CollectionNotFound, "{missing}");
    assert_eq!(milvus.load_state("default", "missing").await, Ok(LoadState::NotLoaded));
}
