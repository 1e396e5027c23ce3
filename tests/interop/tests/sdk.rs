//! The official SDK on our simulator: whatever it can do there, it could do on Milvus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use milvus::v2::prelude::{
    ClientV2, ConnectConfig, DescribeCollectionRequest, Error, GetRefreshExternalCollectionProgressRequest,
    ListRefreshExternalCollectionJobsRequest, RefreshExternalCollectionJobInfo, RefreshExternalCollectionRequest,
    RefreshExternalCollectionStateCode as State, TelemetryConfig,
};
use milvus_simulator::{JobId, Login, Method, Plan, Settings, Simulator};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn simulator() -> Simulator {
    let login = Login::Password { user: "root".into(), password: "Milvus".into() };
    let settings = Settings { login: Some(login), ..Settings::default() };
    let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
    simulator.create_collection("products", Plan::completes_in(HOUR / 2));
    simulator
}

async fn client(simulator: &Simulator, password: &str) -> Result<ClientV2, Error> {
    let config = ConnectConfig::new()
        .uri(simulator.url())
        .username_password("root", password)
        .connect_timeout(60 * SECOND)
        .rpc_timeout(60 * SECOND)
        .telemetry(TelemetryConfig::new().enabled(false));
    ClientV2::new(&config).await
}

async fn refresh(client: &ClientV2, collection: &str) -> Result<i64, Error> {
    let request = RefreshExternalCollectionRequest::builder().collection_name(collection).build()?;
    Ok(client.refresh_external_collection(request).await?.job_id())
}

async fn progress(client: &ClientV2, job: i64) -> Result<RefreshExternalCollectionJobInfo, Error> {
    let request = GetRefreshExternalCollectionProgressRequest::builder().job_id(job).build()?;
    Ok(client.get_refresh_external_collection_progress(request).await?.job_info().clone())
}

async fn list(client: &ClientV2, collection: &str) -> Result<Vec<RefreshExternalCollectionJobInfo>, Error> {
    let request = ListRefreshExternalCollectionJobsRequest::builder().collection_name(collection).build()?;
    Ok(client.list_refresh_external_collection_jobs(request).await?.jobs().to_vec())
}

fn server_code<T: std::fmt::Debug>(answer: Result<T, Error>) -> (i32, String) {
    match answer {
        Err(Error::Server(error)) => (error.code(), error.reason().to_owned()),
        other => panic!("not an error of the server: {other:?}"),
    }
}

#[tokio::test]
async fn the_sdk_refreshes_polls_and_lists() {
    let simulator = simulator().await;
    let client = client(&simulator, "Milvus").await.unwrap();
    let id = refresh(&client, "products").await.unwrap();
    assert_eq!(simulator.accepted_starts("default", "products"), [JobId(id)]);

    let mut seen = Vec::new();
    for _ in 0..4 {
        simulator.advance(HOUR / 8);
        let job = progress(&client, id).await.unwrap();
        seen.push((job.get_state(), job.get_progress()));
    }
    assert_eq!(
        seen,
        [(State::InProgress, 25), (State::InProgress, 50), (State::InProgress, 75), (State::Completed, 100)]
    );

    let next = refresh(&client, "products").await.unwrap();
    let jobs = list(&client, "products").await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.get_job_id()).collect::<Vec<_>>(), [next, id]);
    assert_eq!(jobs[1].get_external_source(), "s3://bucket/products/");
    assert_eq!(jobs[1].get_end_time() - jobs[1].get_start_time(), 30 * 60 * 1000);
    assert_eq!(list(&client, "").await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_sdk_describes_an_external_collection() {
    let simulator = simulator().await;
    let client = client(&simulator, "Milvus").await.unwrap();
    let request = DescribeCollectionRequest::builder().collection_name("products").build().unwrap();
    let described = client.describe_collection(request).await.unwrap();
    assert!(format!("{described:?}").contains("s3://bucket/products/"), "{described:?}");
}

#[tokio::test]
async fn the_sdk_sees_a_duplicate_as_703() {
    let simulator = simulator().await;
    let client = client(&simulator, "Milvus").await.unwrap();
    let id = refresh(&client, "products").await.unwrap();
    let (code, reason) = server_code(refresh(&client, "products").await);
    assert_eq!(code, 703);
    assert!(reason.contains(&format!("refresh job {id} is already in progress")), "{reason}");
    assert_eq!(simulator.calls(Method::Refresh), 2);
}

#[tokio::test]
async fn the_sdk_sees_what_does_not_exist() {
    let simulator = simulator().await;
    let client = client(&simulator, "Milvus").await.unwrap();
    assert_eq!(server_code(refresh(&client, "missing").await).0, 100);
    let id = refresh(&client, "products").await.unwrap();
    simulator.advance(HOUR);
    assert_eq!(progress(&client, id).await.unwrap().get_state(), State::Completed);
    simulator.advance(24 * HOUR);
    let (code, reason) = server_code(progress(&client, id).await);
    assert_eq!(code, 1100);
    assert!(reason.contains(&format!("refresh job {id} not found")), "{reason}");
    assert!(list(&client, "products").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_sdk_is_refused_with_a_wrong_password() {
    let simulator = simulator().await;
    let error = client(&simulator, "wrong").await.err().expect("a refusal");
    assert!(matches!(&error, Error::Grpc(_)) && error.to_string().contains("auth check failure"), "{error:?}");
    assert_eq!(simulator.calls(Method::Connect), 1);
}
