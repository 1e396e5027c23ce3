//! What Milvus started against what the objects say.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use kube::ResourceExt;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, RefreshStatus};
use milvus_simulator::{Call, JobId, Method, Outcome, Simulator, Verdict as Did};

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
        let order: HashMap<JobId, usize> = milvus.jobs_by_start().into_iter().zip(0..).collect();
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
                order: &order,
                failure: match &collections.plans[collection].outcome {
                    Outcome::Fail(reason) => Some(reason),
                    Outcome::Complete | Outcome::Hang => None,
                },
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
        self.starts += accepted.iter().map(Vec::len).sum::<usize>();
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
        // Of several jobs that may be ours the one with the lowest id is taken; nobody follows ours if another user's came before
        // it or has a lower id, also where that one failed and another attempt followed. Only the start of the attempt that took
        // it is excused.
        let overtaken = |start: &JobId| {
            let before = recorded.iter().rfind(|job| scene.order[job] < scene.order[start]);
            let after =
                recorded.iter().find(|job| scene.order[job] > scene.order[start]).filter(|after| *after < start);
            before.into_iter().chain(after).any(|taken| scene.foreign.contains(taken))
        };
        // Of two jobs that the proxy has made of one call, one is followed.
        let known = |call: &Vec<JobId>| call.iter().any(|start| recorded.contains(start) || overtaken(start));
        if !accepted.iter().all(known) || (scene.failure.is_none() && accepted.len() > 1) {
            self.duplicates.push(scene.describe("was started more often than it says"));
        }
        let Some(job) = job else {
            // After three starts that left nothing behind, the run says so instead of trying for ever. A start can be lost
            // with the process that was to send it, but not three of one refresh. It says so as well where another refresh ran
            // between two of its starts: that one's job might be its own (rule 8).
            let lost = accepted.is_empty() && !scene.sent.is_empty();
            let told = scene.status.reason.as_deref().unwrap_or_default();
            let in_doubt = run.unproven_submits >= 2 || told.contains("another refresh has recorded it");
            if lost && scene.class() == Some("OutcomeUnknown") && in_doubt {
                self.given_up += 1;
            } else {
                self.lost.push(scene.describe("ended without a job"));
            }
            return;
        };
        let known =
            accepted.iter().flatten().any(|start| *start == job) || (run.adopted && scene.foreign.contains(&job));
        let expected = if scene.failure.is_none() { "RefreshCompleted" } else { "RefreshFailed" };
        let told = (scene.status.state.as_deref(), scene.status.reason.as_ref());
        if !known || told != (Some(expected), scene.failure) {
            self.lost.push(scene.describe("tells another story than Milvus"));
        }
    }

    pub fn is_clean(&self) -> bool {
        let offences = [&self.duplicates, &self.lost, &self.stuck, &self.overlaps];
        offences.iter().all(|offences| offences.is_empty()) && !self.gives_up_too_much()
    }

    /// In this weather a start of ten leaves nothing behind, three of one refresh hardly ever.
    fn gives_up_too_much(&self) -> bool {
        self.given_up > self.refreshes / 20
    }

    pub fn offences(&self) -> String {
        let kinds = [
            ("DUPLICATE", &self.duplicates),
            ("LOST", &self.lost),
            ("STUCK", &self.stuck),
            ("OVERLAP", &self.overlaps),
        ];
        let lines = kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |what| format!("{kind}: {what}")));
        let too_much = format!("GIVEN UP: {} of {} refreshes", self.given_up, self.refreshes);
        lines.chain(self.gives_up_too_much().then_some(too_much)).collect::<Vec<_>>().join("\n")
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
    /// Where each job stands in the order of all starts.
    order: &'a HashMap<JobId, usize>,
    /// The reason for which its jobs fail.
    failure: Option<&'a String>,
}

impl Scene<'_> {
    /// The jobs that were started for it, by the calls that made them.
    fn accepted(&self) -> Vec<Vec<JobId>> {
        let accepted = |call: &Call| match call.verdict {
            Did::Accepted(job) => Some(vec![job]),
            Did::AcceptedTwice(first, second) => Some(vec![first, second]),
            _ => None,
        };
        self.sent.iter().filter_map(accepted).collect()
    }

    fn job(&self) -> Option<JobId> {
        self.status.job_id.as_ref().map(|id| JobId(id.parse().unwrap()))
    }

    /// The jobs that its status calls its own, in the order of their starts.
    fn recorded(&self) -> Vec<JobId> {
        let ended = self.status.run.iter().flat_map(|run| &run.ended_job_ids).map(|id| JobId(id.parse().unwrap()));
        let mut recorded: Vec<JobId> = ended.chain(self.job()).collect();
        recorded.sort_by_key(|job| self.order.get(job));
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

#[cfg(test)]
mod tests {
    use milvus_simulator::{Plan, Settings};
    use serde_json::json;

    use super::*;
    use crate::harness::refresh;

    /// What an operator would leave behind that ends every run without a start.
    fn given_up(name: &str) -> ExternalCollectionRefresh {
        let mut object = refresh(name, json!({ "collectionName": name }));
        let failed = json!({
            "type": "Failed", "status": "True", "reason": "OutcomeUnknown", "message": "",
            "lastTransitionTime": "2026-11-26T00:00:00Z",
        });
        object["status"] = json!({
            "state": "RefreshFailed",
            "run": { "number": 1, "unprovenSubmits": 2 },
            "failure": { "class": "OutcomeUnknown", "message": "", "retryable": false },
            "conditions": [failed],
        });
        serde_json::from_value(object).unwrap()
    }

    #[tokio::test]
    async fn an_operator_that_gives_every_run_up_without_a_start_is_found_out() {
        let milvus = Simulator::start("127.0.0.1:0".parse().unwrap(), Settings::default()).await.unwrap();
        let names: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
        let collections = Collections {
            plans: BTreeMap::from([("c0".to_owned(), Plan::default())]),
            foreign: BTreeMap::new(),
            of_refresh: names.iter().map(|name| (name.clone(), "c0".to_owned())).collect(),
        };
        let objects: Vec<_> = names.iter().map(|name| given_up(name)).collect();
        let verdict = Verdict::of(&milvus, &collections, &objects);
        assert_eq!((verdict.given_up, verdict.lost.len()), (0, 40));
        assert!(!verdict.is_clean());
    }

    #[test]
    fn an_operator_that_gives_many_runs_up_is_found_out() {
        for (given_up, clean) in [(0, true), (10, true), (11, false), (200, false)] {
            let verdict = Verdict { refreshes: 200, given_up, ..Verdict::default() };
            assert_eq!((verdict.is_clean(), verdict.offences().is_empty()), (clean, clean), "{given_up}");
        }
    }
}
