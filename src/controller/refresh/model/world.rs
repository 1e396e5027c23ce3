//! What the processes of the model share: time, the API server, Milvus and the oracle.

use std::{cell::RefCell, collections::BTreeSet, future::poll_fn, rc::Rc, task::Poll, time::Duration};

use tokio::time::Instant;

use super::{
    api::{Api, Object, Refusal, Write},
    breach::Breach,
    choices::Choices,
    milvus::{Entry, Milvus, SOURCE, Sender},
    proof::Ledger,
    source::{Versions, is_answered},
    ticks::Ticks,
};
use crate::{
    milvus::{
        self, ErrorKind, JobId, JobState, LoadState, MilvusError,
        examiner::{Evidence, Mapped, Served},
    },
    refresh::{ClaimKey, Recorded, limits::LANDING_MARGIN},
};

/// The fate of a write that arrives after its sender has given up waiting.
const LATE: usize = 3;
/// Where lateness has a bound: a client gives up after the first, and the API server after the other.
const CLIENT_DEADLINE: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The world as the passes hold it, which all run on one thread.
pub type Shared = Rc<RefCell<World>>;

pub struct World {
    pub choices: Choices,
    /// Since the beginning, on a clock that nobody sets.
    pub time: Duration,
    pub api: Api,
    pub milvus: Milvus,
    /// Whether the connection is reported lost.
    pub down: bool,
    /// Whether the operator may fail to write an object at all or to list it, which is safe only where the connections have
    /// one address and no write lands later than the API server allows.
    pub refuses: bool,
    /// Whether the status writes of each object are refused.
    pub refused: [bool; 2],
    /// The first thing that must not be.
    pub breach: Option<Breach>,
    sent: Vec<Sender>,
    ledger: Ledger,
    ticks: Ticks,
    pub versions: Versions,
    /// Jobs that were begun in another incarnation of the collection than was claimed, where another object can meet them.
    elsewhere: BTreeSet<JobId>,
    beginning: Instant,
    nonces: u64,
}

/// Lets the world go on elsewhere before the pass does.
pub async fn await_turn() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl World {
    pub fn new(choices: Choices, api: Api, denied: bool, refuses: bool) -> Self {
        Self {
            choices,
            time: Duration::from_secs(10),
            api,
            milvus: Milvus::new(denied),
            down: false,
            refuses,
            refused: [false; 2],
            breach: None,
            sent: Vec::new(),
            ledger: Ledger::default(),
            ticks: Ticks::default(),
            versions: Versions::default(),
            elsewhere: BTreeSet::new(),
            beginning: Instant::now(),
            nonces: 0,
        }
    }

    pub fn nonce(&mut self) -> u64 {
        self.nonces += 1;
        self.nonces
    }

    pub fn instant(&self, time: Duration) -> Instant {
        self.beginning + time
    }

    /// One write of a status; `None` when no answer comes, as for each of a process that is `cut_off`.
    pub fn apply(&mut self, write: Write, cut_off: bool) -> Option<Result<u64, Refusal>> {
        if self.refused[write.name] && !cut_off {
            return Some(Err(Refusal::Refused));
        }
        // The process stood still, and its client gives up before it sends.
        if self.refuses && self.time - write.sent > CLIENT_DEADLINE {
            return None;
        }
        let fate = if cut_off { LATE } else { self.choices.draw(&[80, 7, 7, 6]) };
        match fate {
            0 => Some(self.take_effect(&write)),
            1 => {
                let _ = self.take_effect(&write);
                None
            }
            2 => None,
            LATE.. => {
                self.api.late.push(write);
                None
            }
        }
    }

    pub fn take_effect(&mut self, write: &Write) -> Result<u64, Refusal> {
        let before = self.api.objects[write.name].as_ref().map(Object::record);
        let taken = self.api.apply(write);
        if taken.is_ok() {
            let checked = self.api.check().and_then(|()| self.check_status(write.name));
            self.note(checked);
        }
        if let (Ok(_), Some(before), Some(object)) = (taken, before, &self.api.objects[write.name]) {
            let policy = object.want.active_job_policy;
            let (uid, after) = (object.uid.clone(), object.record());
            let checked = self.ledger.written(&uid, &write.by, policy, &self.milvus, &before, &after);
            let checked = checked.and_then(|()| self.ticks.written(&uid, &before, &after));
            let checked = checked.and_then(|()| self.versions.written(&uid, &self.milvus, &before, &after));
            self.note(checked);
        }
        taken
    }

    /// A write that is on its way arrives, if the API server has not given it up.
    pub fn land_late(&mut self) {
        let Some(write) = self.api.late.pop() else { return };
        if !self.refuses || self.time - write.sent <= CLIENT_DEADLINE + REQUEST_TIMEOUT {
            let _ = self.take_effect(&write);
        }
    }

    /// One start of the object `uid`, for the `claim` that its process has seen written, with `left` of its deadline.
    pub fn submit(&mut self, uid: &str, claim: Option<ClaimKey>, left: Duration) -> milvus::Result<JobId> {
        let Some(claim) = claim else {
            self.note(Err(format!("a start of {uid} was sent without a claim that was written")));
            return Err(MilvusError::new(ErrorKind::Timeout, "no answer"));
        };
        let sender = Sender { uid: uid.to_owned(), claim };
        if self.sent.contains(&sender) {
            self.note(Err(format!("{sender:?} was sent twice")));
        }
        self.sent.push(sender.clone());
        let answer = self.answer(sender.clone(), left);
        self.ledger.answered(sender, answer.clone());
        answer
    }

    /// What comes of a start and what is said of it.
    fn answer(&mut self, sender: Sender, left: Duration) -> milvus::Result<JobId> {
        let failed = |kind| Err(MilvusError::new(kind, "Milvus said so"));
        let outcome = self.choices.draw(&[50, 10, 10, 6, 6, 6, 6, 3, 3, 3]);
        match outcome {
            2 => {
                self.land_later(sender, left);
                return failed(ErrorKind::Timeout);
            }
            3 => return failed(ErrorKind::Unreachable),
            4 => return failed(ErrorKind::NotSent),
            5 => return Ok(self.milvus.unused_id()),
            // Milvus' proxy asked again and was refused, while its first call may wait for the collection.
            9 => {
                if self.choices.happens(50) {
                    self.land_later(sender, left);
                }
                let refusal = MilvusError::new(ErrorKind::Unsupported, "Milvus said so");
                return Err(MilvusError { from_behind: true, ..refusal });
            }
            _ => {}
        }
        let Some(id) = self.milvus.begin(self.time, SOURCE, Some(sender.clone()), &mut self.choices) else {
            // That may be said to the second call of Milvus' proxy, while its first waits for the collection.
            if self.choices.happens(20) {
                self.land_later(sender, left);
            }
            return failed(ErrorKind::DuplicateJob);
        };
        self.check_starts();
        match outcome {
            1 => failed(ErrorKind::Timeout),
            // Milvus' proxy asked again and met its own job.
            6 => failed(ErrorKind::DuplicateJob),
            7 => Ok(JobId(0)),
            8 => failed(ErrorKind::Busy),
            _ => Ok(id),
        }
    }

    /// What a look at the served rows finds, if one has ended.
    pub fn examine(&mut self) -> Option<milvus::Result<Evidence>> {
        let (served, count) = match self.choices.draw(&[50, 20, 15, 15]) {
            0 => (1, 10),
            1 => (0, 0),
            2 => return Some(Err(MilvusError::new(ErrorKind::Timeout, "Milvus said so"))),
            _ => return None,
        };
        let collection = self.milvus.describe().map(|collection| collection.id);
        Some(Ok(Evidence {
            collection,
            load: Ok(LoadState::Loaded),
            mapped: Ok(Mapped { segments: 1, rows: 10 }),
            served: Some(Ok(Served { segments: served, rows: count })),
            count: Some(Ok(count)),
            indexes: None,
            queries: None,
        }))
    }

    /// A start arrives, or comes to its turn, only later.
    fn land_later(&mut self, sender: Sender, left: Duration) {
        let window = (left + LANDING_MARGIN).as_millis();
        let after = u64::try_from(window).unwrap() * self.choices.seconds(0..1000) / 1000;
        self.milvus.in_flight.push((self.time + Duration::from_millis(after), sender));
    }

    pub fn pass_time(&mut self, time: Duration) {
        self.time += time;
        self.milvus.land(self.time, &mut self.choices);
        self.check_starts();
    }

    /// Milvus was made to begin at most one job for each run, and another one only after that one had failed.
    fn check_starts(&mut self) {
        let Some(last) = self.milvus.journal.last() else { return };
        let Some(sender) = &last.sender else { return };
        let failed_before = |job: &&Entry| job.id == last.id || job.state(last.started) == JobState::Failed;
        let unproven = self.milvus.of_run(&sender.uid, sender.claim.number).find(|job| !failed_before(job));
        let checked = unproven.map_or(Ok(()), |job| Err(format!("one run has two jobs: {job:?} and {last:?}")));
        self.note(checked);
    }

    /// What the status says happened is what the journal says.
    fn check_status(&mut self, name: usize) -> Result<(), Breach> {
        let Some(object) = &self.api.objects[name] else { return Ok(()) };
        let record = object.record();
        let (Some(run), Some(id)) = (&record.run, record.job.id) else { return Ok(()) };
        let known = self.milvus.journal.iter().find(|job| job.id == id);
        // A start for a collection that is re-created before it arrives is met by who looks at the new one.
        if known.zip(run.collection_id).is_some_and(|(job, claimed)| claimed != job.collection) {
            self.elsewhere.insert(id);
        }
        let others = self.api.objects.iter().flatten().filter(|other| other.uid != object.uid).map(Object::record);
        if others.into_iter().any(|other| other.jobs().any(|job| job == id)) && !self.elsewhere.contains(&id) {
            return Err(format!("job {id} is recorded by two objects"));
        }
        let Some(job) = known else {
            return if record.job.state == Some(JobState::Completed) {
                Err(format!("job {id}, which never was, is said to have completed"))
            } else {
                Ok(())
            };
        };
        if run.adopted && run.collection_id.is_some_and(|claimed| claimed != job.collection) {
            return Err(format!("job {job:?} of another collection than was claimed was taken: {run:?}"));
        }
        if run.adopted && run.job_id_watermark.is_some_and(|watermark| id <= watermark) {
            return Err(format!("job {job:?} was there before the run's first claim and was taken for its own"));
        }
        // One that was taken back shows the job of the run before it, and not how it had come to it.
        let taken_back = run.submit_time.is_none();
        if !run.adopted && !taken_back && !job.is_of(&object.uid, run.number) {
            return Err(format!("job {job:?} is said to be started by run {} of {}", run.number, object.uid));
        }
        // Who may not describe the collection does not know its source.
        if job.source != SOURCE && !run.source.is_empty() {
            return Err(format!("job {job:?} of another source was taken"));
        }
        if record.job.state == Some(JobState::Completed) && job.state(self.time) != JobState::Completed {
            return Err(format!("job {job:?} is said to have completed"));
        }
        let seen_to_fail = record.failure.is_some_and(|class| {
            !matches!(class.as_str(), "JobLost" | "OutcomeUnknown" | "DeadlineExceeded" | "VerificationFailed")
        });
        if seen_to_fail && job.state(self.time) != JobState::Failed {
            return Err(format!("job {job:?} is said to have failed"));
        }
        Ok(())
    }

    /// Once all is over: a job of ours that Milvus knows is the one that its run reports.
    pub fn check_end(&mut self) {
        let mut checked = Ok(());
        for object in self.api.objects.iter().flatten() {
            let Recorded { run: Some(run), job, .. } = object.record() else { continue };
            let completed = job.state == Some(JobState::Completed);
            let others = self.milvus.of_run(&object.uid, run.number).filter(|ours| Some(ours.id) != job.id);
            let other = others.into_iter().find(|ours| ours.state(self.time) != JobState::Failed);
            if let Some(other) = other.filter(|_| completed && !run.adopted) {
                checked = Err(format!("{other:?} of a run that reports job {:?} was lost", job.id));
            }
        }
        self.note(checked);
    }

    /// Whether what is at the source was refreshed by everyone who watches it and may start something.
    pub fn is_fresh(&self) -> bool {
        let watching =
            self.api.objects.iter().flatten().filter(|object| object.want.watch.is_some() && !object.want.suspend);
        watching.into_iter().all(|object| is_answered(&object.record(), self.milvus.version))
    }

    pub fn note(&mut self, checked: Result<(), Breach>) {
        if let (None, Err(breach)) = (&self.breach, checked) {
            self.breach = Some(breach);
        }
    }
}
