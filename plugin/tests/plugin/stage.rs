//! A namespace with a refresh in every state that people look at, brought there by the real operator, whose times then stand still.

use std::{process::Command, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    discovery::ApiResource,
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use milvus_simulator::Plan;
use serde_json::{Value, json};

use crate::harness::{Cluster, World};

/// A namespace whose refreshes stand still.
pub struct Stage {
    pub world: World<'static>,
}

/// How long runs take here.
const RUN: i64 = 40 * 60;

impl Stage {
    /// Everything, in a namespace of this name.
    pub async fn set(namespace: &str) -> Self {
        let shared = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
        tokio::task::block_in_place(|| shared.control_plane.kubectl_ok(&["create", "namespace", namespace]).unwrap());
        let world = World::in_namespace(shared, namespace.to_owned()).await;
        world.connect(None).await;
        world.start_operator();
        world.until_connected().await;
        let milvus = &world.milvus;
        for name in ["products", "archive", "events"] {
            milvus.create_collection(name, Plan::completes_in(Duration::from_millis(100)));
        }
        milvus.create_collection(
            "orders",
            Plan::fails_in(Duration::from_millis(100), "no files found in external source"),
        );
        let schedule = json!({ "schedule": { "cron": "15 2 * * *", "timeZone": "Europe/Berlin" } });
        world.create_with("products", "products", schedule).await;
        world.until_ended("products").await;
        milvus.set_plan("default", "products", Plan::completes_in(Duration::from_secs(600)));
        world.edit("products", json!({ "spec": { "trigger": "2026-11-26" } })).await;
        let runs = |object: &ExternalCollectionRefresh| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.state.as_deref() == Some("RefreshInProgress"))
        };
        world.until("products", "in progress", runs).await;
        world.create("orders", "orders").await;
        world.until_ended("orders").await;
        world.create("events", "events").await;
        world.until_ended("events").await;
        world.create("archive", "archive").await;
        world.until_ended("archive").await;
        world.edit("archive", json!({ "spec": { "suspend": true } })).await;
        world
            .until("archive", "suspended", |object| {
                crate::harness::condition(object, "Suspended").is_some_and(|c| c.status == "True")
            })
            .await;
        world.create("adhoc", "products").await;
        world.until_reason("adhoc", "Queued").await;
        world.create("missing", "missing").await;
        world.until_reason("missing", "CollectionNotFound").await;
        until_events(&world, "products", 3).await;
        until_events(&world, "orders", 2).await;
        world.end_operator();
        Self { world }
    }

    /// The plugin in this namespace, as the owner of the cluster.
    pub fn plugin(&self, args: &[&str]) -> Command {
        plugin(self.world.cluster.control_plane.kubeconfig(), &self.world.namespace, args)
    }

    /// Moves all times to where they are told by the same words whenever this is done: runs take 40 minutes, the one in progress has
    /// taken 12, the others ended 3 hours ago.
    pub async fn freeze(&self) {
        self.freeze_at(12, 31).await;
    }

    /// The same with the run in progress so many minutes old, and its job so far.
    pub async fn freeze_at(&self, minutes: i64, progress: i64) {
        let address = self.world.milvus.url();
        for api in [
            self.api(ApiResource::erase::<ExternalCollectionRefresh>(&())),
            self.api(ApiResource::erase::<MilvusConnection>(&())),
        ] {
            for object in api.list(&ListParams::default()).await.unwrap().items {
                let name = object.metadata.name.unwrap();
                let text = object.data["status"].to_string().replace(&address, "http://milvus:19530");
                let mut status: Value = serde_json::from_str(&text).unwrap();
                still(&name, &mut status, minutes, progress);
                let patch = Patch::Merge(json!({ "status": status }));
                api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
            }
        }
    }

    /// Changes a status as the operator would.
    pub async fn write(&self, name: &str, status: Value) {
        let api = self.api(ApiResource::erase::<ExternalCollectionRefresh>(&()));
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await.unwrap();
    }

    fn api(&self, kind: ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.world.client.clone(), &self.world.namespace, &kind)
    }
}

/// The plugin with this kubeconfig in this namespace.
pub fn plugin(kubeconfig: &std::path::Path, namespace: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ecrefresh"));
    command.args(args).args(["--namespace", namespace]).env("KUBECONFIG", kubeconfig);
    command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

async fn until_events(world: &World<'_>, name: &str, least: usize) {
    use k8s_openapi::api::core::v1::Event;
    let api = Api::<Event>::namespaced(world.client.clone(), &world.namespace);
    let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
    let told = async {
        while api.list(&about).await.unwrap().items.len() < least {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::harness::LONG, told).await.unwrap();
}

/// Half a unit more than what is told of each, so that it stays so for a while.
fn still(name: &str, status: &mut Value, minutes: i64, progress: i64) {
    let now = Timestamp::now();
    let at =
        |seconds: i64| json!((now + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let ended = status["completionTime"].is_string();
    let (start, end) = if ended { (-11_130 - RUN, -11_130) } else { (-60 * minutes - 30, -11_130) };
    let number = status["run"]["number"].as_i64().unwrap_or_default();
    for (field, time) in [("startTime", start), ("completionTime", end), ("lastSuccessfulTime", end - 75_600)] {
        if status[field].is_string() {
            status[field] = at(if ended && field == "lastSuccessfulTime" { end } else { time });
        }
    }
    for past in status["history"].as_array_mut().into_iter().flatten() {
        let before = if past["number"].as_i64() == Some(number) { 0 } else { 75_600 };
        for (field, time) in [("startTime", end - RUN), ("completionTime", end)] {
            if past[field].is_string() {
                past[field] = at(time - before);
            }
        }
    }
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"] = at(if ended { end } else { start });
    }
    for (field, time) in [("queuedTime", start - 60), ("submitTime", start - 5), ("nextAttemptTime", 690)] {
        if status["run"][field].is_string() {
            status["run"][field] = at(time);
        }
    }
    if status["schedule"]["nextScheduleTime"].is_string() {
        status["schedule"]["nextScheduleTime"] = at(37_800);
    }
    if status["state"] == "RefreshInProgress" {
        status["progress"] = json!(progress);
    }
    if name == "events" {
        // Nobody watches a source here; this is what is known of one that has changed.
        status["watch"] = json!({ "objects": 12, "bytes": 34_100_000, "observedVersion": "a", "contentVersion": "b",
            "changedTime": at(-1050), "pendingSince": at(-1050), "since": at(-90_000) });
        status["verification"] = json!({ "run": 1, "startTime": at(end), "time": at(end), "outcome": "Passed",
            "mappedRows": 1200, "servedRows": 1200, "checks": [{ "name": "count", "outcome": "Passed", "observed": 1200 }] });
    }
}

/// The screen without what differs each time: ids of jobs, moments, and how long ago Events were.
pub fn stable(screen: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    let mut in_events = false;
    for line in screen.lines() {
        in_events |= line == "Events";
        let mut line = moments(&numbered(line, &mut ids));
        if in_events && line.starts_with(|c: char| c.is_ascii_digit()) {
            line = format!("{:<13}{}", "9s", line.get(13..).unwrap_or_default());
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Ids of jobs by their order on the screen.
fn numbered(line: &str, ids: &mut Vec<String>) -> String {
    let mut stable = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("46000") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (id, after) = from.split_at(end);
        stable.push_str(before);
        if id.len() == 18 {
            let known = ids.iter().position(|known| known == id).unwrap_or_else(|| {
                ids.push(id.to_owned());
                ids.len() - 1
            });
            stable.push_str(&format!("46{:016}", known + 1));
        } else {
            stable.push_str(id);
        }
        rest = after;
    }
    stable + rest
}

/// Moments as one that never comes again.
fn moments(line: &str) -> String {
    const MOMENT: &str = "0000-00-00T00:00:00Z";
    let fits = |text: &str| {
        text.len() == MOMENT.len()
            && text.chars().zip(MOMENT.chars()).all(|(c, m)| if m == '0' { c.is_ascii_digit() } else { c == m })
    };
    let mut stable = line.to_owned();
    for start in 0..line.len() {
        if line.get(start..start + MOMENT.len()).is_some_and(fits) {
            stable.replace_range(start..start + MOMENT.len(), "2026-11-27T01:15:00Z");
        }
    }
    stable
}
