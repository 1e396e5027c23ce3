//! What starts a run and what does not: sequences of edits and events, each with the exact number of starts.
//!
//! A row reads like a story. Its words are those of [`World::tell`]; its end is what [`World::end`] says of the status.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::scene::{NEW, OPERATOR, Scene, accepted, is_written, job, listed, object, old, submit_failed, written};
use crate::{
    api::{ExternalCollectionRefresh, REQUESTED_AT},
    milvus::{Answer, ErrorKind, Job, JobId, JobState},
    refresh::{
        Desired, Effect, Fact, Observation, OwnSourceCheck, Permission, Recorded, Scouted, Turn, Wake, decide, is_due,
    },
};

/// What happens, how many starts Milvus accepts in all, and how it ends.
type Row = (&'static str, &'static str, usize, &'static str);

#[rustfmt::skip]
const TRIGGERS: [Row; 25] = [
    ("an object without a token runs once", "created, completes, passes 100000", 1, "RefreshCompleted #1"),
    ("a token is answered by the first run", "trigger a, created, completes", 1, "RefreshCompleted #1 handled a last a"),
    ("a first token after a run without one", "created, completes, trigger a, completes", 2, "RefreshCompleted #2 handled a last a"),
    ("a new token", "trigger a, created, completes, trigger b, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("a token that is taken away", "trigger a, created, completes, no trigger, passes 9", 1, "RefreshCompleted #1 handled a last a"),
    ("a token taken away and put back", "trigger a, created, completes, no trigger, trigger a", 1, "RefreshCompleted #1 handled a last a"),
    ("a token that is reverted after its run", "trigger a, created, completes, trigger b, completes, trigger a", 2, "RefreshCompleted #2 handled b a last a"),
    ("a token that is reverted and set again", "trigger a, created, completes, trigger b, completes, trigger a, trigger b", 2, "RefreshCompleted #2 handled a b last b"),
    ("a token that comes while a run is under way", "trigger a, created, trigger b, completes, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("of many tokens that come meanwhile the newest counts", "trigger a, created, trigger b, trigger c, trigger d, completes, completes", 2, "RefreshCompleted #2 handled a d last d"),
    ("a token that comes and is reverted meanwhile", "trigger a, created, trigger b, trigger a, completes", 1, "RefreshCompleted #1 handled a last a"),
    ("a token that is reverted to an older one meanwhile", "trigger a, created, completes, trigger b, trigger a", 2, "RefreshInProgress #2 handled a b last a"),
    ("a token that is reverted to one before the last meanwhile", "trigger a, created, completes, trigger b, completes, trigger c, trigger a", 3, "RefreshInProgress #3 handled a b c last a"),
    ("a token that comes and is taken away meanwhile", "trigger a, created, trigger b, no trigger, completes", 1, "RefreshCompleted #1 handled a last a"),
    ("a token after a failure for good", "trigger a, created, fails for good, trigger b, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("a failure for good answers its token", "trigger a, created, fails for good, no trigger, trigger a", 1, "Failed(SourceEmpty) #1 handled a last a"),
    ("a token that waits in the queue", "created, completes, queued, trigger a, passes 300, its turn, completes", 2, "RefreshCompleted #2 handled a last a"),
    ("a token that is reverted in the queue", "trigger a, created, completes, queued, trigger b, passes 9, trigger a, its turn", 1, "RefreshCompleted #1 handled a last a"),
    ("a token that is reverted in the queue after a failure", "trigger a, created, fails for good, queued, trigger b, trigger a, its turn", 1, "Failed(SourceEmpty) #1 handled a last a"),
    ("a token that is replaced in the queue", "trigger a, created, completes, queued, trigger b, trigger c, its turn, completes", 2, "RefreshCompleted #2 handled a c last c"),
    ("a first run that waits in the queue takes the newest token", "trigger a, queued, created, trigger b, its turn, completes", 1, "RefreshCompleted #1 handled b last b"),
    ("a first run stays due whatever becomes of its token", "trigger a, queued, created, no trigger, its turn, completes", 1, "RefreshCompleted #1"),
    ("twenty tokens are remembered", "20 tokens, trigger 1", 20, "RefreshCompleted #20 handled 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 1 last 1"),
    ("the twenty-first makes the first forgotten", "21 tokens, trigger 1, completes", 22, "RefreshCompleted #22 handled 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 1 last 1"),
    ("the second of twenty-one is remembered", "21 tokens, trigger 2", 21, "RefreshCompleted #21 handled 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 2 last 2"),
];

#[rustfmt::skip]
const SOURCES_AND_REQUESTS: [Row; 20] = [
    ("another source", "source s1, created, completes, source s2, completes", 2, "RefreshCompleted #2"),
    ("a source that is reverted after its run", "source s1, created, completes, source s2, completes, source s1, completes", 3, "RefreshCompleted #3"),
    ("a source that is taken away", "source s1, created, completes, no source, completes", 2, "RefreshCompleted #2"),
    ("another source while a run is under way", "source s1, created, source s2, completes, completes", 2, "RefreshCompleted #2"),
    ("a source that is reverted meanwhile", "source s1, created, source s2, source s1, completes", 1, "RefreshCompleted #1"),
    ("a source that is reverted in the queue", "source s1, created, completes, queued, source s2, source s1, its turn", 1, "RefreshCompleted #1"),
    ("a source and a token in one edit", "source s1, created, completes, source s2 + trigger a, completes", 2, "RefreshCompleted #2 handled a last a"),
    ("another source forgets the tokens but its own", "trigger a, created, completes, trigger b, completes, source s1, completes", 3, "RefreshCompleted #3 handled b last b"),
    ("a token of another source fires again", "trigger a, created, completes, trigger b, completes, source s1, completes, trigger a, completes", 4, "RefreshCompleted #4 handled b a last a"),
    ("a source whose spec is in a Secret is told by the Secret's name", "secret x, created, completes, secret y, completes", 2, "RefreshCompleted #2"),
    ("a request by annotation", "created, completes, request r1, completes", 2, "RefreshCompleted #2 request r1 completed r1"),
    ("a request that stands at the creation", "request r1, created, completes, restart", 1, "RefreshCompleted #1 request r1 completed r1"),
    ("a request while a run is under way", "created, request r1, completes, completes", 2, "RefreshCompleted #2 request r1 completed r1"),
    ("a request is seen at the claim and completed at the end", "created, completes, request r1", 2, "RefreshInProgress #2 request r1"),
    ("of requests that come meanwhile the newest counts", "created, request r1, request r2, completes, completes", 2, "RefreshCompleted #2 request r2 completed r2"),
    ("a request that is taken away", "request r1, created, completes, no request", 1, "RefreshCompleted #1 request r1 completed r1"),
    ("a request that is taken away meanwhile", "created, request r1, no request, completes, completes", 2, "RefreshCompleted #2 request r1 completed r1"),
    ("a request that is taken away in the queue", "created, completes, queued, request r1, no request, its turn, completes", 2, "RefreshCompleted #2 request r1 completed r1"),
    ("an earlier request differs from the last", "request r1, created, completes, request r2, completes, request r1, completes", 3, "RefreshCompleted #3 request r1 completed r1"),
    ("a request and a token together", "created, completes, request r1 + trigger a, completes", 2, "RefreshCompleted #2 handled a last a request r1 completed r1"),
];

#[rustfmt::skip]
const WHAT_STARTS_NOTHING: [Row; 10] = [
    ("labels", "created, label a, completes, label b, passes 9, label c", 1, "RefreshCompleted #1"),
    ("annotations but the one", "created, annotation a, completes, annotation b", 1, "RefreshCompleted #1"),
    ("deadlines", "created, deadline 9000, completes, deadline 100, starting deadline 10, passes 100", 1, "RefreshCompleted #1"),
    ("deadlines after a failure", "created, fails for good, deadline 100, backoff 20", 1, "Failed(SourceEmpty) #1"),
    ("a limit of retries that is raised after the last", "backoff 0, created, fails, backoff 3, passes 1000", 1, "Failed(ServerInternal) #1"),
    ("suspending and resuming", "created, completes, suspend, resume", 1, "RefreshCompleted #1"),
    ("a restart", "trigger a, created, restart, completes, restart, passes 100, restart", 1, "RefreshCompleted #1 handled a last a"),
    ("an upgrade to another recipe of fingerprints", "source s1, created, completes, another recipe, restart, source s2", 1, "RefreshCompleted #1"),
    ("a run after an upgrade knows the source again", "source s1, created, completes, another recipe, source s2 + trigger a, completes, source s3, completes", 3, "RefreshCompleted #3 handled a last a"),
    ("an upgrade while a token stands", "trigger a, created, completes, another recipe, restart", 1, "RefreshCompleted #1 handled a last a"),
];

#[rustfmt::skip]
const SUSPENSION: [Row; 21] = [
    ("a suspended object never starts", "suspend, created, passes 100000, restart", 0, "Suspended #1"),
    ("its first run starts when it is resumed", "suspend, trigger a, created, resume, completes", 1, "RefreshCompleted #1 handled a last a"),
    ("tokens while suspended make one run of the newest", "trigger a, created, completes, suspend, trigger b, trigger c, resume, completes", 2, "RefreshCompleted #2 handled a c last c"),
    ("a token while suspended waits", "trigger a, created, completes, suspend, trigger b, restart", 1, "RefreshCompleted #1 handled a last a"),
    ("a failure stands while a token waits", "trigger a, created, fails for good, suspend, trigger b, passes 9", 1, "Failed(SourceEmpty) #1 handled a last a"),
    ("a token that is reverted to an older one while suspended", "trigger a, created, completes, trigger b, completes, suspend, trigger a", 2, "RefreshCompleted #2 handled b a last a"),
    ("a token that is reverted while suspended", "trigger a, created, completes, suspend, trigger b, trigger a, resume", 1, "RefreshCompleted #1 handled a last a"),
    ("a token that is reverted with the resumption", "trigger a, created, completes, suspend, trigger b, resume + trigger a", 1, "RefreshCompleted #1 handled a last a"),
    ("a source that is reverted while suspended", "source s1, created, completes, suspend, source s2, source s1, resume", 1, "RefreshCompleted #1"),
    ("a request while suspended", "created, completes, suspend, request r1, passes 9, resume, completes", 2, "RefreshCompleted #2 request r1 completed r1"),
    ("a token together with the suspension", "trigger a, created, completes, suspend + trigger b, passes 9, resume, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("a running job is tracked to its end", "created, suspend, completes", 1, "RefreshCompleted #1"),
    ("its follow-up waits", "trigger a, created, suspend, trigger b, completes, passes 9", 1, "RefreshCompleted #1 handled a last a"),
    ("its follow-up starts when it is resumed", "trigger a, created, suspend, trigger b, completes, resume, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("a run that waits in the queue", "trigger a, created, completes, queued, trigger b, suspend, its turn, passes 9", 1, "RefreshCompleted #1 handled a last a"),
    ("a run that waits in the queue after a failure", "trigger a, created, fails for good, queued, trigger b, suspend, its turn, passes 9", 1, "Failed(SourceEmpty) #1 handled a last a"),
    ("a run that waits in the queue starts when it is resumed", "trigger a, created, completes, queued, trigger b, suspend, its turn, resume, completes", 2, "RefreshCompleted #2 handled a b last b"),
    ("a retry of a later run stays open", "trigger a, created, completes, trigger b, fails, suspend, passes 1000", 2, "Suspended #2 failures 1 handled a b last a"),
    ("a start whose outcome is unknown is looked for", "reply lost, created, suspend, passes 61, completes", 1, "RefreshCompleted #1"),
    ("a start that never arrived is not repeated", "start lost, created, suspend, passes 61, passes 9", 0, "Suspended #1"),
    ("a start that never arrived is repeated when it is resumed", "start lost, created, suspend, passes 61, resume, completes", 1, "RefreshCompleted #1"),
];

#[rustfmt::skip]
const RETRIES: [Row; 25] = [
    ("no retry", "backoff 0, created, fails, passes 1000", 1, "Failed(ServerInternal) #1"),
    ("one retry", "backoff 1, created, fails, passes 11, fails, passes 1000", 2, "Failed(ServerInternal) #1 failures 1"),
    ("three retries", "created, fails, passes 11, fails, passes 22, fails, passes 44, fails, passes 1000", 4, "Failed(ServerInternal) #1 failures 3"),
    ("a retry waits", "created, fails, passes 9", 1, "Retrying(ServerInternal) #1 failures 1"),
    ("a retry that succeeds", "trigger a, created, fails, passes 11, completes", 2, "RefreshCompleted #1 failures 1 handled a last a"),
    ("a failure for good is not retried", "created, fails, passes 11, fails for good, passes 1000", 2, "Failed(SourceEmpty) #1 failures 1"),
    ("every run has its own retries", "backoff 1, trigger a, created, fails, passes 11, fails, trigger b, fails, passes 11, completes", 4, "RefreshCompleted #2 failures 1 handled a b last b"),
    ("a token during a retry starts at once", "trigger a, created, fails, trigger b, completes, passes 1000", 2, "RefreshCompleted #1 handled a b last b"),
    ("a token during a retry has all retries", "backoff 1, trigger a, created, fails, trigger b, fails, passes 11, fails, passes 1000", 3, "Failed(ServerInternal) #1 failures 1 handled a b last b"),
    ("a token that comes during an attempt that fails starts at once", "trigger a, created, trigger b, fails, completes", 2, "RefreshCompleted #1 handled a b last b"),
    ("another source during a retry starts at once", "source s1, created, fails, source s2, completes", 2, "RefreshCompleted #1"),
    ("a request during a retry starts at once", "created, fails, request r1, completes", 2, "RefreshCompleted #1 request r1 completed r1"),
    ("a deadline during a retry starts nothing at once", "created, fails, deadline 100, passes 9", 1, "Retrying(ServerInternal) #1 failures 1"),
    ("a label during a retry starts nothing at once", "created, fails, label a, passes 9", 1, "Retrying(ServerInternal) #1 failures 1"),
    ("a token that was answered before, during a retry", "trigger a, created, completes, trigger b, fails, trigger a, passes 9", 2, "Retrying(ServerInternal) #2 failures 1 handled a b last a"),
    ("a limit that is lowered during a retry", "created, fails, backoff 0, passes 1000", 1, "Failed(ServerInternal) #1 failures 1"),
    ("a limit that is lowered to what was used allows the retry that waits", "created, fails, backoff 1, passes 11, fails, passes 1000", 2, "Failed(ServerInternal) #1 failures 1"),
    ("a limit that is raised during the last attempt", "backoff 0, created, backoff 1, fails, passes 11, completes", 2, "RefreshCompleted #1 failures 1"),
    ("a suspension during a retry", "created, fails, suspend, passes 1000", 1, "Suspended #1 failures 1"),
    ("resumed in time it still waits", "created, fails, suspend, passes 5, resume, passes 4", 1, "Retrying(ServerInternal) #1 failures 1"),
    ("resumed late it goes on with the next attempt", "created, fails, suspend, passes 1000, resume, fails, passes 22, fails, passes 44, fails, passes 1000", 4, "Failed(ServerInternal) #1 failures 3"),
    ("a token while a retry is suspended", "trigger a, created, fails, suspend, trigger b, passes 9, resume, completes", 2, "RefreshCompleted #1 handled a b last b"),
    ("a restart during a retry", "created, fails, restart, passes 9, restart", 1, "Retrying(ServerInternal) #1 failures 1"),
    ("a restart goes on at the right attempt", "backoff 2, created, fails, restart, passes 11, restart, fails, restart, passes 22, fails, passes 1000", 3, "Failed(ServerInternal) #1 failures 2"),
    ("another recipe during a retry starts nothing at once", "source s1, created, fails, another recipe, restart, passes 5", 1, "Retrying(ServerInternal) #1 failures 1"),
];

#[test]
fn a_new_token_starts_one_run_and_no_other_does() {
    play(&TRIGGERS);
}

#[test]
fn another_source_and_another_request_start_one_run() {
    play(&SOURCES_AND_REQUESTS);
}

#[test]
fn nothing_else_starts_a_run() {
    play(&WHAT_STARTS_NOTHING);
}

#[test]
fn a_suspension_holds_starts_and_loses_none() {
    play(&SUSPENSION);
}

#[test]
fn retries_are_counted_and_wait() {
    play(&RETRIES);
}

fn play(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, story, starts, end) in rows {
        let mut world = World::new(name);
        for step in story.split(", ") {
            world.tell(step);
        }
        if (world.starts.len(), world.end().as_str()) != (*starts, *end) {
            wrong.push(format!("{name}: {story}: {} starts, {}", world.starts.len(), world.end()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// One object, its collection, and an operator that comes to it after each step of a story.
struct World {
    name: &'static str,
    scene: Scene,
    object: ExternalCollectionRefresh,
    created: bool,
    starts: Vec<Job>,
    /// What happens to the next start instead of an answer: whether it arrives.
    lost: Option<bool>,
}

impl World {
    fn new(name: &'static str) -> Self {
        let (scene, object) = (Scene::new(), object(json!({})));
        Self { name, scene, object, created: false, starts: Vec::new(), lost: None }
    }

    fn tell(&mut self, step: &str) {
        for edit in step.split(" + ") {
            self.change(edit);
        }
        self.scene.want = Desired::of(&self.object);
        if self.created {
            self.come_to_rest();
        }
    }

    fn change(&mut self, edit: &str) {
        let (word, rest) = edit.split_once(' ').unwrap_or((edit, ""));
        let (meta, spec) = (&mut self.object.metadata, &mut self.object.spec);
        let generation = meta.generation.map(|generation| generation + 1);
        let before = spec.clone();
        match (word, rest) {
            ("created", _) => self.created = true,
            ("trigger", token) => spec.trigger = Some(token.to_owned()),
            ("source", name) => spec_from(spec, json!({ "externalSource": uri(name), "externalSpec": "{}" })),
            ("secret", name) => {
                let from = json!({ "secretKeyRef": { "name": name, "key": "spec" } });
                spec_from(spec, json!({ "externalSource": uri("s"), "externalSpecFrom": from }));
            }
            ("request", value) => drop(annotate(&mut self.object, REQUESTED_AT, value)),
            ("annotation", value) => drop(annotate(&mut self.object, "team", value)),
            ("label", value) => drop(meta.labels.get_or_insert_default().insert("team".to_owned(), value.to_owned())),
            ("deadline", seconds) => spec.active_deadline_seconds = seconds.parse().unwrap(),
            ("starting", deadline) => {
                spec.starting_deadline_seconds = deadline.strip_prefix("deadline ").map(|text| text.parse().unwrap());
            }
            ("backoff", limit) => spec.backoff_limit = limit.parse().unwrap(),
            ("suspend", _) => spec.suspend = true,
            ("resume", _) => spec.suspend = false,
            ("no", "trigger") => spec.trigger = None,
            ("no", "source") => spec_from(spec, json!({})),
            ("no", "request") => drop(meta.annotations.take()),
            ("completes", _) => self.end_job(JobState::Completed, ""),
            ("fails", "for good") => self.end_job(JobState::Failed, "no files found in external source"),
            ("fails", _) => self.end_job(JobState::Failed, "task not found"),
            ("passes", seconds) => self.scene.pass(Duration::from_secs(seconds.parse().unwrap())),
            ("queued", _) => self.scene.turn = Turn::Behind { position: Some(1) },
            ("its", "turn") => self.scene.turn = Turn::Mine,
            ("reply", "lost") => self.lost = Some(true),
            ("start", "lost") => self.lost = Some(false),
            ("restart", _) => {
                self.scene.restart();
                let due = is_due(&self.scene.want, &self.scene.record());
                self.scene.permission = if due { Permission::Announce } else { Permission::Granted };
            }
            ("another", "recipe") => self.scene.status.run.as_mut().unwrap().fingerprint = "v0:1234".to_owned(),
            (count, "tokens") => {
                self.created = true;
                for token in 1..=count.parse().unwrap() {
                    self.tell(&format!("trigger {token}"));
                    self.tell("completes");
                }
            }
            _ => panic!("{}: nobody knows what {edit:?} means", self.name),
        }
        if self.object.spec != before && self.created {
            self.object.metadata.generation = generation;
        }
    }

    fn end_job(&mut self, state: JobState, reason: &str) {
        let name = self.name;
        let ends = self.starts.last_mut().filter(|job| !job.state.is_terminal());
        let ends = ends.unwrap_or_else(|| panic!("{name}: no job runs that could end"));
        *ends = Job { state, reason: reason.to_owned(), end_time: Some(self.scene.now), ..ends.clone() };
    }

    /// Has the operator come until it has nothing to do now.
    fn come_to_rest(&mut self) {
        for _ in 0..10 {
            if self.pass() != Wake::After(Duration::ZERO) {
                return;
            }
        }
        panic!("{}: it never comes to rest", self.name);
    }

    /// One pass as the shell does it: what is decided is kept in memory until it has to be written.
    fn pass(&mut self) -> Wake {
        let (mut record, mut fact) = (self.scene.record(), Fact::Nothing);
        loop {
            let decision = decide(self.scene.now, &self.scene.want, &record, &self.observation(fact));
            if is_written(decision.effect) {
                self.write(&decision.next);
            }
            record = decision.next;
            fact = match decision.effect {
                Effect::None => return decision.wake,
                Effect::Find => Fact::Looked(Ok(self.look())),
                Effect::Submit => self.submit(),
                Effect::Poll(id) => {
                    Fact::Sighted(self.starts.iter().find(|job| job.id == id).cloned().map(Answer::Job))
                }
                Effect::Examine | Effect::Delete => panic!("{}: nothing is to be checked or deleted", self.name),
            };
        }
    }

    fn observation(&self, fact: Fact) -> Observation {
        Observation {
            connection: self.scene.connection.clone(),
            claim_known: self.scene.claim_known,
            permission: self.scene.permission,
            operator: OPERATOR.to_owned(),
            turn: self.scene.turn,
            ahead: None,
            luck: 0.9,
            nonce: self.scene.nonce,
            slot: self.scene.slot,
            examined: None,
            scouted: Scouted::default(),
            fact,
        }
    }

    fn write(&mut self, record: &Recorded) {
        if record.claim() != self.scene.record().claim() {
            self.scene.claim_known = Duration::ZERO;
        }
        self.scene.status = written(record, &self.scene.status.conditions, self.scene.now);
        self.scene.permission = Permission::Granted;
        assert_eq!(&self.scene.record(), record, "{}: what is read back is what was decided", self.name);
        let done = self.scene.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let seen = record.observed_generation == Some(self.scene.want.generation);
        assert!(!(done && seen && is_due(&self.scene.want, record)), "{}: it reads as done before its run", self.name);
    }

    fn look(&self) -> crate::refresh::Look {
        let jobs = self.starts.iter().cloned().chain([old()]).collect();
        let own_source = match self.scene.want.own_source {
            Some(_) => OwnSourceCheck::Usable,
            None => OwnSourceCheck::None,
        };
        crate::refresh::Look { own_source, ..listed(jobs) }
    }

    fn submit(&mut self) -> Fact {
        let lost = self.lost.take();
        if lost == Some(false) {
            return submit_failed(ErrorKind::Timeout);
        }
        let id = NEW + i64::try_from(self.starts.len()).unwrap();
        let source = self.scene.status.external_source.clone().unwrap();
        let start_time = Some(self.scene.now + SignedDuration::from_millis(10));
        self.starts.push(Job { id: JobId(id), source, start_time, ..job(id, JobState::InProgress) });
        if lost.is_some() { submit_failed(ErrorKind::Timeout) } else { accepted(id) }
    }

    /// What people see in the end.
    fn end(&self) -> String {
        let (record, status) = (self.scene.record(), &self.scene.status);
        let run = record.run.as_ref().unwrap();
        let mut end = format!("{:?} #{}", record.summary.as_ref().unwrap().reason, run.number);
        if run.failures > 0 {
            end += &format!(" failures {}", run.failures);
        }
        if !status.handled_triggers.is_empty() {
            end += &format!(" handled {}", status.handled_triggers.join(" "));
        }
        for (name, value) in [
            ("last", &status.last_handled_trigger),
            ("request", &status.last_handled_request),
            ("completed", &status.last_completed_request),
        ] {
            end += &value.as_ref().map(|value| format!(" {name} {value}")).unwrap_or_default();
        }
        end
    }
}

fn uri(name: &str) -> String {
    format!("s3://bucket/{name}")
}

/// Replaces the refresh's own source.
fn spec_from(spec: &mut crate::api::RefreshSpec, source: serde_json::Value) {
    let source: serde_json::Map<_, _> = serde_json::from_value(source).unwrap();
    let mut whole = serde_json::to_value(&*spec).unwrap();
    let fields = whole.as_object_mut().unwrap();
    for field in ["externalSource", "externalSpec", "externalSpecFrom"] {
        fields.remove(field);
    }
    fields.extend(source);
    *spec = serde_json::from_value(whole).unwrap();
}

fn annotate(object: &mut ExternalCollectionRefresh, key: &str, value: &str) -> Option<String> {
    object.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned())
}
