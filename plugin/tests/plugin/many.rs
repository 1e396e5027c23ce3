//! Ten thousand refreshes: what they take of memory. The API server is played, since a real one takes minutes to fill.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{ChildStdout, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::stage::plugin;

const ALL: usize = 10_000;
const MOST_KIB: u64 = 50 * 1024;

#[test]
fn ten_thousand_refreshes_take_less_than_50_mib() {
    let folder = tempfile();
    let kubeconfig = serve(&folder);
    // Watched, it keeps them all; what only lists keeps as much.
    let mut command = plugin(&kubeconfig, "shop", &["list", "-w"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..=ALL {
        skip_line(&mut out);
    }
    let most = peak(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(most < MOST_KIB, "it takes {most} KiB");
    fs::remove_dir_all(folder).unwrap();
}

fn skip_line(out: &mut BufReader<ChildStdout>) {
    let mut line = Vec::new();
    assert!(out.read_until(b'\n', &mut line).unwrap() > 0, "there are too few lines");
}

/// The most memory that the process has had, in KiB, without the pages of its own file: an unoptimised program is several times as
/// large as the one that people run.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    of("VmHWM:") - of("RssFile:")
}

fn tempfile() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ecrefresh-many-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Plays an API server with ten thousand refreshes, and gives a kubeconfig for it.
fn serve(folder: &std::path::Path) -> PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || answer(connection.unwrap()));
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": server } }], "users": [{ "name": "a", "user": {} }],
    });
    let path = folder.join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// Answers the requests of a connection. A watch stays silent.
fn answer(mut connection: TcpStream) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let object = object();
    loop {
        let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let Some(request) = lines.next() else { return };
        lines.for_each(drop);
        let query = request.split(['?', ' ']).nth(2).unwrap_or_default();
        let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if asked("watch").is_some() {
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
            continue;
        }
        let from: usize = asked("continue").map_or(0, |from| from.parse().unwrap());
        let limit: usize = asked("limit").map_or(ALL, |limit| limit.parse().unwrap());
        let to = (from + limit).min(ALL);
        let items: Vec<_> = (from..to).map(|number| object.replace("NAME", &format!("refresh-{number:05}"))).collect();
        let next = if to == ALL { String::new() } else { to.to_string() };
        let body = format!(
            r#"{{"apiVersion":"milvus-refresh.dev/v1alpha1","kind":"ExternalCollectionRefreshList",
            "metadata":{{"resourceVersion":"1","continue":"{next}"}},"items":[{}]}}"#,
            items.join(",")
        );
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

/// A refresh with all that one has that has run ten times: 7 KB.
fn object() -> String {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/refresh/tests/golden/failed.json");
    let mut status: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    status["history"] = json!(vec![status["history"][0].clone(); 10]);
    let object = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "name": "NAME", "namespace": "shop", "uid": "NAME", "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "2026-09-21T14:00:00Z",
            "managedFields": [{ "manager": "kubectl", "fieldsV1": { "f:spec": { "f:collectionName": {} } } }] },
        "spec": { "collectionName": "products" }, "status": status,
    });
    object.to_string()
}
