//! The port to Milvus over gRPC.

mod answers;
mod classify;
pub mod connect;
mod convert;
mod room;
mod rpc;
mod sending;
#[cfg(test)]
pub(crate) mod tests;
pub mod tls;
pub(crate) mod wire;

use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use parking_lot::RwLock;
use prost::bytes::Bytes;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    Collection, ErrorKind, Job, JobId, MAX_NAME, Milvus, MilvusError, Result, Source,
    scrub::{Scrubber, Secrets, cut},
};
use answers::{Accepted, Answer, Description, Listing, Outcome, Progress, Version};
use classify::chain;
use connect::{ConnectError, ConnectOptions};
use convert::{malformed, unreadable};
use room::{Metering, Place, Room};
use rpc::{Encoded, Question, Rpc, rpc};
use sending::withdrawable;
use tls::Tls;
use wire::milvus;

/// Answers about one thing are small, those about the jobs of one collection among them.
const MAX_ANSWER: usize = 4 << 20;

/// A List of everything carries every job of the last 24 hours, without paging.
const MAX_LIST: usize = 64 << 20;

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

/// Hears of calls that have ended.
struct Heard(Box<dyn Fn(&'static str, Option<ErrorKind>, Duration) + Send + Sync>);

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard")
    }
}

/// One channel with one login. What is to be secret about it goes with its last call.
#[derive(Debug)]
struct Session {
    channel: Channel,
    address: String,
    tls: Option<Tls>,
    authorization: Option<MetadataValue<Ascii>>,
    request_timeout: Duration,
    scrubber: Scrubber,
    /// Held for the scrubber to know that they are in use.
    _login: Arc<Secrets>,
    room: Room,
    heard: Arc<OnceLock<Heard>>,
    /// Cancelled once calls are to be made by another session or none.
    over: CancellationToken,
}

const GET_VERSION: Rpc = rpc!("GetVersion", MAX_ANSWER);
const DESCRIBE: Rpc = rpc!("DescribeCollection", MAX_ANSWER);
const REFRESH: Rpc = rpc!("RefreshExternalCollection", MAX_ANSWER);
const PROGRESS: Rpc = rpc!("GetRefreshExternalCollectionProgress", MAX_ANSWER);
const LIST: Rpc = rpc!("ListRefreshExternalCollectionJobs", MAX_ANSWER);
const LIST_ALL: Rpc = rpc!("ListRefreshExternalCollectionJobs", MAX_LIST);

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
        let (began, budget) = (Instant::now(), session.request_timeout);
        let Ok(_list) = tokio::time::timeout(budget, session.room.list()).await else {
            let error =
                format!("Milvus at {} did not answer earlier lists of jobs within {budget:?}.", session.address);
            return Err(MilvusError::new(ErrorKind::Timeout, error));
        };
        let left = budget.saturating_sub(began.elapsed());
        let (listing, _place): (Listing, _) = session.call(rpc, database, message, left).await?;
        convert::jobs(&listing, most, wanted, &session.scrubber).await
    }
}

impl Session {
    fn new(
        options: ConnectOptions,
        scrubber: &Scrubber,
        room: &Room,
        heard: &Arc<OnceLock<Heard>>,
    ) -> std::result::Result<Self, ConnectError> {
        let login = options.login.as_ref();
        let secrets = Secrets::new(login.map(|login| login.secrets()).transpose()?.into_iter().flatten());
        scrubber.learn(&secrets);
        Ok(Self {
            channel: options.channel()?,
            authorization: login.map(|login| login.authorization()).transpose()?,
            request_timeout: options.request_timeout,
            scrubber: scrubber.clone(),
            _login: secrets,
            room: room.clone(),
            tls: options.address.starts_with("https:").then(|| options.tls.unwrap_or_default()),
            address: options.address,
            heard: heard.clone(),
            over: CancellationToken::new(),
        })
    }

    /// One call, which is counted: its answer, and the room that this has until it is converted.
    async fn call<Q, A>(&self, rpc: Rpc, database: &str, message: Q, budget: Duration) -> Result<(A, Place)>
    where
        Q: Question,
        A: Answer,
    {
        let (name, began) = (rpc.name, Instant::now());
        let outcome = self.exchange(rpc, database, message, budget).await;
        if let Some(Heard(heard)) = self.heard.get() {
            heard(name, outcome.as_ref().err().map(|error| error.kind), began.elapsed());
        }
        outcome
    }

    /// One call. `budget` is the deadline here and, as `grpc-timeout`, at the server. Never repeats anything.
    async fn exchange<Q, A>(&self, rpc: Rpc, database: &str, message: Q, budget: Duration) -> Result<(A, Place)>
    where
        Q: Question,
        A: Answer,
    {
        if budget.is_zero() {
            return Err(MilvusError::new(ErrorKind::NotSent, "No time was left to send the request."));
        }
        let asked = message.job();
        let (message, withdrawal) = withdrawable(message);
        let mut request = Request::new(message);
        self.describe_request(&mut request, database, budget);
        let place = Place::default();
        let (channel, room) = (self.channel.clone(), self.room.clone());
        let channel = Metering { channel, room, place: place.clone(), longest: rpc.max_answer };
        let mut grpc = Grpc::new(channel).max_decoding_message_size(rpc.max_answer);
        let exchange = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let codec = Encoded::<Q>::default();
            grpc.client_streaming(request, PathAndQuery::from_static(rpc.path), codec).await
        };
        // The client library panics on a status detail that is not base64; no server may end a task of ours.
        let mut exchange = pin!(tokio::time::timeout(budget, AssertUnwindSafe(exchange).catch_unwind()));
        let outcome = tokio::select! {
            biased;
            outcome = &mut exchange => outcome,
            () = self.over.cancelled() => {
                if withdrawal.withdraw() {
                    return Err(replaced());
                }
                exchange.await
            }
        };
        let (kind, text) = match outcome {
            Ok(Ok(Ok(answer))) => return Ok((self.accept(answer.into_inner(), asked)?, place)),
            Ok(Ok(Err(status))) => (classify::of_grpc(&status), cause(&status, self.tls.as_ref())),
            Ok(Err(_)) => (ErrorKind::Malformed, "the gRPC library failed on it".to_owned()),
            Err(_) => (ErrorKind::Timeout, format!("no connection within {budget:?}")),
        };
        let unreached = matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout);
        let kind = if unreached && withdrawal.withdraw() { ErrorKind::NotSent } else { kind };
        Err(self.failure(kind, &text, budget))
    }

    fn describe_request<T>(&self, request: &mut Request<T>, database: &str, budget: Duration) {
        request.set_timeout(budget);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        // Builds differ in which calls they take the database of from here; the message always carries it as well.
        if let Ok(name) = MetadataValue::try_from(database)
            && !database.is_empty()
        {
            request.metadata_mut().insert("dbname", name);
        }
    }

    /// The answer, if Milvus calls it a success. One without a status was not made by Milvus.
    fn accept<A: Answer>(&self, answer: Bytes, asked: Option<JobId>) -> Result<A> {
        let outcome = Outcome::read(answer.clone()).map_err(|error| unreadable(&error))?;
        let status = outcome.status.ok_or_else(|| malformed("Milvus sent a response without a status."))?;
        let Some(kind) = classify::of_status(&status, asked) else {
            return A::read(answer).map_err(|error| unreadable(&error));
        };
        let text = if status.reason.is_empty() { &status.detail } else { &status.reason };
        let unexplained = || format!("Milvus answered with code {} and no reason.", status.code);
        let from_behind = !classify::is_said_by_the_proxy(status.code);
        Err(MilvusError { from_behind, ..MilvusError::new(kind, self.scrubbed(text, unexplained)) })
    }

    /// A sentence about a call that gRPC failed. Where Milvus itself refused, these are its own words.
    fn failure(&self, kind: ErrorKind, text: &str, budget: Duration) -> MilvusError {
        let address = &self.address;
        // Our own words are not searched: a password that is one of them ("Milvus") would be told by its gap.
        let text = self.scrubbed(text, || "Milvus gave no reason.".to_owned());
        let message = match kind {
            ErrorKind::NotSent => format!("No connection to Milvus at {address}: {text}"),
            ErrorKind::Unreachable => format!("Milvus at {address} cannot be reached: {text}"),
            ErrorKind::Timeout => format!("Milvus at {address} did not answer within {budget:?}."),
            ErrorKind::Malformed => format!("The response from {address} cannot be read: {text}"),
            _ => text,
        };
        MilvusError::new(kind, cut(&message))
    }

    fn scrubbed(&self, text: &str, otherwise: impl FnOnce() -> String) -> String {
        let text = self.scrubber.message(text);
        if text.is_empty() { otherwise() } else { text }
    }
}

fn replaced() -> MilvusError {
    MilvusError::new(ErrorKind::NotSent, "The login or the address has just changed; nothing was sent.")
}

/// What the server said, or else what happened to the connection.
fn cause(status: &Status, tls: Option<&Tls>) -> String {
    if let Some(explanation) = tls::explain(status, tls) {
        return explanation;
    }
    // The first cause only says that the transport failed.
    let mut causes: Vec<_> = chain(status).skip(1).map(ToString::to_string).collect();
    causes.dedup();
    if causes.is_empty() { status.message().to_owned() } else { causes.join(": ") }
}

#[async_trait]
impl Milvus for GrpcMilvus {
    async fn version(&self) -> Result<String> {
        let message = milvus::GetVersionRequest {};
        let session = self.session()?;
        let (Version { version }, _place) = session.call(GET_VERSION, "", message, session.request_timeout).await?;
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
        let (description, _place): (Description, _) =
            session.call(DESCRIBE, database, message, session.request_timeout).await?;
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
        let (Progress { job: info }, _place) = session.call(PROGRESS, "", message, session.request_timeout).await?;
        convert::asked_job(job, info, &session.scrubber)
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
