//! What Milvus started against what the objects say.

use std::{collections::HashMap, fmt};

use kube::ResourceExt;
use milvus_refresh_operator::{
    api::ExternalCollectionRefresh,
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
        let journal = milvus.journal();
        let mut of_collection: HashMap<String, Vec<&ExternalCollectionRefresh>> = HashMap::new();
        for object in objects {
            of_collection.entry(own_name(&object.spec.collection_name)).or_default().push(object);
        }
        for (name, plan) in &collections.plans {
            let objects = of_collection.remove(name).unwrap_or_default();
            let foreign = collections.foreign.get(name).cloned().unwrap_or_default();
            let scene = Scene { name, journal: &journal, ours: milvus.accepted_starts("default", name), foreign };
            verdict.judge(&scene, &objects, plan.outcome == Outcome::Complete);
        }
        verdict
    }

    fn judge(&mut self, scene: &Scene<'_>, objects: &[&ExternalCollectionRefresh], completes: bool) {
        self.starts += scene.ours.len();
        let mut owners: HashMap<JobId, usize> = HashMap::new();
        let mut foreign_taken = 0;
        for object in objects {
            let status = object.status.clone().unwrap_or_default();
            let run = status.run.unwrap_or_default();
            self.adopted += usize::from(run.adopted);
            if !ended(object) {
                self.stuck.push(scene.describe("has not ended", object));
                continue;
            }
            let Some(job) = status.job_id.and_then(|id| id.parse().ok()).map(JobId) else {
                // After three starts that left nothing behind, the run says so instead of trying for ever.
                if status.failure.is_some_and(|failure| failure.class == "OutcomeUnknown") && run.unproven_submits >= 2
                {
                    self.given_up += 1;
                } else {
                    self.lost.push(scene.describe("ended without a job", object));
                }
                continue;
            };
            *owners.entry(job).or_default() += 1;
            let known = scene.ours.contains(&job) || (run.adopted && scene.foreign.contains(&job));
            foreign_taken += usize::from(scene.foreign.contains(&job));
            let expected = if completes { "RefreshCompleted" } else { "RefreshFailed" };
            if !known || status.state.as_deref() != Some(expected) {
                self.lost.push(scene.describe("tells another story than Milvus", object));
            } else if owners[&job] > 1 {
                self.duplicates.push(scene.describe("has the job of another object", object));
            }
        }
        // A start that landed after its run had taken somebody else's job is nobody's; no other start may be.
        let orphans: Vec<_> = scene.ours.iter().filter(|job| !owners.contains_key(job)).collect();
        if orphans.len() > foreign_taken {
            let whose: Vec<_> = objects.iter().map(|object| scene.describe("may have started it", object)).collect();
            self.duplicates.push(format!("jobs {orphans:?} of {} are nobody's\n{}", scene.name, whose.join("\n")));
        }
        for call in scene.calls().filter(|call| call.method == Method::Refresh) {
            if let Did::Refused { code: 703, reason } = &call.verdict
                && scene.ours.iter().any(|job| reason.contains(&job.to_string()))
            {
                self.overlaps.push(format!("{call:?}"));
            }
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

/// A collection as Milvus knows it.
struct Scene<'a> {
    name: &'a str,
    journal: &'a [Call],
    ours: Vec<JobId>,
    foreign: Vec<JobId>,
}

impl Scene<'_> {
    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.journal.iter().filter(|call| own_name(&call.collection) == self.name)
    }

    fn describe(&self, what: &str, object: &ExternalCollectionRefresh) -> String {
        let calls: Vec<_> = self.calls().filter(|c| c.method == Method::Refresh).map(|c| format!("{c:?}")).collect();
        format!(
            "{} {what}\n{}\nours {:?}, foreign {:?}\n{}",
            object.name_any(),
            serde_saphyr::to_string(object).unwrap(),
            self.ours,
            self.foreign,
            calls.join("\n")
        )
    }
}

/// The collection that a name or an alias means.
fn own_name(name: &str) -> String {
    name.strip_prefix("alias").map_or_else(|| name.to_owned(), |number| format!("c{number}"))
}
