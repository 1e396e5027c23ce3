//! `values.schema.json`: what is accepted and what is refused, by both majors of Helm.

use std::{collections::BTreeSet, fs};

use chart::CHART;
use serde_json::{Value, json};

use crate::{HELMS, switches};

/// Values that are refused, and a word that the message must have.
fn refused() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "replicas": 2 }), "replicas"),
        (json!({ "image": { "repo": "x" } }), "repo"),
        (json!({ "image": { "digest": "sha256:abc" } }), "digest"),
        (json!({ "image": { "repository": "has space" } }), "repository"),
        (json!({ "image": { "repository": "r.example/x@sha256:0" } }), "repository"),
        (json!({ "image": { "tag": "a:b" } }), "tag"),
        (json!({ "image": { "pullPolicy": "Sometimes" } }), "pullPolicy"),
        (json!({ "imagePullSecrets": ["registry"] }), "imagePullSecrets"),
        (json!({ "watchNamespaces": "shop" }), "watchNamespaces"),
        (json!({ "watchNamespaces": ["Shop"] }), "watchNamespaces"),
        (json!({ "watchNamespaces": ["shop", "shop"] }), "watchNamespaces"),
        (json!({ "watchNamespaces": [""] }), "watchNamespaces"),
        (json!({ "secrets": { "access": "all" } }), "access"),
        (json!({ "secrets": { "access": "namespaces" } }), "namespaces"),
        (json!({ "secrets": { "access": "named" } }), "named"),
        (json!({ "secrets": { "access": "named", "named": [{ "namespace": "shop" }] } }), "named"),
        (json!({ "secrets": { "access": "named", "named": [{ "secrets": ["a"] }] } }), "named"),
        (json!({ "secrets": { "access": "named", "named": [{ "namespace": "shop", "secrets": [] }] } }), "named"),
        // Lists that would be ignored.
        (json!({ "secrets": { "namespaces": ["shop"] } }), "namespaces"),
        (json!({ "secrets": { "named": [{ "namespace": "shop", "secrets": ["a"] }] } }), "named"),
        // Rights that would not be used.
        (
            json!({ "watchNamespaces": ["shop"], "secrets": { "access": "namespaces", "namespaces": ["search"] } }),
            "search is not among watchNamespaces",
        ),
        (
            json!({ "watchNamespaces": ["shop"], "secrets": {
                "access": "named", "named": [{ "namespace": "search", "secrets": ["a"] }],
            } }),
            "search is not among watchNamespaces",
        ),
        (json!({ "crds": { "enabled": "yes" } }), "enabled"),
        (json!({ "highAvailability": { "replicas": 1 } }), "replicas"),
        (json!({ "highAvailability": { "antiAffinity": "soft" } }), "antiAffinity"),
        (json!({ "workers": 0 }), "workers"),
        (json!({ "workers": 257 }), "workers"),
        (json!({ "workers": 1.5 }), "workers"),
        (json!({ "log": { "format": "xml" } }), "format"),
        (json!({ "extraArgs": [1] }), "extraArgs"),
        (json!({ "extraEnv": [{ "value": "x" }] }), "extraEnv"),
        (json!({ "podLabels": { "a": 1 } }), "podLabels"),
        (json!({ "resources": { "request": {} } }), "request"),
        (json!({ "terminationGracePeriodSeconds": 0 }), "terminationGracePeriodSeconds"),
        (json!({ "metrics": { "podMonitor": { "interval": "30" } } }), "interval"),
        (json!({ "metrics": { "enabled": true } }), "enabled"),
        (json!({ "networkPolicy": { "egress": { "milvusPorts": [0] } } }), "milvusPorts"),
        (json!({ "networkPolicy": { "egress": { "apiServerPorts": [] } } }), "apiServerPorts"),
    ]
}

#[test]
fn wrong_values_are_refused_with_the_name_of_the_value() {
    for helm in &*HELMS {
        for (values, word) in refused() {
            let error = match helm.template(&values) {
                Ok(_) => panic!("{values} is taken"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(word), "{values}: {error}");
        }
    }
}

#[test]
fn right_values_are_taken_and_both_majors_of_helm_render_the_same() {
    let sorted = |mut objects: Vec<Value>| {
        objects.sort_by_key(|object| (object["kind"].to_string(), object["metadata"].to_string()));
        objects
    };
    for (name, values, objects) in &*switches::RENDERED {
        let again = HELMS[1].template(values).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let again = chart::manifests::objects(&again).unwrap();
        assert!(sorted(objects.clone()) == sorted(again), "{name}");
    }
}

#[test]
fn a_parent_chart_may_have_globals() {
    HELMS[0].template(&json!({ "global": { "anything": 1 } })).unwrap();
}

#[test]
fn the_schema_knows_exactly_the_values_that_there_are() {
    let read = |file: &str| fs::read_to_string(format!("{CHART}/{file}")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values = chart::manifests::objects(&read("values.yaml")).unwrap().remove(0);
    let mut keys = BTreeSet::new();
    of_values(&values, "", &mut keys);
    let mut known = BTreeSet::new();
    of_schema(&schema, &schema, "", &mut known);
    // Helm's own.
    known.remove("/global");
    // Values without a default: parts of a free object, or of an optional one.
    keys.retain(|key| {
        !["/metrics/dashboard/labels/", "/nodeSelector/", "/podSecurityContext/", "/resources/", "/securityContext/"]
            .iter()
            .any(|o| key.starts_with(o))
    });
    known.retain(|key| !key.starts_with("/resources/"));
    assert_eq!(keys, known);
}

fn of_values(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        of_values(value, &path, keys);
        keys.insert(path);
    }
}

fn of_schema(whole: &Value, schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return of_schema(whole, whole.pointer(&reference[1..]).unwrap(), path, keys);
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        of_schema(whole, schema, &path, keys);
        keys.insert(path);
    }
}
