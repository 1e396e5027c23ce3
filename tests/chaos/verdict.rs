//! What Milvus started against what the objects say.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use kube::ResourceExt;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, RefreshStatus},
    milvus::JobId,
    simulator::{Call, Method, Outcome, Simulator, Verdict as Did},
};

use crate::{Collections, ended};

/// The counts of a run, and each offence with what is known of it.
#[derive(Default)]
pub struct Verdict {
    refreshes: usize,
    starts: usize,
    adopted: usize,
    given_up: usize,
    duplicates: Vec<String>,
    lost: Vec<String>,
    stuck: Vec<String>,
    overlaps: Vec<String>,
}

impl Verdict {
    pub fn of(milvus: &Simulator, collections: &Collections, objects: &[ExternalCollectionRefresh]) -> Self {
        let mut verdict = Self { refreshes: objects.len(), ..Self::default() };
        let mut sent: HashMap<String, Vec<Call>> = HashMap::new();
        for call in milvus.journal().into_iter().filter(|call| call.method == Method::Refresh) {
            sent.entry(call.collection.clone()).or_default().push(call);
        }
        let noted = sent.values().map(Vec::len).sum::<usize>();
        assert_eq!(noted, milvus.calls(Method::Refresh), "the journal still holds every start");
        let mut owners = BTreeMap::new();
        for object in objects {
            let name = object.name_any();
            let collection = &collections.of_refresh[&name];
            let scene = Scene {
                object,
                status: object.status.clone().unwrap_or_default(),
                sent: sent.remove(&name).unwrap_or_default(),
                foreign: collections.foreign.get(collection).cloned().unwrap_or_default(),
                of_all: milvus.accepted_starts("default", collection),
                completes: collections.plans[collection].outcome == Outcome::Complete,
            };
            verdict.judge(&scene, &mut owners);
        }
        assert!(sent.is_empty(), "starts that no object can have asked for: {sent:?}");
        verdict
    }

    /// `owners` are the objects that have recorded a job.
    fn judge(&mut self, scene: &Scene<'_>, owners: &mut BTreeMap<JobId, String>) {
        let accepted = scene.accepted();
        let recorded = scene.recorded();
        let run = scene.status.run.clone().unwrap_or_default();
        self.starts += accepted.len();
        self.adopted += usize::from(run.adopted);
        for job in &recorded {
            if let Some(other) = owners.insert(*job, scene.object.name_any()) {
                self.duplicates.push(scene.describe(&format!("has a job of {other}")));
            }
        }
        for call in &scene.sent {
            if let Did::Refused { code: 703, reason } = &call.verdict
                && scene.of_all.iter().any(|job| reason.contains(&job.to_string()))
            {
                self.overlaps.push(scene.describe("met a job of ours"));
            }
        }
        if !ended(scene.object) {
            self.stuck.push(scene.describe("has not ended"));
            return;
        }
        let job = scene.job();
        // Of several jobs that may be ours the first is taken; nobody follows ours if another user's came before it, also
        // where that one failed and another attempt followed. Only the start of the attempt that took it is excused.
        let overtaken = |start: &JobId| {
            recorded.iter().rfind(|job| *job < start).is_some_and(|before| scene.foreign.contains(before))
        };
        let known = |start: &&JobId| recorded.contains(start) || overtaken(start);
        if !accepted.iter().all(|start| known(&start)) || (scene.completes && accepted.len() > 1) {
            self.duplicates.push(scene.describe("was started more often than it says"));
        }
        let Some(job) = job else {
            // After three starts that left nothing behind, the run says so instead of trying for ever.
            if accepted.is_empty() && scene.class() == Some("OutcomeUnknown") && run.unproven_submits >= 2 {
                self.given_up += 1;
            } else {
                self.lost.push(scene.describe("ended without a job"));
            }
            return;
        };
        let known = accepted.contains(&job) || (run.adopted && scene.foreign.contains(&job));
        let expected = if scene.completes { "RefreshCompleted" } else { "RefreshFailed" };
        if !known || scene.status.state.as_deref() != Some(expected) {
            self.lost.push(scene.describe("tells another story than Milvus"));
        }
    }

    pub fn is_clean(&self) -> bool {
        [&self.duplicates, &self.lost, &self.stuck, &self.overlaps].iter().all(|offences| offences.is_empty())
    }

    pub fn offences(&self) -> String {
        let kinds = [
            ("DUPLICATE", &self.duplicates),
            ("LOST", &self.lost),
            ("STUCK", &self.stuck),
            ("OVERLAP", &self.overlaps),
        ];
        let lines = kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |what| format!("{kind}: {what}")));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} refreshes, {} accepted starts, {} adopted, {} given up; {} duplicates, {} lost, {} stuck, {} overlaps",
            self.refreshes,
            self.starts,
            self.adopted,
            self.given_up,
            self.duplicates.len(),
            self.lost.len(),
            self.stuck.len(),
            self.overlaps.len()
        )
    }
}

/// One object beside what Milvus knows of it.
struct Scene<'a> {
    object: &'a ExternalCollectionRefresh,
    status: RefreshStatus,
    /// Every start that was sent for it.
    sent: Vec<Call>,
    /// The jobs that other users have started on its collection.
    foreign: Vec<JobId>,
    /// The jobs that starts of ours have made on its collection, for whichever object.
    of_all: Vec<JobId>,
    completes: bool,
}

impl Scene<'_> {
    /// The jobs that were started for it.
    fn accepted(&self) -> Vec<JobId> {
        let accepted = |call: &Call| match call.verdict {
            Did::Accepted(job) => Some(job),
            _ => None,
        };
        self.sent.iter().filter_map(accepted).collect()
    }

    fn job(&self) -> Option<JobId> {
        self.status.job_id.as_ref().map(|id| JobId(id.parse().unwrap()))
    }

    /// The jobs that its status calls its own.
    fn recorded(&self) -> Vec<JobId> {
        let ended = self.status.run.iter().flat_map(|run| &run.ended_job_ids).map(|id| JobId(id.parse().unwrap()));
        let mut recorded: Vec<JobId> = ended.chain(self.job()).collect();
        recorded.sort();
        recorded.dedup();
        recorded
    }

    fn class(&self) -> Option<&str> {
        self.status.failure.as_ref().map(|failure| failure.class.as_str())
    }

    fn describe(&self, what: &str) -> String {
        let calls: Vec<_> = self.sent.iter().map(|call| format!("{call:?}")).collect();
        format!(
            "{} {what}\n{}\nours {:?}, foreign {:?}\n{}",
            self.object.name_any(),
            serde_saphyr::to_string(self.object).unwrap(),
            self.of_all,
            self.foreign,
            calls.join("\n")
        )
    }
}
