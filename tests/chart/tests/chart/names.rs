//! The names of the objects, whatever the release is called.

use std::collections::BTreeSet;

use chart::manifests;
use serde_json::{Value, json};

use crate::{HELMS, switches::RENDERED};

/// Everything that has a name.
fn everything(release: &str, namespace: &str, more: &Value) -> Vec<Value> {
    let mut values = json!({
        "metrics": {
            "podMonitor": { "enabled": true },
            "serviceMonitor": { "enabled": true },
            "prometheusRule": { "enabled": true },
            "dashboard": { "enabled": true },
        },
        "highAvailability": { "enabled": true },
        "networkPolicy": { "enabled": true },
        "milvusRef": { "enabled": true },
    });
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    manifests::objects(&HELMS[0].template_of((release, namespace), &values).unwrap()).unwrap()
}

/// What no two objects may have in common.
fn identity(object: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

/// A name that every kind takes, that of a Service too.
fn fits(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 63 && name.chars().all(inner) && end(name.chars().next()) && end(name.chars().last())
}

#[test]
fn every_name_fits_whatever_is_appended_and_all_stay_apart() {
    let release = |length: usize| "a".repeat(length);
    let cases = [
        (release(1), json!({})),
        (release(38), json!({})),
        (release(53), json!({})),
        // Cut where no name may end.
        (release(52), json!({ "nameOverride": "x" })),
        (format!("{}.b", "a".repeat(51)), json!({})),
        ("x".to_owned(), json!({ "fullnameOverride": "a".repeat(63) })),
        ("x".to_owned(), json!({ "fullnameOverride": format!("{}-{}", "a".repeat(53), "b".repeat(9)) })),
        ("x".to_owned(), json!({ "nameOverride": "a".repeat(63) })),
    ];
    for (release, more) in cases {
        let objects = everything(&release, "milvus-refresh-system", &more);
        let crd = |object: &&Value| object["kind"] != "CustomResourceDefinition";
        for object in objects.iter().filter(crd) {
            let name = object["metadata"]["name"].as_str().unwrap();
            assert!(fits(name), "{release}, {more}: {} {name}", object["kind"]);
            assert!(object["kind"] != "Service" || !name.contains('.'), "{name}");
        }
        assert_eq!(objects.iter().map(identity).collect::<BTreeSet<_>>().len(), objects.len(), "{release}, {more}");
    }
}

#[test]
fn no_two_objects_are_one() {
    for (name, _, objects) in &*RENDERED {
        assert_eq!(objects.iter().map(identity).collect::<BTreeSet<_>>().len(), objects.len(), "{name}");
    }
}

#[test]
fn a_release_or_a_namespace_that_yaml_takes_for_a_number_stays_a_name() {
    for (release, namespace) in [("1e3", "007"), ("123", "9505540")] {
        let objects = everything(release, namespace, &json!({ "fullnameOverride": release }));
        for object in &objects {
            let metadata = &object["metadata"];
            let labels = metadata["labels"].as_object().unwrap();
            assert!(metadata["name"].is_string() && labels.values().all(Value::is_string), "{metadata}");
            assert!(metadata["namespace"].is_null() || metadata["namespace"] == namespace, "{metadata}");
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!((&subject["namespace"], &subject["name"]), (&json!(namespace), &json!(release)));
            }
        }
    }
}
