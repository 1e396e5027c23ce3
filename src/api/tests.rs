//! The CRDs as files and as schemas; no API server is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::{ExternalCollectionRefresh, GROUP, MilvusConnection, RefreshSpec, VERSION, crds, crds_yaml};
use crate::{
    milvus::scrub::CREDENTIAL_KEYS,
    refresh::source::{MAX_SOURCE, spec::MAX_SPEC},
};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The YAML files of a folder and of those in it.
fn yaml_files(name: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder(name)]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn crd(kind: &str) -> CustomResourceDefinition {
    crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap()
}

/// The only version of a CRD, as JSON.
fn version(kind: &str) -> Value {
    let versions = crd(kind).spec.versions;
    assert_eq!(versions.len(), 1);
    serde_json::to_value(&versions[0]).unwrap()
}

fn schema(kind: &str) -> Value {
    version(kind)["schema"]["openAPIV3Schema"].take()
}

const KINDS: [&str; 2] = ["ExternalCollectionRefresh", "MilvusConnection"];

/// Calls `look` for every property below `schema`, with its path. The inside of conditions is left out: it is Kubernetes'.
fn each_property(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, property);
        if name != "conditions" {
            each_property(property, &path, look);
            each_property(&property["items"], &path, look);
        }
    }
}

#[test]
fn the_files_are_what_the_code_generates() {
    let mut expected = Vec::new();
    for crd in crds() {
        let path = folder("crds").join(format!("{}.yaml", crd.spec.names.plural));
        let generated = format!("---\n{}", serde_saphyr::to_string(&crd).unwrap());
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(file == generated, "{} is not what the code generates; run `make crds`", path.display());
        expected.push(path);
    }
    expected.sort();
    assert_eq!(yaml_files("crds"), expected, "a file a CRD and nothing else");
}

#[test]
fn the_printed_crds_are_the_files_one_after_the_other() {
    let files = crds().into_iter().map(|crd| folder("crds").join(format!("{}.yaml", crd.spec.names.plural)));
    let files: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(crds_yaml().unwrap() == files, "run `make crds`");
}

#[test]
fn every_field_is_documented() {
    for kind in KINDS {
        let mut fields = 0;
        each_property(&schema(kind), kind, &mut |path, property| {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10, "{path} has no description: {property}");
            fields += 1;
        });
        assert!(fields > 8, "{kind}: only {fields} fields were looked at");
        assert!(schema(kind)["description"].as_str().is_some_and(|text| text.ends_with('.')), "{kind}");
    }
}

#[test]
fn every_string_of_a_spec_is_bounded() {
    for kind in KINDS {
        let mut strings = 0;
        each_property(&schema(kind)["properties"]["spec"], "spec", &mut |path, property| {
            let list = property["type"] == "array";
            assert!(!list || property["maxItems"].as_u64().is_some_and(|most| most <= 64), "{kind}: {path} has no end");
            let property = if list { &property["items"] } else { property };
            if property["type"] == "string" && property.get("enum").is_none() {
                let longest =
                    property["maxLength"].as_u64().unwrap_or_else(|| panic!("{kind}: {path} has no maxLength"));
                let most = match path {
                    "spec.externalSource" => MAX_SOURCE,
                    "spec.externalSpec" => MAX_SPEC,
                    "spec.verify.queries.filter" => 1024,
                    _ => 512,
                };
                assert!(longest <= most as u64, "{kind}: {path} may be {longest} long");
                assert_eq!(property["minLength"], 1, "{kind}: {path} may be empty");
                strings += 1;
            }
        });
        assert!(strings >= 2, "{kind}: only {strings} strings were looked at");
    }
}

#[test]
fn the_rule_for_plain_specs_knows_every_credential_key() {
    let spec = &schema("ExternalCollectionRefresh")["properties"]["spec"]["properties"]["externalSpec"];
    let rule = spec["x-kubernetes-validations"][0]["rule"].as_str().unwrap();
    let keys: BTreeSet<&str> = rule.split(['(', ')']).find(|part| part.contains('|')).unwrap().split('|').collect();
    assert_eq!(keys, BTreeSet::from(CREDENTIAL_KEYS));
}

#[test]
fn every_rule_says_what_to_write_instead() {
    for kind in KINDS {
        let mut rules = 0;
        each_property(&schema(kind)["properties"]["spec"], "spec", &mut |path, property| {
            for rule in property["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(rule["message"].as_str().is_some_and(|text| text.len() > 20), "{kind}: {path}: {rule}");
                rules += 1;
            }
        });
        assert!(rules >= 2, "{kind}: only {rules} rules were looked at");
    }
}

#[test]
fn what_names_the_work_of_a_refresh_is_immutable() {
    let spec = &schema("ExternalCollectionRefresh")["properties"]["spec"]["properties"];
    for field in ["connectionRef", "databaseName", "collectionName"] {
        let rules = spec[field]["x-kubernetes-validations"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["rule"] == "self == oldSelf"), "{field}");
    }
}

#[test]
fn an_object_that_nobody_has_seen_says_so() {
    for kind in KINDS {
        assert_eq!(schema(kind)["properties"]["status"]["default"], json!({ "observedGeneration": -1 }), "{kind}");
    }
}

#[test]
fn no_value_of_a_status_makes_a_write_fail() {
    for kind in KINDS {
        each_property(&schema(kind)["properties"]["status"], "status", &mut |path, property| {
            assert!(property.get("enum").is_none(), "{kind}: {path} refuses what a later version may write");
            assert!(property.get("pattern").is_none() && property.get("maxLength").is_none(), "{kind}: {path}");
        });
    }
    let status = &schema("ExternalCollectionRefresh")["properties"]["status"]["properties"];
    assert_eq!(status["jobID"]["type"], "string", "ids exceed what JSON numbers hold");
    assert_eq!(status["progress"]["maximum"], 100.0);
}

#[test]
fn conditions_are_merged_by_their_type() {
    for kind in KINDS {
        let conditions = &schema(kind)["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map", "{kind}");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]), "{kind}");
    }
}

#[test]
fn the_kinds_have_their_names() {
    let table = [
        ("ExternalCollectionRefresh", "externalcollectionrefreshes", "ecrefresh"),
        ("MilvusConnection", "milvusconnections", "milvusconn"),
    ];
    assert_eq!(crds().len(), table.len());
    for (kind, plural, short) in table {
        let crd = crd(kind);
        assert_eq!(crd.metadata.name.as_deref(), Some(format!("{plural}.{GROUP}").as_str()));
        assert_eq!((crd.spec.group.as_str(), crd.spec.scope.as_str()), (GROUP, "Namespaced"));
        assert_eq!(crd.spec.names.plural, plural);
        assert_eq!(crd.spec.names.short_names, Some(vec![short.to_owned()]));
        assert_eq!(crd.spec.names.categories, Some(vec!["milvus".to_owned()]));
        assert_eq!(version(kind)["name"], VERSION);
        assert_eq!(version(kind)["subresources"], json!({ "status": {} }));
    }
}

#[test]
fn refreshes_can_be_selected_by_what_they_refresh_and_where_they_stand() {
    let paths = [".spec.collectionName", ".spec.databaseName", ".spec.connectionRef.name", ".status.state"];
    let expected: Vec<Value> = paths.iter().map(|path| json!({ "jsonPath": path })).collect();
    assert_eq!(version("ExternalCollectionRefresh")["selectableFields"], json!(expected));
}

/// Names of the printer columns: those that are always shown, then those of `-o wide`.
fn columns(kind: &str) -> (Vec<String>, Vec<String>) {
    let columns = version(kind)["additionalPrinterColumns"].take();
    let (wide, narrow): (Vec<&Value>, Vec<&Value>) =
        columns.as_array().unwrap().iter().partition(|column| column["priority"].as_i64().unwrap_or_default() > 0);
    let names = |columns: Vec<&Value>| columns.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
    (names(narrow), names(wide))
}

#[test]
fn the_table_shows_what_people_look_for() {
    let (narrow, wide) = columns("ExternalCollectionRefresh");
    assert_eq!(narrow, ["Collection", "State", "Progress", "Reason", "Age"]);
    assert_eq!(
        wide,
        ["Suspend", "Job", "Trigger", "Cause", "Next", "Rows", "Verified", "Fresh", "Attempt", "Completed", "Message"]
    );
    let (narrow, wide) = columns("MilvusConnection");
    assert_eq!(narrow, ["Endpoint", "Version", "Ready", "Reason", "Age"]);
    assert_eq!(wide, ["Message"]);
}

/// Whether a JSONPath such as `.status.run.attempt` or `.status.conditions[?(…)].reason` leads to a field of `schema`.
fn leads_somewhere(schema: &Value, path: &str) -> bool {
    let (plain, filtered) = path.split_once('[').unwrap_or((path, ""));
    let walk = |from: &Value, path: &str| {
        path.split('.')
            .filter(|step| !step.is_empty())
            .try_fold(from.clone(), |at, step| at["properties"].get(step).cloned())
    };
    match walk(schema, plain) {
        Some(list) if !filtered.is_empty() => {
            let inside = filtered.rsplit_once(']').map(|(_, inside)| inside).unwrap_or_default();
            !inside.is_empty() && walk(&list["items"], inside).is_some()
        }
        found => found.is_some(),
    }
}

#[test]
fn every_column_and_selectable_field_exists() {
    for kind in KINDS {
        let (version, schema) = (version(kind), schema(kind));
        let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
        let selectable = version["selectableFields"].as_array().into_iter().flatten();
        for path in columns.chain(selectable).map(|entry| entry["jsonPath"].as_str().unwrap()) {
            let exists = path.starts_with(".metadata.") || leads_somewhere(&schema, path);
            assert!(exists, "{kind}: nothing is at {path}");
        }
        assert!(!leads_somewhere(&schema, ".spec.nothing"), "the check itself must be able to fail");
    }
}

#[test]
fn the_smallest_refresh_needs_only_a_collection() {
    let spec: RefreshSpec = serde_json::from_value(json!({ "collectionName": "products" })).unwrap();
    let expected = json!({
        "connectionRef": { "kind": "MilvusConnection", "name": "default" },
        "databaseName": "default",
        "collectionName": "products",
        "activeJobPolicy": "Wait",
        "runOnCreation": true,
        "suspend": false,
        "activeDeadlineSeconds": 4500,
        "backoffLimit": 3,
    });
    assert_eq!(serde_json::to_value(spec).unwrap(), expected);
    let required = &schema("ExternalCollectionRefresh")["properties"]["spec"]["required"];
    assert_eq!(*required, json!(["collectionName"]));
}

#[test]
fn the_defaults_in_the_schema_are_those_of_the_code() {
    let spec = &schema("ExternalCollectionRefresh")["properties"]["spec"]["properties"];
    assert_eq!(spec["databaseName"]["default"], "default");
    assert_eq!(spec["activeJobPolicy"]["default"], "Wait");
    assert_eq!(spec["suspend"]["default"], false);
    assert_eq!(spec["runOnCreation"]["default"], true);
    assert_eq!(spec["schedule"]["properties"]["timeZone"]["default"], "Etc/UTC");
    assert_eq!(spec["schedule"]["properties"]["jitterSeconds"]["default"], 0);
    assert_eq!(spec["activeDeadlineSeconds"]["default"], 4500);
    assert_eq!(spec["backoffLimit"]["default"], 3);
    assert_eq!(spec["connectionRef"]["default"], json!({ "kind": "MilvusConnection", "name": "default" }));
    assert_eq!(spec["connectionRef"]["properties"]["name"]["default"], "default");
    assert_eq!(spec["connectionRef"]["properties"]["kind"]["default"], "MilvusConnection");
}

#[test]
fn every_example_is_an_object_of_its_kind() {
    let mut read = BTreeSet::new();
    for path in yaml_files("examples") {
        let text = fs::read_to_string(&path).unwrap();
        for document in text.split("\n---\n").filter(|document| document.lines().any(|line| !line.starts_with('#'))) {
            let value: Value = serde_saphyr::from_str(document).unwrap();
            let file = path.display();
            let api_version = value["apiVersion"].as_str().unwrap_or_default();
            if !api_version.starts_with(GROUP) {
                continue;
            }
            assert_eq!(api_version, format!("{GROUP}/{VERSION}"), "{file}");
            read.insert(path.parent().unwrap().to_owned());
            let reread = match value["kind"].as_str() {
                Some("ExternalCollectionRefresh") => {
                    serde_saphyr::from_str::<ExternalCollectionRefresh>(document).map(|object| json!(object))
                }
                Some("MilvusConnection") => serde_saphyr::from_str::<MilvusConnection>(document).map(|o| json!(o)),
                kind => panic!("{file}: there is no kind {kind:?}"),
            };
            let reread = reread.unwrap_or_else(|error| panic!("{file}: {error}"));
            for field in value["spec"].as_object().into_iter().flatten().map(|(field, _)| field) {
                assert!(reread["spec"].get(field).is_some(), "{file}: spec.{field} is not a field");
            }
        }
    }
    assert!([folder("examples"), folder("examples/watch")].iter().all(|folder| read.contains(folder)), "{read:?}");
}

/// To YAML, `4f2c9d1` is a text, `9505540` and `12e4567` are numbers, which the API server refuses.
#[test]
fn every_trigger_that_people_can_copy_is_quoted() {
    let mut files = yaml_files("examples");
    files.extend(fs::read_dir(folder("docs")).unwrap().map(|entry| entry.unwrap().path()));
    files.extend(["README.md", "charts/milvus-refresh-operator/templates/NOTES.txt"].map(folder));
    let mut found = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        for value in text.lines().filter_map(|line| line.trim_start().strip_prefix("trigger:")) {
            // Flux writes it, the tag of an image whose policy has it begin with a word.
            let by_flux = value.starts_with(" export-") && value.contains("$imagepolicy");
            assert!(by_flux || value.trim_start().starts_with('"'), "{}: trigger:{value}", file.display());
            found += 1;
        }
    }
    assert!(found > 0, "the guide shows a trigger");
}
