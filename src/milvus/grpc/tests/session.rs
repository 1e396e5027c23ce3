//! A client whose login changes or goes while calls are made.

use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::milvus::grpc::GrpcMilvus;

fn options(address: SocketAddr, user: &str) -> ConnectOptions {
    ConnectOptions {
        address: format!("http://{address}"),
        tls: None,
        login: Some(Login::User { name: user.to_owned(), password: "hunter2".into() }),
        request_timeout: PATIENCE,
    }
}

/// A port that takes connections and never answers, and what it is sent.
async fn silent() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

#[tokio::test]
async fn a_client_that_was_closed_sends_nothing() {
    let (address, listener) = silent().await;
    let client = GrpcMilvus::connect(options(address, "old")).unwrap();
    client.disconnect();
    assert_eq!(client.version().await.unwrap_err().kind, ErrorKind::NotSent);
    assert_eq!(client.submit("db", COLLECTION, None, PATIENCE).await.unwrap_err().kind, ErrorKind::NotSent);
    let connected = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
    assert!(connected.is_err(), "a closed client has connected");
}

#[tokio::test]
async fn options_that_cannot_be_used_change_nothing() {
    let (address, listener) = silent().await;
    let client = GrpcMilvus::connect(options(address, "old")).unwrap();
    client.reconnect(options(address, "no:colon")).unwrap_err();
    let call = tokio::spawn(async move { client.version().await });
    tokio::time::timeout(PATIENCE, listener.accept()).await.expect("it connects").unwrap();
    call.abort();
}

#[tokio::test]
async fn a_call_that_still_waits_for_a_connection_never_leaves_with_the_old_login() {
    let (address, _full) = full().await;
    let client = GrpcMilvus::connect(options(address, "old")).unwrap();
    let waiting = client.clone();
    let call = tokio::spawn(async move { waiting.submit("db", COLLECTION, None, PATIENCE).await });
    tokio::task::yield_now().await;
    client.reconnect(options(address, "new")).unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    assert!(error.message.contains("has just changed"), "{error}");
}
