//! A Milvus in memory that notes every call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::milvus::{
    Collection, ConnectError, ConnectOptions, ErrorKind, Index, Job, JobId, JobState, LoadState, Milvus, MilvusError,
    Result, Segments, Source,
    poller::{Answer, Poller, Sighting},
};

#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: HashMap<JobId, Job>,
    /// Jobs that a List does not show.
    hidden: Vec<JobId>,
    list_error: Option<ErrorKind>,
    poll_error: Option<ErrorKind>,
    list_takes: Duration,
    poll_takes: Duration,
    lists: Vec<Instant>,
    polls: Vec<(Instant, JobId)>,
}

impl Fake {
    pub fn set(&self, id: i64, change: impl FnOnce(&mut Job)) {
        change(self.state.lock().unwrap().jobs.entry(JobId(id)).or_insert_with(|| running(id)));
    }

    pub fn remove(&self, id: i64) {
        self.state.lock().unwrap().jobs.remove(&JobId(id));
    }

    pub fn hide(&self, id: i64) {
        self.state.lock().unwrap().hidden.push(JobId(id));
    }

    pub fn fail_lists(&self, kind: Option<ErrorKind>) {
        self.state.lock().unwrap().list_error = kind;
    }

    pub fn fail_polls(&self, kind: Option<ErrorKind>) {
        self.state.lock().unwrap().poll_error = kind;
    }

    pub fn take(&self, list: Duration, poll: Duration) {
        let mut state = self.state.lock().unwrap();
        (state.list_takes, state.poll_takes) = (list, poll);
    }

    pub fn lists(&self) -> Vec<Instant> {
        self.state.lock().unwrap().lists.clone()
    }

    pub fn polls(&self) -> Vec<(Instant, JobId)> {
        self.state.lock().unwrap().polls.clone()
    }

    pub fn polls_of(&self, id: i64) -> Vec<Instant> {
        self.polls().into_iter().filter(|(_, job)| job.0 == id).map(|(at, _)| at).collect()
    }

    /// Forgets the calls so far.
    pub fn reset(&self) {
        let mut state = self.state.lock().unwrap();
        state.lists.clear();
        state.polls.clear();
    }
}

#[async_trait]
impl Milvus for Fake {
    async fn version(&self) -> Result<String> {
        unreachable!("a poller only polls")
    }

    async fn probe(&self) -> Result<()> {
        unreachable!("a poller only polls")
    }

    async fn describe(&self, _: &str, _: &str) -> Result<Collection> {
        unreachable!("a poller only polls")
    }

    async fn list(&self, _: &str, _: &str) -> Result<Vec<Job>> {
        unreachable!("a poller only polls")
    }

    async fn submit(&self, _: &str, _: &str, _: Option<&Source>, _: Duration) -> Result<JobId> {
        unreachable!("a poller only polls")
    }

    async fn load_state(&self, _: &str, _: &str) -> Result<LoadState> {
        unreachable!("a poller only polls")
    }

    async fn mapped_segments(&self, _: &str, _: &str) -> Result<Segments> {
        unreachable!("a poller only polls")
    }

    async fn served_segments(&self, _: &str, _: &str) -> Result<Segments> {
        unreachable!("a poller only polls")
    }

    async fn indexes(&self, _: &str, _: &str) -> Result<Vec<Index>> {
        unreachable!("a poller only polls")
    }

    async fn count(&self, _: &str, _: &str, _: &str) -> Result<i64> {
        unreachable!("a poller only polls")
    }

    async fn list_all(&self, wanted: &(dyn Fn(JobId) -> bool + Sync)) -> Result<Vec<Job>> {
        let takes = {
            let mut state = self.state.lock().unwrap();
            state.lists.push(Instant::now());
            state.list_takes
        };
        tokio::time::sleep(takes).await;
        let state = self.state.lock().unwrap();
        match state.list_error {
            Some(kind) => Err(MilvusError::new(kind, "no list")),
            None => {
                let shown = state.jobs.values().filter(|job| !state.hidden.contains(&job.id) && wanted(job.id));
                Ok(shown.cloned().collect())
            }
        }
    }

    fn keep_secret(&self, _: &Arc<crate::milvus::scrub::Secrets>) {}

    async fn progress(&self, job: JobId) -> Result<Job> {
        let takes = {
            let mut state = self.state.lock().unwrap();
            state.polls.push((Instant::now(), job));
            state.poll_takes
        };
        tokio::time::sleep(takes).await;
        let state = self.state.lock().unwrap();
        match (state.poll_error, state.jobs.get(&job)) {
            (Some(kind), _) => Err(MilvusError::new(kind, "no poll")),
            (None, Some(job)) => Ok(job.clone()),
            (None, None) => Err(MilvusError::new(ErrorKind::JobNotFound, "refresh job not found")),
        }
    }

    fn reconnect(&self, _: ConnectOptions) -> std::result::Result<(), ConnectError> {
        Ok(())
    }

    fn disconnect(&self) {}
}

pub fn running(id: i64) -> Job {
    Job {
        id: JobId(id),
        collection: format!("c{id}"),
        state: JobState::InProgress,
        progress: 0,
        reason: String::new(),
        source: String::new(),
        start_time: None,
        end_time: None,
    }
}

/// A poller of a [`Fake`], and the keys that it said had changed. Key and job have the same number.
pub struct Scene {
    pub fake: Arc<Fake>,
    pub poller: Poller<i64>,
    changed: Arc<Mutex<Vec<i64>>>,
}

impl Scene {
    pub fn new() -> Self {
        let fake = Arc::new(Fake::default());
        let changed = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&changed);
        let milvus: Arc<dyn Milvus> = Arc::clone(&fake) as _;
        let poller = Poller::new(milvus, move |key| noted.lock().unwrap().push(key), || 0.0);
        Self { fake, poller, changed }
    }

    /// A scene with jobs 1 to `count` running and tracked.
    pub fn with(count: i64) -> Self {
        let scene = Self::new();
        for id in 1..=count {
            scene.fake.set(id, |_| {});
            scene.track(id);
        }
        scene
    }

    pub fn track(&self, id: i64) -> Sighting {
        self.poller.track(id, JobId(id), Duration::ZERO)
    }

    /// The changes since the last call.
    pub fn changes(&self) -> Vec<i64> {
        let mut changes = std::mem::take(&mut *self.changed.lock().unwrap());
        changes.sort_unstable();
        changes
    }

    pub fn job(&self, id: i64) -> Option<Job> {
        match self.track(id).answer {
            Some(Answer::Job(job)) => Some(job),
            _ => None,
        }
    }
}

pub async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
