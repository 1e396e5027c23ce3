//! The process by its command line and environment, up to where it would talk to a cluster.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Output, Stdio},
};

/// The operator on a free port, with these variables and no others, and no cluster.
fn operator(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-refresh-operator"));
    command.env_clear().env("KUBECONFIG", "/nowhere").envs(variables.iter().copied());
    command.args(["run", "--http-address=127.0.0.1:0"]);
    command
}

fn run(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = operator(variables).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn empty_variables_count_as_not_set() {
    let names = [
        "WATCH_NAMESPACE",
        "HTTP_ADDRESS",
        "WORKERS",
        "LEADER_ELECT",
        "LEASE_NAME",
        "LEASE_NAMESPACE",
        "REQUIRE_SECRET_LABEL",
        "LOG_FORMAT",
        "LOG_FILTER_FILE",
        "PER_OBJECT_METRICS",
        "RUST_LOG",
    ];
    let (code, log) = run(&names.map(|name| (name, "")));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("watching all namespaces") && log.contains("no cluster is configured"), "{log}");
}

#[test]
fn a_namespace_that_is_named_twice_is_watched_once_and_one_that_cannot_be_is_refused() {
    let (_, log) = run(&[("WATCH_NAMESPACE", "shop,search,shop")]);
    assert!(log.contains("watching search, shop"), "{log}");
    let (code, log) = run(&[("WATCH_NAMESPACE", "Shop")]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("must be a valid namespace name"), "{log}");
}

#[test]
fn a_proxy_that_is_needed_is_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let file = std::env::temp_dir().join(format!("milvus-refresh-proxy-{}.kubeconfig", std::process::id()));
    let kubeconfig = r#"{
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "https://api.invalid:6443"}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]
    }"#;
    std::fs::write(&file, kubeconfig).unwrap();
    let mut command = operator(&[("HTTPS_PROXY", &url), ("NO_PROXY", "example.com,")]);
    let mut process = command.env("KUBECONFIG", &file).stderr(Stdio::piped()).spawn().unwrap();
    // When the process ends instead, its standard error ends; the proxy would wait for ever.
    let log = BufReader::new(process.stderr.take().unwrap());
    let said = log.lines().map_while(Result::ok).find(|line| line.contains("using a proxy"));
    assert!(said.is_some(), "it ended: {:?}", process.wait());
    let (connection, _) = proxy.accept().unwrap();
    let mut asked = String::new();
    BufReader::new(connection).read_line(&mut asked).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(asked, "CONNECT api.invalid:6443 HTTP/1.1\r\n");
}
