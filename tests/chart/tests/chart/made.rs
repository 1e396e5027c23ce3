//! What is made from something else is what would be made now.

use std::fs;

use chart::{CHART, REPOSITORY, docs, manifests};
use serde_json::{Value, json};

use crate::{HELMS, render, value_in};

#[test]
fn the_readme_has_the_table_of_the_values() {
    let readme = fs::read_to_string(docs::README).unwrap();
    assert!(readme == docs::readme().unwrap(), "the chart's README is not up to date: run `make chart-docs`");
}

#[test]
fn the_manifests_are_those_of_the_chart() {
    for manifest in manifests::all(&HELMS[0]).unwrap() {
        let stored = fs::read_to_string(format!("{REPOSITORY}/{}", manifest.path)).unwrap();
        assert!(stored == manifest.text, "{} is not up to date: run `make dist`", manifest.path);
    }
}

#[test]
fn all_that_is_installed_without_helm_says_whose_it_is() {
    for manifest in manifests::all(&HELMS[0]).unwrap() {
        for object in manifests::objects(&manifest.text).unwrap() {
            assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], "milvus-refresh-operator", "{object}");
        }
    }
}

#[test]
fn the_chart_has_the_crds_of_the_code() {
    let files = |folder: &str| -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let ours = files(&format!("{REPOSITORY}/crds"));
    assert!(!ours.is_empty());
    assert!(ours == files(&format!("{CHART}/files/crds")), "the chart's CRDs are not those of crds/: run `make crds`");
}

#[test]
fn the_crds_pass_the_templates_unchanged_and_stay_after_an_uninstall() {
    let rendered = render(&Value::Null);
    let rendered: Vec<&Value> = crate::of_kind(&rendered, "CustomResourceDefinition");
    let ours: Vec<Value> = manifests::crds().unwrap().iter().flat_map(|crd| manifests::objects(crd).unwrap()).collect();
    assert_eq!(rendered.len(), ours.len());
    for (rendered, ours) in rendered.iter().zip(&ours) {
        assert_eq!(rendered["metadata"]["name"], ours["metadata"]["name"]);
        assert!(rendered["spec"] == whole(&ours["spec"]), "{} is changed", ours["metadata"]["name"]);
        assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

/// Helm writes 100.0, which is what schemars makes of a bound, as 100.
fn whole(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(whole).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), whole(value))).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 => json!(float as i64),
            _ => value.clone(),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn the_chart_has_the_version_of_the_operator() {
    let ours = value_in("Cargo.toml", "version");
    let chart = |key| value_in("charts/milvus-refresh-operator/Chart.yaml", key);
    assert_eq!((chart("version"), chart("appVersion")), (ours.clone(), ours));
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    for helm in &*HELMS {
        for (name, values) in crate::switches::all() {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), values.to_string()).unwrap();
            let linted = helm.run(&["lint", CHART, "--strict", "--values", file.path().to_str().unwrap()]).unwrap();
            assert!(linted.status.success(), "{name}: {linted:?}");
        }
    }
}
