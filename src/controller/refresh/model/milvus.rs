//! The Milvus of the model: one collection, its jobs, and everything that a client can be told wrongly about them.

use std::time::Duration;

use jiff::Timestamp;

use super::choices::Choices;
use crate::{
    milvus::{Answer, Collection, Job, JobId, JobState},
    refresh::ClaimKey,
};

pub const SOURCE: &str = "s3://bucket/products/";
/// Milvus forgets a job so long after its end.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How long jobs take, in seconds.
const JOBS_TAKE: [u64; 4] = [1, 20, 90, 1000];

/// Which claim of which object a start was sent for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub uid: String,
    pub claim: ClaimKey,
}

/// One line of the journal, which forgets nothing.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: JobId,
    pub collection: i64,
    pub source: &'static str,
    pub started: Duration,
    pub ends: Duration,
    pub fails: bool,
    /// The version of the source that it has read at least.
    pub read: u8,
    /// `None` for somebody else's job.
    pub sender: Option<Sender>,
}

pub struct Milvus {
    /// The id of the incarnation that the name leads to.
    pub collection: i64,
    /// Whether the operator may not describe it.
    pub denied: bool,
    /// Every job that ever was.
    pub journal: Vec<Entry>,
    /// Starts that were received and not carried out: when each will be.
    pub in_flight: Vec<(Duration, Sender)>,
    /// The version of the source.
    pub version: u8,
    next_id: i64,
}

/// A time that nobody sets, as a timestamp.
pub fn moment(time: Duration) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_250 + i64::try_from(time.as_millis()).unwrap()).unwrap()
}

impl Milvus {
    pub fn new(denied: bool) -> Self {
        let mut milvus =
            Self { collection: 7, denied, journal: Vec::new(), in_flight: Vec::new(), version: 0, next_id: 100 };
        let (id, ends) = (milvus.unused_id(), Duration::from_secs(20));
        let (collection, source, started) = (milvus.collection, SOURCE, Duration::ZERO);
        milvus.journal.push(Entry { id, collection, source, started, ends, fails: true, read: 0, sender: None });
        milvus
    }

    /// Begins a job unless one is active, which is all that Milvus does against a second one.
    pub fn begin(
        &mut self,
        now: Duration,
        source: &'static str,
        sender: Option<Sender>,
        choices: &mut Choices,
    ) -> Option<JobId> {
        if self.journal.iter().any(|job| job.collection == self.collection && job.ends > now) {
            return None;
        }
        let id = self.unused_id();
        let ends = now + Duration::from_secs(JOBS_TAKE[choices.below(JOBS_TAKE.len())]);
        let fails = choices.happens(40);
        let (collection, read) = (self.collection, self.version);
        self.journal.push(Entry { id, collection, source, started: now, ends, fails, read, sender });
        Some(id)
    }

    pub fn unused_id(&mut self) -> JobId {
        self.next_id += 1;
        JobId(self.next_id)
    }

    /// Carries out what is due until `now`.
    pub fn land(&mut self, now: Duration, choices: &mut Choices) {
        self.in_flight.sort_by_key(|(lands, _)| *lands);
        while self.in_flight.first().is_some_and(|(lands, _)| *lands <= now) {
            let (lands, sender) = self.in_flight.remove(0);
            self.begin(lands, SOURCE, Some(sender), choices);
        }
    }

    /// Something else is at the source from now on. A job that runs may have listed it already.
    pub fn change_source(&mut self, now: Duration, choices: &mut Choices) {
        self.version = self.version.saturating_add(1);
        for job in self.journal.iter_mut().filter(|job| job.ends > now) {
            if choices.happens(50) {
                job.read = self.version;
            }
        }
    }

    /// Drops the collection, whose active jobs fail, and creates another of that name. Nobody can see that who may not
    /// describe it.
    pub fn recreate(&mut self, now: Duration) {
        if self.denied {
            return;
        }
        for job in self.journal.iter_mut().filter(|job| job.ends > now) {
            job.ends = now;
            job.fails = true;
        }
        self.collection += 1;
    }

    pub fn describe(&self) -> Option<Collection> {
        let (id, name) = (self.collection, "products".into());
        (!self.denied).then(|| Collection { id, name, external: true, source: SOURCE.into(), format: String::new() })
    }

    pub fn list(&self, collection: i64, now: Duration) -> Vec<Job> {
        let listed = self.journal.iter().filter(|job| job.collection == collection && job.ends + REMEMBERED > now);
        listed.map(|job| job.show(now)).collect()
    }

    pub fn poll(&self, id: JobId, now: Duration) -> Answer {
        let known = self.journal.iter().find(|job| job.id == id && job.ends + REMEMBERED > now);
        known.map_or(Answer::NotFound, |job| Answer::Job(job.show(now)))
    }

    /// The jobs that were begun for a run.
    pub fn of_run<'a>(&'a self, uid: &'a str, run: i64) -> impl Iterator<Item = &'a Entry> {
        self.journal.iter().filter(move |job| job.is_of(uid, run))
    }
}

impl Entry {
    pub fn is_of(&self, uid: &str, run: i64) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.uid == uid && sender.claim.number == run)
    }

    pub fn state(&self, now: Duration) -> JobState {
        match (self.ends > now, self.fails) {
            (true, _) => JobState::InProgress,
            (false, true) => JobState::Failed,
            (false, false) => JobState::Completed,
        }
    }

    fn show(&self, now: Duration) -> Job {
        let state = self.state(now);
        Job {
            id: self.id,
            collection: "products".into(),
            state,
            progress: if state == JobState::Completed { 100 } else { 50 },
            reason: String::new(),
            source: self.source.into(),
            start_time: Some(moment(self.started)),
            end_time: state.is_terminal().then(|| moment(self.ends)),
        }
    }
}
