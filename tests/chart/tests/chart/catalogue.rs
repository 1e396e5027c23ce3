//! What Artifact Hub shows of the chart: its annotations say what the chart, the CRDs and Cargo.toml say.

use std::{collections::BTreeSet, fs, sync::LazyLock};

use chart::{CHART, Helm, REPOSITORY, manifests};
use controlplane::ControlPlane;
use serde_json::Value;

use crate::value_in;

static CHART_YAML: LazyLock<Value> =
    LazyLock::new(|| serde_saphyr::from_str(&fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap()).unwrap());

fn annotation(name: &str) -> &'static str {
    let annotations = &CHART_YAML["annotations"];
    annotations[format!("artifacthub.io/{name}")]
        .as_str()
        .unwrap_or_else(|| panic!("there is no artifacthub.io/{name}"))
}

/// An annotation that is YAML itself.
fn list(name: &str) -> Vec<Value> {
    serde_saphyr::from_str(annotation(name)).unwrap()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{object} has no {field}"))
}

#[test]
fn the_catalogue_lists_exactly_the_crds_that_are_installed() {
    let crds: Vec<Value> =
        manifests::crds().unwrap().iter().flat_map(|text| manifests::objects(text).unwrap()).collect();
    let installed: BTreeSet<[String; 3]> = crds
        .iter()
        .flat_map(|crd| {
            let (name, spec) = (text(&crd["metadata"], "name"), &crd["spec"]);
            let kind = text(&spec["names"], "kind");
            let versions = spec["versions"].as_array().unwrap();
            versions.iter().map(move |version| [kind, text(version, "name"), name].map(str::to_owned))
        })
        .collect();
    let shown = list("crds");
    let listed: BTreeSet<[String; 3]> =
        shown.iter().map(|crd| ["kind", "version", "name"].map(|field| text(crd, field).to_owned())).collect();
    assert_eq!(listed, installed);
    for crd in &shown {
        assert!(!text(crd, "displayName").is_empty() && !text(crd, "description").is_empty());
    }
}

#[test]
fn a_real_api_server_takes_the_examples_of_the_catalogue() {
    let control_plane = ControlPlane::start().unwrap();
    let crds = format!("{REPOSITORY}/crds");
    control_plane.kubectl_ok(&["apply", "--server-side", "-f", &crds]).unwrap();
    control_plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).unwrap();
    let examples = list("crdsExamples");
    let kinds: BTreeSet<&str> = examples.iter().map(|example| text(example, "kind")).collect();
    let shown = list("crds");
    assert_eq!(kinds, shown.iter().map(|crd| text(crd, "kind")).collect(), "an example of each kind");
    for example in examples {
        let done = control_plane.kubectl_stdin(&["create", "-f", "-"], &example.to_string()).unwrap();
        assert!(done.status.success(), "{example}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn image_license_and_changes_are_those_of_this_version() {
    let version = value_in("Cargo.toml", "version");
    let objects = manifests::objects(&Helm::three().unwrap().template(&serde_json::json!({})).unwrap()).unwrap();
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let run: BTreeSet<&str> = containers.iter().map(|container| text(container, "image")).collect();
    let images = list("images");
    assert_eq!(images.iter().map(|image| text(image, "image")).collect::<BTreeSet<_>>(), run);
    assert!(run.iter().all(|image| image.ends_with(&format!(":{version}"))), "{run:?}");
    assert_eq!(annotation("license"), value_in("Cargo.toml", "license"));
    let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    for change in list("changes") {
        assert!(kinds.contains(&text(&change, "kind")) && !text(&change, "description").is_empty(), "{change}");
    }
    for link in list("links") {
        assert!(text(&link, "url").starts_with("https://") && !text(&link, "name").is_empty(), "{link}");
    }
    assert_eq!(annotation("operator"), "true");
}
