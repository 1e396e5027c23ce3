//! The life of jobs: states, progress, listing, overrides, retention.

use super::*;

const OVERRIDE: &str = r#"{"extfs":{"anonymous":"true","cloud_provider":"minio","region":"r"}}"#;

fn overriding(collection: &str) -> Submit<'_> {
    Submit { database: "default", collection, source: "s3://bucket/elsewhere/", spec: OVERRIDE }
}

#[tokio::test]
async fn a_job_goes_from_pending_over_progress_to_completed() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::completes_in(HOUR / 2).pending_for(HOUR / 4));
    let id = client.start("products").await;
    assert!(id > 1 << 53);
    let seen = client.job(id).await;
    assert_eq!((seen.state(), seen.progress, seen.end_time), (State::RefreshPending, 0, 0));
    assert_eq!((seen.job_id, seen.collection_name.as_str()), (id, "products"));
    assert_eq!(seen.external_source, "s3://bucket/products/");
    assert!(seen.external_spec.contains("***") && !seen.external_spec.contains("minioadmin"));

    simulator.advance(HOUR / 2);
    let seen = client.job(id).await;
    assert_eq!((seen.state(), seen.progress, seen.end_time), (State::RefreshInProgress, 50, 0));

    simulator.advance(HOUR / 4);
    let seen = client.job(id).await;
    assert_eq!((seen.state(), seen.progress, seen.reason.as_str()), (State::RefreshCompleted, 100, ""));
    assert_eq!(seen.end_time - seen.start_time, 45 * 60 * 1000);
}

#[tokio::test]
async fn a_failed_job_keeps_its_reason_and_last_progress() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::fails_in(HOUR / 2, "no files found in external source"));
    let id = client.start("products").await;
    simulator.advance(HOUR);
    let seen = client.job(id).await;
    assert_eq!((seen.state(), seen.reason.as_str()), (State::RefreshFailed, "no files found in external source"));
    assert_eq!((seen.progress, seen.end_time - seen.start_time), (95, 30 * 60 * 1000));
    client.start("products").await;
}

#[tokio::test]
async fn a_slow_job_times_out_and_a_hanging_one_does_not() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::completes_in(2 * HOUR));
    simulator.create_collection("stuck", Plan::hangs());
    let (slow, stuck) = (client.start("products").await, client.start("stuck").await);
    simulator.advance(HOUR * 3 / 2);
    let seen = client.job(slow).await;
    assert_eq!((seen.state(), seen.reason.as_str()), (State::RefreshFailed, "timeout"));
    assert_eq!(seen.end_time - seen.start_time, 3600 * 1000);
    let seen = client.job(stuck).await;
    assert_eq!((seen.state(), seen.progress), (State::RefreshInProgress, 99));
    assert_eq!(code(&client.refresh("stuck").await.unwrap().status), 703);
}

#[tokio::test]
async fn an_override_is_published_once_it_is_applied_though_a_wait_for_indexes_fails_then() {
    for (outcome, source) in [
        (Outcome::Fail("explore external files failed".into()), "s3://bucket/products/"),
        (Outcome::Fail("timeout waiting for indexes: the data is applied".into()), "s3://bucket/elsewhere/"),
        (Outcome::Complete, "s3://bucket/elsewhere/"),
    ] {
        let (simulator, mut client) = milvus().await;
        let id = client.submit(overriding("products")).await.unwrap().job_id;
        assert_eq!(client.job(id).await.external_source, "s3://bucket/elsewhere/");
        let before = client.describe("default", "products").await.unwrap().schema.unwrap();
        assert_eq!(before.external_source, "s3://bucket/products/");
        assert!(simulator.finish_job(JobId(id), outcome));
        let after = client.describe("default", "products").await.unwrap().schema.unwrap();
        assert_eq!(after.external_source, source);
        assert!(!simulator.finish_job(JobId(1), Outcome::Complete));
    }
}

#[tokio::test]
async fn jobs_are_forgotten_a_day_after_their_end() {
    let (simulator, mut client) = milvus().await;
    let id = client.start("products").await;
    simulator.advance(10 * SECOND);
    assert_eq!(client.job(id).await.state(), State::RefreshCompleted);
    simulator.advance(23 * HOUR);
    assert_eq!(client.listed("default", "products").await, [id]);
    simulator.advance(HOUR);
    assert!(client.listed("default", "products").await.is_empty());
    let answer = client.progress(id).await.unwrap();
    assert!(answer.job_info.is_none());
    assert_eq!(code(&answer.status), 1100);
    assert!(reason(&answer.status).starts_with(&format!("refresh job {id} not found")), "{answer:?}");
}

#[tokio::test]
async fn progress_without_an_id_is_a_missing_parameter() {
    let (_simulator, mut client) = milvus().await;
    let answer = client.progress(0).await.unwrap();
    assert_eq!(code(&answer.status), 1101);
    assert!(reason(&answer.status).contains("job_id is required"));
}

#[tokio::test]
async fn lists_are_newest_first_by_collection_or_over_all_databases() {
    let (simulator, mut client) = milvus().await;
    let other = CollectionSpec::external("products", Plan::default());
    simulator.create(CollectionSpec { database: "sales".into(), ..other });
    simulator.alias("default", "products", "live");
    let first = client.start("products").await;
    simulator.advance(20 * SECOND);
    let sales = simulator.start_foreign_job("sales", "products").unwrap().0;
    simulator.advance(20 * SECOND);
    let second = client.start("live").await;

    assert_eq!(client.listed("default", "products").await, [second, first]);
    assert_eq!(client.listed("default", "live").await, [second, first]);
    assert_eq!(client.job(second).await.collection_name, "live");
    assert_eq!(client.listed("sales", "products").await, [sales]);
    assert_eq!(client.listed("nowhere", "").await, [second, sales, first]);
    assert_eq!(code(&client.list("nowhere", "products").await.unwrap().status), 800);
    assert_eq!(code(&client.list("default", "missing").await.unwrap().status), 100);
    assert_eq!(code(&client.list("default", "a-b").await.unwrap().status), 1100);
    simulator.create(CollectionSpec { external: false, ..CollectionSpec::external("plain", Plan::default()) });
    assert_eq!(code(&client.list("default", "plain").await.unwrap().status), 1100);
}

#[tokio::test]
async fn a_recreated_collection_has_another_id_and_no_jobs() {
    let (simulator, mut client) = milvus().await;
    let id = client.start("products").await;
    let before = client.describe("default", "products").await.unwrap().collection_id;
    simulator.drop_collection("default", "products");
    assert_eq!(code(&client.describe("default", "products").await.unwrap().status), 100);
    let failed = client.job(id).await;
    assert_eq!(failed.state(), State::RefreshFailed);
    assert!(failed.reason.contains("collection not found"), "{failed:?}");
    simulator.create_collection("products", Plan::default());
    assert!(client.describe("default", "products").await.unwrap().collection_id > before);
    assert!(client.listed("default", "products").await.is_empty());
    assert_eq!(client.listed("default", "").await, [id]);
}

#[tokio::test]
async fn a_foreign_job_is_listed_and_no_start_of_ours() {
    let (simulator, mut client) = milvus().await;
    let foreign = simulator.start_foreign_job_from("default", "products", "s3://bucket/theirs/", OVERRIDE).unwrap();
    assert_eq!(simulator.start_foreign_job("default", "products"), None);
    assert_eq!(client.listed("default", "products").await, [foreign.0]);
    assert_eq!(client.job(foreign.0).await.external_source, "s3://bucket/theirs/");
    assert!(reason(&client.refresh("products").await.unwrap().status).contains(&foreign.to_string()));
    assert!(simulator.accepted_starts("default", "products").is_empty());
}

#[tokio::test]
async fn equal_seeds_give_equal_ids_and_times() {
    let run = |seed| async move {
        let (simulator, mut client) = milvus_with(Settings { seed, ..Settings::default() }).await;
        simulator.set_plan("default", "products", Plan::completes_in(HOUR / 2).jittered(0.5));
        let mut jobs = Vec::new();
        for _ in 0..5 {
            let id = client.start("products").await;
            simulator.advance(HOUR);
            let job = client.job(id).await;
            jobs.push((id, job.end_time - job.start_time));
        }
        jobs
    };
    let (first, again, other) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.iter().all(|(_, took)| (15 * 60 * 1000..=45 * 60 * 1000).contains(took)), "seed 1: {first:?}");
}
