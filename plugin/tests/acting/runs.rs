//! `run`, `wait`, `suspend` and `resume`.

use std::time::Duration;

use milvus_simulator::{Outcome, Plan};
use serde_json::json;
use tokio::task::block_in_place;

use crate::{
    harness::{Cluster, World},
    world::{code, line},
};

const EMPTY: &str = "no files found in external source";

fn completes() -> Plan {
    Plan::completes_in(Duration::ZERO)
}

fn fails() -> Plan {
    Plan::fails_in(Duration::ZERO, EMPTY)
}

#[tokio::test(flavor = "multi_thread")]
async fn run_with_wait_ends_as_its_run_does() {
    let world = World::new().await;
    world.refresh("products", completes());
    world.wait_for("products", "condition=Complete");
    let done = world.plugin(&["run", "products", "--wait", "--timeout", "1h"]);
    assert_eq!(done.code, 0, "{done:?}");
    let last = done.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("products: Job ") && last.ends_with("refreshed collection products."), "{done:?}");
    assert_eq!(world.starts("products"), 2);

    world.plan("products", fails());
    let failed = world.plugin(&["run", "ecrefresh/products", "--wait"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.out.contains(&format!("products: {EMPTY}")), "{failed:?}");
    world.wait_for("products", "jsonpath={.status.state}=RefreshFailed");

    world.plan("products", Plan::hangs());
    let late = world.plugin(&["run", "products", "--wait", "--timeout", "1500ms"]);
    assert_eq!(late.code, 3, "{late:?}");
    assert!(late.out.contains("products: It has not ended within 1s500ms."), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_the_worst_end_counts_and_what_is_missing_is_told() {
    let world = World::new().await;
    for (name, plan) in [("good", completes()), ("bad", fails()), ("other", completes())] {
        world.refresh(name, plan);
    }
    for (name, condition) in [("good", "Complete"), ("bad", "Failed"), ("other", "Complete")] {
        world.wait_for(name, &format!("condition={condition}"));
    }
    world.kubectl(&["label", "ecrefresh", "good", "bad", "app=shop"]);
    let labelled = world.plugin(&["run", "-l", "app=shop", "--wait"]);
    assert_eq!(labelled.code, 1, "{labelled:?}");
    for (name, starts) in [("good", 2), ("bad", 2), ("other", 1)] {
        assert_eq!(world.starts(name), starts, "{name}");
    }
    let all = world.plugin(&["wait", "--all"]);
    assert_eq!((all.code, all.out.lines().count()), (1, 3), "{all:?}");
    let named = world.plugin(&["run", "good", "nowhere", "--wait"]);
    assert_eq!(named.code, 4, "{named:?}");
    assert!(named.err.contains("There is no refresh nowhere") && named.out.contains("good: Job"), "{named:?}");
    assert_eq!(world.plugin(&["run", "-l", "app=none"]).code, 4);
    assert_eq!(world.plugin(&["wait", "nowhere"]).code, 4);
    for wrong in [&["run"][..], &["run", "good", "--all"], &["run", "good", "--timeout", "1h"], &["wait", "pod/good"]] {
        assert_eq!(world.plugin(wrong).code, 2, "{wrong:?}");
    }
    let nobody = world.cluster.control_plane.folder().join("nobody.kubeconfig");
    let admin = std::fs::read_to_string(world.cluster.control_plane.kubeconfig()).unwrap();
    std::fs::write(&nobody, admin.replace(world.cluster.control_plane.url(), "https://127.0.0.1:1")).unwrap();
    for command in [&["run", "good"][..], &["run", "--all", "--wait"], &["wait", "good"], &["suspend", "good"]] {
        let unreached = world.plugin_as(&nobody, command);
        assert_eq!(unreached.code, 5, "{unreached:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_a_run_is_answered_by_the_next_one() {
    let world = World::new().await;
    world.refresh("products", Plan::hangs());
    world.wait_for("products", "jsonpath={.status.state}=RefreshInProgress");
    let mut asked = world.spawn_plugin(&["run", "products", "--wait"]);
    world.wait_for("products", "jsonpath={.status.pendingRequest}");
    world.plan("products", fails());
    let first = world.milvus.accepted_starts("default", "products")[0];
    world.milvus.finish_job(first, Outcome::Complete);
    assert_eq!(code(&mut asked), Some(1), "{}", asked.log_tail());
    assert_eq!(world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_follows_what_goes_on_and_gives_the_last_result_of_what_rests() {
    let world = World::new().await;
    world.refresh("products", Plan::hangs());
    world.wait_for("products", "jsonpath={.status.state}=RefreshInProgress");
    let late = world.plugin(&["wait", "products", "--timeout", "1s"]);
    assert_eq!(late.code, 3, "{late:?}");
    let mut waits = world.spawn_plugin(&["wait", "products"]);
    line(&mut waits, "products: Job");
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Fail(EMPTY.to_owned()));
    assert_eq!(code(&mut waits), Some(1), "{}", waits.log_tail());
    assert_eq!(world.plugin(&["wait", "products"]).code, 1);
    world.refresh_with("idle", completes(), json!({ "runOnCreation": false }));
    let idle = world.plugin(&["wait", "idle"]);
    assert_eq!(idle.code, 0, "{idle:?}");
    assert!(idle.out.contains("Waiting for its first run"), "{idle:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_refresh_says_so_and_runs_once_it_is_resumed() {
    let world = World::new().await;
    for name in ["products", "orders"] {
        world.refresh(name, completes());
        world.wait_for(name, "condition=Complete");
        world.kubectl(&["label", "ecrefresh", name, "app=shop"]);
    }
    let held = world.plugin(&["suspend", "-l", "app=shop"]);
    assert_eq!((held.code, held.out.lines().count()), (0, 2), "{held:?}");
    assert_eq!(world.kubectl(&["get", "ecrefresh", "orders", "-o", "jsonpath={.spec.suspend}"]), "true");
    let names = world.plugin(&["suspend", "orders", "-o", "name"]);
    assert_eq!(names.out, "externalcollectionrefresh.milvus-refresh.dev/orders\n", "{names:?}");
    let again = world.plugin(&["suspend", "orders"]);
    assert!(again.code == 0 && again.out.contains("suspended already"), "{again:?}");
    world.wait_for("products", "condition=Suspended");
    let asked = world.plugin(&["run", "orders"]);
    assert!(
        asked.code == 0 && asked.out.contains(&format!("kubectl ecrefresh resume orders -n {}", world.namespace)),
        "{asked:?}"
    );
    let mut waits = world.spawn_plugin(&["run", "products", "--wait"]);
    line(&mut waits, "products: Suspended");
    assert_eq!(world.starts("products"), 1);
    let resumed = world.plugin(&["resume", "products"]);
    assert!(resumed.code == 0 && resumed.out.contains("Resumed"), "{resumed:?}");
    assert_eq!(code(&mut waits), Some(0), "{}", waits.log_tail());
    assert_eq!(world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_deleted_meanwhile_is_not_found() {
    let world = World::new().await;
    world.refresh("products", Plan::hangs());
    world.wait_for("products", "jsonpath={.status.state}=RefreshInProgress");
    let mut waits = world.spawn_plugin(&["run", "products", "--wait"]);
    line(&mut waits, "products: Job");
    world.kubectl(&["delete", "ecrefresh", "products"]);
    assert_eq!(code(&mut waits), Some(4), "{}", waits.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_lost_is_opened_again() {
    let cluster = block_in_place(Cluster::start);
    let world = World::on(&cluster).await;
    world.connect(None).await;
    world.start_operator();
    world.until_connected().await;
    world.refresh("products", Plan::hangs());
    world.wait_for("products", "jsonpath={.status.state}=RefreshInProgress");
    let mut waits = world.spawn_plugin(&["wait", "products"]);
    line(&mut waits, "products: Job");
    block_in_place(|| cluster.control_plane.stop_api_server()).unwrap();
    line(&mut waits, "The cluster at");
    block_in_place(|| cluster.control_plane.start_api_server()).unwrap();
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    assert_eq!(code(&mut waits), Some(0), "{}", waits.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_for_pipelines_is_enough_and_a_missing_right_is_named() {
    let world = World::new().await;
    world.refresh("products", completes());
    world.wait_for("products", "condition=Complete");
    let pipeline = world.account("pipeline", "get,list,watch,patch");
    let done = world.plugin_as(&pipeline, &["run", "products", "--wait"]);
    assert_eq!(done.code, 0, "{done:?}");
    let viewer = world.account("viewer", "get,list,watch");
    for command in ["run", "suspend", "resume"] {
        let refused = world.plugin_as(&viewer, &[command, "products"]);
        assert!(refused.code == 1 && refused.err.contains("You may not patch"), "{refused:?}");
    }
    assert_eq!(world.plugin_as(&viewer, &["wait", "products"]).code, 0);
    let nobody = world.account("nobody", "");
    let refused = world.plugin_as(&nobody, &["wait", "products"]);
    assert!(refused.code == 1 && refused.err.contains("You may not get"), "{refused:?}");
}
