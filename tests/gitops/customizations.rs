//! The files for Argo CD: the ConfigMap that users install has the scripts that are sent upstream, and those are right about
//! the objects beside them, which the real operator wrote.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    album::{Picture, REFRESH},
    engines::{ArgoCd, Flux, judge},
    table::writes,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gitops/argocd");
const GROUP: &str = "milvus-refresh.dev";
const ACTIONS: [&str; 3] = ["refresh", "suspend", "resume"];
/// The states that upstream gets.
const KEPT: [(&str, &str); 10] = [
    ("no operator has seen it yet", "unseen"),
    ("a job runs", "running"),
    ("a job runs, suspended", "running-suspended"),
    ("completed", "completed"),
    ("failed for good", "failed"),
    ("suspended before its first run", "suspended"),
    ("suspended after a failed run", "failed-suspended"),
    ("idle until its schedule or somebody asks", "idle"),
    ("completed, and a run was requested by annotation", "requested"),
    ("too much of its source is gone: held", "held"),
];
/// What an action makes of a kept object.
const ACTED: [(&str, &str, &str); 2] =
    [("suspend", "completed", "completed-then-suspended"), ("resume", "suspended", "suspended-then-resumed")];
const KEPT_CONNECTIONS: [(&str, &str); 4] = [
    ("no operator has seen it yet", "unseen"),
    ("connected", "connected"),
    ("Milvus cannot be reached", "unreachable"),
    ("Milvus refuses the login", "refused"),
];

fn folder(kind: &str) -> PathBuf {
    Path::new(ROOT).join("resource_customizations").join(GROUP).join(kind)
}

fn script(kind: &str, path: &str) -> String {
    fs::read_to_string(folder(kind).join(path)).unwrap_or_else(|error| panic!("{kind}/{path}: {error}"))
}

/// These lines with a margin.
fn indented(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect()
}

fn config_map() -> String {
    let health = |kind: &str| {
        let script = indented(&script(kind, "health.lua"), 4);
        format!("  resource.customizations.health.{GROUP}_{kind}: |\n{script}")
    };
    let action = |name: &str| {
        let script = indented(&script(REFRESH, &format!("actions/{name}/action.lua")), 8);
        format!("    - name: {name}\n      action.lua: |\n{script}")
    };
    let discovery = indented(&script(REFRESH, "actions/discovery.lua"), 6);
    let actions: String = ACTIONS.map(action).concat();
    format!(
        "# Written by a test from resource_customizations; see docs/gitops.md.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\ndata:\n{}{}\
         \x20 resource.customizations.actions.{GROUP}_{REFRESH}: |\n    discovery.lua: |\n{discovery}    definitions:\n{actions}",
        health(REFRESH),
        health("MilvusConnection"),
    )
}

#[test]
fn the_config_map_has_the_scripts_that_are_sent_upstream() {
    let path = format!("{ROOT}/argocd-cm.yaml");
    let text = config_map();
    if writes() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == text, "{path} differs; WRITE_GITOPS=1 writes it");
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthTests {
    tests: Vec<HealthTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthTest {
    health_status: HealthStatus,
    input_path: String,
}

#[derive(Deserialize)]
struct HealthStatus {
    status: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActionTests {
    discovery_tests: Vec<DiscoveryTest>,
    action_tests: Vec<ActionTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiscoveryTest {
    input_path: String,
    result: Vec<Offer>,
}

#[derive(Deserialize)]
struct Offer {
    name: String,
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActionTest {
    action: String,
    input_path: String,
    expected_output_path: String,
}

fn yaml<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_tests_that_are_sent_upstream_pass() {
    for kind in [REFRESH, "MilvusConnection"] {
        let folder = folder(kind);
        let tests = yaml::<HealthTests>(&folder.join("health_test.yaml")).tests;
        let objects: Vec<Value> = tests.iter().map(|test| yaml(&folder.join(&test.input_path))).collect();
        for (test, (_, argo_cd)) in tests.iter().zip(judge(&objects)) {
            let HealthStatus { status, message } = &test.health_status;
            assert_eq!((&argo_cd.status, &argo_cd.message), (status, message), "{kind}/{}", test.input_path);
        }
    }
    let folder = folder(REFRESH).join("actions");
    let ActionTests { discovery_tests, action_tests } = yaml(&folder.join("action_test.yaml"));
    for DiscoveryTest { input_path, result } in discovery_tests {
        let (_, argo_cd) = judge(&[yaml(&folder.join(&input_path))]).remove(0);
        for Offer { name, disabled } in result {
            assert_eq!(argo_cd.actions[&name].disabled, disabled, "{input_path}: {name}");
        }
    }
    for ActionTest { action, input_path, expected_output_path } in action_tests {
        let mut object: Value = yaml(&folder.join(&input_path));
        let (_, argo_cd) = judge(std::slice::from_ref(&object)).remove(0);
        merge(&mut object, &argo_cd.actions[&action].patch);
        assert_eq!(object, yaml::<Value>(&folder.join(&expected_output_path)), "{action} on {input_path}");
    }
}

/// Applies a merge patch.
fn merge(object: &mut Value, patch: &Value) {
    for (key, change) in patch.as_object().unwrap() {
        match change {
            Value::Object(_) if object[key].is_object() => merge(&mut object[key], change),
            _ => object[key] = change.clone(),
        }
    }
}

/// Writes the objects that upstream gets, with what Argo CD makes of them.
pub fn keep(judged: &[(Picture, (Flux, ArgoCd))]) {
    for (kind, kept) in [(REFRESH, &KEPT[..]), ("MilvusConnection", &KEPT_CONNECTIONS[..])] {
        let folder = folder(kind);
        fs::create_dir_all(folder.join("testdata")).unwrap();
        let tests: Vec<Value> = kept.iter().map(|(state, file)| keep_one(judged, kind, state, file)).collect();
        let text = serde_saphyr::to_string(&json!({ "tests": tests })).unwrap();
        fs::write(folder.join("health_test.yaml"), text).unwrap();
    }
}

fn keep_one(judged: &[(Picture, (Flux, ArgoCd))], kind: &str, state: &str, file: &str) -> Value {
    let (picture, (_, argo_cd)) = judged
        .iter()
        .find(|(picture, _)| picture.kind() == kind && picture.state == state)
        .unwrap_or_else(|| panic!("there is no picture of {state}"));
    let mut object = picture.object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["managedFields", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.remove(field);
    }
    metadata.insert("namespace".to_owned(), json!("shop"));
    if let Some(operator) = object.pointer_mut("/status/run/operator") {
        *operator = json!("milvus-refresh-operator-0");
    }
    let path = format!("testdata/{file}.yaml");
    fs::write(folder(kind).join(&path), serde_saphyr::to_string(&object).unwrap()).unwrap();
    for (action, of, output) in ACTED.iter().filter(|(_, of, _)| kind == REFRESH && *of == file) {
        let mut acted = object.clone();
        merge(&mut acted, &argo_cd.actions[*action].patch);
        fs::write(folder(kind).join(format!("testdata/{output}.yaml")), serde_saphyr::to_string(&acted).unwrap())
            .unwrap();
        println!("{action} makes {output} of {of}");
    }
    json!({ "healthStatus": { "status": argo_cd.status, "message": argo_cd.message }, "inputPath": path })
}
