//! Labels that come from several values: one of each key, and the more specific one counts.

use chart::manifests;
use serde_json::{Value, json};

use crate::{of_kind, render};

/// The value of each key that says where it was set, and what nobody may change.
fn labels(of: &str) -> Value {
    json!({
        "team": of,
        of: of,
        "app.kubernetes.io/name": of,
        "app.kubernetes.io/instance": of,
        "app.kubernetes.io/managed-by": of,
        "app.kubernetes.io/version": of,
        "helm.sh/chart": of,
        "grafana_dashboard": of,
        "rbac.authorization.k8s.io/aggregate-to-view": of,
    })
}

fn everywhere() -> Vec<Value> {
    let with_labels = |of: &str| json!({ "enabled": true, "labels": labels(of) });
    render(&json!({
        "commonLabels": labels("all"),
        "podLabels": labels("pod"),
        "metrics": {
            "service": { "enabled": true },
            "podMonitor": with_labels("podmonitor"),
            "serviceMonitor": with_labels("servicemonitor"),
            "prometheusRule": with_labels("rules"),
            "dashboard": with_labels("dashboard"),
        },
        "highAvailability": { "enabled": true },
        "networkPolicy": { "enabled": true },
        "milvusRef": { "enabled": true },
    }))
}

#[test]
fn a_key_that_is_written_twice_is_noticed() {
    assert!(manifests::objects("metadata: {labels: {team: a, team: b}}").is_err());
}

#[test]
fn of_two_labels_with_one_key_the_more_specific_counts() {
    let objects = everywhere();
    let with_labels_of_their_own = [
        ("PodMonitor", "milvus-refresh-operator", "podmonitor"),
        ("ServiceMonitor", "milvus-refresh-operator", "servicemonitor"),
        ("PrometheusRule", "milvus-refresh-operator", "rules"),
        ("ConfigMap", "milvus-refresh-operator-dashboard", "dashboard"),
    ];
    for object in &objects {
        let is = |kind: &str, name: &str| object["kind"] == kind && object["metadata"]["name"] == name;
        let own = with_labels_of_their_own.iter().find(|(kind, name, _)| is(kind, name)).map(|(_, _, own)| *own);
        let labels = &object["metadata"]["labels"];
        for key in ["team", "app.kubernetes.io/version", "helm.sh/chart", "grafana_dashboard"] {
            assert_eq!(labels[key], own.unwrap_or("all"), "{key} of {object}");
        }
        assert_eq!(labels["all"], "all", "{object}");
        assert!(own.is_none_or(|own| labels[own] == own), "{object}");
    }
    let pod = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["metadata"]["labels"];
    assert_eq!((&pod["team"], &pod["all"], &pod["pod"]), (&json!("pod"), &json!("all"), &json!("pod")));
}

#[test]
fn no_label_changes_what_selects_what_helm_owns_or_who_may_do_what() {
    let objects = everywhere();
    let fixed = json!({
        "app.kubernetes.io/name": "milvus-refresh-operator",
        "app.kubernetes.io/instance": "milvus-refresh-operator",
    });
    let deployment = of_kind(&objects, "Deployment")[0];
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], fixed);
    let pod = &deployment["spec"]["template"]["metadata"]["labels"];
    for labels in objects.iter().map(|object| &object["metadata"]["labels"]).chain([pod]) {
        for (key, value) in fixed.as_object().unwrap() {
            assert_eq!(labels[key], *value, "{labels}");
        }
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{labels}");
    }
    let view =
        of_kind(&objects, "ClusterRole").into_iter().find(|role| role["metadata"]["name"].to_string().contains("view"));
    assert_eq!(view.unwrap()["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"], "true");
}
