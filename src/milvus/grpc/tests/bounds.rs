//! What Milvus may say without an end has one here.

use super::*;
use crate::milvus::{Refusal, Source, grpc::wire::schema, scrub::Secrets};

/// A text of 2 MB.
fn long() -> String {
    "x".repeat(2 << 20)
}

fn described(name: String, source: String) -> Reply {
    let field = schema::FieldSchema { external_field: "id".to_owned(), ..Default::default() };
    let schema = schema::CollectionSchema { fields: vec![field], external_source: source, ..Default::default() };
    let answer = milvus::DescribeCollectionResponse {
        status: ok(),
        schema: Some(schema),
        collection_id: 5,
        collection_name: name,
        ..Default::default()
    };
    Reply::message(&answer)
}

#[tokio::test]
async fn a_description_with_a_source_or_name_that_is_too_long_for_a_claim_is_malformed() {
    for (name, source) in [("products".to_owned(), long()), (long(), "s3://bucket/a".to_owned())] {
        let reply = described(name, source);
        let (address, _) = serve(move |_| reply.clone()).await;
        let error = client(address).describe("db", COLLECTION).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert!(
            error.message.len() <= crate::milvus::scrub::MAX_MESSAGE && error.message.contains("2097152"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_job_with_a_source_or_name_that_is_too_long_stays_listed_with_a_short_one_of_no_job_of_ours() {
    let long_job = milvus::RefreshExternalCollectionJobInfo {
        job_id: 7,
        collection_name: "x".repeat(256),
        external_source: format!("s3://bucket/{}", long()),
        ..Default::default()
    };
    let (address, _) = serve(move |request| about(long_job.clone(), &request.path)).await;
    let client = client(address);
    for job in [client.progress(JobId(7)).await.unwrap(), client.list("db", COLLECTION).await.unwrap().remove(0)] {
        assert!(job.source.len() < 100 && job.collection.len() < 100, "{} {}", job.source.len(), job.collection.len());
        assert!(!job.source.starts_with("s3://"), "a part of a source is another source: {}", job.source);
    }
}

#[tokio::test]
async fn a_filtered_list_of_more_than_4_mib_is_malformed() {
    let many = |count: i64| {
        let reason = "x".repeat(1 << 20);
        let job =
            |job_id| milvus::RefreshExternalCollectionJobInfo { job_id, reason: reason.clone(), ..Default::default() };
        jobs((1..=count).map(job).collect())
    };
    let (address, _) = serve(move |_| many(3)).await;
    assert_eq!(client(address).list("db", COLLECTION).await.unwrap().len(), 3);
    let (address, _) = serve(move |_| many(5)).await;
    assert_eq!(client(address).list("db", COLLECTION).await.unwrap_err().kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn large_lists_that_are_asked_for_at_once_all_arrive_and_keep_no_small_answer_waiting() {
    let (address, _) = serve(move |request| {
        if request.path.ends_with("GetVersion") {
            return Reply::message(&milvus::GetVersionResponse { status: ok(), version: "v".to_owned() });
        }
        let reason = "x".repeat(400 << 10);
        jobs(vec![milvus::RefreshExternalCollectionJobInfo { job_id: 7, reason, ..Default::default() }])
    })
    .await;
    let client = client_with(address, 30 * PATIENCE, None);
    let lists = (0..16).map(|_| client.list("db", COLLECTION));
    let (lists, version) = tokio::join!(futures::future::join_all(lists), client.version());
    assert_eq!(lists.into_iter().map(|list| list.map(|jobs| jobs.len())).collect::<Vec<_>>(), vec![Ok(1); 16]);
    version.unwrap();
}

#[tokio::test]
async fn an_answer_of_millions_of_empty_jobs_is_not_unpacked() {
    // Two bytes on the wire are a job of hundreds in memory.
    let jobs = [0x12, 0x00].repeat(1 << 20);
    let answer =
        [milvus::ListRefreshExternalCollectionJobsResponse { status: ok(), jobs: vec![] }.encode_to_vec(), jobs];
    let reply = Reply::framed(&answer.concat(), vec![("content-type", "application/grpc".to_owned())]);
    let (address, _) = serve(move |_| reply.clone()).await;
    assert_eq!(client(address).list("db", COLLECTION).await.unwrap_err().kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_version_is_short() {
    let (address, _) = serve(|_| Reply::message(&milvus::GetVersionResponse { status: ok(), version: long() })).await;
    assert!(client(address).version().await.unwrap().len() <= 255);
}

#[tokio::test]
async fn what_is_not_found_besides_the_job_itself_is_no_word_about_the_job() {
    for text in ["job worker node not found", "refresh job 8 not found: invalid parameter", "collection jobs not found"]
    {
        let (address, _) = serve(move |_| {
            let status =
                Some(common::Status { code: 1100, error_code: 5, reason: text.to_owned(), ..Default::default() });
            Reply::message(&milvus::GetRefreshExternalCollectionProgressResponse { status, job_info: None })
        })
        .await;
        assert_ne!(client(address).progress(JobId(7)).await.unwrap_err().kind, ErrorKind::JobNotFound, "{text}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_starting_has_not_looked_at_the_start() {
    let text = "internal: Milvus Proxy is not ready yet. please wait";
    let (address, _) = serve(move |_| Reply::status(Code::Unknown, text)).await;
    let started = client(address).submit("db", COLLECTION, None, PATIENCE).await;
    assert_eq!(started.unwrap_err().refusal(), Some(Refusal::Proven));
    let (address, _) = serve(|_| Reply::status(Code::Unknown, "the data coordinator is not ready")).await;
    assert!(!submit_kind(address).await.is_refusal());
}

#[tokio::test]
async fn any_number_of_specs_that_hold_no_credential_leaves_the_login_known() {
    let login = Login::User { name: "root".to_owned(), password: "hunter2000".into() };
    let (address, _) = serve(|request| {
        let job = milvus::RefreshExternalCollectionJobInfo {
            job_id: 7,
            reason: "bad login hunter2000".to_owned(),
            ..Default::default()
        };
        if request.path.ends_with("RefreshExternalCollection") { accepted(7) } else { about(job, &request.path) }
    })
    .await;
    let client = client_with(address, PATIENCE, Some(login));
    for number in 0..513 {
        let spec = format!(r#"{{"format":"parquet","extfs":{{"region":"eu-{number}"}}}}"#);
        let secrets = Secrets::in_plain_spec(&spec);
        let source = Source { uri: "s3://bucket/a".to_owned(), spec: spec.into(), secrets };
        client.submit("db", COLLECTION, Some(&source), PATIENCE).await.unwrap();
    }
    assert_eq!(client.progress(JobId(7)).await.unwrap().reason, "bad login ***");
}
