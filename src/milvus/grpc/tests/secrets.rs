//! No call gives back what must not be read.

use std::net::SocketAddr;

use tonic::Code;

use super::{
    COLLECTION, about, ok, refused_port,
    scripted::{PATIENCE, Reply, client_with, serve},
    served,
};
use crate::milvus::{
    JobId, Login, Milvus, MilvusError,
    grpc::{
        GrpcMilvus,
        wire::{common, milvus},
    },
    scrub::Secrets,
};

/// A server's words with the login, with credentials of ours and with those in the spec of somebody else's job.
const ECHO: &str = r#"bad login "pass\"word" (cm9vdDpwYXNzIndvcmQ=), spec "{\"access_key_value\":\"hidden\"}""#;
const SCRUBBED: &str = r#"bad login "***" (***), spec "{\"access_key_value\":\"***\"}""#;

fn client(address: SocketAddr) -> GrpcMilvus {
    client_with(address, PATIENCE, Some(Login::User { name: "root".to_owned(), password: "pass\"word".into() }))
}

/// The errors of every call.
async fn errors(address: SocketAddr) -> Vec<MilvusError> {
    let client = client(address);
    let mut errors = vec![
        client.version().await.unwrap_err(),
        client.probe().await.unwrap_err(),
        client.describe("db", COLLECTION).await.unwrap_err(),
        client.list("db", COLLECTION).await.unwrap_err(),
        client.list_all(&|_| true).await.unwrap_err(),
        client.submit("db", COLLECTION, None, PATIENCE).await.unwrap_err(),
        client.progress(JobId(7)).await.unwrap_err(),
    ];
    errors.extend(served::errors(&client).await);
    errors
}

#[tokio::test]
async fn secrets_do_not_come_back_in_the_error_of_any_call() {
    let status = Some(common::Status { code: 5, reason: ECHO.to_owned(), ..Default::default() });
    // The status is the first field of every answer.
    let inside = Reply::message(&milvus::GetVersionResponse { status, version: String::new() });
    for reply in [inside, Reply::status(Code::PermissionDenied, ECHO)] {
        let (address, _) = serve(move |_| reply.clone()).await;
        for error in errors(address).await {
            assert_eq!(error.message, SCRUBBED, "{:?}", error.kind);
        }
    }
}

#[tokio::test]
async fn secrets_do_not_come_back_in_the_reason_of_any_job() {
    let (address, _) = serve(|request| {
        let job = milvus::RefreshExternalCollectionJobInfo { job_id: 7, reason: ECHO.to_owned(), ..Default::default() };
        about(job, &request.path)
    })
    .await;
    let client = client(address);
    assert_eq!(client.progress(JobId(7)).await.unwrap().reason, SCRUBBED);
    assert_eq!(client.list("db", COLLECTION).await.unwrap()[0].reason, SCRUBBED);
    assert_eq!(client.list_all(&|_| true).await.unwrap()[0].reason, SCRUBBED);
}

#[tokio::test]
async fn the_keys_of_a_spec_that_another_process_has_sent_do_not_come_back() {
    let (address, _) = serve(|_| {
        let reason = "key AKIA7 is disabled".to_owned();
        let job = milvus::RefreshExternalCollectionJobInfo { job_id: 7, reason, ..Default::default() };
        Reply::message(&milvus::GetRefreshExternalCollectionProgressResponse { status: ok(), job_info: Some(job) })
    })
    .await;
    let client = client(address);
    let secrets = Secrets::of_spec(r#"{"extfs":{"access_key_id":"AKIA7"}}"#);
    client.keep_secret(&secrets);
    assert_eq!(client.progress(JobId(7)).await.unwrap().reason, "key *** is disabled");
}

#[tokio::test]
async fn secrets_do_not_come_back_in_the_version_or_in_debug_output() {
    let (address, _) =
        serve(|_| Reply::message(&milvus::GetVersionResponse { status: ok(), version: ECHO.to_owned() })).await;
    let client = client(address);
    assert_eq!(client.version().await.unwrap(), SCRUBBED);
    assert!(!format!("{client:?}").contains("word"), "{client:?}");
}

#[tokio::test]
async fn a_password_that_is_one_of_our_words_leaves_no_gap_in_them() {
    let login = Login::User { name: "root".to_owned(), password: "Milvus".into() };
    let client = client_with(refused_port().await, PATIENCE, Some(login));
    let message = client.version().await.unwrap_err().message;
    assert!(message.starts_with("No connection to Milvus at http://127.0.0.1:"), "{message}");
}
