//! What a pass reaches outside of this process: the API server, Milvus, time and chance. The controller's own side of it is
//! in `outside`; the model has another, so that it plays the passes themselves.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::memory::Newest;
use crate::{
    api::RefreshStatus,
    cluster::status::WriteError,
    milvus::{
        self, Collection, Job, JobId, MilvusError, Source,
        examiner::{Evidence, Plan},
        poller::Sighting,
        scrub::Secrets,
    },
    object::Key,
    refresh::{Connection, Notice, OwnSource, OwnSourceCheck, Recorded, Scouted, SpecPlace},
    scout,
};

/// What one pass over one refresh reaches.
pub(super) trait Ports {
    /// The Milvus that its connection leads to.
    type Server: Server;

    /// The wall clock, for what is recorded.
    fn now(&self) -> Timestamp;

    /// The monotonic clock of this process, for what is measured.
    fn instant(&self) -> Instant;

    /// A number from 0 up to 1.
    fn luck(&self) -> f64;

    /// Any number, another one each time and in each process.
    fn nonce(&self) -> u64;

    /// Whether this process leads, asked anew each time.
    fn leads(&self) -> bool;

    /// Whether other refreshes wait for their passes, so few that this one may go on after them.
    fn lets_others_start(&self) -> bool;

    /// How the refresh's connection looks, with its server where there is one.
    fn connection(&self) -> (Connection, Option<Self::Server>);

    /// Has the connection looked at when a call failed in a way that is the connection's trouble.
    fn suspect(&self, error: &MilvusError);

    /// The server answers again after looks of many had failed: wakes the refreshes that wait for it.
    fn recovered(&self);

    /// Ends the tracking of the job that `refresh` had through `connection`.
    fn untrack(&self, connection: &Key, refresh: &Key);

    /// The source that the refresh brings along, read and checked.
    async fn own_source(&self, own: &OwnSource) -> Result<Source, OwnSourceCheck>;

    /// What of the spec that stands there nobody may read, if it can be had now.
    async fn spec_secrets(&self, place: &SpecPlace) -> Option<Arc<Secrets>>;

    /// What is known of looks by this plan at the source.
    fn scouted(&self, plan: &scout::Plan) -> Scouted;

    /// Has the source looked at, unless a look by this plan is under way or began so short a time ago.
    fn scout(&self, plan: scout::Plan, within: Duration);

    /// Whether the connection lets the refresh count rows with filters of its own.
    fn allows_queries(&self) -> bool;

    /// Replaces the whole status of the object at this version. Gives the version that it has then.
    async fn write(&self, resource_version: &str, status: &RefreshStatus) -> Result<String, WriteError>;

    /// The object of this name as it is now, and its uid.
    async fn read(&self) -> Result<(String, Newest), WriteError>;

    /// Deletes the object if it is still at this version.
    async fn delete(&self, resource_version: &str) -> Result<(), WriteError>;

    /// This is durable now, and worth these notices.
    fn recorded(&self, durable: &Recorded, notices: Vec<Notice>);
}

/// What a pass asks of a Milvus.
pub(super) trait Server {
    /// The address that is in use.
    fn endpoint(&self) -> &str;

    /// See [`milvus::Milvus::describe`].
    async fn describe(&self, database: &str, collection: &str) -> milvus::Result<Collection>;

    /// See [`milvus::Milvus::list`].
    async fn list(&self, database: &str, collection: &str) -> milvus::Result<Vec<Job>>;

    /// See [`milvus::Milvus::submit`].
    async fn submit(
        &self,
        database: &str,
        collection: &str,
        source: Option<&Source>,
        budget: Duration,
    ) -> milvus::Result<JobId>;

    /// See [`milvus::Milvus::keep_secret`].
    fn keep_secret(&self, secrets: &Arc<Secrets>);

    /// Has the poller track `job` for `refresh` and gives what Milvus last said of it.
    fn track(&self, refresh: &Key, job: JobId, age: Duration) -> Sighting;

    /// See [`milvus::examiner::Examiner::examine`].
    fn examine(&self, refresh: &Key, plan: Plan) -> Option<milvus::Result<Evidence>>;

    /// See [`milvus::examiner::Examiner::examined`].
    fn examined(&self, refresh: &Key) -> Option<Instant>;

    /// Lets the poller keep mere progress of `refresh` to itself until then.
    fn hush(&self, refresh: &Key, until: Instant);
}
