//! A refresh in a given situation, and the things that can be seen of it.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{ConnectionReason, ExternalCollectionRefresh, RefreshStatus},
    milvus::{Answer, Collection, ErrorKind, Job, JobId, JobState, MilvusError},
    refresh::{
        Ahead, Connection, Decision, Desired, Effect, Fact, Look, Observation, OwnSourceCheck, Permission, Reason,
        Recorded, Run, Scouted, Slot, Submission, Turn, Wake, decide, limits::GRACE, project,
    },
};

pub const COLLECTION: i64 = 449_284_759_123_456_789;
pub const SOURCE: &str = "s3://bucket/products/";
pub const OPERATOR: &str = "operator-1";
pub const ENDPOINT: &str = "http://milvus:19530";
/// The job of somebody else that had ended before the scenes begin.
pub const OLD: i64 = 449_284_759_123_500_000;
/// A job that Milvus creates during a scene.
pub const NEW: i64 = OLD + 1;

/// Milliseconds after the beginning of the scenes, with a fraction of a second as Milvus' times have.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_250 + millis).unwrap()
}

/// The object with this spec, beyond the collection's name.
pub fn object(spec: serde_json::Value) -> ExternalCollectionRefresh {
    let mut whole = serde_json::json!({ "collectionName": "products" });
    whole.as_object_mut().unwrap().append(&mut spec.as_object().unwrap().clone());
    let mut object = ExternalCollectionRefresh::new("products", serde_json::from_value(whole).unwrap());
    object.metadata.generation = Some(1);
    object
}

pub fn want() -> Desired {
    Desired::of(&object(serde_json::json!({ "backoffLimit": 0 })))
}

/// What another spec would ask for: a run is due again.
pub fn other_want() -> Desired {
    Desired { generation: 2, fingerprint: "v1:another".into(), ..want() }
}

pub fn collection() -> Collection {
    Collection { id: COLLECTION, name: "products".into(), external: true, source: SOURCE.into(), format: String::new() }
}

/// A job of the collection that began with its id, so to speak: later ids begin later.
pub fn job(id: i64, state: JobState) -> Job {
    let start = (id - OLD) * 1000;
    Job {
        id: JobId(id),
        collection: "products".into(),
        state,
        progress: if state == JobState::Completed { 100 } else { 0 },
        reason: String::new(),
        source: SOURCE.into(),
        start_time: Some(at(start)),
        end_time: state.is_terminal().then(|| at(start + 500)),
    }
}

pub fn old() -> Job {
    job(OLD, JobState::Completed)
}

pub fn listed(jobs: Vec<Job>) -> Look {
    Look {
        collection: Some(collection()),
        jobs,
        taken: BTreeSet::new(),
        own_source: OwnSourceCheck::None,
        source: None,
    }
}

pub fn looked(jobs: Vec<Job>) -> Fact {
    Fact::Looked(Ok(listed(jobs)))
}

pub fn error(kind: ErrorKind) -> MilvusError {
    MilvusError::new(kind, "Milvus said so")
}

pub fn look_failed(kind: ErrorKind) -> Fact {
    Fact::Looked(Err(error(kind)))
}

pub fn submit_failed(kind: ErrorKind) -> Fact {
    Fact::Submitted(Submission::Failed(error(kind)))
}

pub fn accepted(id: i64) -> Fact {
    Fact::Submitted(Submission::Accepted(JobId(id)))
}

pub fn sighted(job: Job) -> Fact {
    Fact::Sighted(Some(Answer::Job(job)))
}

pub fn not_found() -> Fact {
    Fact::Sighted(Some(Answer::NotFound))
}

pub fn down() -> Connection {
    Connection::NotReady { reason: ConnectionReason::Unreachable, message: "nothing answers at milvus:19530.".into() }
}

/// What is read of `record` after it was written over `before`: JSON keeps less than memory does.
pub fn written(record: &Recorded, before: &[Condition], now: Timestamp) -> RefreshStatus {
    let text = serde_json::to_string(&project(record, before, now)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Whether the shell writes a decision with this effect, or first hears what comes of it.
pub fn is_written(effect: Effect) -> bool {
    effect == Effect::None || effect.must_be_recorded_first()
}

/// One refresh, what it would see, and what it has recorded.
#[derive(Clone)]
pub struct Scene {
    pub now: Timestamp,
    pub want: Desired,
    pub connection: Connection,
    pub claim_known: Duration,
    pub permission: Permission,
    pub turn: Turn,
    pub ahead: Option<Ahead>,
    pub luck: f64,
    pub nonce: u64,
    pub slot: Slot,
    pub examined: Option<Duration>,
    pub scouted: Scouted,
    pub status: RefreshStatus,
}

impl Scene {
    /// Never ran, the connection is ready.
    pub fn new() -> Self {
        Self {
            now: at(10_000),
            want: want(),
            connection: Connection::Ready { endpoint: ENDPOINT.into() },
            claim_known: Duration::ZERO,
            permission: Permission::Granted,
            turn: Turn::Mine,
            ahead: None,
            luck: 0.0,
            nonce: 0x1234_5678,
            slot: Slot::Mine,
            examined: None,
            scouted: Scouted::default(),
            status: RefreshStatus { observed_generation: Some(-1), ..RefreshStatus::default() },
        }
    }

    /// The first claim is written, its start may be on its way.
    pub fn claimed() -> Self {
        let mut scene = Self::new();
        assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
        scene
    }

    /// A start was sent and its reply was lost.
    pub fn unknown() -> Self {
        let mut scene = Self::claimed();
        scene.play(submit_failed(ErrorKind::Timeout));
        scene
    }

    /// The same, and whatever was started is listed by now.
    pub fn unknown_after_the_grace() -> Self {
        let mut scene = Self::unknown();
        scene.pass(GRACE);
        scene
    }

    /// The claim was given up because no job of it could be found: another one is due.
    pub fn given_up() -> Self {
        let mut scene = Self::unknown_after_the_grace();
        scene.play(looked(vec![old()]));
        scene.restart();
        scene
    }

    /// The start was accepted as job `NEW`.
    pub fn tracked() -> Self {
        let mut scene = Self::claimed();
        scene.play(accepted(NEW));
        scene
    }

    /// The job was seen at `progress`.
    pub fn running(progress: u8) -> Self {
        let mut scene = Self::tracked();
        scene.play(sighted(Job { progress, ..job(NEW, JobState::InProgress) }));
        scene
    }

    pub fn completed() -> Self {
        let mut scene = Self::running(40);
        scene.play(sighted(job(NEW, JobState::Completed)));
        scene
    }

    pub fn failed(reason: &str) -> Self {
        let mut scene = Self::running(40);
        scene.play(sighted(Job { reason: reason.into(), ..job(NEW, JobState::Failed) }));
        scene
    }

    /// The first attempt failed in a class that is retried, up to `limit` times.
    pub fn retrying(limit: i64) -> Self {
        let mut scene = Self::running(40);
        scene.want.backoff_limit = limit;
        scene.play(sighted(Job { reason: "task not found".into(), ..job(NEW, JobState::Failed) }));
        scene
    }

    /// The same with starts held, by the next generation of the spec.
    pub fn suspended(mut self) -> Self {
        self.want.suspend = true;
        self.want.generation += 1;
        self.pass(Duration::from_secs(5));
        self
    }

    pub fn record(&self) -> Recorded {
        Recorded::of(Some(&self.status))
    }

    pub fn run(&self) -> Run {
        self.record().run.expect("a run is recorded")
    }

    /// What is decided when `fact` is seen.
    pub fn see(&self, fact: Fact) -> Decision {
        let seen = Observation {
            connection: self.connection.clone(),
            claim_known: self.claim_known,
            permission: self.permission,
            operator: OPERATOR.into(),
            turn: self.turn,
            ahead: self.ahead.clone(),
            luck: self.luck,
            nonce: self.nonce,
            slot: self.slot,
            examined: self.examined,
            scouted: self.scouted.clone(),
            fact,
        };
        decide(self.now, &self.want, &self.record(), &seen)
    }

    /// Decides, writes the decision and reads it back.
    pub fn play(&mut self, fact: Fact) -> Decision {
        let decision = self.see(fact);
        assert!(is_written(decision.effect), "{:?} is carried out before anything is written", decision.effect);
        if decision.next.claim() != self.record().claim() {
            self.claim_known = Duration::ZERO;
        }
        self.status = written(&decision.next, &self.status.conditions, self.now);
        assert_eq!(self.record(), decision.next, "what is read back is what was decided");
        decision
    }

    /// Lets time pass on every clock.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.claim_known += time;
    }

    /// Sets the wall clock by so much and nothing else.
    pub fn set_clock(&mut self, by: SignedDuration) {
        self.now += by;
    }

    /// The process starts anew and knows the claim only from now on.
    pub fn restart(&mut self) {
        self.claim_known = Duration::ZERO;
    }
}

impl Recorded {
    /// The number and the attempt of the claim that stands.
    pub(super) fn claimed(&self) -> Option<(i64, i64)> {
        self.claim().map(|claim| (claim.number, claim.attempt))
    }
}

/// Short ways to say what tests ask of a decision.
impl Decision {
    pub(super) fn run(&self) -> &Run {
        self.next.run.as_ref().expect("a run is decided")
    }

    pub(super) fn reason(&self) -> Reason {
        self.next.summary.as_ref().expect("a summary is decided").reason
    }

    pub(super) fn message(&self) -> &str {
        &self.next.summary.as_ref().expect("a summary is decided").message
    }

    pub(super) fn at_once(&self) -> bool {
        self.wake == Wake::After(Duration::ZERO)
    }

    /// The reasons of its Events.
    pub(super) fn events(&self) -> Vec<&'static str> {
        self.notices.iter().map(|notice| notice.reason).collect()
    }
}
