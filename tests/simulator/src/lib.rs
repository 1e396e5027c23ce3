//! An in-process Milvus for the demo and the tests: the refresh API over gRPC with the real server's rules.
//!
//! Jobs have a [`Plan`]; their state is computed when somebody looks, on a clock that tests can
//! [`advance`](Simulator::advance). Every call lands in a [journal](Simulator::journal), and a queued [`Fault`] can
//! strike it. Everything random comes from [`Settings::seed`].
//!
//! What a job has refreshed is a number of rows a batch, in segments that are mapped at once and served a while later; how a
//! collection is loaded and indexed is set through [`Simulator::serving`].
//!
//! Not simulated: data and searches other than `count(*)` of all rows or of a batch, resource limits, roles and privileges
//! beyond a list of denied calls, the `dbname` metadata (a request without a database means `default`).

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{net::TcpListener, sync::watch};

mod answer;
mod calls;
mod clock;
mod fault;
mod job;
mod jobs;
mod journal;
mod login;
mod names;
mod plan;
mod refusal;
mod service;
mod serving;
mod settings;
mod spec;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod wire;
mod world;

pub use fault::{Armed, Fault, When};
pub use journal::{Call, Method, Verdict};
pub use login::Login;
pub use plan::{Outcome, Plan};
pub use serving::{Index, Load, ReplicaForm, Serving};
pub use settings::{CollectionSpec, DuplicateWording, Ids, Settings};
pub use tls::ServerTls;

use clock::Clock;
use transport::Running;
use world::{Submit, World};

/// The id of a refresh job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running server. Clones are handles to the same one; it ends with [`Simulator::stop`] or with its runtime.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    clock: Clock,
    state: Mutex<State>,
    /// Counts releases of hanging calls.
    release: watch::Sender<u64>,
    /// Counts arrivals and effects of calls.
    progress: watch::Sender<u64>,
    /// `None` while paused or stopped.
    running: tokio::sync::Mutex<Option<Running>>,
}

struct State {
    settings: Settings,
    connections: u64,
    world: World,
    faults: fault::Faults,
    journal: journal::Journal,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A client has connected: how it is talked to, and the number of its connection.
    fn connected(&self) -> (Option<ServerTls>, transport::Connection) {
        let mut state = self.lock();
        state.connections += 1;
        (state.settings.tls.clone(), transport::Connection(state.connections))
    }

    fn changed(&self) {
        self.progress.send_modify(|count| *count += 1);
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Simulator").field(&self.0.address).finish()
    }
}

impl Simulator {
    /// Serves on `listen` in the current tokio runtime; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(listen: SocketAddr, settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            clock: Clock::start(),
            state: Mutex::new(State {
                world: World::new(settings.seed, settings.ids),
                settings,
                connections: 0,
                faults: fault::Faults::default(),
                journal: journal::Journal::default(),
            }),
            release: watch::Sender::default(),
            progress: watch::Sender::default(),
            running: tokio::sync::Mutex::default(),
        });
        let simulator = Self(shared);
        *simulator.0.running.lock().await = Some(Running::start(listener, simulator.0.clone()));
        Ok(simulator)
    }

    /// Where it listens, or listened before a pause.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The address as clients want it: `http://127.0.0.1:19530`, or `https:` where it serves TLS.
    pub fn url(&self) -> String {
        let scheme = if self.0.lock().settings.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.0.address)
    }

    /// Changes settings from the next call on: a new password, an upgrade, a lost privilege.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.lock().settings);
    }

    /// Creates an external collection of the database `default`, and gives its id; see [`CollectionSpec::external`].
    pub fn create_collection(&self, name: &str, plan: Plan) -> i64 {
        self.create(CollectionSpec::external(name, plan))
    }

    /// Creates a collection, and gives its id. One of the same name is dropped first; the new one has another id.
    pub fn create(&self, collection: CollectionSpec) -> i64 {
        self.with_world(|world, now| world.create(collection, now))
    }

    /// Drops a collection if it exists; its active job fails.
    pub fn drop_collection(&self, database: &str, collection: &str) {
        self.with_world(|world, now| world.drop(database, collection, now));
    }

    /// Creates an alias or moves it to another collection. Whether the collection exists.
    pub fn alias(&self, database: &str, collection: &str, alias: &str) -> bool {
        self.with_world(|world, _| world.alias(database, collection, alias))
    }

    /// Sets how the collection's next jobs go. Whether the collection exists.
    pub fn set_plan(&self, database: &str, collection: &str, plan: Plan) -> bool {
        self.with_world(|world, _| world.settings_mut(database, collection).map(|settings| settings.plan = plan))
            .is_some()
    }

    /// Changes what the collection's next jobs find and how it is loaded, indexed and served, at once. Whether the collection
    /// exists.
    pub fn serving(&self, database: &str, collection: &str, change: impl FnOnce(&mut Serving)) -> bool {
        let changed = |world: &mut World, _| world.settings_mut(database, collection).map(|known| known.serve(change));
        self.with_world(changed).is_some()
    }

    /// DataCoord restarts: every loaded collection stays loaded, and not a segment of it is served any more. It heals when a
    /// collection is released and loaded, or when [`Serving::unserved`] is set back.
    pub fn restart_coordinator(&self) {
        self.with_world(|world, _| world.restart_coordinator());
    }

    /// Another user starts a refresh with the persisted source. `None` where Milvus refuses it: no such external
    /// collection, or a job is active. Neither journal nor [`accepted_starts`](Self::accepted_starts) show it.
    pub fn start_foreign_job(&self, database: &str, collection: &str) -> Option<JobId> {
        self.start_foreign_job_from(database, collection, "", "")
    }

    /// The same with a source and spec of the other user.
    pub fn start_foreign_job_from(&self, database: &str, collection: &str, source: &str, spec: &str) -> Option<JobId> {
        let submit = Submit { database, collection, source, spec };
        self.with_world(|world, now| world.refresh(&submit, DuplicateWording::PollIt, now)).ok().map(JobId)
    }

    /// Adds jobs of other users that have failed with `reason` just now, so that lists become long. Nothing happens where
    /// there is no such collection.
    pub fn add_past_jobs(&self, database: &str, collection: &str, jobs: usize, reason: &str) {
        self.with_world(|world, now| world.add_past(database, collection, jobs, reason, now));
    }

    /// Every job that there ever was, other users' too, in the order of their starts.
    pub fn jobs_by_start(&self) -> Vec<JobId> {
        self.0.lock().world.started().to_vec()
    }

    /// Ends an active job now; [`Outcome::Hang`] instead keeps it from ending. Whether there was such a job.
    pub fn finish_job(&self, job: JobId, outcome: Outcome) -> bool {
        self.with_world(|world, now| world.finish(job.0, outcome, now))
    }

    /// Queues a fault behind those of the same method. A plain [`Fault`] strikes once.
    pub fn fault(&self, method: Method, fault: impl Into<Armed>) {
        self.0.lock().faults.add(method, fault.into());
    }

    /// Forgets all queued faults; calls that hang already go on hanging.
    pub fn clear_faults(&self) {
        self.0.lock().faults.clear();
    }

    /// Lets all calls go on that hang now.
    pub fn release(&self) {
        self.0.release.send_modify(|count| *count += 1);
    }

    /// The latest calls (up to 100,000), in order of arrival.
    pub fn journal(&self) -> Vec<Call> {
        self.0.lock().journal.calls()
    }

    /// What Milvus' clock says at this moment of the journal, in milliseconds since 1970, as in its answers.
    pub fn unix_ms(&self, at: Duration) -> i64 {
        self.0.clock.unix_ms(at)
    }

    /// How often a method was called, with whatever outcome.
    pub fn calls(&self, method: Method) -> usize {
        self.0.lock().journal.count(method)
    }

    /// Every job that a call has started on a collection, by its own name, in order of start: the oracle of tests.
    pub fn accepted_starts(&self, database: &str, collection: &str) -> Vec<JobId> {
        self.0.lock().journal.starts(database, collection)
    }

    /// Waits until `condition` holds; it is looked at after every arrival and every effect of a call. Callers bound it.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let mut progress = self.0.progress.subscribe();
        // An error cannot come: this handle keeps the sender.
        while !condition(self) && progress.changed().await.is_ok() {}
    }

    /// Moves the clock forward: jobs go on and end, what they have mapped is served, retention passes, delays and deadlines run out.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// Milvus goes down: the port is closed and every connection cut. Jobs go on, as they do in a real cluster.
    pub async fn pause(&self) {
        if let Some(running) = self.0.running.lock().await.take() {
            running.stop().await;
        }
    }

    /// Milvus is back, on the same port. Nothing happens unless it was paused.
    ///
    /// # Errors
    /// The port is taken by now.
    pub async fn resume(&self) -> std::io::Result<()> {
        let mut running = self.0.running.lock().await;
        if running.is_none() {
            let listener = TcpListener::bind(self.0.address).await?;
            *running = Some(Running::start(listener, self.0.clone()));
        }
        Ok(())
    }

    /// The end: no port, no connection, no hanging call.
    pub async fn stop(&self) {
        self.pause().await;
        self.release();
    }

    fn with_world<T>(&self, change: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.0.clock.now();
        let mut state = self.0.lock();
        state.world.settle(now);
        change(&mut state.world, now)
    }
}
