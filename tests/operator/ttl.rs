//! `ttlSecondsAfterFinished`: a finished object goes when its time has come, unless it would be brought back.

use std::time::Duration;

use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{conditions::is_deleted, wait::await_condition},
};
use milvus_simulator::Plan;
use serde_json::{Value, json};

use crate::harness::{LONG, World, refresh, status};

/// Runs these objects to their end, lets the hour pass that ends each one's time, and starts the operator again.
async fn an_hour_after_their_end(objects: &[(&str, Value)]) -> World<'static> {
    let world = World::new().await;
    for (name, metadata) in objects {
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        let spec = json!({ "collectionName": name, "ttlSecondsAfterFinished": 3600 });
        let mut object = refresh(name, spec);
        object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let object = serde_json::from_value(object).unwrap();
        world.refreshes().create(&PostParams::default(), &object).await.unwrap();
    }
    for (name, _) in objects {
        world.until_ended(name).await;
    }
    world.kill_operator();
    let earlier = json!({ "status": { "completionTime": "2026-01-01T00:00:00Z" } });
    for (name, _) in objects {
        world.refreshes().patch_status(name, &PatchParams::default(), &Patch::Merge(&earlier)).await.unwrap();
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_object_is_deleted_in_time_unless_a_tool_or_an_edit_keeps_it() {
    let argo = json!({ "annotations": { "argocd.argoproj.io/tracking-id": "app:x" } });
    let again = "again";
    let world =
        an_hour_after_their_end(&[("plain", json!({})), ("kept", argo), (again, json!({})), ("later", json!({}))])
            .await;
    let uid = world.refreshes().get("plain").await.unwrap().uid().unwrap();
    // What changes while no operator is there counts: a token asks for a run first, another time puts the end off.
    let edit = async |name: &str, spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        world.refreshes().patch(name, &PatchParams::default(), &patch).await.unwrap();
    };
    edit(again, json!({ "trigger": "a" })).await;
    edit("later", json!({ "ttlSecondsAfterFinished": 2_147_483_647 })).await;
    world.start_operator();

    let gone = await_condition(world.refreshes(), "plain", is_deleted(&uid));
    assert!(tokio::time::timeout(LONG, gone).await.is_ok_and(|gone| gone.is_ok()), "{}", world.log_tail());
    let rerun = world.until(again, "over again", |object| status(object).history.len() == 2).await;
    assert_eq!(status(&rerun).last_handled_trigger.as_deref(), Some("a"));
    // The operator comes to each of them after its start; an edit makes it say that it has.
    for name in ["kept", "later"] {
        edit(name, json!({ "activeDeadlineSeconds": 9000 })).await;
        let seen = world.until(name, "seen", |object| status(object).observed_generation == object.metadata.generation);
        assert!(seen.await.metadata.deletion_timestamp.is_none(), "{name}");
    }
    let deletions = world.cluster.control_plane.audit().unwrap();
    let deletions: Vec<_> = deletions
        .iter()
        .filter(|line| line.namespace == world.namespace && line.verb == "delete")
        .map(|line| (line.name.as_str(), line.code))
        .collect();
    assert_eq!(deletions, [("plain", 200)]);
    assert_eq!((world.starts("plain"), world.starts(again)), (1, 2));
}
