//! The calls to Milvus that the operator makes, and the types in which it thinks of what Milvus says.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    scrub::Secrets,
    server::{ConnectError, ConnectOptions},
};

/// The longest name that Milvus is taken at its word for, in bytes; its own limit.
pub const MAX_NAME: usize = 255;

/// The longest source, in bytes. Milvus has no limit of its own.
pub const MAX_SOURCE: usize = 2048;

/// The longest name of a format, in bytes.
pub(super) const MAX_FORMAT: usize = 64;

/// The most segments of one collection: 100,000 of the million rows that Milvus makes them of.
pub const MAX_SEGMENTS: usize = 100_000;

/// The id of a refresh job. Milvus' ids exceed 2^53, so they travel as text wherever JSON is involved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a job as Milvus reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Queued, or set back to the queue: Milvus may go from in progress to pending again.
    Pending,
    /// Running, also while finished tasks are not applied yet.
    InProgress,
    /// Final: the data is live.
    Completed,
    /// Final once `end_time` is set.
    Failed,
    /// A number that this version does not know: the job is tracked on and never taken for ended.
    Unknown(i32),
}

impl JobState {
    /// Whether the job will not change any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// One refresh job as Milvus reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Unique in the Milvus cluster, over all its databases.
    pub id: JobId,
    /// The name that the job was started with; an alias stays the alias. One that is too long is replaced by words that say so.
    pub collection: String,
    /// See [`JobState`].
    pub state: JobState,
    /// Percent, 0 to 100 (clamped); may fall when Milvus resets tasks.
    pub progress: u8,
    /// Milvus' own words, scrubbed of credentials. Failed jobs have one; newer servers also give a running job the
    /// reason of its first transient failure.
    pub reason: String,
    /// The source that this job reads, without a login. One of more than [`MAX_SOURCE`] is replaced by words that say so and that
    /// are no source: no run claims such a source, so the job is nobody's here.
    pub source: String,
    /// When Milvus recorded the job; `None` where it did not say.
    pub start_time: Option<Timestamp>,
    /// When the job ended; `None` until then, and for a moment after a failure.
    pub end_time: Option<Timestamp>,
}

/// A collection as `DescribeCollection` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Milvus' id of this incarnation: a re-created collection has another one.
    pub id: i64,
    /// The collection's own name, also when it was asked for by an alias.
    pub name: String,
    /// Whether a field of its schema is backed by external files. Milvus decides by this, not by the source.
    pub external: bool,
    /// The persisted source, without a login and of at most [`MAX_SOURCE`]; empty when it was deferred at creation.
    pub source: String,
    /// The `format` of the persisted spec, of at most 64 bytes; empty where Milvus does not tell it.
    pub format: String,
}

/// How far a collection is loaded (`GetLoadState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// Nobody has loaded it, or somebody has released it. Also what Milvus says of a collection that it does not find then.
    NotLoaded,
    /// Being loaded, or in a state that this version does not know.
    Loading,
    /// Milvus considers it loaded. That does not prove that anything is served: after a restart of its coordinator a collection
    /// can be loaded without a single segment.
    Loaded,
}

/// Segments by id, with the rows of each, which are never negative. At most [`MAX_SEGMENTS`].
pub type Segments = HashMap<i64, i64>;

/// An index of a collection, as `DescribeIndex` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name. One that is too long is replaced by words that say so.
    pub name: String,
    /// See [`IndexState`].
    pub state: IndexState,
    /// Rows that are not indexed yet, never negative.
    pub pending_rows: i64,
    /// Milvus' own words for a failure, scrubbed of credentials and at most 1 KiB long; else empty.
    pub reason: String,
}

/// How far an index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// Built for every segment that it was begun for; [`Index::pending_rows`] tells whether there are newer ones.
    Finished,
    /// Waiting or being built, or in a state that this version does not know.
    Unfinished,
    /// Final: Milvus does not try again.
    Failed,
}

/// A source that replaces the persisted one, together with its spec: Milvus takes both or neither.
#[derive(Clone, Debug)]
pub struct Source {
    /// The URI.
    pub uri: String,
    /// The external spec, which may hold credentials.
    pub spec: SecretString,
    /// What of the spec nobody may read.
    pub secrets: Arc<Secrets>,
}

/// Which call failed in which way. The classes are those that the operator acts on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request never left this process (no connection in time), so the call cannot have reached Milvus.
    NotSent,
    /// The connection broke or Milvus is not reachable (gRPC 14 and transport errors), maybe after it got the request.
    Unreachable,
    /// The deadline passed or the call was cancelled there (gRPC 1 and 4, codes 10000 and 10001).
    Timeout,
    /// Milvus answered that it is overloaded, out of quota or not ready (codes 1 to 4, 7 to 9, 11, 12; gRPC 8, 2 with
    /// "not ready"), maybe after it began to work on the call.
    Busy,
    /// Milvus' proxy is starting: its interceptor answered, before anything looked at the call (gRPC 2 with "Milvus Proxy is
    /// not ready").
    Starting,
    /// The login was refused (gRPC 16, code 1400).
    Unauthenticated,
    /// The account lacks a privilege (gRPC 7, code 1401).
    PermissionDenied,
    /// The server does not know the call (gRPC 12, code 10).
    Unsupported,
    /// Code 100, or 1600 for an alias.
    CollectionNotFound,
    /// Codes 800 and 802.
    DatabaseNotFound,
    /// The collection exists and is not external (code 1100 with that text).
    NotExternal,
    /// Codes 1100 to 1102, 105, 3000: the request itself is wrong.
    InvalidRequest,
    /// Codes 101, 103 and 106: the collection is not loaded, not fully loaded or recovering. No answer to a start.
    NotLoaded,
    /// Code 703: another job of the collection is active.
    DuplicateJob,
    /// Code 1100 with "refresh job ... not found" and the id that was asked for: never created, or forgotten after Milvus'
    /// retention of 24 h.
    JobNotFound,
    /// The answer broke the contract: no status or job in it, another job's id, too large (also a part of it, such as the
    /// source), not protobuf, not gRPC.
    Malformed,
    /// Everything else.
    Internal,
}

impl ErrorKind {
    /// After a submit: whether such an answer says that no job was created (rule 6 of the start protocol). Whether it also
    /// proves it, [`MilvusError::refusal`] tells.
    ///
    /// All other answers, timeouts and server errors among them, can follow an accepted start.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::NotSent
            | Self::Starting
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::Unsupported
            | Self::CollectionNotFound
            | Self::DatabaseNotFound
            | Self::NotExternal
            | Self::InvalidRequest => true,
            Self::Unreachable
            | Self::Timeout
            | Self::Busy
            | Self::NotLoaded
            | Self::DuplicateJob
            | Self::JobNotFound
            | Self::Malformed
            | Self::Internal => false,
        }
    }

    /// Whether it is about the server or the way to it, not about one question: asking others meets it as well.
    pub fn is_of_the_server(self) -> bool {
        match self {
            Self::NotSent | Self::Unreachable | Self::Timeout | Self::Busy | Self::Starting | Self::Unauthenticated => {
                true
            }
            Self::PermissionDenied
            | Self::Unsupported
            | Self::CollectionNotFound
            | Self::DatabaseNotFound
            | Self::NotExternal
            | Self::NotLoaded
            | Self::InvalidRequest
            | Self::DuplicateJob
            | Self::JobNotFound
            | Self::Malformed
            | Self::Internal => false,
        }
    }
}

/// When an answer to a start proves that no job was created (rule 6 of the start protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// At once.
    Proven,
    /// Only when no job of the start can turn up any more. Milvus' proxy repeats a call by itself, so what is refused may be
    /// its second call while the first one still waits.
    Later,
}

/// A failed call: its class and a sentence in Milvus' own words, scrubbed and at most 1 KiB long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MilvusError {
    /// What the operator acts on.
    pub kind: ErrorKind,
    /// What a person reads.
    pub message: String,
    /// Whether it can come from behind the proxy, which may have called twice.
    pub from_behind: bool,
}

impl MilvusError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), from_behind: false }
    }

    /// What this says of a start; `None` where a job may have been created.
    pub fn refusal(&self) -> Option<Refusal> {
        let when = if self.from_behind { Refusal::Later } else { Refusal::Proven };
        self.kind.is_refusal().then_some(when)
    }
}

/// What came of a call.
pub type Result<T> = std::result::Result<T, MilvusError>;

/// The calls that the operator makes. Implemented over gRPC by [`super::grpc::GrpcMilvus`]; every call has a deadline.
#[async_trait]
pub trait Milvus: Send + Sync + fmt::Debug {
    /// The server's version text (`GetVersion`).
    async fn version(&self) -> Result<String>;

    /// Whether the server knows the refresh API and accepts the login: one harmless call that asks for a job that
    /// cannot exist.
    async fn probe(&self) -> Result<()>;

    /// `DescribeCollection` by name or alias.
    async fn describe(&self, database: &str, collection: &str) -> Result<Collection>;

    /// The jobs of one collection, newest start first (`ListRefreshExternalCollectionJobs`). An empty name is refused.
    async fn list(&self, database: &str, collection: &str) -> Result<Vec<Job>>;

    /// Of every job of every database that Milvus still remembers those that are wanted; the others are not even unpacked.
    async fn list_all(&self, wanted: &(dyn Fn(JobId) -> bool + Sync)) -> Result<Vec<Job>>;

    /// Starts a refresh, from the persisted source unless `source` is given. `budget` is both the client's and the server's
    /// deadline (`grpc-timeout`); where it is zero, nothing is sent.
    ///
    /// Never repeated by the adapter: Milvus has no idempotency key.
    async fn submit(
        &self,
        database: &str,
        collection: &str,
        source: Option<&Source>,
        budget: Duration,
    ) -> Result<JobId>;

    /// Keeps `secrets` out of all that later calls give, for as long as the caller holds them and a good while longer. The login
    /// and what a [`submit`](Self::submit) sends are known anyway; this is for what a job was started with by another client.
    fn keep_secret(&self, secrets: &Arc<Secrets>);

    /// One job by id (`GetRefreshExternalCollectionProgress`). A returned job has that id.
    async fn progress(&self, job: JobId) -> Result<Job>;

    /// How far a collection is loaded (`GetLoadState`).
    async fn load_state(&self, database: &str, collection: &str) -> Result<LoadState>;

    /// What a collection consists of by Milvus' metadata (`GetPersistentSegmentInfo`): its flushed segments. Those that were
    /// replaced, those that are being written and those that hold only deletions (L0) are left out.
    async fn mapped_segments(&self, database: &str, collection: &str) -> Result<Segments>;

    /// What of a collection is served to queries (`GetQuerySegmentInfo`), each segment once whatever its replicas; empty where
    /// nothing is. Where the replicas of one differ, the fewest rows. Segments that hold only deletions (L0) are left out.
    async fn served_segments(&self, database: &str, collection: &str) -> Result<Segments>;

    /// All indexes of a collection (`DescribeIndex`); without one, an empty list.
    async fn indexes(&self, database: &str, collection: &str) -> Result<Vec<Index>>;

    /// How many rows match `filter`, or all of them where it is empty (`Query` for `count(*)`, with strong consistency). It
    /// needs a collection that is loaded and the privilege Query.
    async fn count(&self, database: &str, collection: &str, filter: &str) -> Result<i64>;

    /// From now on calls are made as `options` say. Those that have left this process are waited for as ever, those that
    /// still wait for a connection fail as not sent: nothing goes out with the old login any more.
    ///
    /// # Errors
    /// When the address or the login cannot be used; nothing has changed then.
    fn reconnect(&self, options: ConnectOptions) -> std::result::Result<(), ConnectError>;

    /// From now on no call is made: each fails as not sent.
    fn disconnect(&self);
}

/// What Milvus says of a job that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The job as it is.
    Job(Job),
    /// No such job: never created, or forgotten. Said only after the job itself was asked for.
    NotFound,
}
