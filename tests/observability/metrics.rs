//! The metrics page of a real operator at work, through a real Prometheus.

use std::{fs, path::Path, time::Duration};

use kube::api::PostParams;
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{
    harness::World,
    http::get,
    prometheus::{Prometheus, field, promtool, said, until},
};

/// The queries of the dashboard, with its variables filled in.
fn dashboard() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/milvus-refresh-operator/files/dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| target["expr"].as_str().unwrap());
    queries.map(|query| query.replace("$namespace", "operator-system").replace("$__rate_interval", "1m")).collect()
}

impl Prometheus {
    /// The value of a query that gives one sample; `None` while it gives none.
    fn value(&self, query: &str) -> Option<f64> {
        match self.query(query).as_slice() {
            [] => None,
            [sample] => Some(sample["value"][1].as_str().unwrap().parse().unwrap()),
            more => panic!("{query} gives {more:?}"),
        }
    }

    /// Waits until the query gives `expected`.
    fn until(&self, query: &str, expected: f64) {
        let mut last = None;
        until(&format!("{query} of {expected}"), || {
            last = self.value(query);
            last.filter(|value| *value == expected)
        });
    }
}

/// Refreshes of every sort: completed, failed, in progress, queued; and a connection that leads nowhere.
async fn busy(world: &World<'_>) {
    world.connect(None).await;
    let nowhere = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "nowhere" }, "spec": { "address": "http://127.0.0.1:1" },
    });
    world.connections().create(&PostParams::default(), &serde_json::from_value(nowhere).unwrap()).await.unwrap();
    world.until_connected().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(1)));
    world.milvus.create_collection(
        "orders",
        Plan::fails_in(Duration::from_secs(1), "no files found in external source s3://bucket/orders"),
    );
    world.milvus.create_collection("slow", Plan::hangs());
    for (name, collection) in [("products", "products"), ("orders", "orders"), ("missing", "missing"), ("slow", "slow")]
    {
        world.create(name, collection).await;
    }
    world.until_reason("slow", "RefreshInProgress").await;
    world.create("behind", "slow").await;
    world.until_reason("behind", "Queued").await;
    for name in ["products", "orders", "missing"] {
        world.until_ended(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_sees_what_the_operator_does_and_every_query_of_the_dashboard_shows_data() {
    let world = World::without_operator().await;
    let folder = world.cluster.control_plane.folder().to_owned();
    let args = ["--leader-elect=true", "--log-format=json", "--per-object-metrics"];
    let operator = world.spawn_operator("operator", &world.cluster.operator_kubeconfig, &args);
    let (address, prometheus) = block_in_place(|| {
        let address = field(&operator, "serving /livez, /readyz and /metrics", "address");
        let prometheus = Prometheus::start(&address, &folder);
        prometheus.until(r#"leader_election_master_status{name="milvus-refresh-operator"}"#, 1.0);
        prometheus.until("sum(milvus_refresh_runs_total)", 0.0);
        (address, prometheus)
    });

    busy(&world).await;

    block_in_place(|| {
        prometheus.until(r#"sum(milvus_refresh_runs_total{result="completed"})"#, 1.0);
        prometheus.until(r#"sum(milvus_refresh_runs_total{result="failed",class="SourceEmpty"})"#, 1.0);
        prometheus.until(r#"sum(milvus_refresh_runs_total{result="failed",class="CollectionNotFound"})"#, 1.0);
        prometheus.until("sum(milvus_refresh_runs_total)", 3.0);
        prometheus.until("sum(milvus_refresh_duration_seconds_count)", 3.0);
        prometheus.until("milvus_refresh_in_progress", 1.0);
        prometheus.until("milvus_refresh_queue_length", 1.0);
        prometheus.until(r#"milvus_refresh_connections{reason="Connected"}"#, 1.0);
        prometheus.until(r#"milvus_refresh_connections{reason="Unreachable"}"#, 1.0);
        prometheus.until(r#"max_over_time(milvus_refresh_oldest_run_age_seconds{phase="queued"}[5m]) >bool 0"#, 1.0);
        let of = |name: &str| format!(r#"namespace="{}",name="{name}""#, world.namespace);
        prometheus.until(&format!("milvus_refresh_connection_ready{{{}}}", of("default")), 1.0);
        prometheus.until(&format!("milvus_refresh_connection_ready{{{}}}", of("nowhere")), 0.0);
        let successes = "milvus_refresh_last_success_timestamp_seconds";
        prometheus.until(&format!("time() - {successes}{{{}}} <bool 3600", of("products")), 1.0);
        prometheus.until(&format!("count({successes})"), 1.0);
        prometheus.until(r#"controller_runtime_max_concurrent_reconciles{controller="refresh"}"#, 16.0);
        prometheus.until(r#"sum(workqueue_adds_total{name="refresh"}) >bool 4"#, 1.0);
        prometheus.until(r#"sum(workqueue_depth)"#, 0.0);
        prometheus.until(r#"count(rest_client_requests_total{method="PUT",code="200",host=~"127.*"})"#, 1.0);
        let starts =
            r#"milvus_refresh_milvus_rpc_duration_seconds_count{method="RefreshExternalCollection",code="OK"}"#;
        prometheus.until(starts, 3.0);
        for query in dashboard() {
            until(&format!("data of {query}"), || prometheus.query(&query).first().cloned());
        }

        let (code, head, page) = get(&address, "/metrics").unwrap();
        assert_eq!(code, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        let file = folder.join("page.txt");
        fs::write(&file, page).unwrap();
        let checked = promtool(&["check", "metrics"], Some(&file));
        assert!(checked.status.success() && said(&checked).is_empty(), "{}", said(&checked));
        for probe in ["/livez", "/readyz"] {
            let (code, _, body) = get(&address, probe).unwrap();
            assert_eq!((code, body.as_str()), (200, "ok"), "{probe}");
        }
    });
}
