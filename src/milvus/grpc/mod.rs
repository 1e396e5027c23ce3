//! The port to Milvus over gRPC.

mod answers;
mod classify;
mod connect;
mod convert;
mod room;
mod rpc;
mod sending;
mod served;
mod session;
mod shares;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
pub(crate) mod wire;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::RwLock;
use secrecy::ExposeSecret;

use super::{
    Collection, ConnectError, ConnectOptions, ErrorKind, Index, Job, JobId, LoadState, MAX_NAME, Milvus, MilvusError,
    Result, Segments, Source,
    scrub::{Scrubber, Secrets},
};
use answers::{Accepted, Count, Description, Indexes, Loading, MappedSegment, Progress, ServedSegment, Version};
use convert::malformed;
use room::{Lists, Room};
use rpc::{Rpc, rpc};
use session::{Heard, Session, replaced};
use wire::{common::ConsistencyLevel, milvus};

/// Answers about one thing are small, those about the jobs of one collection among them.
const MAX_ANSWER: usize = 4 << 20;

/// A List of everything carries every job of the last 24 hours, without paging.
const MAX_LIST: usize = 64 << 20;

/// Segments come without paging, those that Milvus has replaced and not yet collected among them.
const MAX_SEGMENT_LIST: usize = 64 << 20;

/// The answer to a count is one number, or an error that may quote the filter.
const MAX_COUNT: usize = 64 << 10;

/// The most jobs of one collection: one every nine seconds of Milvus' memory of 24 hours.
const MAX_JOBS: usize = 10_000;

/// No server has a job of this id; asking for it is the harmless call of a probe.
const NO_JOB: JobId = JobId(1);

/// Milvus over gRPC, with one channel and one login at a time. Cheap to clone; the clones share both.
#[derive(Clone, Debug)]
pub struct GrpcMilvus {
    session: Arc<RwLock<Option<Arc<Session>>>>,
    /// Outlives the sessions: what was secret stays so.
    scrubber: Scrubber,
    room: Room,
    /// Hears of each call, once that is known.
    heard: Arc<OnceLock<Heard>>,
}

const GET_VERSION: Rpc = rpc!("GetVersion", MAX_ANSWER);
const DESCRIBE: Rpc = rpc!("DescribeCollection", MAX_ANSWER);
const REFRESH: Rpc = rpc!("RefreshExternalCollection", MAX_ANSWER);
const PROGRESS: Rpc = rpc!("GetRefreshExternalCollectionProgress", MAX_ANSWER);
const LIST: Rpc = rpc!("ListRefreshExternalCollectionJobs", MAX_ANSWER);
const LIST_ALL: Rpc = rpc!("ListRefreshExternalCollectionJobs", MAX_LIST);
const LOAD_STATE: Rpc = rpc!("GetLoadState", MAX_ANSWER);
const MAPPED: Rpc = rpc!("GetPersistentSegmentInfo", MAX_SEGMENT_LIST);
const SERVED: Rpc = rpc!("GetQuerySegmentInfo", MAX_SEGMENT_LIST);
const INDEXES: Rpc = rpc!("DescribeIndex", MAX_ANSWER);
const QUERY: Rpc = rpc!("Query", MAX_COUNT);

impl GrpcMilvus {
    /// A client of the server that `options` name. No connection is made before the first call. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the address or the login cannot be used.
    pub fn connect(options: ConnectOptions) -> std::result::Result<Self, ConnectError> {
        let (scrubber, room, heard) = (Scrubber::default(), Room::of_connection(), Arc::default());
        let session = Arc::new(Session::new(options, &scrubber, &room, &heard)?);
        Ok(Self { session: Arc::new(RwLock::new(Some(session))), scrubber, room, heard })
    }

    /// The same client; `heard` is told the name of each call that has ended, what was wrong and how long it took. Only the
    /// first listener hears.
    #[must_use]
    pub fn heard(self, heard: impl Fn(&'static str, Option<ErrorKind>, Duration) + Send + Sync + 'static) -> Self {
        let _ = self.heard.set(Heard(Box::new(heard)));
        self
    }

    fn replace(&self, next: Option<Arc<Session>>) {
        let mut session = self.session.write();
        if let Some(last) = std::mem::replace(&mut *session, next) {
            last.over.cancel();
        }
    }

    fn session(&self) -> Result<Arc<Session>> {
        let session = self.session.read();
        session.clone().ok_or_else(replaced)
    }

    async fn jobs(
        &self,
        rpc: Rpc,
        database: &str,
        collection: &str,
        (most, wanted): (usize, &(dyn Fn(JobId) -> bool + Sync)),
    ) -> Result<Vec<Job>> {
        let message = milvus::ListRefreshExternalCollectionJobsRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
        };
        let session = self.session()?;
        let (listing, _held) = session.list(rpc, Lists::Jobs, database, message).await?;
        convert::jobs(&listing, most, wanted, &session.scrubber).await
    }
}

#[async_trait]
impl Milvus for GrpcMilvus {
    async fn version(&self) -> Result<String> {
        let message = milvus::GetVersionRequest {};
        let session = self.session()?;
        let (Version { version }, _place) = session.ask(GET_VERSION, "", message).await?;
        let mut version = session.scrubber.message(&version);
        version.truncate(version.floor_char_boundary(MAX_NAME));
        Ok(version)
    }

    async fn probe(&self) -> Result<()> {
        match self.progress(NO_JOB).await {
            Ok(_) => Ok(()),
            // Whatever Milvus thinks of the id: it let us ask.
            Err(error) if matches!(error.kind, ErrorKind::JobNotFound | ErrorKind::InvalidRequest) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn describe(&self, database: &str, collection: &str) -> Result<Collection> {
        let message = milvus::DescribeCollectionRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            ..Default::default()
        };
        let session = self.session()?;
        let (description, _place): (Description, _) = session.ask(DESCRIBE, database, message).await?;
        convert::collection(collection, description, &session.scrubber)
    }

    async fn list(&self, database: &str, collection: &str) -> Result<Vec<Job>> {
        if collection.is_empty() {
            // Milvus would list every job of every database.
            return Err(MilvusError::new(ErrorKind::InvalidRequest, "A collection name is needed to list its jobs."));
        }
        let mut jobs = self.jobs(LIST, database, collection, (MAX_JOBS, &|_| true)).await?;
        jobs.sort_by_key(|job| std::cmp::Reverse(job.start_time));
        Ok(jobs)
    }

    async fn list_all(&self, wanted: &(dyn Fn(JobId) -> bool + Sync)) -> Result<Vec<Job>> {
        self.jobs(LIST_ALL, "", "", (usize::MAX, wanted)).await
    }

    async fn submit(
        &self,
        database: &str,
        collection: &str,
        source: Option<&Source>,
        budget: Duration,
    ) -> Result<JobId> {
        if let Some(source) = source {
            // Milvus may quote the spec in its answer, and later in what it says of the job.
            self.keep_secret(&source.secrets);
        }
        let message = milvus::RefreshExternalCollectionRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            external_source: source.map(|source| source.uri.clone()).unwrap_or_default(),
            external_spec: source.map(|source| source.spec.expose_secret().to_owned()).unwrap_or_default(),
        };
        let (Accepted { job_id }, _place) = self.session()?.call(REFRESH, database, message, budget).await?;
        if job_id > 0 { Ok(JobId(job_id)) } else { Err(malformed("Milvus accepted the refresh but gave no job id.")) }
    }

    fn keep_secret(&self, secrets: &Arc<Secrets>) {
        self.scrubber.learn(secrets);
    }

    async fn progress(&self, job: JobId) -> Result<Job> {
        let message = milvus::GetRefreshExternalCollectionProgressRequest { job_id: job.0 };
        let session = self.session()?;
        let (Progress { job: info }, _place) = session.ask(PROGRESS, "", message).await?;
        convert::asked_job(job, info, &session.scrubber)
    }

    async fn load_state(&self, database: &str, collection: &str) -> Result<LoadState> {
        let message =
            milvus::GetLoadStateRequest { db_name: database.to_owned(), collection_name: collection.to_owned() };
        let (Loading { state }, _place) = self.session()?.ask(LOAD_STATE, database, message).await?;
        Ok(served::load_state(state))
    }

    async fn mapped_segments(&self, database: &str, collection: &str) -> Result<Segments> {
        let message = milvus::GetPersistentSegmentInfoRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
        };
        let (listing, _held) = self.session()?.list(MAPPED, Lists::Segments, database, message).await?;
        served::segments::<MappedSegment>(&listing).await
    }

    async fn served_segments(&self, database: &str, collection: &str) -> Result<Segments> {
        let message =
            milvus::GetQuerySegmentInfoRequest { db_name: database.to_owned(), collection_name: collection.to_owned() };
        let (listing, _held) = self.session()?.list(SERVED, Lists::Segments, database, message).await?;
        served::segments::<ServedSegment>(&listing).await
    }

    async fn indexes(&self, database: &str, collection: &str) -> Result<Vec<Index>> {
        let message =
            milvus::DescribeIndexRequest { db_name: database.to_owned(), collection_name: collection.to_owned() };
        let session = self.session()?;
        let (Indexes(listing), _place) = session.ask(INDEXES, database, message).await?;
        served::indexes(&listing, &session.scrubber).await
    }

    async fn count(&self, database: &str, collection: &str, filter: &str) -> Result<i64> {
        let message = milvus::QueryRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            expr: filter.to_owned(),
            output_fields: vec!["count(*)".to_owned()],
            consistency_level: ConsistencyLevel::Strong.into(),
        };
        let (count, _place): (Count, _) = self.session()?.ask(QUERY, database, message).await?;
        served::count(&count)
    }

    fn reconnect(&self, options: ConnectOptions) -> std::result::Result<(), ConnectError> {
        let session = Arc::new(Session::new(options, &self.scrubber, &self.room, &self.heard)?);
        self.replace(Some(session));
        Ok(())
    }

    fn disconnect(&self) {
        self.replace(None);
    }
}
