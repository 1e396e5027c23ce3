//! Values that turn every switch of the chart at least once.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::render;

/// A switch by its name, its values and the objects that they make.
pub type Rendered = (&'static str, Value, Vec<Value>);

/// All of them, rendered once for all tests.
pub static RENDERED: LazyLock<Vec<Rendered>> = LazyLock::new(|| {
    let render = |(name, values)| {
        let objects = render(&values);
        (name, values, objects)
    };
    all().into_iter().map(render).collect()
});

/// One of them.
pub fn rendered(name: &str) -> &'static Rendered {
    RENDERED.iter().find(|switch| switch.0 == name).unwrap()
}

/// By name. The namespaces are `shop` and `search`.
pub fn all() -> Vec<(&'static str, Value)> {
    let named = json!([
        { "namespace": "shop", "secrets": ["milvus-login"], "configMaps": ["milvus-ca"] },
        { "namespace": "search", "secrets": ["a", "b"] },
    ]);
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    vec![
        ("nothing", json!({})),
        ("no CRDs", json!({ "crds": { "enabled": false } })),
        ("two namespaces", json!({ "watchNamespaces": ["shop", "search"] })),
        ("secrets of a namespace", json!({ "secrets": { "access": "namespaces", "namespaces": ["shop"] } })),
        ("named secrets", json!({ "secrets": { "access": "named", "named": named } })),
        (
            "secrets named twice",
            json!({ "secrets": { "access": "named", "named": [
                { "namespace": "shop", "secrets": ["milvus-login"] },
                { "namespace": "search", "secrets": ["a"] },
                { "namespace": "shop", "secrets": ["milvus-login", "specs"], "configMaps": ["milvus-ca"] },
            ] } }),
        ),
        (
            "two namespaces and secrets of one",
            json!({ "watchNamespaces": ["shop", "search"], "secrets": { "access": "namespaces", "namespaces": ["shop"] } }),
        ),
        (
            "two namespaces and named secrets",
            json!({ "watchNamespaces": ["shop", "search"], "secrets": { "access": "named", "named": named } }),
        ),
        ("workload identity", json!({ "workloadIdentity": { "enabled": true } })),
        ("Milvus of milvus-operator", json!({ "milvusRef": { "enabled": true } })),
        ("no RBAC", json!({ "rbac": { "create": false } })),
        ("no aggregation", json!({ "rbac": { "aggregate": false } })),
        ("somebody's account", json!({ "serviceAccount": { "create": false, "name": "ours" } })),
        ("other names", json!({ "fullnameOverride": "refresher", "serviceAccount": { "name": "sa" } })),
        ("a short name", json!({ "nameOverride": "refresh" })),
        ("high availability", json!({ "highAvailability": { "enabled": true } })),
        (
            "strict high availability",
            json!({ "highAvailability": { "enabled": true, "replicas": 3, "antiAffinity": "required" } }),
        ),
        ("an image by digest", json!({ "image": { "repository": "r.example/x", "tag": "v1", "digest": digest } })),
        (
            "monitoring",
            json!({ "metrics": {
                "podMonitor": { "enabled": true, "labels": { "release": "p" }, "interval": "1m" },
                "serviceMonitor": { "enabled": true, "labels": { "release": "p" } },
                "prometheusRule": { "enabled": true, "labels": { "release": "p" } },
                "dashboard": { "enabled": true, "annotations": { "grafana_folder": "Milvus" } },
                "perObject": true,
            } }),
        ),
        ("a Service", json!({ "metrics": { "service": { "enabled": true } } })),
        (
            "network policy",
            json!({ "networkPolicy": {
                "enabled": true,
                "metricsFrom": [{ "namespaceSelector": { "matchLabels": { "name": "monitoring" } } }],
                "egress": { "enabled": true, "extra": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }] },
            } }),
        ),
        ("ingress policy", json!({ "networkPolicy": { "enabled": true } })),
        ("all about the pod", pod()),
    ]
}

fn pod() -> Value {
    json!({
        "imagePullSecrets": [{ "name": "registry" }],
        "workers": 4,
        "log": { "format": "text", "filter": "debug" },
        "extraArgs": ["--help"],
        "extraEnv": [{ "name": "HTTPS_PROXY", "value": "http://proxy:3128" }],
        "extraVolumes": [{ "name": "ca", "configMap": { "name": "ca" } }],
        "extraVolumeMounts": [{ "name": "ca", "mountPath": "/etc/ssl/certs", "readOnly": true }],
        "commonLabels": { "team": "data" },
        "deploymentAnnotations": { "a.example/b": "c" },
        "podLabels": { "mesh": "on" },
        "podAnnotations": { "a.example/b": "c" },
        "serviceAccount": { "annotations": { "a.example/role": "r" } },
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": { "kubernetes.io/os": "linux", "disk": "none" },
        "tolerations": [{ "operator": "Exists" }],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"] }] },
        ] } } },
        "topologySpreadConstraints": [
            { "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway" },
        ],
        "terminationGracePeriodSeconds": 60,
    })
}
