//! The gRPC adapter against servers of every kind of badness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use h2::Reason;
use prost::Message;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::Code;

use super::wire::{common, milvus};
use crate::milvus::{ConnectOptions, ErrorKind, JobId, Login, Milvus};

mod bounds;
pub(crate) mod scripted;
mod secrets;
mod served;
mod session;

use scripted::{PATIENCE, Reply, Seen, client, client_with, raw, saying, serve};

/// Long enough that no server's garbage holds it by chance.
const COLLECTION: &str = "the_collection_of_these_tests";

const SHORT: Duration = Duration::from_secs(2);

fn ok() -> Option<common::Status> {
    Some(common::Status::default())
}

fn accepted(job_id: i64) -> Reply {
    Reply::message(&milvus::RefreshExternalCollectionResponse { status: ok(), job_id })
}

fn jobs(jobs: Vec<milvus::RefreshExternalCollectionJobInfo>) -> Reply {
    Reply::message(&milvus::ListRefreshExternalCollectionJobsResponse { status: ok(), jobs })
}

async fn submit_kind(address: SocketAddr) -> ErrorKind {
    client(address).submit("db", COLLECTION, None, PATIENCE).await.unwrap_err().kind
}

async fn refused_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// A listener that accepts nothing and whose backlog is full, for as long as the second value lives: the kernel leaves the
/// next connection hanging.
async fn full() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(connection) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        held.push(connection.unwrap());
    }
    (address, (listener, held))
}

/// What a List or a question for progress says of this one job.
fn about(job: milvus::RefreshExternalCollectionJobInfo, path: &str) -> Reply {
    if path.ends_with("ListRefreshExternalCollectionJobs") {
        jobs(vec![job])
    } else {
        Reply::message(&milvus::GetRefreshExternalCollectionProgressResponse { status: ok(), job_info: Some(job) })
    }
}

#[tokio::test]
async fn a_refused_connection_means_not_sent() {
    let client = client(refused_port().await);
    let error = client.submit("db", COLLECTION, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    assert!(error.message.starts_with("No connection to Milvus at http://127.0.0.1:"), "{error}");
    assert!(error.message.contains(": tcp connect error: Connection refused"), "{error}");
    assert_eq!(client.probe().await.unwrap_err().kind, ErrorKind::NotSent);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_means_not_sent() {
    let options = ConnectOptions {
        address: "http://no-such-host.invalid:19530".to_owned(),
        tls: None,
        login: None,
        request_timeout: SHORT,
    };
    let error = super::GrpcMilvus::connect(options).unwrap().submit("db", COLLECTION, None, SHORT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_means_not_sent() {
    let (address, _full) = full().await;
    let error = client_with(address, SHORT, None).submit("db", COLLECTION, None, SHORT / 4).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent, "deadline before connection: {error}");
    let error = client_with(address, SHORT, None).probe().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent, "connect timeout: {error}");
}

#[tokio::test]
async fn without_time_left_nothing_is_sent() {
    let (address, requests) = serve(|_| accepted(5)).await;
    let error = client(address).submit("db", COLLECTION, None, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_and_may_have_started_the_job() {
    let silent = raw(|socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let (hanging, _) = serve(|_| Reply::Hang).await;
    // Time enough to connect and to send it, also on a busy machine.
    let submit = async |address| client(address).submit("db", COLLECTION, None, PATIENCE / 2).await.unwrap_err();
    let (silent, hanging) = tokio::join!(submit(silent), submit(hanging));
    for error in [silent, hanging] {
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
        assert!(error.refusal().is_none());
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_request_is_unreachable_and_never_repeated() {
    let (address, requests) = serve(|_| Reply::Drop).await;
    let client = client(address);
    let error = client.submit("db", COLLECTION, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_after_the_request_was_read_is_unreachable() {
    let address = raw(|socket| async move {
        socket.set_zero_linger().unwrap();
        drop(socket);
    })
    .await;
    assert_eq!(submit_kind(address).await, ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_stream_reset_is_unreachable_whatever_its_reason() {
    let reasons = [Reason::REFUSED_STREAM, Reason::INADEQUATE_SECURITY, Reason::CANCEL, Reason::NO_ERROR];
    for reason in reasons.into_iter().chain([Reason::ENHANCE_YOUR_CALM, Reason::HTTP_1_1_REQUIRED]) {
        let (address, _) = serve(move |_| Reply::Reset(reason)).await;
        assert_eq!(submit_kind(address).await, ErrorKind::Unreachable, "{reason:?}");
    }
}

#[tokio::test]
async fn servers_of_other_protocols_are_unreachable() {
    let http1 = saying(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let tls_alert = saying(b"\x15\x03\x01\x00\x02\x02\x46").await;
    let garbage = saying(&[0xff; 4096]).await;
    let nothing = saying(b"").await;
    for address in [http1, tls_alert, garbage, nothing] {
        assert_eq!(submit_kind(address).await, ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn answers_of_a_web_server_are_no_refusal() {
    for status in [200, 401, 403, 404, 500, 503] {
        let (page, _) = serve(move |_| Reply::web(status, "<html>")).await;
        assert_eq!(submit_kind(page).await, ErrorKind::Malformed, "HTTP {status}");
        let (empty, _) = serve(move |_| Reply::web(status, "")).await;
        let kind = if status == 503 { ErrorKind::Unreachable } else { ErrorKind::Malformed };
        assert_eq!(submit_kind(empty).await, kind, "HTTP {status} without a body");
    }
}

#[tokio::test]
async fn refusals_by_grpc_status_keep_the_words_of_milvus() {
    let table = [
        (Code::Unauthenticated, ErrorKind::Unauthenticated),
        (Code::PermissionDenied, ErrorKind::PermissionDenied),
        (Code::Unimplemented, ErrorKind::Unsupported),
    ];
    for (code, kind) in table {
        let (address, _) = serve(move |_| Reply::status(code, "so says Milvus")).await;
        let client = client(address);
        let error = client.submit("db", COLLECTION, None, PATIENCE).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, "so says Milvus"));
        assert_eq!(client.probe().await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn a_status_in_trailers_counts_like_one_in_headers() {
    let (address, _) = serve(|_| Reply::Http {
        status: 200,
        headers: vec![("content-type", "application/grpc".to_owned())],
        body: Default::default(),
        trailers: Some(vec![("grpc-status", "16".to_owned()), ("grpc-message", "no".to_owned())]),
    })
    .await;
    assert_eq!(submit_kind(address).await, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_refusal() {
    let grpc = ("content-type", "application/grpc".to_owned());
    let answer = milvus::RefreshExternalCollectionResponse { status: ok(), job_id: 5 }.encode_to_vec();
    let unreadable = [
        Reply::framed(&answer, vec![grpc.clone(), ("grpc-encoding", "gzip".to_owned())]),
        Reply::framed(b"\xff\xff\xff\xff", vec![grpc.clone()]),
        Reply::Http { status: 200, headers: vec![grpc.clone()], body: vec![0, 0, 0, 0, 9, 1].into(), trailers: None },
        Reply::Http { status: 200, headers: vec![grpc.clone()], body: vec![7, 0, 0, 0, 0].into(), trailers: None },
        Reply::Http { status: 200, headers: vec![grpc.clone()], body: vec![0, 255, 0, 0, 0].into(), trailers: None },
        Reply::framed(b"", vec![grpc]),
    ];
    for (number, reply) in unreadable.into_iter().enumerate() {
        let (address, _) = serve(move |_| reply.clone()).await;
        assert_eq!(submit_kind(address).await, ErrorKind::Malformed, "reply {number}");
    }
}

#[tokio::test]
async fn a_header_that_the_grpc_library_panics_on_is_malformed() {
    let (address, _) = serve(|_| Reply::Http {
        status: 200,
        headers: vec![
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", "7".to_owned()),
            ("grpc-status-details-bin", "***".to_owned()),
        ],
        body: Default::default(),
        trailers: None,
    })
    .await;
    assert_eq!(submit_kind(address).await, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_start_without_a_job_id_is_malformed() {
    for id in [0, -1] {
        let (address, _) = serve(move |_| accepted(id)).await;
        assert_eq!(submit_kind(address).await, ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn codes_inside_an_answer_are_classified() {
    let (address, _) = serve(|_| {
        let reason = "refresh job 461234567890123456 is already in progress for collection c".to_owned();
        let status = Some(common::Status { code: 703, reason, ..Default::default() });
        Reply::message(&milvus::RefreshExternalCollectionResponse { status, job_id: 0 })
    })
    .await;
    let error = client(address).submit("db", COLLECTION, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DuplicateJob);
    assert_eq!(error.active_job(), Some(JobId(461_234_567_890_123_456)));
}

#[tokio::test]
async fn a_code_without_a_reason_still_says_something() {
    let (address, _) = serve(|_| {
        let status = Some(common::Status { code: 5, ..Default::default() });
        Reply::message(&milvus::RefreshExternalCollectionResponse { status, job_id: 0 })
    })
    .await;
    let error = client(address).submit("db", COLLECTION, None, PATIENCE).await.unwrap_err();
    assert_eq!(error.message, "Milvus answered with code 5 and no reason.");
}

#[tokio::test]
async fn a_request_carries_login_database_and_deadline() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel::<Seen>();
    let (address, _) = serve(move |request| {
        let _ = seen.send(request);
        accepted(5)
    })
    .await;
    let login = Login::User { name: "root".to_owned(), password: "Milvus".into() };
    let client = client_with(address, PATIENCE, Some(login));
    assert_eq!(client.submit("sales", COLLECTION, None, Duration::from_secs(30)).await.unwrap(), JobId(5));
    let request = requests.recv().await.unwrap();
    assert_eq!(request.path, "/milvus.proto.milvus.MilvusService/RefreshExternalCollection");
    assert_eq!(request.headers["authorization"], "cm9vdDpNaWx2dXM=");
    assert_eq!(request.headers["dbname"], "sales");
    assert_eq!(request.headers["grpc-timeout"], "30000000u");
    let message = milvus::RefreshExternalCollectionRequest::decode(request.message).unwrap();
    assert_eq!((message.db_name.as_str(), message.collection_name.as_str()), ("sales", COLLECTION));
    assert!(message.external_source.is_empty() && message.external_spec.is_empty());
    let _ = client.version().await;
    let request = requests.recv().await.unwrap();
    assert_eq!(request.headers["grpc-timeout"], "20000000u", "the deadline of all calls but the submit");
    assert!(!request.headers.contains_key("dbname"));
}

#[tokio::test]
async fn the_list_of_everything_names_no_collection_and_a_filtered_list_must_name_one() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel::<Seen>();
    let (address, count) = serve(move |request| {
        let _ = seen.send(request);
        jobs(vec![])
    })
    .await;
    let client = client(address);
    assert_eq!(client.list("db", "").await.unwrap_err().kind, ErrorKind::InvalidRequest);
    assert_eq!(count.load(Ordering::SeqCst), 0);
    client.list_all(&|_| true).await.unwrap();
    let request = requests.recv().await.unwrap();
    let message = milvus::ListRefreshExternalCollectionJobsRequest::decode(request.message).unwrap();
    assert_eq!((message.db_name.as_str(), message.collection_name.as_str()), ("", ""));
}

#[tokio::test]
async fn a_list_is_newest_start_first() {
    let job =
        |job_id, start_time| milvus::RefreshExternalCollectionJobInfo { job_id, start_time, ..Default::default() };
    let (address, _) = serve(move |_| jobs(vec![job(1, 100), job(2, 0), job(3, 300)])).await;
    let ids: Vec<_> = client(address).list("db", COLLECTION).await.unwrap().iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [3, 1, 2]);
}

#[tokio::test]
async fn a_list_of_megabytes_is_read_and_other_answers_stay_small() {
    let reason = "x".repeat(6 << 20);
    let (address, _) = serve(move |request| {
        let job = milvus::RefreshExternalCollectionJobInfo { job_id: 7, reason: reason.clone(), ..Default::default() };
        about(job, &request.path)
    })
    .await;
    let client = client(address);
    let listed = client.list_all(&|_| true).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].reason.len() <= crate::milvus::scrub::MAX_MESSAGE);
    assert_eq!(client.progress(JobId(7)).await.unwrap_err().kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_poll_without_its_job_is_malformed() {
    let other = milvus::RefreshExternalCollectionJobInfo { job_id: 8, ..Default::default() };
    for job_info in [None, Some(other)] {
        let answer = milvus::GetRefreshExternalCollectionProgressResponse { status: ok(), job_info };
        let (address, _) = serve(move |_| Reply::message(&answer)).await;
        assert_eq!(client(address).progress(JobId(7)).await.unwrap_err().kind, ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn an_empty_answer_is_not_an_empty_list() {
    let (address, _) = serve(|_| Reply::framed(b"", vec![("content-type", "application/grpc".to_owned())])).await;
    assert_eq!(client(address).list("db", COLLECTION).await.unwrap_err().kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_probe_is_content_when_milvus_does_not_know_the_job() {
    let (address, _) = serve(|_| {
        let reason = "refresh job 1 not found: invalid parameter".to_owned();
        let status = Some(common::Status { code: 1100, error_code: 5, reason, ..Default::default() });
        Reply::message(&milvus::GetRefreshExternalCollectionProgressResponse { status, job_info: None })
    })
    .await;
    assert_eq!(client(address).probe().await, Ok(()));
}

#[tokio::test]
async fn a_client_connects_again_after_its_connection_was_lost() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let (address, _) = serve(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Drop,
        _ => Reply::message(&milvus::GetVersionResponse { status: ok(), version: "3.0.1".to_owned() }),
    })
    .await;
    let client = client(address);
    assert_eq!(client.version().await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(client.version().await.unwrap(), "3.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_within_the_deadline_counts() {
    let (address, _) = serve(|_| {
        std::thread::sleep(Duration::from_millis(300));
        accepted(5)
    })
    .await;
    assert_eq!(client(address).submit("db", COLLECTION, None, PATIENCE).await.unwrap(), JobId(5));
}
