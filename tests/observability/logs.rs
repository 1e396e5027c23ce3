//! The log lines of the real binary, and how their level is changed while it runs.

use std::{collections::BTreeSet, fs};

use milvus_simulator::Plan;
use serde_json::Value;
use tokio::task::block_in_place;

use crate::{
    harness::{World, status},
    prometheus::{lines, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_is_one_line_with_the_keys_of_all_others() {
    let world = World::without_operator().await;
    let args = ["--leader-elect=false", "--log-format=json"];
    let operator = world.spawn_operator("operator", &world.cluster.operator_kubeconfig, &args);
    world.connect(None).await;
    world.milvus.create_collection("products", Plan::default());
    world.create("products", "products").await;
    let ended = world.until_ended("products").await;
    let told = block_in_place(|| {
        until("a line about the end", || {
            let told: Vec<Value> = lines(&operator)
                .into_iter()
                .filter(|line| line["name"] == "products" && !line["reason"].is_null())
                .collect();
            told.iter().any(|line| line["reason"] == "RefreshCompleted").then_some(told)
        })
    });
    for line in &told {
        assert_eq!((&line["controller"], &line["namespace"]), (&"refresh".into(), &world.namespace.as_str().into()));
        assert_eq!(line["run"], 1, "{line}");
        assert!(line["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
    }
    let reasons: Vec<&str> = told.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), reasons.len(), "{reasons:?}");
    assert_eq!(told.last().unwrap()["job"], status(&ended).job_id.as_deref().unwrap());
    let all = lines(&operator);
    let connected = all.iter().find(|line| line["controller"] == "connection").unwrap();
    assert_eq!((&connected["name"], &connected["reason"]), (&"default".into(), &"Connected".into()));
    for line in all.iter().filter(|line| !line["controller"].is_null()) {
        assert!(line["namespace"].is_string() && line["name"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_changes_with_the_file_and_a_filter_that_makes_no_sense_changes_nothing() {
    let world = World::without_operator().await;
    let file = world.cluster.control_plane.folder().join(format!("filter-{}", world.namespace));
    let write = |filter: &str| fs::write(&file, filter).unwrap();
    let args =
        ["--leader-elect=true", "--lease-name=other", "--log-format=json", "--log-filter-file", file.to_str().unwrap()];
    // It may not have that lease, which it says once at info, and asks for it all the time.
    let operator = world.spawn_operator("operator", &world.cluster.operator_kubeconfig, &args);
    let find = |from: usize, key: &str, text: &str| {
        until(&format!("a line with {key} {text}"), || {
            let lines = lines(&operator);
            lines.iter().skip(from).position(|line| line[key] == text).map(|position| from + position)
        })
    };
    const STAYS: &str = "the log filter file is invalid, so the filter does not change; write for example info or info,kube=debug into it";
    block_in_place(|| {
        // While there is no file, RUST_LOG holds, by which requests are not told.
        find(0, "message", "a candidate for the lease");
        write("info,kube_client=debug");
        let loud = find(0, "filter", "info,kube_client=debug");
        find(loud, "level", "DEBUG");
        write("info\n");
        find(loud, "filter", "info");
        write("info,kube_client=aloud");
        let senseless = find(loud, "message", STAYS);
        write("info,kube_client=debug");
        let loud_again = find(senseless, "filter", "info,kube_client=debug");
        find(loud_again, "level", "DEBUG");
        let between = &lines(&operator)[senseless..loud_again];
        assert!(between.iter().all(|line| line["level"] != "DEBUG"), "{between:?}");
    });
}
