//! A Milvus that has every collection, whose jobs complete at once unless it is told otherwise.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::milvus::{
    Collection, ConnectError, ConnectOptions, ErrorKind, Index, Job, JobId, JobState, LoadState, Milvus, MilvusError,
    Result, Segments, Source,
    scrub::{Scrubber, Secrets},
};

const SOURCE: &str = "s3://bucket/products/";

/// Of every collection, all of them served.
const ROWS: i64 = 1_000;

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>, Scrubber);

/// Decides on a look at this collection.
type Looks = Box<dyn FnMut(&str) -> Result<()> + Send>;

#[derive(Default)]
struct State {
    collections: Vec<String>,
    /// The collections that were looked at.
    looked: Vec<String>,
    looks: Option<Looks>,
    polls: Option<Box<dyn FnMut() -> Result<()> + Send>>,
    jobs: Vec<Job>,
    starts: usize,
    on_submit: Option<Box<dyn FnOnce() + Send>>,
    lands_after: Option<Duration>,
    jobs_run_on: bool,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    /// Does this before it carries out the next start.
    pub fn on_submit(&self, act: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().on_submit = Some(Box::new(act));
    }

    /// From now on jobs do not end.
    pub fn let_jobs_run_on(&self) {
        self.0.lock().unwrap().jobs_run_on = true;
    }

    /// The same Milvus over a client that has just been made.
    pub fn connected_anew(&self) -> Self {
        Self(self.0.clone(), Scrubber::default())
    }

    /// What reaches a person of these words.
    pub fn says(&self, words: &str) -> String {
        self.1.message(words)
    }

    /// The next start gets no reply and lands so much later.
    pub fn land_after(&self, time: Duration) {
        self.0.lock().unwrap().lands_after = Some(time);
    }

    /// Decides on each look from now on.
    pub fn on_look(&self, looks: impl FnMut(&str) -> Result<()> + Send + 'static) {
        self.0.lock().unwrap().looks = Some(Box::new(looks));
    }

    /// Decides on each poll from now on.
    pub fn on_poll(&self, polls: impl FnMut() -> Result<()> + Send + 'static) {
        self.0.lock().unwrap().polls = Some(Box::new(polls));
    }

    /// All jobs complete, also those that are started from now on.
    pub fn end_all(&self) {
        let mut state = self.0.lock().unwrap();
        state.jobs_run_on = false;
        state.jobs.iter_mut().for_each(|job| job.state = JobState::Completed);
    }

    /// A job of somebody else, which runs on and on.
    pub fn run_elsewhere(&self, collection: &str) {
        self.start(collection);
        self.0.lock().unwrap().jobs.iter_mut().for_each(|job| job.state = JobState::InProgress);
    }

    /// The collections that were looked at since that was last asked.
    pub fn looked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().looked)
    }

    /// How many starts it has got from the process that is tested.
    pub fn starts(&self) -> usize {
        self.0.lock().unwrap().starts
    }

    /// How often it was asked for the collection.
    pub fn looks(&self) -> usize {
        self.0.lock().unwrap().looked.len()
    }

    pub fn last_job(&self) -> JobId {
        self.0.lock().unwrap().jobs.last().unwrap().id
    }

    /// A start that another process sends.
    pub fn start_by_another(&self) -> JobId {
        self.start("products")
    }

    fn start(&self, collection: &str) -> JobId {
        let mut state = self.0.lock().unwrap();
        let id = JobId(100 + i64::try_from(state.jobs.len()).unwrap());
        let jobs_run_on = state.jobs_run_on;
        state.jobs.push(Job {
            id,
            collection: collection.into(),
            state: if jobs_run_on { JobState::InProgress } else { JobState::Completed },
            progress: 100,
            reason: String::new(),
            source: SOURCE.into(),
            start_time: Some(Timestamp::now()),
            end_time: Some(Timestamp::now()),
        });
        id
    }
}

#[async_trait]
impl Milvus for Fake {
    async fn version(&self) -> Result<String> {
        Ok("3.0.1".into())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn describe(&self, _: &str, name: &str) -> Result<Collection> {
        let mut state = self.0.lock().unwrap();
        state.looked.push(name.to_owned());
        state.looks.as_mut().map_or(Ok(()), |looks| looks(name))?;
        let known = state.collections.iter().position(|known| known == name);
        let id = known.unwrap_or_else(|| {
            state.collections.push(name.to_owned());
            state.collections.len() - 1
        });
        Ok(Collection {
            id: 7 + i64::try_from(id).unwrap(),
            name: name.into(),
            external: true,
            source: SOURCE.into(),
            format: String::new(),
        })
    }

    async fn list(&self, _: &str, collection: &str) -> Result<Vec<Job>> {
        Ok(self.0.lock().unwrap().jobs.iter().filter(|job| job.collection == collection).cloned().collect())
    }

    async fn list_all(&self, wanted: &(dyn Fn(JobId) -> bool + Sync)) -> Result<Vec<Job>> {
        Ok(self.0.lock().unwrap().jobs.iter().filter(|job| wanted(job.id)).cloned().collect())
    }

    async fn submit(&self, _: &str, collection: &str, _: Option<&Source>, _: Duration) -> Result<JobId> {
        let act = self.0.lock().unwrap().on_submit.take();
        if let Some(act) = act {
            act();
        }
        self.0.lock().unwrap().starts += 1;
        let Some(time) = self.0.lock().unwrap().lands_after.take() else { return Ok(self.start(collection)) };
        let (late, collection) = (self.clone(), collection.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            late.start(&collection);
        });
        Err(MilvusError::new(ErrorKind::Timeout, "no reply"))
    }

    async fn load_state(&self, _: &str, _: &str) -> Result<LoadState> {
        Ok(LoadState::Loaded)
    }

    async fn mapped_segments(&self, _: &str, _: &str) -> Result<Segments> {
        Ok(Segments::from([(1, ROWS)]))
    }

    async fn served_segments(&self, _: &str, _: &str) -> Result<Segments> {
        Ok(Segments::from([(1, ROWS)]))
    }

    async fn indexes(&self, _: &str, _: &str) -> Result<Vec<Index>> {
        Ok(Vec::new())
    }

    async fn count(&self, _: &str, _: &str, _: &str) -> Result<i64> {
        Ok(ROWS)
    }

    fn keep_secret(&self, secrets: &Arc<Secrets>) {
        self.1.learn(secrets);
    }

    async fn progress(&self, job: JobId) -> Result<Job> {
        let mut state = self.0.lock().unwrap();
        state.polls.as_mut().map_or(Ok(()), |polls| polls())?;
        let known = state.jobs.iter().find(|known| known.id == job).cloned();
        known.ok_or_else(|| MilvusError::new(ErrorKind::JobNotFound, "no such job"))
    }

    fn reconnect(&self, _: ConnectOptions) -> std::result::Result<(), ConnectError> {
        Ok(())
    }

    fn disconnect(&self) {}
}
