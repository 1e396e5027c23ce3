//! One refresh against a Milvus and a process that misbehave by a script, until the script is over and all is well. Each
//! history has to end the run, with at most one job of ours in Milvus.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*, sample::select};

use super::scene::{
    COLLECTION, ENDPOINT, OLD, OPERATOR, SOURCE, at, collection, down, error, is_written, job, want, written,
};
use crate::{
    api::{ActiveJobPolicy, RefreshStatus},
    milvus::{Answer, ErrorKind, Job, JobId, JobState, MilvusError},
    refresh::{
        ClaimKey, Connection, Desired, Effect, Fact, FailureClass, Look, Observation, OwnSourceCheck, Permission,
        Recorded, Scouted, Slot, Submission, Turn, Wake, decide, is_due,
        limits::{LANDING_MARGIN, SUBMIT_BUDGET},
    },
};

/// What goes wrong during one pass.
#[derive(Clone, Debug, PartialEq)]
enum Weather {
    Good,
    /// The process dies before its next write.
    CrashBeforeWrite,
    /// The process dies, or hears nothing, after its next write has taken effect.
    CrashAfterWrite,
    /// The process dies once the start is on its way.
    CrashAfterSubmit,
    /// The API server takes no write.
    ApiServerDown,
    /// The connection is reported lost.
    ConnectionDown,
    /// Nothing of the start's budget is left.
    Withheld,
    /// Milvus refuses the start.
    Refused,
    /// Milvus refuses what its proxy called a second time; the first call takes effect so many seconds later, or never.
    RefusedFromBehind(Option<u64>),
    /// The reply to the start is lost; the start takes effect so many seconds after the claim, or never.
    ReplyLost(Option<u64>),
    /// Milvus accepts the start, names a job and creates none.
    NeverCreated,
    /// Milvus creates the job and answers without its id.
    NoId,
    /// Calls that read fail.
    ReadsFail(ErrorKind),
    /// Somebody else starts a job, of this source or another.
    Foreign(bool),
    /// The process may not start or take anything.
    NotLeading,
    /// The wall clock is off by so many minutes.
    Clock(i64),
    /// Hours pass in which nothing is done.
    Pause(u64),
}

fn weather() -> impl Strategy<Value = Weather> {
    let lands = SUBMIT_BUDGET.as_secs() + LANDING_MARGIN.as_secs() - 1;
    prop_oneof![
        2 => Just(Weather::Good),
        1 => Just(Weather::CrashBeforeWrite),
        2 => Just(Weather::CrashAfterWrite),
        2 => Just(Weather::CrashAfterSubmit),
        1 => Just(Weather::ApiServerDown),
        1 => Just(Weather::ConnectionDown),
        1 => Just(Weather::Withheld),
        1 => Just(Weather::Refused),
        1 => prop::option::of(0..lands).prop_map(Weather::RefusedFromBehind),
        4 => prop::option::of(0..lands).prop_map(Weather::ReplyLost),
        1 => Just(Weather::NeverCreated),
        1 => Just(Weather::NoId),
        1 => select(vec![ErrorKind::Timeout, ErrorKind::Internal, ErrorKind::Busy, ErrorKind::Malformed])
            .prop_map(Weather::ReadsFail),
        1 => any::<bool>().prop_map(Weather::Foreign),
        1 => Just(Weather::NotLeading),
        1 => (-60..=60_i64).prop_map(Weather::Clock),
        1 => select(vec![1, 11, 13, 25]).prop_map(Weather::Pause),
    ]
}

/// A job and when it ends.
struct Entry {
    job: Job,
    ends: Duration,
}

struct World {
    want: Desired,
    /// Time since the beginning, on a clock that nobody sets.
    time: Duration,
    clock_off: SignedDuration,
    weather: Weather,
    jobs: Vec<Entry>,
    next_id: i64,
    /// Starts that Milvus has received and not carried out: when each will be.
    in_flight: Vec<(Duration, ClaimKey)>,
    status: RefreshStatus,
    /// The claim that the process knows, and since when.
    known: Option<(ClaimKey, Duration)>,
    /// Whether the process has written its name on the run, if it was due when it began.
    announced: bool,
    /// An answer that the process has not recorded.
    unrecorded: Option<(ClaimKey, Submission)>,
    starts: Vec<ClaimKey>,
    /// Every job that Milvus ever began for us.
    ours: Vec<JobId>,
    /// Every job that a reply named, and how many claims have been proven over.
    named: Vec<JobId>,
    proofs: i64,
    nonces: u64,
}

/// How long jobs take, by turns; Milvus refuses a second start only while one is active.
const JOBS_TAKE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(90)];
/// How often a failed run is tried again.
const RETRIES: i64 = 2;
/// More than a run needs in good weather: three attempts of three claims, each with its grace, and their jobs.
const GOOD_PASSES: usize = 600;
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

impl World {
    fn new(active_job_policy: ActiveJobPolicy) -> Self {
        let old = Entry { job: job(OLD, JobState::Completed), ends: Duration::ZERO };
        Self {
            want: Desired { active_job_policy, backoff_limit: RETRIES, ..want() },
            time: Duration::from_secs(10),
            clock_off: SignedDuration::ZERO,
            weather: Weather::Good,
            jobs: vec![old],
            next_id: OLD + 1,
            in_flight: Vec::new(),
            status: RefreshStatus::default(),
            known: None,
            announced: false,
            unrecorded: None,
            starts: Vec::new(),
            ours: Vec::new(),
            named: Vec::new(),
            proofs: 0,
            nonces: 0,
        }
    }

    fn next_nonce(&mut self) -> u64 {
        self.nonces += 1;
        self.nonces
    }

    fn moment(time: Duration) -> Timestamp {
        at(i64::try_from(time.as_millis()).unwrap())
    }

    fn wall(&self) -> Timestamp {
        Self::moment(self.time) + self.clock_off
    }

    fn pass_time(&mut self, time: Duration) {
        let end = self.time + time;
        self.in_flight.sort_by_key(|(lands, _)| *lands);
        while let Some((lands, claim)) = self.in_flight.first().copied().filter(|(lands, _)| *lands <= end) {
            self.in_flight.remove(0);
            self.time = self.time.max(lands);
            self.begin(SOURCE, Some(claim));
        }
        self.time = end;
        self.jobs.retain(|entry| entry.ends + REMEMBERED > end);
    }

    /// Milvus begins a job unless one is active, which is all that it does against a second one.
    fn begin(&mut self, source: &str, claim: Option<ClaimKey>) -> Option<JobId> {
        if self.jobs.iter().any(|entry| entry.ends > self.time) {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        let start_time = Some(Self::moment(self.time));
        let job = Job { source: source.into(), start_time, ..job(id, JobState::Pending) };
        self.jobs.push(Entry { job, ends: self.time + JOBS_TAKE[usize::try_from(id % 3).unwrap()] });
        if claim.is_some() {
            let failed = |ours: &JobId| self.jobs.iter().all(|job| job.job.id != *ours || self.has_failed(job));
            assert!(self.ours.iter().all(failed), "Milvus was made to run {:?} and {id}", self.ours);
            self.ours.push(JobId(id));
        }
        Some(JobId(id))
    }

    /// A job as Milvus shows it now.
    fn show(&self, entry: &Entry) -> Job {
        if entry.ends > self.time {
            return Job { state: JobState::InProgress, progress: 50, ..entry.job.clone() };
        }
        let end_time = Some(Self::moment(entry.ends));
        let state = if self.has_failed(entry) { JobState::Failed } else { JobState::Completed };
        Job { state, end_time, ..entry.job.clone() }
    }

    fn has_failed(&self, entry: &Entry) -> bool {
        entry.ends <= self.time && entry.job.id.0 % 5 < 2
    }

    fn look(&self) -> Fact {
        if let Weather::ReadsFail(kind) = self.weather {
            return Fact::Looked(Err(error(kind)));
        }
        let jobs = self.jobs.iter().map(|entry| self.show(entry)).collect();
        Fact::Looked(Ok(Look {
            collection: Some(collection()),
            jobs,
            taken: BTreeSet::new(),
            own_source: OwnSourceCheck::None,
            source: None,
        }))
    }

    fn poll(&self, id: JobId) -> Fact {
        if let Weather::ReadsFail(_) = self.weather {
            return Fact::Sighted(None);
        }
        let entry = self.jobs.iter().find(|entry| entry.job.id == id);
        Fact::Sighted(Some(entry.map_or(Answer::NotFound, |entry| Answer::Job(self.show(entry)))))
    }

    fn submit(&mut self, claim: ClaimKey) -> Submission {
        let lost = Submission::Failed(error(ErrorKind::Timeout));
        if self.weather == Weather::Withheld {
            return Submission::Withheld;
        }
        assert!(!self.starts.contains(&claim), "{claim:?} was started twice");
        self.starts.push(claim);
        match self.weather {
            Weather::Refused => Submission::Failed(error(ErrorKind::NotSent)),
            Weather::RefusedFromBehind(after) => {
                self.in_flight.extend(after.map(|after| (self.time + Duration::from_secs(after), claim)));
                Submission::Failed(MilvusError { from_behind: true, ..error(ErrorKind::InvalidRequest) })
            }
            Weather::ReplyLost(after) => {
                self.in_flight.extend(after.map(|after| (self.time + Duration::from_secs(after), claim)));
                lost
            }
            Weather::NeverCreated => {
                self.next_id += 1;
                self.named.push(JobId(self.next_id - 1));
                Submission::Accepted(JobId(self.next_id - 1))
            }
            _ => match self.begin(SOURCE, Some(claim)) {
                Some(_) if self.weather == Weather::NoId => Submission::Accepted(JobId(0)),
                Some(id) => {
                    self.named.push(id);
                    Submission::Accepted(id)
                }
                None => Submission::Failed(error(ErrorKind::DuplicateJob)),
            },
        }
    }

    fn crash(&mut self) {
        self.known = None;
        self.announced = false;
        self.unrecorded = None;
    }

    fn permission(&mut self) -> Permission {
        self.announced |= !is_due(&self.want, &Recorded::of(Some(&self.status)));
        match self.weather {
            Weather::NotLeading => Permission::Withheld,
            _ if self.announced => Permission::Granted,
            _ => Permission::Announce,
        }
    }

    fn known_for(&mut self, claim: Option<ClaimKey>) -> Duration {
        self.known = claim.map(|claim| match self.known {
            Some((known, since)) if known == claim => (known, since),
            Some(_) | None => (claim, self.time),
        });
        self.known.map_or(Duration::ZERO, |(_, since)| self.time - since)
    }

    /// One pass of the operator, as the shell makes it.
    fn pass(&mut self, weather: Weather) {
        match weather {
            Weather::Foreign(same) => {
                self.begin(if same { SOURCE } else { "s3://else/" }, None);
            }
            Weather::Clock(minutes) => self.clock_off = SignedDuration::from_mins(minutes),
            Weather::Pause(hours) => self.pass_time(Duration::from_secs(hours * 3600)),
            _ => {}
        }
        self.weather = weather;
        let mut record = Recorded::of(Some(&self.status));
        let claim = record.claim();
        let unrecorded = self.unrecorded.clone().filter(|(of, _)| Some(*of) == claim);
        let mut fact = unrecorded.map_or(Fact::Nothing, |(_, submission)| Fact::Submitted(submission));
        for _ in 0..8 {
            let connection = match self.weather {
                Weather::ConnectionDown => down(),
                _ => Connection::Ready { endpoint: ENDPOINT.into() },
            };
            let seen = Observation {
                connection,
                claim_known: self.known_for(record.claim()),
                permission: self.permission(),
                operator: OPERATOR.into(),
                turn: Turn::Mine,
                ahead: None,
                luck: 0.5,
                nonce: self.next_nonce(),
                slot: Slot::Mine,
                examined: None,
                scouted: Scouted::default(),
                fact,
            };
            let announces = seen.permission == Permission::Announce;
            let (before, saw) = (Recorded::of(Some(&self.status)), seen.fact.clone());
            let decision = decide(self.wall(), &self.want, &record, &seen);
            record = decision.next;
            if is_written(decision.effect) {
                match self.weather {
                    Weather::ApiServerDown => return self.pass_time(Duration::from_secs(1)),
                    Weather::CrashBeforeWrite => return self.crash(),
                    _ => {}
                }
                self.status = written(&record, &self.status.conditions, self.wall());
                assert_eq!(Recorded::of(Some(&self.status)), record);
                self.check(&before, &saw, &record);
                self.unrecorded = None;
                self.announced |= announces;
                self.known_for(record.claim());
                if self.weather == Weather::CrashAfterWrite {
                    return self.crash();
                }
            }
            fact = match decision.effect {
                Effect::None | Effect::Delete => {
                    if let Wake::After(pause) = decision.wake {
                        self.pass_time(pause);
                    }
                    return;
                }
                Effect::Examine => unreachable!("nothing here asks for checks"),
                Effect::Find => self.look(),
                Effect::Poll(job) => self.poll(job),
                Effect::Submit => {
                    let claim = record.claim().expect("a start has a claim");
                    let submission = self.submit(claim);
                    if self.weather == Weather::CrashAfterSubmit {
                        return self.crash();
                    }
                    self.unrecorded = Some((claim, submission.clone()));
                    Fact::Submitted(submission)
                }
            };
        }
        panic!("a pass takes a bounded number of steps");
    }

    /// Each proof is counted in the write that clears the claim or ends its job, and nothing else is; and a job of somebody
    /// else is reported as ours only while a claim is open, or where the spec says so.
    fn check(&mut self, before: &Recorded, saw: &Fact, after: &Recorded) {
        let (Some(run), attempt) = (&after.run, before.run.as_ref().map_or(0, |run| run.attempt)) else { return };
        let over = match saw {
            Fact::Submitted(Submission::Withheld) => before.claim().is_some() && before.job.id.is_none(),
            Fact::Submitted(Submission::Failed(error)) => error.kind == ErrorKind::NotSent,
            // A reply that was not recorded names nothing.
            Fact::Sighted(Some(Answer::Job(job))) => {
                let found = before.run.as_ref().is_some_and(|run| run.adopted);
                job.state.is_terminal() && self.named.contains(&job.id) && !found
            }
            Fact::Looked(Ok(_)) if run.claim().is_none() || after.ended() => {
                let refused = before.run.as_ref().is_some_and(|run| run.refusal.is_some());
                refused && after.failure == Some(FailureClass::InvalidSpec)
            }
            _ => false,
        };
        self.proofs += i64::from(over);
        assert_eq!(run.proven_claims, self.proofs, "{before:?}, {saw:?}, {after:?}");
        let taken = after.job.id.filter(|id| before.job.id.is_none() && !self.ours.contains(id));
        if let Some(foreign) = taken.filter(|_| run.adopted && self.want.active_job_policy == ActiveJobPolicy::Wait) {
            assert!(self.proofs < attempt, "{foreign} is somebody else's and no claim was open: {after:?}");
        }
    }

    fn ended(&self) -> bool {
        Recorded::of(Some(&self.status)).ended()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn every_history_that_ends_in_good_weather_ends_the_run_with_at_most_one_job_of_ours(
        policy in select(vec![ActiveJobPolicy::Wait, ActiveJobPolicy::Adopt]),
        script in vec(weather(), 0..40),
    ) {
        let mut world = World::new(policy);
        for weather in script {
            world.pass(weather);
        }
        for _ in 0..GOOD_PASSES {
            if world.ended() {
                break;
            }
            world.pass(Weather::Good);
        }
        prop_assert!(world.ended(), "still going on: {:?}", world.status);
        // What lands now is checked as it begins.
        world.pass_time(SUBMIT_BUDGET + LANDING_MARGIN);
        let record = Recorded::of(Some(&world.status));
        prop_assert_eq!(record.run.and_then(|run| run.collection_id).unwrap_or(COLLECTION), COLLECTION);
        if record.job.state == Some(JobState::Completed) {
            prop_assert_ne!(record.job.id, Some(JobId(OLD)), "an old job is not ours");
        }
    }
}
