//! The contract of the refresh API, asked through the generated client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

use super::*;
use crate::wire::{
    common,
    milvus::{
        ConnectRequest, ConnectResponse, DescribeCollectionRequest, DescribeCollectionResponse,
        GetRefreshExternalCollectionProgressRequest, GetRefreshExternalCollectionProgressResponse, GetVersionRequest,
        GetVersionResponse, ListRefreshExternalCollectionJobsRequest, ListRefreshExternalCollectionJobsResponse,
        RefreshExternalCollectionJobInfo, RefreshExternalCollectionRequest, RefreshExternalCollectionResponse,
        RefreshExternalCollectionState as State, milvus_service_client::MilvusServiceClient,
    },
};

mod access;
mod faults;
mod jobs;
mod rules;
mod serving;
mod unkind;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A simulator with the external collection `products`, whose jobs take ten seconds, and a client.
async fn milvus() -> (Simulator, Client) {
    milvus_with(Settings::default()).await
}

async fn milvus_with(settings: Settings) -> (Simulator, Client) {
    let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
    simulator.create_collection("products", Plan::completes_in(10 * SECOND));
    let client = Client::of(&simulator);
    (simulator, client)
}

/// Fails instead of waiting for good.
async fn bounded<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(60 * SECOND, wait).await.expect("in time")
}

/// The generated client with requests from plain values. Every call is bounded.
#[derive(Clone)]
struct Client {
    service: MilvusServiceClient<Channel>,
    credentials: Option<String>,
    timeout: Duration,
}

impl Client {
    fn of(simulator: &Simulator) -> Self {
        let channel = Endpoint::from_shared(simulator.url()).unwrap().connect_lazy();
        Self { service: MilvusServiceClient::new(channel), credentials: None, timeout: 60 * SECOND }
    }

    fn with_credentials(&self, plain: &str) -> Self {
        Self { credentials: Some(STANDARD.encode(plain)), ..self.clone() }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        if let Some(credentials) = &self.credentials {
            request.metadata_mut().insert("authorization", credentials.parse().unwrap());
        }
        request
    }

    async fn connect(&mut self) -> Result<ConnectResponse, Status> {
        Ok(self.service.connect(self.request(ConnectRequest::default())).await?.into_inner())
    }

    async fn version(&mut self) -> Result<GetVersionResponse, Status> {
        Ok(self.service.get_version(self.request(GetVersionRequest {})).await?.into_inner())
    }

    async fn describe(&mut self, database: &str, collection: &str) -> Result<DescribeCollectionResponse, Status> {
        let asked = DescribeCollectionRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            ..DescribeCollectionRequest::default()
        };
        Ok(self.service.describe_collection(self.request(asked)).await?.into_inner())
    }

    async fn submit(&mut self, asked: Submit<'_>) -> Result<RefreshExternalCollectionResponse, Status> {
        let asked = RefreshExternalCollectionRequest {
            db_name: asked.database.to_owned(),
            collection_name: asked.collection.to_owned(),
            external_source: asked.source.to_owned(),
            external_spec: asked.spec.to_owned(),
        };
        Ok(self.service.refresh_external_collection(self.request(asked)).await?.into_inner())
    }

    /// With the persisted source, in the database `default`.
    async fn refresh(&mut self, collection: &str) -> Result<RefreshExternalCollectionResponse, Status> {
        self.submit(Submit { database: "default", collection, source: "", spec: "" }).await
    }

    /// A refresh that must be accepted.
    async fn start(&mut self, collection: &str) -> i64 {
        let answer = self.refresh(collection).await.unwrap();
        assert_eq!(code(&answer.status), 0, "{answer:?}");
        answer.job_id
    }

    async fn progress(&mut self, job: i64) -> Result<GetRefreshExternalCollectionProgressResponse, Status> {
        let asked = GetRefreshExternalCollectionProgressRequest { job_id: job };
        Ok(self.service.get_refresh_external_collection_progress(self.request(asked)).await?.into_inner())
    }

    /// A job that must be known.
    async fn job(&mut self, job: i64) -> RefreshExternalCollectionJobInfo {
        self.progress(job).await.unwrap().job_info.expect("a known job")
    }

    async fn list(&mut self, database: &str, name: &str) -> Result<ListRefreshExternalCollectionJobsResponse, Status> {
        let asked =
            ListRefreshExternalCollectionJobsRequest { db_name: database.to_owned(), collection_name: name.to_owned() };
        Ok(self.service.list_refresh_external_collection_jobs(self.request(asked)).await?.into_inner())
    }

    async fn listed(&mut self, database: &str, collection: &str) -> Vec<i64> {
        let answer = self.list(database, collection).await.unwrap();
        assert_eq!(code(&answer.status), 0, "{answer:?}");
        answer.jobs.iter().map(|job| job.job_id).collect()
    }
}

fn code(status: &Option<common::Status>) -> i32 {
    status.as_ref().expect("a status").code
}

fn reason(status: &Option<common::Status>) -> &str {
    &status.as_ref().expect("a status").reason
}
